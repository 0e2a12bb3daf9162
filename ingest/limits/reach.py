"""How many may try to connect to a host at a time, by how it went before. Pure."""

import random
from collections.abc import Callable
from typing import NamedTuple

# Who asks, and its number for what it asks.
Ticket = tuple[int, int]

# An attempt that has not ended by then holds up nobody any more: it, or who made it, hangs.
HOLD_S = 10.0


class _Attempt(NamedTuple):
    who: str
    began_s: float


class Reach:
    """At first one, then one more with every attempt that succeeds.

    After one that fails it is one again, and not before a delay: a random time up to a
    ceiling, which is *base_s* and doubles with each further connection that fails, up to
    *cap_s*. After a connection is lost it is one again, too, but at once. So while a
    host is away one tries for all, and when it is back all follow, twice as many at
    each step. What began before all that says nothing about it if it fails.

    It counts who fails, not how often, and `prefers` those whose last attempt did not:
    some whose URL is refused, while others are let in, do not hold these up for long.
    """

    def __init__(
        self, base_s: float, cap_s: float, *, chance: Callable[[], float] = random.random
    ) -> None:
        """*chance* returns numbers in [0, 1)."""
        self._base_s = base_s
        self._cap_s = cap_s
        self._chance = chance
        self._trying: dict[Ticket, _Attempt] = {}  # since the last bad news; in order
        self._late: dict[Ticket, _Attempt] = {}  # those that began before
        self._room = 1
        self._failed: set[str] = set()  # since the last success
        self._refused: set[str] = set()  # their own last attempt failed
        self._not_before_s = float("-inf")

    @property
    def failed(self) -> int:
        """How many connections have failed since one succeeded."""
        return len(self._failed)

    def prefers(self, who: str) -> bool:
        """Whether *who* is to go before those for whom this is false."""
        return who not in self._refused

    def wait_s(self, now_s: float) -> float:
        """Return how long the next attempt has to wait, unless there is news; 0: it may go."""
        self._give_up(now_s)
        wait_s = self._not_before_s - now_s
        if len(self._trying) >= self._room:
            wait_s = max(wait_s, next(iter(self._trying.values())).began_s + HOLD_S - now_s)
        return max(0.0, wait_s)

    def begin(self, ticket: Ticket, who: str, now_s: float) -> None:
        """An attempt begins; *who* is the connection's name."""
        self._trying[ticket] = _Attempt(who, now_s)

    def end(self, ticket: Ticket, reached: bool, now_s: float) -> None:
        """It has succeeded or failed."""
        began_before = ticket in self._late
        attempt = (self._late if began_before else self._trying).pop(ticket)
        if reached:
            self._room += 1
            self._refused.discard(attempt.who)
            self._failed.clear()
            self._not_before_s = float("-inf")
        elif began_before:
            self._refused.add(attempt.who)
        else:
            self._fail(attempt.who, now_s)

    def void(self, ticket: Ticket) -> None:
        """It was given up by us, or nobody is left to know how it ended."""
        self._trying.pop(ticket, None)
        self._late.pop(ticket, None)

    def lost(self) -> None:
        """An open connection has ended: perhaps the host has."""
        if self._room > 1:
            self._begin_again()

    def _give_up(self, now_s: float) -> None:
        attempt = next(iter(self._trying.values()), None)
        if attempt is not None and attempt.began_s + HOLD_S <= now_s:
            self._fail(attempt.who, attempt.began_s + HOLD_S)

    def _fail(self, who: str, at_s: float) -> None:
        # Bounded as the ceiling is: past any cap, a bigger exponent would overflow.
        ceiling_s = min(self._cap_s, self._base_s * 2 ** min(len(self._failed), 60))
        self._failed.add(who)
        self._refused.add(who)
        self._not_before_s = at_s + ceiling_s * self._chance()
        self._begin_again()

    def _begin_again(self) -> None:
        self._room = 1
        self._late |= self._trying
        self._trying.clear()
