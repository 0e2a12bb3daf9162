"""When to ping, and when to give up. Pure: times come from the caller."""

from enum import Enum


class Verdict(Enum):
    """What to do now."""

    WAIT = "wait"
    PING = "ping"
    DEAD = "dead"


class Keepalive:
    """A ping every `interval_s`; dead if none is answered within `timeout_s`.

    Any answered ping proves the connection, whichever it was: a slow answer to
    the last but one is no reason to hang up.
    """

    def __init__(self, *, interval_s: float, timeout_s: float | None, now: float) -> None:
        """*timeout_s* None: ping, but never give up."""
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._ping_at = now + interval_s
        self._dead_at: float | None = None

    def check(self, now: float, *, unread: bool = False) -> Verdict:
        """Decide; after `PING` the caller has pinged.

        *unread*: more has arrived than was read. The answer may be in it, so that
        its absence proves nothing yet.
        """
        if self._dead_at is not None and now >= self._dead_at:
            if not unread or self._timeout_s is None:
                return Verdict.DEAD
            self._dead_at = now + self._timeout_s
        if now < self._ping_at:
            return Verdict.WAIT
        self._ping_at = now + self._interval_s
        if self._dead_at is None and self._timeout_s is not None:
            self._dead_at = now + self._timeout_s
        return Verdict.PING

    def next_check(self) -> float:
        """Return when to call `check` again."""
        return self._ping_at if self._dead_at is None else min(self._ping_at, self._dead_at)

    def answered(self) -> None:
        """A pong came that answers one of our pings."""
        self._dead_at = None
