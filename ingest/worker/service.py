"""The worker's life: start everything, report, stop in order."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable

import msgspec
import structlog
from msgspec import structs

from ingest import codecs, logging, venues
from ingest.feed.connection import FeedConnection
from ingest.feed.counters import FeedCounters
from ingest.feed.status import Totals, WorkerStatus
from ingest.limits import FromGate, Gate, Go
from ingest.plan import ConnectionPlan, WorkerPlan
from ingest.rest import RestClient
from ingest.sinks.redis_streams import RedisStreamsSink
from ingest.sinks.settings import SinkSettings
from ingest.spool import SpoolSettings
from ingest.venues.base import Venue
from ingest.worker.reports import ReportPipe
from ingest.worker.start import Change, FromSupervisor, Less, Level, More, WorkerStart
from wscore import AsyncSession

_log = structlog.get_logger(__name__)

_REPORT_EVERY_S = 0.5
# A loop that stands for so long is ended by the supervisor before; if there is none any
# more, by the kernel.
_ALARM_S = 60
_CLOSE_SHARE = 0.4  # of the grace period: for the venues' CLOSE; the rest is the sink's
_MARGIN_S = 0.5  # to be done before the supervisor's patience is
_LAST_WORDS_S = 0.2
_READ_BYTES = 65536
_MAX_CLIENTS = 1_000_000  # how many connections there are is the plan's to say

_decode: Callable[[bytes], FromSupervisor] = msgspec.json.Decoder(FromSupervisor).decode


def sink_settings(plan: WorkerPlan) -> SinkSettings:
    """Return what the plan says of the sink; the rest has its defaults."""
    redis = plan.redis
    settings = SinkSettings(maxlen=redis.maxlen, max_age_s=redis.max_age_s)
    if redis.wait is not None:
        settings = structs.replace(
            settings, wait_replicas=redis.wait.replicas, wait_timeout_s=redis.wait.timeout_s
        )
    if plan.spool is None:
        return settings
    spool = SpoolSettings(
        directory=plan.spool.directory,
        max_bytes=plan.spool.max_bytes,
        fsync_s=plan.spool.fsync_s,
    )
    return structs.replace(settings, spool=spool, max_spool_age_s=plan.spool.max_age_s)


class WorkerService:
    """Owns one sink and the connections that feed it."""

    def __init__(self, start: WorkerStart) -> None:
        plan = start.plan
        self._plan = plan
        self._restarts = start.restarts
        self._sink = RedisStreamsSink(
            plan.redis.url or "",
            sink_settings(plan),
            client_name=f"ingest-{plan.worker}",
        )
        self._stop = asyncio.Event()
        self._stop_reason = ""
        self._failed = False
        self._session = AsyncSession(max_clients=_MAX_CLIENTS)
        self._reports: ReportPipe | None = None
        self._unread = b""  # of the supervisor's lines, one that has not come to its end
        self._gate = Gate(self._ask_supervisor)
        self._rest_clients: dict[tuple[object, ...], RestClient] = {}  # by the way
        self._feeds = [
            self._feed(connection, after_crash=start.restarts > 0)
            for connection in plan.connections
        ]
        # By name, what begins when the connection of that name is over.
        self._successors: dict[str, ConnectionPlan] = {}
        self._ended = FeedCounters()
        self._running: dict[FeedConnection, asyncio.Task[None]] = {}

    async def run(self, reports_fd: int) -> int:
        """Work until told to stop; return the exit status."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._ask_to_stop, "SIGTERM")
        # Ctrl-C is the supervisor's to handle; it tells us when it is our turn.
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        loop.add_reader(sys.stdin.fileno(), self._on_stdin)
        reports = self._reports = await ReportPipe.open(reports_fd)
        reporter = asyncio.create_task(self._report(reports))
        self._sink.start()
        for feed in self._feeds:
            self._start(feed)
        _log.info(
            "worker: started",
            pid=os.getpid(),
            connections=len(self._feeds),
            topics=self._plan.topics,
            restarts=self._restarts,
        )
        await self._stop.wait()
        await self._shut_down(list(self._running.values()))
        reporter.cancel()
        await reports.close(self._encoded_status(final=True), _LAST_WORDS_S)
        # Entries that a dead Redis did not take are logged and counted; the stop was
        # graceful all the same.
        return 1 if self._failed else 0

    def _feed(self, connection: ConnectionPlan, *, after_crash: bool) -> FeedConnection:
        venue = venues.get(connection.venue)
        # By the way that the connection has now: it may have another one later.
        feed = FeedConnection(
            connection,
            self._plan,
            venue,
            self._sink,
            codecs.encoder(self._plan.redis.encoding),
            self._session,
            self._gate,
            after_crash=after_crash,
            fetch=(lambda asked: self._rest(feed.plan, venue).fetch(asked))
            if connection.rest_url
            else None,
        )
        return feed

    def _rest(self, connection: ConnectionPlan, venue: Venue) -> RestClient:
        """Return the client that all connections share which are reached alike."""
        leg, verify = connection.rest_leg, connection.ca_file or connection.verify
        way = (venue.name, connection.rest_url, leg, connection.impersonate, verify)
        client = self._rest_clients.get(way)
        if client is None:
            client = self._rest_clients[way] = RestClient(
                venue,
                connection.rest_url,
                self._session,
                self._gate,
                # A snapshot may be as large as the message that it stands for.
                max_body_bytes=self._plan.websocket.max_message_bytes,
                proxy=leg.proxy,
                interface=leg.source_address,
                impersonate=connection.impersonate,
                verify=verify,
            )
        return client

    def renew(self, connection: str, reason: str) -> bool:
        """Replace the sockets of a connection by new ones, without a loss; returns at once.

        False: this worker has no connection of that name.
        """
        for feed in self._feeds:
            if feed.name == connection:
                feed.renew(reason)
                return True
        return False

    def _start(self, feed: FeedConnection) -> None:
        self._running[feed] = task = asyncio.create_task(feed.run(), name=feed.name)
        task.add_done_callback(lambda task: self._on_feed_done(feed, task))

    def _on_more(self, connection: ConnectionPlan) -> None:
        """A venue has listed something new; while we stop that is for our successor."""
        if self._stop.is_set():
            return
        feed = self._feed(connection, after_crash=False)
        self._feeds.append(feed)
        self._start(feed)

    def _on_less(self, less: Less) -> None:
        """What a selector meant it means no longer."""
        if self._stop.is_set():
            return
        if (later := self._successors.get(less.connection)) is not None:
            rest = tuple(topic for topic in later.topics if topic not in less.topics)
            self._successors[later.name] = structs.replace(later, topics=rest)
            if not rest:
                del self._successors[later.name]
            return
        for feed in self._feeds:
            if feed.name == less.connection:
                feed.drop(less.topics, less.reason)

    def _on_change(self, connection: ConnectionPlan) -> None:
        """Beside the old one, if it is another way to the same place; else after it.

        Its successor writes into the same streams: through this sink, behind it.

        It begins when the old one is over: two of a kind are not allowed everywhere.
        """
        if self._stop.is_set():
            return
        name = connection.name
        waiting = name in self._successors
        self._successors[name] = connection
        if waiting:
            return
        for old in self._feeds:
            if old.name == name:
                if old.reroute(connection):
                    del self._successors[name]
                    return
                old.drop(connection.topics, "reloaded")
                self._running[old].add_done_callback(lambda _: self._succeed(name))
                return
        self._succeed(name)

    def _succeed(self, name: str) -> None:
        if (connection := self._successors.pop(name, None)) is not None:
            self._on_more(connection)

    def _ask_to_stop(self, reason: str) -> None:
        if not self._stop.is_set():
            self._stop_reason = reason
            self._stop.set()

    def _on_stdin(self) -> None:
        # The plan was read through a buffer; what follows is sent after our first
        # report, and so nothing of it can have been read with the plan.
        data = os.read(sys.stdin.fileno(), _READ_BYTES)
        if not data:
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            _log.error("worker: the supervisor is gone; stopping")
            self._ask_to_stop("supervisor gone")
            return
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            message = _decode(line)
            match message:
                case Go(number):
                    self._gate.go(number)
                case More(connection):
                    self._on_more(connection)
                case Less():
                    self._on_less(message)
                case Change(connection):
                    self._on_change(connection)
                case Level(level):
                    logging.set_level(level)

    def _ask_supervisor(self, message: FromGate) -> None:
        assert self._reports is not None  # feeds start after it
        self._reports.write(msgspec.json.encode(message))

    def _on_feed_done(self, feed: FeedConnection, task: "asyncio.Task[None]") -> None:
        if task.cancelled() or task.exception() is None:
            if not self._stop.is_set():  # it has nothing left
                self._feeds.remove(feed)
                del self._running[feed]
                self._ended.add(feed.counters)
            return
        _log.critical(
            "worker: a feed failed", connection=task.get_name(), exc_info=task.exception()
        )
        self._fail("feed failed")

    def _fail(self, reason: str) -> None:
        # Either the sink is broken, or we are: a fresh process is the honest answer
        # to both, and the supervisor's backoff keeps it from spinning.
        self._failed = True
        self._ask_to_stop(reason)

    async def _shut_down(self, feeds: "list[asyncio.Task[None]]") -> None:
        """Close the connections, then publish what they brought."""
        grace_s = self._plan.shutdown.grace_s
        # A margin for the interpreter's end, smaller where the whole grace is small.
        grace_s -= min(_MARGIN_S, grace_s / 4)
        began = time.monotonic()
        _log.info("worker: stopping", reason=self._stop_reason, grace_s=grace_s)
        closing_s = grace_s * _CLOSE_SHARE
        await asyncio.gather(*(feed.stop(closing_s) for feed in self._feeds))
        late: set[asyncio.Task[None]] = set()
        if feeds:  # all may have been given up
            _, late = await asyncio.wait(feeds, timeout=closing_s)
        for task in late:
            task.cancel()
        if late:
            _log.error("worker: feeds did not end in time", feeds=[t.get_name() for t in late])
            await asyncio.wait(late)
        await self._session.close()
        await self._sink.close(max(0.1, grace_s - (time.monotonic() - began)))
        totals = Totals()
        totals.add(self._status())
        _log.info(
            "worker: stopped",
            reason=self._stop_reason,
            took_s=round(time.monotonic() - began, 3),
            **structs.asdict(totals),
        )

    def _status(self, *, final: bool = False) -> WorkerStatus:
        return WorkerStatus(
            worker=self._plan.worker,
            pid=os.getpid(),
            feeds=[feed.status() for feed in self._feeds],
            sink=self._sink.counters,
            ended=self._ended,
            final=final,
            tasks=len(asyncio.all_tasks()),
            recovering=self._sink.recovering,
        )

    def _encoded_status(self, *, final: bool = False) -> bytes:
        return msgspec.json.encode(self._status(final=final))

    async def _report(self, reports: ReportPipe) -> None:
        """Tell the supervisor how things are; also the proof that this loop still turns."""
        try:
            while True:
                signal.alarm(_ALARM_S)
                reports.send(self._encoded_status())
                if self._sink.failed:  # it has said why
                    self._fail("sink failed")
                await asyncio.sleep(_REPORT_EVERY_S)
        finally:
            signal.alarm(0)
