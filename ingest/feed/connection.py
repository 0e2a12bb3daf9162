"""One connection of a feed, for as long as the worker lives: connect, read, reconnect."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import structlog
from msgspec import structs

from ingest.codecs import Encoder
from ingest.errors import DecodeError, RestError
from ingest.feed.backfill import TradeBackfill
from ingest.feed.counters import FeedCounters, count
from ingest.feed.heartbeat import HeartbeatLost
from ingest.feed.ports import Connector, FeedSink, FeedSocket
from ingest.feed.pressure import PressedSink
from ingest.feed.publisher import FeedPublisher
from ingest.feed.resync import BookResync, Fetch
from ingest.feed.retry import (
    VenueLeaving,
    asks_all_s,
    describe,
    disconnect_reason,
    retry_after_s,
)
from ingest.feed.sample import SampledLog
from ingest.feed.session import FeedSession, names_of
from ingest.feed.stale import StaleWatch
from ingest.feed.status import FeedState, FeedStatus
from ingest.feed.turns import MessageTurns
from ingest.limits import Gate, lane
from ingest.logging import worth_a_line
from ingest.plan import ConnectionPlan, WorkerPlan
from ingest.venues.base import Admission, Heartbeat, Topic, Venue
from ingest.venues.subscriber import Subscriber
from wscore import Backoff, CurlError, WsCloseCode

_log = structlog.get_logger(__name__)

_T = TypeVar("_T")

_CLOSE_TIMEOUT_S = 1.0  # of a connection that is over for us; a stop has its own
_DETAIL_CHARS = 500
_WORTH_SAYING_S = 5.0
_PATIENCE_S = 1000.0  # for a turn; longer than any venue's window, and than its Retry-After


class FeedConnection:
    """Runs until `stop`; whatever happens to the connection, it comes back."""

    def __init__(
        self,
        plan: ConnectionPlan,
        worker: WorkerPlan,
        venue: Venue,
        sink: FeedSink,
        encoder: Encoder,
        session: Connector,
        gate: Gate,
        *,
        after_crash: bool,
        fetch: Fetch | None = None,
    ) -> None:
        """*gate*: where to wait for our turn to connect.

        *after_crash*: an earlier worker had this connection, and died. *fetch* asks the
        venue's REST interface.
        """
        self._plan = plan
        self._websocket = worker.websocket
        self._venue = venue
        self._sink = sink
        self._pressed = PressedSink(sink, plan, worker)
        self._session = session
        self._gate = gate
        self._lane = lane("connect", venue.name, plan.url)
        messages = lane("message", venue.name, plan.url)
        # None: the venue counts those of each connection by itself.
        self._turns = venue.limits.messages_per_host and partial(MessageTurns, gate, messages)
        self.counters = FeedCounters()
        self._fetch = fetch
        self._resync = BookResync(venue, self.counters, fetch, self._resubscribe)
        self._backfill = TradeBackfill(venue, self.counters, fetch)
        self._reading: FeedSession | None = None
        self._publisher = FeedPublisher(
            plan,
            venue,
            sink,
            encoder,
            worker.redis.key,
            self.counters,
            started_ns=time.time_ns(),
            after_crash=after_crash,
            on_book_lost=self._resync.want,
            on_trades_missing=lambda route: self._backfill.want(self._publisher, route),
            can_backfill=fetch is not None,
            recalling=True,
            when_slow=worker.when_slow,
        )
        self._watch = StaleWatch(venue, self._publisher, self.counters, lambda: self._reading)
        reconnect = worker.reconnect
        self._backoff = Backoff(
            base_s=reconnect.base_s,
            cap_s=reconnect.cap_s,
            healthy_after_s=reconnect.healthy_after_s,
        )
        self._samples = SampledLog()
        self._state: FeedState = "waiting"
        self._away_since_s: float | None = None  # monotonic; None before the first connection
        self._opening: asyncio.Future[Any] | None = None
        self._ws: FeedSocket | None = None
        self._stopping = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None  # held: the loop would not

    @property
    def name(self) -> str:
        """Its name in logs and streams."""
        return self._plan.name

    async def run(self) -> None:
        """Keep the connection up until `stop`.

        Raises:
            SinkError: the sink has failed; nothing can be published.
        """
        structlog.contextvars.bind_contextvars(connection=self._plan.name)
        delay_s = 0.0
        helpers = [
            asyncio.create_task(self._resync.run(self._publisher)),
            asyncio.create_task(self._backfill.run(self._publisher, self._sink)),
            asyncio.create_task(self._watch.run()),
        ]
        for helper in helpers:
            helper.add_done_callback(_on_helper_done)
        try:
            while True:
                self._state = "waiting"
                await self._pause(delay_s)
                if self._stopping.is_set():
                    return
                delay_s = await self._connect_and_read()
        finally:
            self._state = "stopped"
            for helper in helpers:
                helper.cancel()
            await asyncio.wait(helpers)
            self._publisher.release(time.time_ns())

    async def stop(self, timeout_s: float) -> None:
        """Close with 1001; what the venue sends before its own CLOSE is still published."""
        self._stopping.set()
        if self._opening is not None:
            self._opening.cancel()
        if self._ws is not None:
            self._state = "stopping"
            await self._ws.close(WsCloseCode.GOING_AWAY, timeout=timeout_s)

    def drop(self, topics: Sequence[Topic], reason: str) -> None:
        """Leave topics for good; their streams end with *reason*. Without any, so do we."""
        gone, now_ns = set(topics), time.time_ns()
        rest = tuple(topic for topic in self._plan.topics if topic not in gone)
        self._plan = structs.replace(self._plan, topics=rest)
        self._publisher.close(topics, reason, now_ns)
        self._watch.look_anew()
        detail = names_of(tuple(topics))[:_DETAIL_CHARS]
        self._publisher.feed_event("left", now_ns, reason=reason, detail=detail)
        if not rest:
            self._ending = asyncio.create_task(self.stop(_CLOSE_TIMEOUT_S))
        elif self._reading is not None:
            self._reading.drop(topics)

    def status(self) -> FeedStatus:
        """Return the state now."""
        return FeedStatus(
            name=self._plan.name,
            venue=self._plan.venue,
            state=self._state,
            topics=len(self._plan.topics),
            active=self._publisher.active,
            stale=self._watch.stale,
            never_heard=self._watch.never_heard,
            counters=self.counters,
            latency_s=self._ws.latency if self._ws is not None else None,
        )

    async def _turn(self) -> int | None:
        """Wait until it is our turn to connect; None if `stop` came first.

        The venue limits attempts, and while it is not reached only one tries for all.
        """
        began_s = time.monotonic()
        stopped = asyncio.create_task(self._stopping.wait())
        turn: asyncio.Future[int] | None = None
        try:
            while not self._stopping.is_set():
                turn = asyncio.ensure_future(
                    self._gate.turn(self._lane, who=self.name, timeout_s=_PATIENCE_S)
                )
                patience_s: float | None = _WORTH_SAYING_S
                while not turn.done() and not stopped.done():
                    done, _ = await asyncio.wait(
                        [turn, stopped], timeout=patience_s, return_when=asyncio.FIRST_COMPLETED
                    )
                    if not done:
                        waited_s = round(time.monotonic() - began_s, 3)
                        _log.info("feed: waits for its turn to connect", waited_s=waited_s)
                        patience_s = None
                if not turn.done():
                    break
                try:
                    number = turn.result()
                except TimeoutError:
                    # Far beyond any venue's limit: the supervisor does not answer, or
                    # this host is away, or one to stay away from. Without its word
                    # nobody goes.
                    _log.error("feed: no turn to connect; asking again", after_s=_PATIENCE_S)
                    continue
                if not self._stopping.is_set():
                    return number
                self._gate.ended(number, reached=None)
            return None
        finally:
            stopped.cancel()
            if turn is not None:
                turn.cancel()

    async def _connect_and_read(self) -> float:
        """Return how long to stay away, in seconds, once the connection is over."""
        opened_s: float | None = None
        try:
            # Before our turn, which is to be followed by the attempt at once: the venue
            # counts it when it comes. A ticket does not grow old that fast.
            admission = await self._unless_stopped(self._admission())
            ws = None if admission is None else await self._open(admission.url)
            if admission is not None and ws is not None:
                opened_s = time.monotonic()
                await self._serve(ws, admission.heartbeat)
        except (CurlError, RestError, DecodeError, VenueLeaving, HeartbeatLost) as exc:
            if not self._stopping.is_set():
                return self._lost(exc, opened_s)
        if opened_s is not None:
            self._publisher.feed_event("disconnected", time.time_ns(), reason="shutdown")
        return 0.0

    async def _unless_stopped(self, step: Awaitable[_T]) -> _T | None:
        """Take a step on the way to a connection; None if `stop` came first."""
        opening = self._opening = asyncio.ensure_future(step)
        try:
            await asyncio.wait([opening])
        finally:
            self._opening = None
            opening.cancel()
        return None if opening.cancelled() else opening.result()

    async def _open(self, url: str) -> FeedSocket | None:
        """Connect, when it is our turn; None if `stop` came first."""
        turn = await self._turn()
        if turn is None:
            return None
        self._state = "connecting"
        self.counters.attempts += 1
        reached: bool | None = None
        try:
            ws = await self._unless_stopped(self._dial(url))
            reached = None if ws is None else True
        except CurlError:
            reached = False
            raise
        finally:
            # Others may wait for it, while only one tries for all.
            self._gate.ended(turn, reached=reached)
        return ws

    async def _dial(self, url: str) -> FeedSocket:
        plan, websocket = self._plan, self._websocket
        return await self._session.ws_connect(
            url,
            timeout=websocket.open_timeout_s,
            headers=dict(self._venue.headers),
            proxy=plan.proxy,
            impersonate=plan.impersonate,
            verify=plan.ca_file or plan.verify,
            recv_queue_size=websocket.recv_queue_size,
            max_message_size=websocket.max_message_bytes,
            drain_on_error=websocket.drain_on_error,
            ping_interval=websocket.ping_interval_s,
            ping_timeout=websocket.ping_timeout_s,
            # A venue that redirects has changed its address: somebody must look.
            allow_redirects=False,
        )

    async def _admission(self) -> Admission:
        """Return where to connect to; some venues say it anew for each connection."""
        ticket, fetch = self._venue.ticket, self._fetch
        if ticket is None or fetch is None:
            return Admission(url=self._plan.url)
        return ticket.admit(await fetch(ticket.request), self._plan.url)

    async def _serve(self, ws: FeedSocket, heartbeat: Heartbeat | None) -> None:
        self._ws = ws
        self.counters.connects += 1
        try:
            # `stop` finds no connection to close while one is just coming up.
            if not self._stopping.is_set():
                await self._read(ws, heartbeat)
        finally:
            self._ws = None
            # Also after an error of ours: the venue is told, and nothing leaks.
            await ws.close(WsCloseCode.GOING_AWAY, timeout=_CLOSE_TIMEOUT_S)

    async def _read(self, ws: FeedSocket, heartbeat: Heartbeat | None) -> None:
        self._state = "subscribing"
        venue = self._venue
        if heartbeat is not None:
            venue = structs.replace(venue, heartbeat=heartbeat)
        _log.debug("feed: connected", url=self._plan.url)
        self._publisher.feed_event("connected", time.time_ns())
        session = FeedSession(
            ws,
            venue,
            self._plan.topics,
            self._publisher,
            self._pressed,
            self.counters,
            self._samples,
            stopping=self._stopping,
            on_settled=self._on_settled,
            turns=self._turns,
        )
        self._reading = session
        try:
            await session.run()
        finally:
            self._reading = None

    def _resubscribe(self, topic: Topic) -> None:
        if self._reading is not None:
            self._reading.resubscribe(topic)

    def _on_settled(self, subscriber: Subscriber) -> None:
        self._state = "live"
        away_s, self._away_since_s = self._away_since_s, None
        again = {} if away_s is None else {"away_s": round(time.monotonic() - away_s, 3)}
        _log.info(
            "feed: subscribed",
            topics=len(self._plan.topics),
            active=self._publisher.active,
            url=self._plan.url,
            **again,
        )
        if subscriber.refused:
            refused = list(subscriber.refused)
            first = subscriber.refused[refused[0]]
            said = f"{first.message} ({first.code})"
            _log.error(
                "feed: topics refused", topics=len(refused), names=names_of(refused), said=said
            )
            self._no_data("refused", f"{names_of(refused)}: {said}")
        if subscriber.unanswered:
            silent = list(subscriber.unanswered)
            _log.error(
                "feed: topics never acknowledged", topics=len(silent), names=names_of(silent)
            )
            self._no_data("unanswered", names_of(silent))

    def _no_data(self, kind: str, detail: str) -> None:
        self._publisher.feed_event(kind, time.time_ns(), detail=detail[:_DETAIL_CHARS])

    def _lost(self, error: Exception, opened_s: float | None) -> float:
        """Count and mark it; return how long to stay away.

        *opened_s* None: there was no connection yet.
        """
        reason, text = disconnect_reason(error), describe(error)
        now_s, now_ns = time.monotonic(), time.time_ns()
        count(self.counters.disconnects, reason)
        self._publisher.gap(reason, now_ns)
        kind = "connect_failed" if opened_s is None else "disconnected"
        self._publisher.feed_event(kind, now_ns, reason=reason, detail=text)
        if self._away_since_s is None:
            self._away_since_s = now_s
        lasted_s = 0.0 if opened_s is None else now_s - opened_s
        # On top of what the server asks for, or all who were told the same would
        # come back at the same moment.
        delay_s = self._backoff.next_delay_s(connected_for_s=lasted_s)
        now = datetime.now(UTC)
        delay_s += retry_after_s(error, now)
        failures = self._backoff.failures
        log = _log.warning if worth_a_line(failures) else _log.debug
        lasted = {} if opened_s is None else {"lasted_s": round(lasted_s, 3)}
        log(
            "feed: not connected" if opened_s is None else "feed: disconnected",
            reason=reason,
            error=text,
            **lasted,
            failures=failures,
            retry_in_s=round(delay_s, 3),
        )
        if all_s := asks_all_s(error, now):
            self._gate.tell(self._lane, stay_away_s=all_s)
        if opened_s is not None and not isinstance(error, VenueLeaving):
            self._gate.tell(self._lane, lost=True)
        return delay_s

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond `stop`."""
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


def _on_helper_done(task: "asyncio.Task[None]") -> None:
    # Without it books are not begun again, trades not filled in: marked, but not mended.
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("feed: failed; what is missing stays so", exc_info=error)
