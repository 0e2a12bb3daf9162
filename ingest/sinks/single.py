"""One server: every stream is there, and a batch goes out as one transaction."""

from collections.abc import Callable, Sequence
from typing import Any

from ingest.sinks.adopt import Server
from ingest.sinks.batch import Batch
from ingest.sinks.counters import SinkCounters
from ingest.sinks.link import Link
from ingest.sinks.replicas import Durable
from ingest.sinks.settings import SinkSettings
from ingest.sinks.transport import Question, Sent


class SingleTarget:
    """A server at an address that does not change."""

    def __init__(self, server: Server, settings: SinkSettings, counters: SinkCounters) -> None:
        self._server = server
        self._settings = settings
        self._counters = counters

    def __str__(self) -> str:
        return str(self._server)

    async def open(self, on_lost: Callable[[], None]) -> "Single":
        """Connect; see `Target.open`."""
        timeout_s = self._settings.reply_timeout_s
        link = await Link.open(self._server, reply_timeout_s=timeout_s, on_lost=on_lost)
        return Single(link, Durable(self._settings), self._counters)


class Single:
    """A `Transport` over one connection."""

    def __init__(self, link: Link, durable: Durable, counters: SinkCounters) -> None:
        self._link = link
        self._durable = durable
        self._counters = counters

    @property
    def lost(self) -> str | None:
        return self._link.lost

    async def store(self, batch: Batch) -> list[Sent]:
        data = batch.packed()
        entries = len(batch.entries)
        self._counters.written_entries += entries
        self._counters.written_bytes += len(data)
        return [Sent(batch, await self._durable.call(self._link, data, entries + 2))]

    async def ask(self, questions: Sequence[Question]) -> list[Any]:
        commands = b"".join(question.command for question in questions)
        return await self._link.call(commands, len(questions))

    async def locate(self, questions: Sequence[Question]) -> list[Any]:
        return await self.ask(questions)

    async def write(self, questions: Sequence[Question]) -> list[Any]:
        commands = b"".join(question.command for question in questions)
        return await self._durable.call(self._link, commands, len(questions))

    async def close(self) -> None:
        await self._link.close()
