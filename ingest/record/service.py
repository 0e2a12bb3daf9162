"""One process that has all the config's connections, and records them until it is stopped."""

import asyncio
import os
import signal
import time
from pathlib import Path

import structlog
from msgspec import Struct, structs

from ingest import venues
from ingest.config.schema import Config, Selector
from ingest.errors import IngestError
from ingest.feed.connection import FeedConnection
from ingest.feed.status import FeedStatus
from ingest.limits import Broker, Gate, local_gate
from ingest.plan import ConnectionPlan, WorkerPlan, make_plan
from ingest.record.nowhere import NoCodec, NoSink
from ingest.record.tap import RecordingConnector
from ingest.recordings.writer import RecordingFiles
from wscore import AsyncSession, CurlError
from wscore.provider import ensure_loaded

_log = structlog.get_logger(__name__)

_CLOSE_SHARE = 0.6  # of the grace period: for the venues' CLOSE; the rest is the disk's


class Recorded(Struct, kw_only=True):
    """What a recording holds; printed at its end."""

    out: str
    ended_by: str  # a signal, "for", "limit"
    seconds: float
    connects: int
    disconnects: dict[str, int]  # by reason, failed attempts included
    topics: int  # asked for
    active: int  # acknowledged, or sending
    messages: int
    # Of the messages, as the venue's adapter saw them.
    data: int
    control: int
    unknown_topic: int
    decode_errors: dict[str, int]
    bytes: int  # on disk
    files: list[str]


class Recorder:
    """Runs the feeds of *plan*, each connection with files of its own."""

    def __init__(self, plan: WorkerPlan, files: RecordingFiles) -> None:
        self._plan = plan
        self._files = files
        self._stop = asyncio.Event()
        self._ended_by = ""
        sink = NoSink(files)
        # Twice: a connection that is being closed still counts while its successor opens.
        self._session = AsyncSession(max_clients=2 * len(plan.connections))
        gate = local_gate(Broker())
        self._feeds = [self._feed(connection, sink, gate) for connection in plan.connections]

    def stop(self, reason: str) -> None:
        """End gracefully; the first reason is the one reported."""
        self._ended_by = self._ended_by or reason
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    async def run(self, out: Path, for_s: float | None) -> Recorded:
        """Record until `stop`, for *for_s*, or up to the files' limit.

        Raises:
            IngestError: the files cannot be written.
        """
        began_s = time.monotonic()
        writing = self._files.start()
        feeds = [asyncio.create_task(feed.run()) for feed in self._feeds]
        ends: dict[asyncio.Task[object], str] = {
            asyncio.ensure_future(self._stop.wait()): "stop",
            asyncio.ensure_future(self._files.limit_reached.wait()): "limit",
            asyncio.ensure_future(asyncio.sleep(1e9 if for_s is None else for_s)): "for",
        }
        done, _ = await asyncio.wait([*ends, writing, *feeds], return_when=asyncio.FIRST_COMPLETED)
        for end, reason in ends.items():
            if end in done:
                self.stop(reason)
            end.cancel()
        before = [feed.status() for feed in self._feeds]
        grace_s = self._plan.shutdown.grace_s * _CLOSE_SHARE
        await asyncio.gather(*(feed.stop(grace_s) for feed in self._feeds))
        _, late = await asyncio.wait(feeds, timeout=grace_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        await self._session.close()
        await self._files.close()
        for task in feeds:
            if task not in late:
                task.result()  # only ever an error, of ours
        return self._summary(out, before, time.monotonic() - began_s)

    def _feed(self, connection: ConnectionPlan, sink: NoSink, gate: Gate) -> FeedConnection:
        files = self._files.connection(connection.venue, connection.name)
        return FeedConnection(
            structs.replace(connection, legs=connection.legs[:1]),
            self._plan,
            venues.get(connection.venue),
            sink,
            NoCodec(),
            RecordingConnector(self._session, files, connection.name),
            gate,
            after_crash=False,
            # A recording is one connection after the other.
            overlapping=False,
        )

    def _summary(self, out: Path, before: list[FeedStatus], seconds: float) -> Recorded:
        counters = [feed.counters for feed in self._feeds]
        disconnects: dict[str, int] = {}
        errors: dict[str, int] = {}
        for each in counters:
            for reason, number in each.disconnects.items():
                disconnects[reason] = disconnects.get(reason, 0) + number
            for reason, number in each.decode_errors.items():
                errors[reason] = errors.get(reason, 0) + number
        return Recorded(
            out=str(out),
            ended_by=self._ended_by,
            seconds=round(seconds, 3),
            connects=sum(each.connects for each in counters),
            disconnects=disconnects,
            topics=self._plan.topics,
            active=sum(status.active for status in before),
            messages=sum(each.frames for each in counters),
            data=sum(each.data for each in counters),
            control=sum(each.control for each in counters),
            unknown_topic=sum(each.unknown_topic for each in counters),
            decode_errors=errors,
            bytes=self._files.written_bytes,
            files=[str(path) for path in self._files.paths],
        )


async def run_record(
    config: Config,
    out: Path,
    *,
    for_s: float | None,
    rotate_bytes: int,
    limit_bytes: int | None,
) -> Recorded:
    """Record all feeds of *config* into *out* until SIGTERM or SIGINT; a second one forces.

    Raises:
        IngestError: there is no usable libcurl, *out* cannot be written, or a feed
            selects its instruments by rule.
    """
    for feed in config.feeds:
        if isinstance(feed.instruments, Selector):
            raise IngestError(
                f"feed {feed.name} selects its instruments by rule; to record it, list them: "
                f"ingest instruments {feed.venue}"
            )
    try:
        ensure_loaded()
    except CurlError as exc:
        raise IngestError(str(exc)) from exc
    # One process, whatever the config says: recording costs a fraction of publishing.
    plan = make_plan(structs.replace(config, workers=1), cores=1, redis_url="").workers[0]
    files = RecordingFiles(out, time.time_ns(), rotate_bytes=rotate_bytes, limit_bytes=limit_bytes)
    recorder = Recorder(plan, files)
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if recorder.stopping:
            os._exit(1)  # the files are whole, but for what was not yet written
        _log.info("record: signal received", signal=number.name)
        recorder.stop(number.name)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    _log.info(
        "record: started", connections=len(plan.connections), topics=plan.topics, out=str(out)
    )
    return await recorder.run(out, for_s)
