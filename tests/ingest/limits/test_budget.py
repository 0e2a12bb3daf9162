"""`Budget`: so much weight in any window of time."""

import random

import pytest

from ingest.limits.budget import Budget


def take(budget: Budget, now_s: float, weight: int = 1) -> float:
    """Use it as soon as it fits; return the wait."""
    wait_s = budget.wait_s(weight, now_s)
    if wait_s == 0:
        budget.use(weight, now_s)
    return wait_s


def test_a_burst_is_free_and_what_follows_waits() -> None:
    """Three in ten seconds: the fourth waits for the first to be ten seconds old."""
    budget = Budget(3, 10.0)

    assert [take(budget, now_s) for now_s in (100.0, 101.0, 102.0)] == [0, 0, 0]
    assert take(budget, 103.0) == 7.0
    assert take(budget, 110.0) == 0
    assert take(budget, 110.0) == 1.0


def test_weights() -> None:
    """A heavy one waits until enough of the past is over, not only its beginning."""
    budget = Budget(10, 10.0)
    for now_s in (0.0, 1.0, 2.0):
        assert take(budget, now_s, 3) == 0

    assert budget.wait_s(1, 3.0) == 0
    assert budget.wait_s(4, 3.0) == 7.0
    assert budget.wait_s(5, 3.0) == 8.0
    assert budget.wait_s(10, 3.0) == 9.0


def test_heavier_than_the_limit() -> None:
    """It fits alone, or it would wait for ever."""
    budget = Budget(10, 10.0)
    assert take(budget, 0.0, 50) == 0
    assert take(budget, 1.0, 1) == 9.0
    assert take(budget, 10.0, 50) == 0


def test_the_venue_knows_of_more() -> None:
    """Others use our address, or an earlier run of ours did: believed, for a whole window."""
    budget = Budget(100, 60.0)
    take(budget, 0.0, 10)
    budget.believe(95, 1.0)

    assert budget.wait_s(5, 1.0) == 0
    assert budget.wait_s(6, 1.0) == 59.0  # when our own 10 are over
    assert budget.wait_s(16, 1.0) == 60.0


def test_the_venue_knows_of_less() -> None:
    """What is on its way is not counted there yet."""
    budget = Budget(100, 60.0)
    take(budget, 0.0, 90)
    budget.believe(10, 1.0)

    assert budget.wait_s(11, 1.0) == 59.0


def test_nonsense_from_the_venue_is_bounded() -> None:
    """However much it says, in a window's time all is free again."""
    budget = Budget(100, 60.0)
    budget.believe(10**12, 0.0)
    assert budget.wait_s(1, 0.0) == 60.0
    assert budget.wait_s(100, 60.0) == 0


@pytest.mark.parametrize("seed", range(20))
def test_never_more_than_allowed_in_any_window(seed: int) -> None:
    """Whenever it is asked for, and with whatever weights."""
    chance = random.Random(seed)
    budget = Budget(10, 10.0)
    now_s, uses = 0.0, []
    for _ in range(200):
        now_s += chance.expovariate(1.0)
        weight = chance.randint(1, 10)
        wait_s = budget.wait_s(weight, now_s)
        now_s += wait_s + 1e-9
        assert budget.wait_s(weight, now_s) == 0
        budget.use(weight, now_s)
        uses.append((now_s, weight))

    for start_s, _ in uses:
        assert sum(w for at_s, w in uses if start_s <= at_s < start_s + 10.0 - 1e-6) <= 10
