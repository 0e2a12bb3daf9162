"""One process that has all the config's connections, and records them until it is stopped."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import structlog
from msgspec import Struct, structs

from ingest import venues
from ingest.config.schema import Config
from ingest.errors import IngestError
from ingest.feed.connection import FeedConnection
from ingest.feed.counters import merge
from ingest.feed.status import FeedStatus
from ingest.instruments import InstrumentSource
from ingest.instruments.cache import ListingCache
from ingest.limits import Broker, local_gate
from ingest.plan import ConnectionPlan, WorkerPlan, make_plan
from ingest.record.nowhere import NoCodec, NoSink
from ingest.record.tap import RecordingNetwork
from ingest.recordings.writer import RecordingFiles
from ingest.rest import RestClient
from ingest.supervisor.listings import select, selecting_feeds
from ingest.venues.base import Instrument
from wscore import AsyncSession, CurlError
from wscore.provider import ensure_loaded

_log = structlog.get_logger(__name__)

_CLOSE_SHARE = 0.6  # of the grace period: for the venues' CLOSE; the rest is the disk's
_MAX_CLIENTS = 1_000_000  # how many connections there are is the plan's to say
_LISTINGS = "instruments"  # in the place of a connection's name


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
    passed_over: dict[str, int]  # of data and control, what has no event by design
    bytes: int  # on disk
    files: list[str]


class Recorder:
    """Runs the feeds of a config, each connection with files of its own."""

    def __init__(self, config: Config, files: RecordingFiles) -> None:
        self._config = config
        self._files = files
        self._stop = asyncio.Event()
        self._ended_by = ""
        self._sink = NoSink(files)
        self._session = AsyncSession(max_clients=_MAX_CLIENTS)
        reconnect = config.reconnect
        self._gate = local_gate(Broker(base_s=reconnect.base_s, cap_s=reconnect.cap_s))
        self._feeds: list[FeedConnection] = []
        self._topics = 0

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
            IngestError: the files cannot be written, or a selector cannot be resolved.
        """
        began_s = time.monotonic()
        writing = self._files.start()
        ends: dict[asyncio.Future[Any], str] = {
            asyncio.ensure_future(self._stop.wait()): "stop",
            asyncio.ensure_future(self._files.limit_reached.wait()): "limit",
        }
        try:
            planning = asyncio.ensure_future(self._plan())
            await asyncio.wait([planning, *ends, writing], return_when=asyncio.FIRST_COMPLETED)
            if planning.done():
                self._begin(planning.result())
            planning.cancel()
            await asyncio.wait([planning])
            feeds = [asyncio.create_task(feed.run()) for feed in self._feeds]
            ends[asyncio.ensure_future(asyncio.sleep(1e9 if for_s is None else for_s))] = "for"
            await asyncio.wait([*ends, writing, *feeds], return_when=asyncio.FIRST_COMPLETED)
            for end, reason in ends.items():
                if end.done():
                    self.stop(reason)
            before = [feed.status() for feed in self._feeds]
            await self._shut_down(feeds)
        finally:
            for end in ends:
                end.cancel()
            await self._session.close()
            await self._files.close()
        return self._summary(out, before, time.monotonic() - began_s)

    async def _plan(self) -> WorkerPlan:
        """Resolve the selectors, and plan.

        Raises:
            IngestError: as `select`.
        """
        feeds = selecting_feeds(self._config)
        selected: dict[str, list[Instrument]] = {}
        for venue in dict.fromkeys(feed.venue for feed in feeds):
            own = [feed for feed in feeds if feed.venue == venue]
            files = self._files.connection(venue, _LISTINGS)
            source = InstrumentSource(
                self._config,
                RecordingNetwork(self._session, files, _LISTINGS),
                self._gate,
                cache=ListingCache(self._config.data_dir),
            )
            selected |= await select(structs.replace(self._config, feeds=own), source)
        # One process, whatever the config says: recording costs a fraction of publishing.
        config = structs.replace(self._config, workers=1)
        plan = make_plan(config, cores=1, redis_url="", selected=selected)
        for note in plan.notes:
            _log.warning(f"plan: {note}")
        return plan.workers[0]

    def _begin(self, plan: WorkerPlan) -> None:
        self._topics = plan.topics
        self._feeds = [self._feed(connection, plan) for connection in plan.connections]
        _log.info("record: started", connections=len(plan.connections), topics=plan.topics)

    def _feed(self, connection: ConnectionPlan, plan: WorkerPlan) -> FeedConnection:
        venue = venues.get(connection.venue)
        files = self._files.connection(connection.venue, connection.name)
        network = RecordingNetwork(self._session, files, connection.name)
        rest = RestClient(
            venue,
            connection.rest_url,
            network,
            self._gate,
            proxy=connection.rest_leg.proxy,
            interface=connection.rest_leg.source_address,
            impersonate=connection.impersonate,
            verify=connection.ca_file or connection.verify,
        )
        return FeedConnection(
            # A recording is one connection after the other.
            structs.replace(connection, legs=connection.legs[:1]),
            plan,
            venue,
            self._sink,
            NoCodec(),
            network,
            self._gate,
            after_crash=False,
            fetch=rest.fetch if connection.rest_url else None,
            overlapping=False,
        )

    async def _shut_down(self, feeds: "list[asyncio.Task[None]]") -> None:
        if not feeds:
            return
        grace_s = self._config.shutdown.grace_s * _CLOSE_SHARE
        await asyncio.gather(*(feed.stop(grace_s) for feed in self._feeds))
        _, late = await asyncio.wait(feeds, timeout=grace_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for task in feeds:
            if task not in late:
                task.result()  # only ever an error, of ours

    def _summary(self, out: Path, before: list[FeedStatus], seconds: float) -> Recorded:
        counters = [feed.counters for feed in self._feeds]
        disconnects: dict[str, int] = {}
        errors: dict[str, int] = {}
        passed_over: dict[str, int] = {}
        for each in counters:
            merge(disconnects, each.disconnects)
            merge(errors, each.decode_errors)
            merge(passed_over, each.passed_over)
        return Recorded(
            out=str(out),
            ended_by=self._ended_by,
            seconds=round(seconds, 3),
            connects=sum(each.connects for each in counters),
            disconnects=disconnects,
            topics=self._topics,
            active=sum(status.active for status in before),
            messages=sum(each.frames for each in counters),
            data=sum(each.data for each in counters),
            control=sum(each.control for each in counters),
            unknown_topic=sum(each.unknown_topic for each in counters),
            decode_errors=errors,
            passed_over=passed_over,
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
        IngestError: there is no usable libcurl, *out* cannot be written, or a selector
            cannot be resolved.
    """
    try:
        ensure_loaded()
    except CurlError as exc:
        raise IngestError(str(exc)) from exc
    files = RecordingFiles(out, time.time_ns(), rotate_bytes=rotate_bytes, limit_bytes=limit_bytes)
    recorder = Recorder(config, files)
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if recorder.stopping:
            os._exit(1)  # the files are whole, but for what was not yet written
        _log.info("record: signal received", signal=number.name)
        recorder.stop(number.name)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return await recorder.run(out, for_s)
