"""`Reach`: one tries for all, and nobody holds up the others for ever."""

import heapq
import random
from collections.abc import Callable

import pytest

from ingest.limits.messages import Lane
from ingest.limits.reach import HOLD_S, Reach
from ingest.limits.turns import Turns
from wscore import Backoff

CONNECT = Lane("connect", "v", "h:443")


def reach(base_s: float = 1.0, cap_s: float = 8.0) -> Reach:
    """Delays are at their ceiling."""
    return Reach(base_s, cap_s, chance=lambda: 1.0)


def test_one_then_twice_as_many() -> None:
    """What is known of the host at the start is nothing."""
    host = reach()
    host.begin((1, 1), "a", 0.0)
    assert host.wait_s(0.0) == HOLD_S
    host.end((1, 1), True, 1.0)
    for number in (2, 3):
        assert host.wait_s(1.0) == 0
        host.begin((1, number), "b", 1.0)
    assert host.wait_s(1.0) > 0
    for number in (2, 3):
        host.end((1, number), True, 2.0)
    for number in (4, 5, 6, 7):
        assert host.wait_s(2.0) == 0
        host.begin((1, number), "c", 2.0)
    assert host.wait_s(2.0) > 0


def test_delays_grow_with_those_who_fail() -> None:
    """Doubled with each connection more, up to the cap; one alone has its own backoff."""
    host, delays, now_s = reach(), [], 0.0
    for who in ("a", "a", "b", "b", "c", "d", "e", "f"):
        host.begin((1, 1), who, now_s)
        host.end((1, 1), False, now_s)
        delays.append(host.wait_s(now_s))
        now_s += delays[-1]
    assert delays == [1, 2, 2, 4, 4, 8, 8, 8]
    assert host.failed == 6
    assert not host.prefers("a")
    assert host.prefers("g")
    host.begin((1, 1), "g", now_s)
    host.end((1, 1), True, now_s)
    assert host.failed == host.wait_s(now_s) == 0


def test_a_burst_that_fails_is_one_failure() -> None:
    """All were on their way when the host went; what comes of the others is no news."""
    host = reach()
    for number in range(4):
        host.begin((1, number), f"{number}", 0.0)
        host.end((1, number), True, 0.0)
    for number in range(4, 9):
        host.begin((1, number), f"{number}", 1.0)
    for number in range(4, 9):
        host.end((1, number), False, 2.0)
    assert host.failed == 1
    assert host.wait_s(2.0) == 1.0
    host.begin((1, 9), "9", 3.0)
    assert host.wait_s(3.0) == HOLD_S  # and one it is again


def test_a_late_success_is_good_news() -> None:
    """Of an attempt that began before another one failed."""
    host = reach()
    host.begin((0, 0), "a", 0.0)
    host.end((0, 0), True, 0.0)
    host.begin((1, 1), "slow", 0.0)
    host.begin((1, 2), "bad", 0.0)
    host.end((1, 2), False, 1.0)
    assert host.wait_s(1.0) == 1.0
    host.end((1, 1), True, 1.5)
    assert host.wait_s(1.5) == 0


def test_a_lost_connection() -> None:
    """One at a time, at once; many that are lost together are the same."""
    host = reach()
    for number in range(4):
        host.begin((1, number), f"{number}", 0.0)
        host.end((1, number), True, 0.0)
    host.lost()
    assert host.wait_s(1.0) == 0
    host.begin((1, 5), "0", 1.0)
    host.lost()
    assert host.wait_s(1.0) == HOLD_S


def test_one_that_hangs() -> None:
    """It counts as failed, and the next one goes; its own end is no news then."""
    host = reach()
    host.begin((1, 1), "a", 0.0)
    assert host.wait_s(HOLD_S) == 1.0
    host.begin((1, 2), "b", HOLD_S + 1)
    host.end((1, 1), False, HOLD_S + 2)
    assert host.wait_s(HOLD_S + 2) == HOLD_S - 1


def test_one_that_nobody_knows_the_end_of() -> None:
    """Its worker died, or we gave it up: neither good news nor bad."""
    host = reach()
    host.begin((1, 1), "a", 0.0)
    host.void((1, 1))
    assert host.wait_s(0.0) == 0
    assert host.failed == 0


