"""`RateBudget`: a venue's limit on connection attempts."""

import random

import pytest

from ingest.feed.budget import RateBudget


def test_a_burst_is_free_and_what_follows_waits() -> None:
    """Three in ten seconds: the fourth waits for the first to be ten seconds old."""
    budget = RateBudget(3, 10.0)

    assert [budget.take(100.0), budget.take(101.0), budget.take(102.0)] == [0, 0, 0]
    assert budget.take(103.0) == 7.0
    assert budget.take(103.0) == 8.0


def test_time_brings_uses_back() -> None:
    """After a whole window without a use nothing is left of the past."""
    budget = RateBudget(2, 10.0)
    budget.take(0.0), budget.take(0.0)

    assert budget.take(10.0) == 0
    assert budget.take(10.0) == 0
    assert budget.take(10.0) == 10.0


@pytest.mark.parametrize("seed", range(20))
def test_never_more_than_allowed_in_any_window(seed: int) -> None:
    """Whenever the uses are asked for, no window of that length holds more of them."""
    chance = random.Random(seed)
    budget = RateBudget(5, 10.0)
    now, booked = 0.0, []
    for _ in range(200):
        now += chance.expovariate(1.0)
        booked.append(now + budget.take(now))

    assert all(
        later - first > 10.0 - 1e-6 for first, later in zip(booked, booked[5:], strict=False)
    )
    assert booked == sorted(booked)


def test_sharers_keep_the_limit_together() -> None:
    """Two workers that share six uses have three each."""
    shares = [RateBudget(6, 10.0, shares=2) for _ in range(2)]

    free = [budget.take(0.0) for budget in shares for _ in range(4)]

    assert free == [0, 0, 0, 10.0] * 2


def test_more_sharers_than_uses() -> None:
    """Eight workers, three uses a second: each has one in 8/3 s, so all have three a second."""
    budget = RateBudget(3, 1.0, shares=8)

    assert budget.take(0.0) == 0
    assert budget.take(0.0) == pytest.approx(8 / 3)


def test_what_comes_late_does_not_make_a_window_too_full() -> None:
    """The first of a window may arrive as late as the jitter, the next one at once."""
    budget = RateBudget(1, 1.0, jitter_s=0.25)

    assert budget.take(0.0) == 0
    assert budget.take(0.0) == 1.25
