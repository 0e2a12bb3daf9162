"""Pings of one connection: those of the user, and the keepalive's."""

import asyncio
import time
from collections.abc import Callable

from wscore.keepalive import Keepalive, Verdict
from wscore.pings import Pings


class Pinger:
    """Keeps the unanswered pings, the latency, and the keepalive's timer.

    Three callbacks: *send* a PING's payload; *look* says whether the connection still lives
    and whether more may have arrived than was read; *on_dead*: nobody is there.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        send: Callable[[bytes], None],
        look: Callable[[], tuple[bool, bool]],
        on_dead: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._send = send
        self._look = look
        self._on_dead = on_dead
        self._pings = Pings()
        self._keepalive: Keepalive | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.latency: float | None = None  # seconds, of the last answered ping

    def keep_alive(self, interval_s: float, timeout_s: float | None) -> None:
        """Ping in that interval; dead if none is answered in time, None: never."""
        self._keepalive = Keepalive(
            interval_s=interval_s, timeout_s=timeout_s, now=self._loop.time()
        )
        self._timer = self._loop.call_at(self._keepalive.next_check(), self._on_timer)

    def next_payload(self) -> bytes:
        """Return a payload that tells its PING from the others."""
        return self._pings.next_payload()

    def sent(self, payload: bytes) -> "asyncio.Future[float]":
        """A PING was sent; return a future of its latency in seconds."""
        return self._pings.sent(payload, time.perf_counter())

    def on_pong(self, payload: bytes) -> None:
        """A PONG came."""
        latency = self._pings.answered(payload, time.perf_counter())
        if latency is not None:
            self.latency = latency
            if self._keepalive is not None:
                self._keepalive.answered()

    def stop(self) -> None:
        """Ping no more."""
        if self._timer is not None:
            self._timer.cancel()

    def fail(self, error: BaseException) -> None:
        """No answers will come."""
        self._pings.fail(error)

    def _on_timer(self) -> None:
        assert self._keepalive is not None
        alive, unread = self._look()
        if not alive:
            return
        verdict = self._keepalive.check(self._loop.time(), unread=unread)
        if verdict is Verdict.DEAD:
            self._on_dead()
            return
        if verdict is Verdict.PING:
            payload = self.next_payload()
            self.sent(payload)
            self._send(payload)
        self._timer = self._loop.call_at(self._keepalive.next_check(), self._on_timer)
