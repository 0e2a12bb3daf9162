"""Opens the sockets of one leg: when it is our turn, by its own way."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from msgspec import Struct

from ingest.feed.feed import Feed
from ingest.feed.ports import FeedSocket
from ingest.limits import lane
from ingest.plan import ConnectionPlan, LegPlan
from ingest.venues.base import Admission, Heartbeat
from wscore import CurlError

_log = structlog.get_logger(__name__)

_T = TypeVar("_T")

_WORTH_SAYING_S = 5.0
_PATIENCE_S = 1000.0  # for a turn; longer than any venue's window, and than its Retry-After


class Opened(Struct, frozen=True):
    """A socket, and what the venue said about it before."""

    ws: FeedSocket
    heartbeat: Heartbeat | None  # None: the venue's usual one


class Dialer:
    """Each `open` is one attempt; several may be under way."""

    def __init__(
        self, plan: ConnectionPlan, leg: LegPlan, name: str, feed: Feed, stopping: asyncio.Event
    ) -> None:
        """*name*: of the leg, one of a kind. *stopping*: nothing is opened from then on."""
        self._plan = plan
        self._leg_plan = leg
        self._name = name
        self._feed = feed
        self._stopping = stopping
        self.lane = lane("connect", feed.venue.name, plan.url)
        self._steps: set[asyncio.Future[Any]] = set()

    def reroute(self, plan: ConnectionPlan, leg: LegPlan) -> None:
        """From the next attempt on, go another way to the same place."""
        self._plan = plan
        self._leg_plan = leg

    def stop(self) -> None:
        """Give up what is under way; *stopping* has been set."""
        for step in self._steps:
            step.cancel()

    async def open(self, on_attempt: Callable[[], None]) -> Opened | None:
        """Wait for our turn and connect; None if `stop` came first.

        *on_attempt* is called when it is our turn.

        Raises:
            CurlError, RestError, DecodeError: it failed.
        """
        # Before our turn, which is to be followed by the attempt at once: the venue
        # counts it when it comes. A ticket does not grow old that fast.
        admission = await self._unless_stopped(self._admission())
        turn = None if admission is None else await self._turn()
        if admission is None or turn is None:
            return None
        on_attempt()
        self._feed.counters.attempts += 1
        reached: bool | None = None
        try:
            ws = await self._unless_stopped(self._dial(admission.url))
            reached = None if ws is None else True
        except CurlError:
            reached = False
            raise
        finally:
            # Others may wait for it, while only one tries for all.
            self._feed.gate.ended(turn, reached=reached)
        return None if ws is None else Opened(ws, admission.heartbeat)

    async def _turn(self) -> int | None:
        """Wait until it is our turn to connect; None if `stop` came first.

        The venue limits attempts, and while it is not reached only one tries for all.
        """
        began_s = time.monotonic()
        stopped = asyncio.create_task(self._stopping.wait())
        turn: asyncio.Future[int] | None = None
        gate = self._feed.gate
        try:
            while not self._stopping.is_set():
                turn = asyncio.ensure_future(
                    gate.turn(self.lane, who=self._name, timeout_s=_PATIENCE_S)
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
                gate.ended(number, reached=None)
            return None
        finally:
            stopped.cancel()
            if turn is not None:
                turn.cancel()

    async def _unless_stopped(self, step: Awaitable[_T]) -> _T | None:
        """Take a step on the way to a connection; None if `stop` came first."""
        opening = asyncio.ensure_future(step)
        self._steps.add(opening)
        try:
            await asyncio.wait([opening])
        finally:
            self._steps.discard(opening)
            opening.cancel()
        return None if opening.cancelled() else opening.result()

    async def _dial(self, url: str) -> FeedSocket:
        plan, websocket = self._plan, self._feed.worker.websocket
        return await self._feed.session.ws_connect(
            url,
            timeout=websocket.open_timeout_s,
            headers=dict(self._feed.venue.headers),
            proxy=self._leg_plan.proxy,
            interface=self._leg_plan.source_address,
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
        ticket, fetch = self._feed.venue.ticket, self._feed.fetch
        if ticket is None or fetch is None:
            return Admission(url=self._plan.url)
        return ticket.admit(await fetch(ticket.request), self._plan.url)
