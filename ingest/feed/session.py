"""One open WebSocket: subscribe, answer, read until it ends."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from ingest.errors import DecodeError
from ingest.feed.counters import FeedCounters, count, count_words
from ingest.feed.heartbeat import HeartbeatClock
from ingest.feed.legs import Leg
from ingest.feed.ports import FeedSocket
from ingest.feed.pressure import PressedSink
from ingest.feed.retry import VenueLeaving
from ingest.feed.sample import SampledLog
from ingest.feed.turns import MessageTurns
from ingest.venues.base import (
    Ack,
    Answer,
    Data,
    Ignored,
    Inbound,
    Reconnect,
    Reject,
    Topic,
    Venue,
)
from ingest.venues.subscriber import Subscriber
from wscore import CurlError, WebSocketClosed, WsCloseCode

_log = structlog.get_logger(__name__)

_LEAVE_TIMEOUT_S = 3.0
# Of a venue that pings faster than it takes the answers, the latest count.
_MOST_ANSWERS = 16


class FeedSession:
    """Reads one connection to its end. Two tasks: `_read`, and `_drive` for what is sent."""

    def __init__(
        self,
        ws: FeedSocket,
        venue: Venue,
        topics: tuple[Topic, ...],
        leg: Leg,
        sink: PressedSink,
        counters: FeedCounters,
        samples: SampledLog,
        *,
        stopping: asyncio.Event,
        on_settled: Callable[[Subscriber], None],
        on_notice: Callable[[str], None] | None = None,
        turns: Callable[[Callable[[], None]], MessageTurns] | None = None,
    ) -> None:
        """*on_settled* is called once, when every topic has its answer or never gets one.

        *on_notice* is called when the venue announces that the connection will end, with
        its reason; without it, the connection is left at once.

        *turns*: what its requests have to wait for, given what to call when it is time.

        *stopping*: from then on nothing that was received is held back.
        """
        self._ws = ws
        self._venue = venue
        self._parse = venue.parser()
        self.leg = leg
        self._sink = sink
        self._counters = counters
        self._samples = samples
        self._stopping = stopping
        self._on_settled = on_settled
        self._on_notice = on_notice
        self._notice = ""  # why the venue is about to end the connection
        self._subscriber = Subscriber(venue, topics, time.monotonic_ns())
        self._heartbeat = (
            HeartbeatClock(venue.heartbeat, time.monotonic()) if venue.heartbeat else None
        )
        self._stir = asyncio.Event()  # something happened: `_drive` looks again
        self._turns = None if turns is None else turns(self._stir.set)
        self._leaving: Reconnect | None = None
        self._answers: deque[bytes] = deque(maxlen=_MOST_ANSWERS)
        self._blocked = False  # by the sink; what the venue sends is not looked at

    async def run(self) -> None:
        """Return never; the connection's end is an exception.

        Raises:
            WebSocketClosed, WebSocketError: the connection ended.
            VenueLeaving: the venue asked us to go, and we did.
            HeartbeatLost: the venue is silent.
            SinkError: the sink has failed.
        """
        driver = asyncio.create_task(self._drive())
        driver.add_done_callback(self._on_driver_done)
        try:
            await self._read()
        except WebSocketClosed as exc:
            if self._leaving is not None:
                raise VenueLeaving(self._leaving.reason) from exc
            if self._notice:
                raise VenueLeaving(self._notice) from exc
            raise
        finally:
            driver.cancel()
            await asyncio.wait([driver])
            if self._turns is not None:
                self._turns.close()
            if (error := _driver_error(driver)) is not None:
                raise error

    def resubscribe(self, topic: Topic) -> None:
        """Leave one topic and subscribe to it anew, at the venue's pace.

        Where the venue cannot do that, the connection is left for a new one.
        """
        left = self._subscriber.resubscribe(topic)
        if left is None:
            self.leave("resync")
        else:
            self.leg.leaving(left)
        self._stir.set()

    def drop(self, topics: Sequence[Topic]) -> None:
        """Leave topics for good, at the venue's pace."""
        self._subscriber.drop(topics)
        self._stir.set()

    def leave(self, reason: str) -> None:
        """Leave the connection for a new one."""
        self._leaving = Reconnect(reason)
        self._stir.set()

    @property
    def blocked(self) -> bool:
        """Whether the sink is full, so that nothing is read."""
        return self._blocked

    def _on_driver_done(self, driver: "asyncio.Task[None]") -> None:
        # The reader must not go on without the driver. It notices by itself when
        # nothing can be sent any more, but only after what is left to read.
        if _driver_error(driver) is not None:
            self._ws.terminate()

    # -- what is received ------------------------------------------------------

    async def _read(self) -> None:
        ws, sink, counters = self._ws, self._sink, self._counters
        while True:
            batch = await ws.recv_batch()
            if self._heartbeat is not None:
                self._heartbeat.heard(time.monotonic())
            # Before the batch, not after it: the sink may have filled up while we
            # waited, and other connections write to it as well.
            if sink.full:
                await self._until_writable()
            elif sink.slow:
                await asyncio.sleep(0)  # who works off what gathered gets every other turn
            start = 0
            for end, rx in batch.reads:
                for payload in batch.messages[start:end]:
                    self._handle(payload, rx)
                start = end
                counters.last_frame_ns = rx

    async def _until_writable(self) -> None:
        """Wait until the sink takes more, but not beyond a stop.

        Not reading on fills the socket's buffers: the venue has to wait. At a stop
        everything is handed over, so that what the sink cannot hold is counted.
        """
        self._blocked = True
        waiting = [
            asyncio.create_task(self._sink.wait_writable()),
            asyncio.create_task(_wait(self._stopping)),
        ]
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in waiting:
                task.cancel()
            self._blocked = False
            if self._heartbeat is not None:
                self._heartbeat.heard(time.monotonic())

    def _handle(self, payload: bytes, rx: int) -> None:
        counters = self._counters
        counters.frames += 1
        counters.wire_bytes += len(payload)
        try:
            inbound = self._parse(payload)
            if type(inbound) is Data:
                self._on_data(inbound, payload, rx)
                return
        except DecodeError as exc:
            self._refuse(exc, payload)
            return
        if isinstance(inbound, list):
            self._on_parts(inbound, payload, rx)
        else:
            counters.control += 1
            self._on_control(inbound, payload, rx)

    def _on_parts(self, parts: list[Inbound], payload: bytes, rx: int) -> None:
        """Take in a frame of several parts: one topic's bad part costs the others nothing.

        The frame counts once: as refused if a part is, else as data if there is any.
        """
        refused: DecodeError | None = None
        wanted = unwanted = False
        for part in parts:
            if type(part) is not Data:
                self._on_control(part, payload, rx)
                continue
            try:
                said = self.leg.publish(part, rx)
                if said is not None:
                    wanted = True
                elif not self._is_passed_over(part):
                    unwanted = True
                if said != "events":
                    self._pass_over(part, said)
            except DecodeError as exc:
                refused = refused or exc
        if refused is not None:
            self._refuse(refused, payload)
        elif wanted:
            self._counters.data += 1
        elif unwanted:
            self._on_unknown(payload)
        else:
            self._counters.control += 1

    def _on_data(self, data: Data, payload: bytes, rx: int) -> None:
        said = self.leg.publish(data, rx)
        if said is not None:
            self._counters.data += 1
        elif self._is_passed_over(data):
            self._counters.control += 1  # as what carries no data for us
        else:
            self._on_unknown(payload)
        if said != "events":
            self._pass_over(data, said)

    def _pass_over(self, data: Data, said: str | None) -> None:
        if said is not None:
            count(self._counters.passed_over, "nothing new")
        elif data.shared:
            count(self._counters.passed_over, "not asked for")

    def _is_passed_over(self, data: Data) -> bool:
        return data.shared or self.leg.is_closed(data.topic)

    def _on_unknown(self, payload: bytes) -> None:
        self._counters.unknown_topic += 1
        self._samples.warning("unknown_topic", payload, "data of a topic not asked for")

    def _refuse(self, error: DecodeError, payload: bytes) -> None:
        count(self._counters.decode_errors, error.reason)
        self._samples.warning(error.reason, payload, str(error))

    def _on_control(self, inbound: Inbound, payload: bytes, rx: int) -> None:
        if isinstance(inbound, Ack):
            self.leg.acknowledged(self._subscriber.on_ack(inbound), rx)
        elif isinstance(inbound, Reject):
            # Topics that are refused for good are reported together, once settled.
            if not self._subscriber.on_reject(inbound):
                text = f"the venue refused a request: {inbound.message}"
                self._samples.warning("refused", payload, text)
        elif isinstance(inbound, Reconnect):
            self._on_reconnect(inbound)
        elif isinstance(inbound, Answer):
            self._answers.append(inbound.payload)
        elif isinstance(inbound, Ignored):
            count_words(self._counters.passed_over, inbound.reason)
            _log.debug("feed: passed over", reason=inbound.reason)
            return
        self._stir.set()

    def _on_reconnect(self, inbound: Reconnect) -> None:
        if inbound.lost or self._on_notice is None:
            self._leaving = inbound
        elif not self._notice:
            self._notice = inbound.reason
            self._on_notice(inbound.reason)

    # -- what is sent ----------------------------------------------------------

    async def _drive(self) -> None:
        """Send what is due: subscriptions at the venue's pace, heartbeats, the farewell."""
        settled = False
        while True:
            self._stir.clear()
            if self._leaving is not None:
                # What is under way comes before the venue's CLOSE, and is still read.
                await self._ws.close(WsCloseCode.GOING_AWAY, timeout=_LEAVE_TIMEOUT_S)
                return
            while self._answers:
                self._subscriber.count_message(time.monotonic_ns())
                await self._send(self._answers.popleft())
            now_ns = time.monotonic_ns()
            self._expire(now_ns)
            if self._subscriber.lost_again:
                self._leaving = Reconnect("resync")
                continue
            request = self._next_request(now_ns)
            if request is not None:
                await self._send(request)
                continue
            if self._subscriber.settled and not settled:
                settled = True
                self._on_settled(self._subscriber)
            waits_s = [wait_s for wait_s in (await self._beat(), self._request_wait_s()) if wait_s]
            try:
                async with asyncio.timeout(min(waits_s, default=None)):
                    await self._stir.wait()
            except TimeoutError:
                continue

    def _next_request(self, now_ns: int) -> bytes | None:
        subscriber, turns = self._subscriber, self._turns
        if turns is not None and subscriber.has_request(now_ns) and not turns.take():
            return None
        return subscriber.next_request(now_ns)

    def _request_wait_s(self) -> float | None:
        sending = self._turns is None or not self._turns.waiting
        wait_ns = self._subscriber.wait_ns(time.monotonic_ns(), sending=sending)
        return None if wait_ns is None else max(wait_ns / 1e9, 0.001)

    def _expire(self, now_ns: int) -> None:
        expired = self._subscriber.expire(now_ns)
        if expired.retried:
            _log.warning(
                "feed: subscriptions not acknowledged, asking again",
                topics=len(expired.retried),
                names=names_of(expired.retried),
            )

    async def _beat(self) -> float | None:
        """Ping the venue if it is time; return how long until there is something to do."""
        clock = self._heartbeat
        if clock is None:
            return None
        if self._blocked:  # we are the silent ones
            clock.heard(time.monotonic())
        ping, wait_s = clock.check(time.monotonic())
        if ping:
            assert self._venue.heartbeat is not None
            self._subscriber.count_message(time.monotonic_ns())
            await self._send(self._venue.heartbeat.payload)
        return wait_s

    async def _send(self, message: bytes) -> None:
        if self._venue.stamp is not None:
            message = self._venue.stamp(message, time.time_ns())
        await self._ws.send_str(message.decode())


def names_of(topics: "list[Topic] | tuple[Topic, ...]", limit: int = 20) -> str:
    """Return the venue's names of the first few topics, for a line of the log."""
    names = ", ".join(topic.name for topic in topics[:limit])
    return names if len(topics) <= limit else f"{names}, … ({len(topics)} in all)"


def _driver_error(driver: "asyncio.Task[None]") -> BaseException | None:
    """Return what the reader cannot learn from the connection."""
    error = None if driver.cancelled() else driver.exception()
    return None if isinstance(error, CurlError) else error


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
