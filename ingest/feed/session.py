"""One open WebSocket: subscribe, answer, read until it ends."""

import asyncio
import time
from collections.abc import Callable

import structlog

from ingest.errors import DecodeError
from ingest.feed.counters import FeedCounters, count
from ingest.feed.publisher import FeedPublisher
from ingest.feed.sample import SampledLog
from ingest.sinks.redis_streams import RedisStreamsSink
from ingest.venues.base import Ack, Data, Ignored, Reconnect, Reject, Topic, Venue
from ingest.venues.subscriber import Subscriber
from wscore import AsyncWebSocket, WebSocketClosed

_log = structlog.get_logger(__name__)


class VenueLeaving(Exception):
    """The venue announced that this connection will go away."""


class HeartbeatLost(Exception):
    """The venue did not answer the application-level ping in time."""


class FeedSession:
    """Reads one connection to its end. Two tasks: `read`, and `drive` for what is sent."""

    def __init__(
        self,
        ws: AsyncWebSocket,
        venue: Venue,
        topics: tuple[Topic, ...],
        publisher: FeedPublisher,
        sink: RedisStreamsSink,
        counters: FeedCounters,
        samples: SampledLog,
        on_settled: Callable[[], None],
    ) -> None:
        self._ws = ws
        self._venue = venue
        self._publisher = publisher
        self._sink = sink
        self._counters = counters
        self._samples = samples
        self._on_settled = on_settled
        self._subscriber = Subscriber(venue, topics, time.monotonic_ns())
        self._stir = asyncio.Event()  # an answer came: `drive` looks again
        self._heard_s = time.monotonic()
        self._leaving: Reconnect | None = None

    async def run(self) -> None:
        """Return never; the connection's end is an exception.

        Raises:
            WebSocketClosed, WebSocketError: the connection ended.
            VenueLeaving: the venue asks us to reconnect.
            HeartbeatLost: the venue is silent.
            SinkError: the sink has failed.
        """
        driver = asyncio.create_task(self._drive())
        # If the driver fails, the reader must not go on without it.
        driver.add_done_callback(self._on_driver_done)
        try:
            await self._read()
        finally:
            driver.cancel()
            await asyncio.wait([driver])
            error = None if driver.cancelled() else driver.exception()
            if error is not None and not isinstance(error, WebSocketClosed):
                raise error

    def _on_driver_done(self, driver: "asyncio.Task[None]") -> None:
        if not driver.cancelled() and driver.exception() is not None:
            self._ws.terminate()

    async def _read(self) -> None:
        ws, sink = self._ws, self._sink
        while True:
            batch = await ws.recv_batch()
            self._heard_s = time.monotonic()
            start = 0
            for end, rx in batch.reads:
                for payload in batch.messages[start:end]:
                    self._handle(payload, rx)
                start = end
                self._counters.last_frame_ns = rx
            if self._leaving is not None:
                raise VenueLeaving(self._leaving.reason)
            if sink.full:
                # Not reading on fills the socket's buffers: the venue has to wait.
                await sink.wait_writable()

    def _handle(self, payload: bytes, rx: int) -> None:
        counters = self._counters
        counters.frames += 1
        counters.wire_bytes += len(payload)
        try:
            inbound = self._venue.parse(payload)
            if type(inbound) is Data:
                if self._publisher.publish(inbound, rx):
                    counters.data += 1
                else:
                    counters.unknown_topic += 1
                    self._samples.warning("unknown_topic", payload, "data of a topic not asked for")
                return
        except DecodeError as exc:
            count(counters.decode_errors, exc.reason)
            self._samples.warning(exc.reason, payload, str(exc))
            return
        counters.control += 1
        if isinstance(inbound, Ack):
            self._publisher.acknowledged(self._subscriber.on_ack(inbound))
            self._stir.set()
        elif isinstance(inbound, Reject):
            self._on_reject(inbound, rx)
        elif isinstance(inbound, Reconnect):
            self._leaving = inbound
        elif isinstance(inbound, Ignored):
            _log.debug("feed: passed over", reason=inbound.reason)

    def _on_reject(self, reject: Reject, rx: int) -> None:
        refused = self._subscriber.on_reject(reject)
        names = ", ".join(topic.name for topic in refused)
        if refused:
            text = f"{names}: {reject.message} ({reject.code})"
            _log.error("feed: the venue refused a subscription", topics=names, said=reject.message)
            self._publisher.feed_event("refused", rx, reason=reject.code or None, detail=text[:500])
        else:
            _log.warning("feed: the venue refused a request", said=reject.message, code=reject.code)
        self._stir.set()

    async def _drive(self) -> None:
        """Send what is due: subscriptions at the venue's pace, heartbeats."""
        settled = False
        while True:
            now_ns = time.monotonic_ns()
            self._expire(now_ns)
            request = self._subscriber.next_request(now_ns)
            if request is not None:
                await self._ws.send_str(request.decode())
                continue
            if self._subscriber.settled and not settled:
                settled = True
                self._on_settled()
            wait_s = await self._heartbeat()
            wait_ns = self._subscriber.wait_ns(time.monotonic_ns())
            if wait_ns is not None:
                wait_s = min(wait_s or wait_ns / 1e9, wait_ns / 1e9)
            self._stir.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._stir.wait()
            except TimeoutError:
                continue

    def _expire(self, now_ns: int) -> None:
        expired = self._subscriber.expire(now_ns)
        if expired.retried:
            names = [topic.name for topic in expired.retried]
            _log.warning("feed: subscriptions not acknowledged, asking again", topics=names[:20])
        if expired.abandoned:
            names = [topic.name for topic in expired.abandoned]
            _log.error("feed: subscriptions never acknowledged", topics=names[:20])
            self._publisher.feed_event("unanswered", time.time_ns(), detail=", ".join(names)[:500])

    async def _heartbeat(self) -> float | None:
        """Ping if it is time; return how long until there is something to do again."""
        heartbeat = self._venue.heartbeat
        if heartbeat is None:
            return None
        idle_s = time.monotonic() - self._heard_s
        if idle_s >= heartbeat.after_idle_s + heartbeat.timeout_s:
            raise HeartbeatLost(f"nothing heard for {idle_s:.1f} s")
        if idle_s < heartbeat.after_idle_s:
            self._pinged = False
            return heartbeat.after_idle_s - idle_s
        if not self._pinged:
            self._pinged = True
            await self._ws.send_str(heartbeat.payload.decode())
            self._subscriber.count_message(time.monotonic_ns())
        return heartbeat.after_idle_s + heartbeat.timeout_s - idle_s

    _pinged = False