class World:
    """Connections of some workers, and a host, in time that is made up."""

    def __init__(
        self, seed: int, connections: int, fails: Callable[[str, float], str], *, limit: int = 300
    ) -> None:
        """*fails* says of a connection and a time: "" it is let in; "refused", "hangs", "dies"."""
        self.chance = random.Random(seed)
        self.fails = fails
        self.turns = Turns(
            lambda lane: (limit, 300.0), new_reach=lambda: Reach(0.5, 30.0, chance=self.draw)
        )
        self.now_s = 0.0
        self.attempts: list[tuple[float, str]] = []
        self.open: dict[str, float] = {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._asking: dict[tuple[int, int], str] = {}
        self._backoff = {
            f"c{n}": Backoff(base_s=0.5, cap_s=30.0, random=self.draw) for n in range(connections)
        }
        for who in self._backoff:
            self.ask(who)

    def draw(self) -> float:
        return self.chance.random()

    def at(self, in_s: float, event: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._events, (self.now_s + in_s, self._number, event))

    def ask(self, who: str) -> None:
        self._number += 1
        ticket = (int(who[1:]) % 4, self._number)
        self._asking[ticket] = who
        self.turns.ask(ticket, CONNECT, 1, who=who)

    def lose(self, who: str) -> None:
        """Its connection ends."""
        del self.open[who]
        self.turns.lost(CONNECT)
        self.at(0.5 * self.draw(), lambda: self.ask(who))

    def attempt(self, ticket: tuple[int, int]) -> None:
        who = self._asking.pop(ticket)
        self.attempts.append((self.now_s, who))
        outcome = self.fails(who, self.now_s)
        if outcome == "dies":  # its worker, which comes back
            self.at(0.1, lambda: self.turns.withdraw(ticket))
            self.at(0.4, lambda: self.ask(who))
            return
        took_s = 30.0 if outcome == "hangs" else 0.02 + 0.1 * self.draw()
        self.at(took_s, lambda: self.end(ticket, who, outcome))

    def end(self, ticket: tuple[int, int], who: str, outcome: str) -> None:
        self.turns.ended(ticket, not outcome, self.now_s)
        if outcome:
            self.at(self._backoff[who].next_delay_s(), lambda: self.ask(who))
        else:
            self._backoff[who].reset()
            self.open[who] = self.now_s

    def run(self, until_s: float) -> None:
        while self.now_s < until_s:
            for ticket in self.turns.due(self.now_s):
                self.attempt(ticket)
            in_s = self.turns.next_in_s(self.now_s)
            times = [until_s]
            if in_s is not None:
                times.append(self.now_s + in_s + 1e-9)
            if self._events:
                times.append(self._events[0][0])
            self.now_s = min(times)
            while self._events and self._events[0][0] <= self.now_s:
                heapq.heappop(self._events)[2]()


SEEDS = pytest.mark.parametrize("seed", range(3))


@SEEDS
@pytest.mark.parametrize("how", ["refused", "hangs"])
def test_an_outage_of_all(seed: int, how: str) -> None:
    """Of 250 connections a few try, and all are back as soon as one is."""
    away = (100.0, 130.0)
    world = World(seed, 250, lambda who, now_s: how if away[0] <= now_s < away[1] else "")
    world.run(100.0)
    assert len(world.open) == 250
    began = len(world.attempts)
    for who in list(world.open):
        world.lose(who)
    world.run(130.0)
    assert len(world.attempts) - began < 25
    # Three quarters of the longest delay so far, a hanging attempt, and the budget's pace.
    world.run(415.0 + HOLD_S)
    assert len(world.open) == 250


@SEEDS
def test_an_outage_costs_no_budget(seed: int) -> None:
    """300 in 300 s; all 280 attempts fit in when the host is back after 20 minutes."""
    world = World(seed, 280, lambda who, now_s: "refused" if now_s < 1200 else "")
    world.run(1200.0)
    tried = [at_s for at_s, _ in world.attempts if at_s > 900]
    assert 5 < len(tried) < 60
    world.run(1240.0)
    assert len(world.open) > 200
    world.run(1500.0)
    assert len(world.open) == 280


@SEEDS
@pytest.mark.parametrize("how", ["refused", "hangs", "dies"])
@pytest.mark.parametrize("bad", [1, 3, 40])
def test_some_are_never_let_in(seed: int, how: str, bad: int) -> None:
    """All others are, soon; and each of those that is lost later is back within a minute or so."""
    names = {f"c{n * 2}" for n in range(bad)}
    world = World(seed, 100, lambda who, _: how if who in names else "", limit=100_000)
    world.run(600.0)
    assert set(world.open) == {f"c{n}" for n in range(100)} - names
    for who in sorted(world.open)[:6]:
        lost_s = world.now_s
        world.lose(who)
        world.run(lost_s + 30.0 + 2 * HOLD_S)
        assert who in world.open
        world.run(world.now_s + 20 * world.draw())
