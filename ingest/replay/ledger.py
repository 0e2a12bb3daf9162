"""What has happened so far: counters for the report, lines for the journal."""

import time
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus

from ingest.replay.client import Channel, Client
from ingest.replay.journal import Journal, JournalLine
from ingest.replay.report import Report, TopicReport

_ABNORMAL = 1006


class Ledger:
    """Counts everything, and writes it down too where there is a journal."""

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal
        self._connections = 0
        self._open = 0
        self._closes: Counter[int] = Counter()
        self._closed_by_server = 0
        self._too_slow = 0
        self._rest_answers = 0
        self._rest_missing = 0

    def next_number(self) -> int:
        """Return the number of a new connection, from 1."""
        self._connections += 1
        return self._connections

    def opened(self, client: Client, path: str) -> None:
        """A client has connected."""
        self._open += 1
        self.note(client, "open", path=path)

    def closed(self, client: Client, *, too_slow: bool) -> None:
        """A client's connection has ended; *too_slow*: we cut it off for that."""
        self._open -= 1
        protocol = client.peer.protocol
        ours = protocol.close_sent is not None and not protocol.close_rcvd_then_sent
        if too_slow or ours:
            self._too_slow += too_slow
            self._closed_by_server += 1
            self.note(client, "close")
            return
        received = protocol.close_rcvd
        code = _ABNORMAL if received is None else received.code
        self._closes[code] += 1
        self.note(client, "close", code=code)

    def answered(self, status: HTTPStatus) -> None:
        """A REST request has been answered."""
        if status is HTTPStatus.OK:
            self._rest_answers += 1
        else:
            self._rest_missing += 1

    def note(
        self,
        client: Client,
        event: str,
        *,
        topic: str = "",
        payload: bytes | None = None,
        path: str = "",
        code: int | None = None,
    ) -> None:
        """Write a line to the journal, if there is one."""
        if self._journal is None:
            return
        text = None if payload is None else payload.decode(errors="replace")
        self._journal.write(
            JournalLine(time.time_ns(), client.number, event, client.name, topic, text, path, code)
        )

    def flush(self) -> None:
        """Make the journal readable up to here."""
        if self._journal is not None:
            self._journal.flush()

    def report(
        self,
        channels: Mapping[str, Mapping[str, Channel]],
        *,
        finished: bool,
        all_topics: bool,
    ) -> Report:
        """Sum up; without *all_topics*, of those that were ever started only."""
        topics = {
            name: {
                topic: TopicReport(
                    sent=channel.sent,
                    deliveries=channel.deliveries,
                    missed=channel.missed,
                    remaining=channel.remaining,
                    subscribers=len(channel.listeners),
                )
                for topic, channel in of_venue.items()
                if all_topics or channel.started
            }
            for name, of_venue in channels.items()
        }
        every = [topic for of_venue in topics.values() for topic in of_venue.values()]
        return Report(
            finished=finished,
            topics=topics,
            sent=sum(topic.sent for topic in every),
            deliveries=sum(topic.deliveries for topic in every),
            connections=self._connections,
            open=self._open,
            closes={str(code): count for code, count in sorted(self._closes.items())},
            closed_by_server=self._closed_by_server,
            too_slow=self._too_slow,
            rest_answers=self._rest_answers,
            rest_missing=self._rest_missing,
        )
