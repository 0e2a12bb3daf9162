"""`Turns`: first come, first served, and nobody goes where we were asked to stay away."""

import random

import pytest

from ingest.limits.messages import Lane, lane
from ingest.limits.turns import Turns

A, B = Lane("rest", "v", "a:443"), Lane("rest", "v", "b:443")
CONNECT = Lane("connect", "v", "a:443")


def turns(limit: int = 2, window_s: float = 10.0) -> Turns:
    return Turns(lambda lane: (limit, window_s))


def test_in_order_and_within_the_limit() -> None:
    queue = turns()
    for number in range(5):
        queue.ask((number % 2, number), A, 1)

    assert queue.due(100.0) == [(0, 0), (1, 1)]
    assert queue.due(100.0) == []
    assert queue.next_in_s(104.0) == 6.0
    assert queue.due(110.0) == [(0, 2), (1, 3)]
    assert queue.waiting == 1


def test_nobody_waits() -> None:
    queue = turns()
    assert queue.next_in_s(0.0) is None
    queue.ask((1, 1), A, 1)
    assert queue.next_in_s(0.0) == 0
    queue.due(0.0)
    assert queue.next_in_s(0.0) is None


def test_a_heavy_one_is_not_overtaken() -> None:
    """Or the light ones would keep it waiting for ever."""
    queue = turns(limit=10)
    queue.ask((0, 1), A, 5)
    assert queue.due(0.0) == [(0, 1)]
    queue.ask((0, 2), A, 8)
    queue.ask((0, 3), A, 1)

    assert queue.due(1.0) == []
    assert queue.due(10.0) == [(0, 2), (0, 3)]


def test_hosts_and_kinds_have_budgets_of_their_own() -> None:
    queue = turns(limit=1)
    for number, where in enumerate((A, A, B, CONNECT)):
        queue.ask((0, number), where, 1)
    assert set(queue.due(0.0)) == {(0, 0), (0, 2), (0, 3)}


def test_venues_at_one_host_share() -> None:
    """The venue counts our address, not what we call it."""
    queue = turns(limit=1)
    queue.ask((0, 0), Lane("connect", "spot", "h:443"), 1)
    queue.ask((0, 1), Lane("connect", "futures", "h:443"), 1)
    assert queue.due(0.0) == [(0, 0)]


def test_withdrawn() -> None:
    """A place given up costs nothing; one whose turn it was cannot be given up."""
    queue = turns(limit=1)
    queue.ask((0, 1), A, 1)
    queue.ask((0, 2), A, 1)
    queue.withdraw((0, 1))
    assert queue.due(0.0) == [(0, 2)]
    queue.withdraw((0, 2))
    queue.withdraw((0, 99))
    queue.ask((0, 3), A, 1)
    assert queue.due(0.0) == []


def test_one_who_is_gone() -> None:
    """Its places are void, what it has used stays used."""
    queue = turns(limit=2)
    for owner, number in ((1, 1), (1, 2), (1, 3), (2, 1)):
        queue.ask((owner, number), A, 1)
    assert queue.due(0.0) == [(1, 1), (1, 2)]
    queue.forget(1)
    assert queue.due(0.0) == []
    assert queue.due(10.0) == [(2, 1)]
    assert queue.waiting == 0


def test_a_ban() -> None:
    """Of a host, with all its lanes; a shorter one does not shorten it."""
    queue = turns()
    assert queue.ban("a:443", 50.0)
    assert not queue.ban("a:443", 20.0)
    for number, where in enumerate((A, CONNECT, B)):
        queue.ask((0, number), where, 1)

    assert queue.due(0.0) == [(0, 2)]
    assert queue.next_in_s(10.0) == 40.0
    assert queue.due(49.9) == []
    assert sorted(queue.due(50.0)) == [(0, 0), (0, 1)]


def test_what_the_venue_says_is_used() -> None:
    queue = turns(limit=10)
    queue.believe(A, 10, 0.0)
    queue.ask((0, 1), A, 1)
    assert queue.due(5.0) == []
    assert queue.due(10.0) == [(0, 1)]


