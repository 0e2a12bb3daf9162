"""The worker's life: start everything, report, stop in order."""

import asyncio
import contextlib
import os
import signal
import sys
import time

import msgspec
import structlog

from ingest import codecs, venues
from ingest.feed.budget import RateBudget
from ingest.feed.connection import FeedConnection
from ingest.feed.status import WorkerStatus
from ingest.sinks.redis_streams import RedisStreamsSink
from ingest.sinks.settings import SinkSettings
from ingest.worker.start import WorkerStart
from wscore import AsyncSession

_log = structlog.get_logger(__name__)

_REPORT_EVERY_S = 0.5
_CLOSE_SHARE = 0.4  # of the grace period: for the venues' CLOSE; the rest is the sink's
_MARGIN_S = 0.5  # to be done before the supervisor's patience is


class WorkerService:
    """Owns one sink and the connections that feed it."""

    def __init__(self, start: WorkerStart) -> None:
        plan = start.plan
        self._plan = plan
        self._after_crash = start.restarts > 0
        self._sink = RedisStreamsSink(
            plan.redis.url or "",
            SinkSettings(maxlen=plan.redis.maxlen),
            client_name=f"ingest-{plan.worker}",
        )
        self._stop = asyncio.Event()
        self._stop_reason = ""
        codec = codecs.get(plan.redis.encoding)
        self._session = AsyncSession(max_clients=2 * len(plan.connections) + 1)
        budgets = {
            name: RateBudget(*venues.get(name).limits.connects, shares=start.sharers.get(name, 1))
            for name in {connection.venue for connection in plan.connections}
        }
        self._feeds = [
            FeedConnection(
                connection,
                plan,
                venues.get(connection.venue),
                self._sink,
                codec,
                self._session,
                budgets[connection.venue],
            )
            for connection in plan.connections
        ]

    async def run(self, reports_fd: int) -> int:
        """Work until told to stop; return the exit status."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._ask_to_stop, "SIGTERM")
        # Ctrl-C is the supervisor's to handle; it tells us when it is our turn.
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        loop.add_reader(sys.stdin.fileno(), self._on_stdin)
        reporter = asyncio.create_task(self._report(reports_fd))
        self._sink.start()
        feeds = [
            asyncio.create_task(feed.run(after_crash=self._after_crash)) for feed in self._feeds
        ]
        for task in feeds:
            task.add_done_callback(self._on_feed_done)
        _log.info("worker: started", pid=os.getpid(), connections=len(feeds))
        await self._stop.wait()
        await self._shut_down(feeds)
        reporter.cancel()
        await asyncio.wait([reporter])
        await self._last_words(reports_fd)
        failed = any(task.exception() is not None for task in feeds if not task.cancelled())
        # Entries that a dead Redis did not take are logged and counted; the stop was
        # graceful all the same.
        return 1 if failed else 0

    def _ask_to_stop(self, reason: str) -> None:
        if not self._stop.is_set():
            self._stop_reason = reason
            self._stop.set()

    def _on_stdin(self) -> None:
        # Nothing is sent after the first line, so readable means closed.
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        _log.error("worker: the supervisor is gone; stopping")
        self._ask_to_stop("supervisor gone")

    def _on_feed_done(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled() or task.exception() is None:
            return
        # Either the sink is broken, or we are: a fresh process is the honest answer
        # to both, and the supervisor's backoff keeps it from spinning.
        _log.critical("worker: a feed failed", exc_info=task.exception())
        self._ask_to_stop("feed failed")

    async def _shut_down(self, feeds: "list[asyncio.Task[None]]") -> None:
        """Close the connections, then publish what they brought."""
        grace_s = max(0.5, self._plan.shutdown.grace_s - _MARGIN_S)
        ends = time.monotonic() + grace_s
        _log.info("worker: stopping", reason=self._stop_reason, grace_s=grace_s)
        closing_s = grace_s * _CLOSE_SHARE
        await asyncio.gather(*(feed.stop(closing_s) for feed in self._feeds))
        _, late = await asyncio.wait(feeds, timeout=closing_s)
        for task in late:
            task.cancel()
        if late:
            _log.error("worker: feeds did not end in time", feeds=len(late))
            await asyncio.wait(late)
        await self._session.close()
        unpublished = await self._sink.close(max(0.1, ends - time.monotonic()))
        _log.info("worker: stopped", unpublished=unpublished)

    def _status(self, *, final: bool = False) -> bytes:
        status = WorkerStatus(
            worker=self._plan.worker,
            pid=os.getpid(),
            feeds=[feed.status() for feed in self._feeds],
            sink=self._sink.counters,
            final=final,
        )
        return msgspec.json.encode(status) + b"\n"

    async def _report(self, fd: int) -> None:
        """Tell the supervisor how things are; also the proof that this loop still turns."""
        transport = await _write_pipe(fd)
        try:
            while True:
                # A supervisor that does not read must not stop us, nor fill our memory.
                if transport.get_write_buffer_size() == 0:
                    transport.write(self._status())
                await asyncio.sleep(_REPORT_EVERY_S)
        finally:
            transport.abort()

    async def _last_words(self, fd: int) -> None:
        os.set_blocking(fd, True)
        with contextlib.suppress(BrokenPipeError):  # the supervisor died before us
            await asyncio.to_thread(os.write, fd, self._status(final=True))


async def _write_pipe(fd: int) -> asyncio.WriteTransport:
    transport, _ = await asyncio.get_running_loop().connect_write_pipe(
        asyncio.BaseProtocol, os.fdopen(os.dup(fd), "wb", buffering=0)
    )
    return transport
