"""Pings of a blocking connection: those of the user, and the keepalive's."""

import time

from wscore.keepalive import Keepalive, Verdict
from wscore.ping_log import PingLog


class PendingPing:
    """A PING on its way: `latency` in seconds once it is answered."""

    latency: float | None = None
    lost = False


class Pinger:
    """Keeps the unanswered pings, the latency, and when the keepalive is due. Sends nothing."""

    def __init__(self, interval_s: float | None, timeout_s: float | None, payload: bytes) -> None:
        """*interval_s* None: no keepalive. *payload*: of its PINGs; empty: unique ones."""
        self._log: PingLog[PendingPing] = PingLog()
        self._payload = payload
        self._keepalive: Keepalive | None = None
        if interval_s is not None:
            self._keepalive = Keepalive(
                interval_s=interval_s, timeout_s=timeout_s, now=time.monotonic()
            )
        self.latency: float | None = None  # seconds, of the last answered ping

    def next_payload(self) -> bytes:
        """Return a payload that tells its PING from the others."""
        return self._log.next_payload()

    def sent(self, payload: bytes) -> PendingPing:
        """A PING is about to be sent."""
        pending = PendingPing()
        given_up = self._log.sent(payload, time.perf_counter(), pending)
        if given_up is not None:
            given_up.lost = True
        return pending

    def on_pong(self, payload: bytes, now_s: float) -> None:
        """A PONG came, at that time of `time.perf_counter`."""
        for pending, latency in self._log.answered(payload, now_s):
            pending.latency = self.latency = latency
            if self._keepalive is not None:
                self._keepalive.answered()

    def next_check(self) -> float | None:
        """Return when `check` is due (monotonic), None if never."""
        return None if self._keepalive is None else self._keepalive.next_check()

    def check(self, *, unread: bool) -> tuple[Verdict, bytes]:
        """Return what the keepalive says, and for `PING` the payload to send now.

        *unread*: more has arrived, or may have, than was read.
        """
        assert self._keepalive is not None
        verdict = self._keepalive.check(time.monotonic(), unread=unread)
        if verdict is not Verdict.PING:
            return verdict, b""
        payload = self._payload or self.next_payload()
        self.sent(payload)
        return verdict, payload

    def give_up(self) -> None:
        """No answers will come."""
        for pending in self._log.give_up():
            pending.lost = True
