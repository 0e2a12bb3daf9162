"""Keeps one leg of a connection up: connect, read, replace in time, reconnect.

A socket that will end is replaced before it does: a second one is opened beside it,
and only once that has been shown to bring the same is the first one closed, with 1001.
What it still brings until the venue's CLOSE is read and published like all else.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

import structlog
from msgspec import structs

from ingest.errors import DecodeError, RestError
from ingest.feed.counters import count
from ingest.feed.dialer import Dialer, Opened
from ingest.feed.feed import Feed
from ingest.feed.heartbeat import HeartbeatLost
from ingest.feed.legs import Leg
from ingest.feed.ports import FeedSocket
from ingest.feed.renewal import Renewal
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
from ingest.feed.status import FeedState
from ingest.feed.turns import MessageTurns
from ingest.limits import lane
from ingest.logging import worth_a_line
from ingest.plan import ConnectionPlan
from ingest.venues.base import Topic
from ingest.venues.subscriber import Subscriber
from wscore import Backoff, CurlError, WsCloseCode

_log = structlog.get_logger(__name__)

_CLOSE_TIMEOUT_S = 1.0  # of a connection that is over for us; a stop has its own
# Of one that is replaced: for what it still brings.
_DRAIN_TIMEOUT_S = 5.0
_DETAIL_CHARS = 500
# From the last answer to a subscription on the new socket: a stream that has not shown
# by then that it goes on is not going to.
_PROOF_S = 20.0
_LOOK_S = 0.1

_LOSSES = (CurlError, RestError, DecodeError, VenueLeaving, HeartbeatLost)


class _Socket:
    """An open WebSocket, and who reads it."""

    def __init__(self, ws: FeedSocket, leg: Leg, session: FeedSession) -> None:
        self.ws = ws
        self.leg = leg
        self.session = session
        self.opened_s = time.monotonic()
        self.settled_s: float | None = None
        self.notice = ""  # the venue's, that it will end
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            await self.session.run()
        finally:
            # Also after an error of ours: the venue is told, and nothing leaks.
            await self.ws.close(WsCloseCode.GOING_AWAY, timeout=_CLOSE_TIMEOUT_S)


class Line:
    """Runs until `stop`; whatever happens to the socket, there is another one."""

    def __init__(self, plan: ConnectionPlan, number: int, feed: Feed) -> None:
        """*number*: from 0, which of the plan's legs."""
        self._plan = plan
        self._number = number
        self._which = f"leg {number + 1} of {len(plan.legs)}" if len(plan.legs) > 1 else ""
        self._feed = feed
        self._counters = feed.counters
        self._publisher = feed.publisher
        messages = lane("message", feed.venue.name, plan.url)
        # None: the venue counts those of each connection by itself.
        by_host = feed.venue.limits.messages_per_host
        self._turns = by_host and partial(MessageTurns, feed.gate, messages)
        reconnect = feed.worker.reconnect
        self._backoff = Backoff(
            base_s=reconnect.base_s,
            cap_s=reconnect.cap_s,
            healthy_after_s=reconnect.healthy_after_s,
        )
        self._samples = SampledLog()
        self.state: FeedState = "waiting"
        self._away_since_s: float | None = None  # monotonic; None before the first connection
        self._sockets: list[_Socket] = []  # the one in use first, then its successor
        self._renewal: Renewal | None = None
        self._renew = asyncio.Event()
        self._stopping = asyncio.Event()
        name = f"{plan.name} {self._which}".rstrip()
        self._dialer = Dialer(plan, plan.legs[number], name, feed, self._stopping)
        self.watch = StaleWatch(feed.venue, feed.publisher, feed.counters, lambda: self.session)

    @property
    def session(self) -> FeedSession | None:
        """The one that is read now."""
        return self._sockets[0].session if self._sockets else None

    @property
    def latency_s(self) -> float | None:
        """Of the last answered PING."""
        return self._sockets[0].ws.latency if self._sockets else None

    async def run(self) -> None:
        """Keep the leg up until `stop`.

        Raises:
            SinkError: the sink has failed; nothing can be published.
        """
        delay_s = 0.0
        try:
            while True:
                self.state = "waiting"
                await self._pause(delay_s)
                if self._stopping.is_set():
                    return
                delay_s = await self._connect_and_read()
        finally:
            self.state = "stopped"

    async def stop(self, timeout_s: float) -> None:
        """Close with 1001; what the venue sends before its own CLOSE is still published."""
        self._stopping.set()
        self._dialer.stop()
        if self._sockets:
            self.state = "stopping"
            closing = [
                socket.ws.close(WsCloseCode.GOING_AWAY, timeout=timeout_s)
                for socket in self._sockets
            ]
            await asyncio.gather(*closing)

    def renew(self, reason: str) -> None:
        """Replace the socket by a new one, without a loss; returns at once.

        Nothing happens while there is none: the next one will be new.
        """
        if self._renewal is not None:
            self._renewal.want(reason, time.monotonic())
            self._renew.set()

    def reroute(self, plan: ConnectionPlan) -> None:
        """Go another way to the same place: from now on, with a new socket, without a loss."""
        self._plan = plan
        self._dialer.reroute(plan, plan.legs[self._number])
        self.renew("reloaded")

    def drop(self, topics: Sequence[Topic], plan: ConnectionPlan) -> None:
        """Leave topics for good; *plan* is what is left."""
        self._plan = plan
        self.watch.look_anew()
        for socket in self._sockets:
            socket.session.drop(topics)

    async def _connect_and_read(self) -> float:
        """Return how long to stay away, in seconds, once the connection is over."""
        opened_s: float | None = None
        try:
            opened = await self._dialer.open(self._on_attempt)
            if opened is not None:
                leg = self._feed.legs.open()
                socket = self._begin(opened, leg)
                opened_s = socket.opened_s
                self.state = "subscribing"
                await self._keep(socket)
        except _LOSSES as exc:
            if not self._stopping.is_set():
                return self._lost(exc, opened_s)
        finally:
            await self._end_all()
        if opened_s is not None:
            self._event("disconnected", reason="shutdown")
        return 0.0

    def _on_attempt(self) -> None:
        if not self._sockets:
            self.state = "connecting"

    def _begin(self, opened: Opened, leg: Leg) -> _Socket:
        self._counters.connects += 1
        _log.debug("feed: connected", url=self._plan.url)
        self._event("connected")
        feed = self._feed

        def on_notice(reason: str) -> None:
            socket.notice = reason
            if self.session is session:
                self.renew(reason)

        venue = feed.venue
        if opened.heartbeat is not None:
            venue = structs.replace(venue, heartbeat=opened.heartbeat)
        session = FeedSession(
            opened.ws,
            venue,
            self._plan.topics,
            leg,
            feed.sink,
            feed.counters,
            self._samples,
            stopping=self._stopping,
            on_settled=lambda subscriber: self._on_settled(socket, subscriber),
            on_notice=on_notice if feed.overlapping else None,
            turns=self._turns,
        )
        socket = _Socket(opened.ws, leg, session)
        self._sockets.append(socket)
        return socket

    async def _keep(self, socket: _Socket) -> None:
        """Read until there is no socket any more; its end is an exception."""
        while True:
            # `stop` finds nothing to close while a socket is just coming up.
            if self._stopping.is_set():
                await socket.ws.close(WsCloseCode.GOING_AWAY, timeout=_CLOSE_TIMEOUT_S)
            max_age_s = self._plan.max_age_s if self._feed.overlapping else None
            self._renew.clear()
            renewal = self._renewal = Renewal(max_age_s, socket.opened_s)
            if socket.notice:
                renewal.want(socket.notice, time.monotonic())
            try:
                successor: _Socket | None = None
                while successor is None:
                    if not await self._until_due(socket, renewal):
                        # Its end: an exception.
                        return await socket.task
                    successor = await self._replace(socket, renewal)
            finally:
                self._renewal = None
            socket = successor

    async def _until_due(self, socket: _Socket, renewal: Renewal) -> bool:
        """Wait until a new socket is wanted; False if this one ended before."""
        while not socket.task.done():
            wait_s = renewal.wait_s(time.monotonic())
            if wait_s == 0 and not self._stopping.is_set():
                return True
            self._renew.clear()
            wanted = asyncio.create_task(self._renew.wait())
            try:
                timeout_s = wait_s or None
                await asyncio.wait(
                    [socket.task, wanted], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                wanted.cancel()
        return False

    async def _replace(self, socket: _Socket, renewal: Renewal) -> _Socket | None:
        """Return a socket that has taken the place of *socket*; None: that one goes on."""
        self._event("replacing", reason=renewal.reason)
        _log.info("feed: opening a new connection beside the old one", reason=renewal.reason)
        leg = self._feed.legs.open()
        successor: _Socket | None = None
        error: Exception | None = None
        try:
            successor = await self._find_successor(socket, leg)
        except _LOSSES as exc:
            error = exc
        if successor is None:
            self._not_replaced(leg, renewal, error)
            return None
        await self._retire(socket, renewal.reason)
        return successor

    async def _find_successor(self, socket: _Socket, leg: Leg) -> _Socket | None:
        """Open one, and wait until it goes on with what *socket* brings; None: too late.

        Raises as connecting and reading do.
        """
        opening = asyncio.create_task(self._dialer.open(self._on_attempt))
        try:
            # If the old one is over first, this would be no replacement any more.
            await asyncio.wait([opening, socket.task], return_when=asyncio.FIRST_COMPLETED)
            opened = opening.result() if opening.done() else None
        finally:
            if not opening.done():
                opening.cancel()
                await asyncio.wait([opening])
        if opened is None:
            return None
        successor = self._begin(opened, leg)
        await self._until_proven(socket, successor)
        if successor.task.done() and not self._stopping.is_set():
            self._sockets.remove(successor)
            successor.task.result()  # raises
        return successor

    async def _until_proven(self, old: _Socket, new: _Socket) -> None:
        """Wait until *new* goes on with all that *old* brings; or one ends; or it is enough."""
        while not (old.task.done() or new.task.done() or self._stopping.is_set()):
            if new.settled_s is not None:
                if not self._feed.legs.unproven(new.leg, old.leg):
                    return
                if old.session.blocked or new.session.blocked:
                    new.settled_s = time.monotonic()  # nothing is read: nothing can be shown
                elif time.monotonic() - new.settled_s >= _PROOF_S:
                    return
            await asyncio.wait([old.task, new.task], timeout=_LOOK_S)

    async def _retire(self, socket: _Socket, reason: str) -> None:
        """Close a socket whose successor is there, and read what it still brings."""
        was_over = socket.task.done()
        if not was_over:
            await socket.ws.close(WsCloseCode.GOING_AWAY, timeout=_DRAIN_TIMEOUT_S)
            await asyncio.wait([socket.task], timeout=_DRAIN_TIMEOUT_S)
        error = await self._end(socket)
        why = disconnect_reason(error) if was_over and error is not None else "handover"
        lost = self._feed.legs.close(socket.leg, None if self._stopping.is_set() else why)
        if was_over:
            count(self._counters.disconnects, why)
        else:
            self._counters.replaced += 1
        detail = f"not shown to go on: {names_of(lost)}"[:_DETAIL_CHARS] if lost else None
        self._event("replaced", reason=reason, detail=detail)
        log = _log.warning if lost else _log.info
        log(
            "feed: a new connection has taken the place of the old one",
            reason=reason,
            unproven=len(lost),
        )

    def _not_replaced(self, leg: Leg, renewal: Renewal, error: Exception | None) -> None:
        """The old one goes on; the next attempt comes by itself."""
        stopping = self._stopping.is_set()
        reason = "interrupted" if error is None else disconnect_reason(error)
        self._feed.legs.close(leg, None if stopping else reason)
        retry_in_s = renewal.failed(time.monotonic())
        if error is None or stopping:
            return
        count(self._counters.disconnects, reason)
        text = describe(error)
        self._event("replace_failed", reason=reason, detail=text)
        _log.warning(
            "feed: no new connection beside the old one, which goes on",
            reason=reason,
            error=text,
            retry_in_s=round(retry_in_s, 3),
        )
        if all_s := asks_all_s(error, datetime.now(UTC)):
            self._feed.gate.tell(self._dialer.lane, stay_away_s=all_s)

    async def _end(self, socket: _Socket) -> Exception | None:
        """Take a socket out of use; return which loss it ended with.

        Raises what is none.
        """
        socket.task.cancel()
        await asyncio.wait([socket.task])
        if socket in self._sockets:
            self._sockets.remove(socket)
        try:
            if not socket.task.cancelled():
                socket.task.result()
        except _LOSSES as exc:
            return exc
        return None

    async def _end_all(self) -> None:
        """Whatever ended our work: no socket is left, and no leg open."""
        reason = None
        for socket in list(self._sockets):
            error = await self._end(socket)
            if error is not None and not self._stopping.is_set():
                reason = disconnect_reason(error)
            self._feed.legs.close(socket.leg, reason)

    def _on_settled(self, socket: _Socket, subscriber: Subscriber) -> None:
        socket.settled_s = time.monotonic()
        self.state = "live"
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
        self._event(kind, detail=detail[:_DETAIL_CHARS])

    def _event(self, kind: str, *, reason: str | None = None, detail: str | None = None) -> None:
        """Write into the connection's own stream; of several legs, which one."""
        parts = [part for part in (self._which, detail) if part]
        self._publisher.feed_event(
            kind, time.time_ns(), reason=reason, detail=": ".join(parts) or None
        )

    def _lost(self, error: Exception, opened_s: float | None) -> float:
        """Count it; return how long to stay away.

        *opened_s* None: there was no connection yet.
        """
        reason, text = disconnect_reason(error), describe(error)
        now_s = time.monotonic()
        count(self._counters.disconnects, reason)
        kind = "connect_failed" if opened_s is None else "disconnected"
        self._event(kind, reason=reason, detail=text)
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
            self._feed.gate.tell(self._dialer.lane, stay_away_s=all_s)
        if opened_s is not None and not isinstance(error, VenueLeaving):
            self._feed.gate.tell(self._dialer.lane, lost=True)
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
