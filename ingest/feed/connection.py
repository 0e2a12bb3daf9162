"""One connection of a feed, for as long as the worker lives: connect, read, reconnect."""

import asyncio
import time
from datetime import UTC, datetime

import structlog

from ingest.codecs import Codec
from ingest.feed.budget import RateBudget
from ingest.feed.counters import FeedCounters, count
from ingest.feed.publisher import FeedPublisher
from ingest.feed.retry import describe, disconnect_reason, retry_after_s
from ingest.feed.sample import SampledLog
from ingest.feed.session import FeedSession, HeartbeatLost, VenueLeaving
from ingest.feed.status import FeedState, FeedStatus
from ingest.plan import ConnectionPlan, WorkerPlan
from ingest.sinks.redis_streams import RedisStreamsSink
from ingest.venues.base import Venue
from wscore import (
    AsyncSession,
    AsyncWebSocket,
    AsyncWebSocketContext,
    Backoff,
    CurlError,
    WsCloseCode,
)

_log = structlog.get_logger(__name__)

_OPEN_TIMEOUT_S = 10.0  # for DNS, TCP, TLS and the upgrade together


class FeedConnection:
    """Runs until `stop`; whatever happens to the connection, it comes back."""

    def __init__(
        self,
        plan: ConnectionPlan,
        worker: WorkerPlan,
        venue: Venue,
        sink: RedisStreamsSink,
        codec: Codec,
        session: AsyncSession,
        connects: RateBudget,
    ) -> None:
        """*connects*: the budget of connection attempts that this worker has at the venue."""
        self._plan = plan
        self._websocket = worker.websocket
        self._venue = venue
        self._sink = sink
        self._session = session
        self._connects = connects
        self.counters = FeedCounters()
        self._publisher = FeedPublisher(plan, venue, sink, codec, worker.redis.key, self.counters)
        reconnect = worker.reconnect
        self._backoff = Backoff(
            base_s=reconnect.base_s,
            cap_s=reconnect.cap_s,
            healthy_after_s=reconnect.healthy_after_s,
        )
        self._samples = SampledLog()
        self._state: FeedState = "waiting"
        self._ws: AsyncWebSocket | None = None
        self._stopping = asyncio.Event()
        self._opening: asyncio.Task[AsyncWebSocket] | None = None
        self._log = _log.bind(connection=plan.name)

    async def run(self, *, after_crash: bool) -> None:
        """Keep the connection up until `stop`.

        *after_crash*: an earlier worker fed these streams and died; what it missed
        or had not yet published is marked.

        Raises:
            SinkError: the sink has failed; nothing can be published.
        """
        structlog.contextvars.bind_contextvars(connection=self._plan.name)
        if after_crash:
            self._publisher.gap("worker_restarted", time.time_ns(), everything=True)
        while not self._stopping.is_set():
            self._state = "waiting"
            await self._pause(self._connects.take(time.monotonic()))
            if self._stopping.is_set():
                break
            opened_s: float | None = None
            try:
                ws = await self._open()
                opened_s = time.monotonic()
                await self._serve(ws)
            except (CurlError, VenueLeaving, HeartbeatLost) as exc:
                if self._stopping.is_set():
                    break
                lasted_s = time.monotonic() - opened_s if opened_s is not None else 0.0
                await self._lost(exc, lasted_s)
        self._state = "stopped"

    async def stop(self, timeout_s: float) -> None:
        """Close with 1001; what the venue sends before its own CLOSE is still published."""
        self._stopping.set()
        if self._opening is not None:
            self._opening.cancel()
        if self._ws is not None:
            self._state = "stopping"
            await self._ws.close(WsCloseCode.GOING_AWAY, timeout=timeout_s)

    def status(self) -> FeedStatus:
        """Return the state now."""
        return FeedStatus(
            name=self._plan.name,
            venue=self._plan.venue,
            state=self._state,
            topics=len(self._plan.topics),
            active=self._publisher.active,
            counters=self.counters,
            latency_s=self._ws.latency if self._ws is not None else None,
        )

    async def _open(self) -> AsyncWebSocket:
        """Connect; cancelled by `stop`, which then looks like a lost connection."""
        self._state = "connecting"
        self.counters.attempts += 1
        plan, websocket = self._plan, self._websocket
        self._opening = asyncio.ensure_future(
            _wait_for(
                self._session.ws_connect(
                    plan.url,
                    timeout=_OPEN_TIMEOUT_S,
                    proxy=plan.proxy,
                    impersonate=plan.impersonate,
                    verify=plan.ca_file or plan.verify,
                    recv_queue_size=websocket.recv_queue_size,
                    max_message_size=websocket.max_message_bytes,
                    drain_on_error=websocket.drain_on_error,
                    ping_interval=websocket.ping_interval_s,
                    ping_timeout=websocket.ping_timeout_s,
                )
            )
        )
        try:
            return await self._opening
        except asyncio.CancelledError:
            if self._stopping.is_set() and not _being_cancelled():
                raise CurlError("stopped while connecting") from None
            raise
        finally:
            self._opening = None

    async def _serve(self, ws: AsyncWebSocket) -> None:
        self._ws = ws
        if self._stopping.is_set():  # it had just opened when `stop` looked for it
            await ws.close(WsCloseCode.GOING_AWAY, timeout=1.0)
            return
        self.counters.connects += 1
        self._state = "subscribing"
        self._log.info("feed: connected", url=self._plan.url, topics=len(self._plan.topics))
        self._publisher.feed_event("connected", time.time_ns())
        session = FeedSession(
            ws,
            self._venue,
            self._plan.topics,
            self._publisher,
            self._sink,
            self.counters,
            self._samples,
            self._on_settled,
        )
        try:
            await session.run()
        finally:
            self._ws = None
            if self._stopping.is_set():
                self._publisher.feed_event("disconnected", time.time_ns(), reason="shutdown")
            # Also after an error of ours: the venue is told, and nothing leaks.
            await ws.close(WsCloseCode.GOING_AWAY, timeout=1.0)

    def _on_settled(self) -> None:
        self._state = "live"
        self._log.info("feed: subscribed", active=self._publisher.active)

    async def _lost(self, error: Exception, lasted_s: float) -> None:
        """Count, mark, and wait before the next attempt."""
        if isinstance(error, VenueLeaving):
            reason = "venue_leaving"
        elif isinstance(error, HeartbeatLost):
            reason = "heartbeat"
        else:
            reason = disconnect_reason(error)
        count(self.counters.disconnects, reason)
        now_ns = time.time_ns()
        self._publisher.gap(reason, now_ns)
        self._publisher.feed_event("disconnected", now_ns, reason=reason, detail=describe(error))
        delay_s = self._backoff.next_delay_s(connected_for_s=lasted_s)
        delay_s = max(delay_s, retry_after_s(error, datetime.now(UTC)))
        self._log.warning(
            "feed: disconnected",
            reason=reason,
            error=describe(error),
            after_s=round(lasted_s, 3),
            retry_in_s=round(delay_s, 3),
            failures=self._backoff.failures,
        )
        self._state = "waiting"
        await self._pause(delay_s)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond `stop`."""
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


async def _wait_for(opening: AsyncWebSocketContext) -> AsyncWebSocket:
    return await opening


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