@pytest.mark.parametrize("seed", range(10))
def test_whatever_happens_the_limit_holds_and_nobody_is_forgotten(seed: int) -> None:
    """Asks, withdrawals, deaths and bans in any order."""
    chance = random.Random(seed)
    queue, now_s, granted = turns(limit=5), 0.0, []
    open_asks: set[tuple[int, int]] = set()
    banned_s = 0.0
    for number in range(300):
        now_s += chance.expovariate(2.0)
        match chance.randrange(10):
            case 0:
                banned_s = max(banned_s, now_s + 3)
                queue.ban(A.host, now_s + 3)
            case 1:
                owner = chance.randrange(3)
                queue.forget(owner)
                open_asks = {ask for ask in open_asks if ask[0] != owner}
            case 2 if open_asks:
                ask = chance.choice(sorted(open_asks))
                queue.withdraw(ask)
                open_asks.discard(ask)
            case _:
                ask = (chance.randrange(3), number)
                queue.ask(ask, A, 1)
                open_asks.add(ask)
        due = queue.due(now_s)
        assert not due or now_s >= banned_s
        assert open_asks.issuperset(due)
        open_asks.difference_update(due)
        granted += [now_s] * len(due)
    while open_asks:
        wait_s = queue.next_in_s(now_s)
        assert wait_s is not None
        now_s += wait_s + 1e-9
        due = queue.due(now_s)
        assert due
        open_asks.difference_update(due)
        granted += [now_s] * len(due)

    assert all(
        later - first > 10 - 1e-6 for first, later in zip(granted, granted[5:], strict=False)
    )


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("wss://stream.Venue.com/ws", "stream.venue.com:443"),
        ("https://u:p@h/x?y", "h:443"),
        ("http://[::1]:80", "::1:80"),
        ("ws://h", "h:80"),
    ],
)
def test_hosts(url: str, host: str) -> None:
    assert lane("rest", "v", url) == Lane("rest", "v", host)


def test_what_is_answered_late_counts_late() -> None:
    """The venue may have counted it just then: only a window after that there is room."""
    queue = turns(limit=2)
    for number in range(4):
        queue.ask((1, number), A, 1)
    assert queue.due(100.0) == [(1, 0), (1, 1)]

    queue.ended((1, 0), True, 103.0)
    assert queue.due(110.0) == [(1, 2)]  # the other one is not answered, but long gone
    queue.ended((1, 1), True, 111.0)
    assert queue.due(113.0) == []
    assert queue.due(121.0) == [(1, 3)]


def test_attempts_are_not_answered() -> None:
    """They count from their turn on; and so does what was given up, or whose process ended."""
    queue = turns(limit=1)
    for owner, number in ((1, 1), (2, 2), (3, 3)):
        queue.ask((owner, number), CONNECT if owner == 1 else A, 1)
    assert queue.due(100.0) == [(1, 1), (2, 2)]

    queue.withdraw((2, 2))
    for ticket in ((1, 1), (2, 2)):
        queue.ended(ticket, True, 105.0)
    assert queue.due(110.0) == [(3, 3)]
    queue.forget(3)
    queue.ended((3, 3), True, 115.0)
    queue.ask((4, 4), A, 1)
    assert queue.due(120.0) == [(4, 4)]


def test_the_sharpest_limit_of_those_that_share_a_host() -> None:
    """All keep to it, and what was used before it was known counts."""
    limits = {"mild": (10, 10.0), "sharp": (3, 10.0), "slow": (8, 100.0)}
    queue = Turns(lambda lane: limits[lane.venue])

    def asked(venue: str, *numbers: int) -> None:
        for number in numbers:
            queue.ask((0, number), Lane("rest", venue, "h:443"), 1)

    asked("mild", 1, 2)
    assert len(queue.due(0.0)) == 2
    asked("sharp", 3, 4)
    asked("mild", 5)
    assert queue.due(1.0) == [(0, 3)]
    assert queue.next_in_s(1.0) == 9.0
    assert queue.due(10.0) == [(0, 4), (0, 5)]
    asked("slow", *range(6, 12))
    assert queue.due(11.0) == [(0, 6)]
    assert queue.due(21.0) == [(0, 7), (0, 8), (0, 9)]
    assert queue.due(31.0) == [(0, 10)]  # eight since the one at 1.0
    assert queue.next_in_s(31.0) == 70.0


def test_groups() -> None:
    """Venues of several groups are counted apart, though one replay has them all."""
    queue = Turns(lambda lane: (1, 10.0), group_of=lambda lane: lane.venue[0])
    for number, venue in enumerate(("kraken", "kraken-v1", "okx")):
        queue.ask((0, number), Lane("rest", venue, "h:443"), 1)
    assert queue.due(0.0) == [(0, 0), (0, 2)]
