"""`Pulse`: quiet markets are left alone, silent subscriptions are not."""

import math
import random
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.feed.pulse import FLOOR_S, Pulse

DAY_S = 86_400.0


def play(pulse: Pulse, gaps: Iterator[float], until_s: float) -> tuple[float, int]:
    """Let data come after these silences; return when the last came, and the false alarms."""
    now_s = began_s = pulse._heard_s
    alarms = 0
    for gap_s in gaps:
        if now_s + gap_s > began_s + until_s:
            break
        # The limit moves only with data: what is stale by the end of a silence is stale
        # at its last tick, too.
        alarms += pulse.tick(now_s + gap_s - 0.5, subscribed=True, heard=False) == "stale"
        now_s += gap_s
        pulse.tick(now_s, subscribed=True, heard=True)
    return now_s, alarms


def subscribed(*, at_once: bool = False) -> Pulse:
    pulse = Pulse(at_once=at_once)
    assert pulse.tick(0.0, subscribed=True, heard=False) is None
    return pulse


def regular(every_s: float) -> Iterator[float]:
    while True:
        yield every_s


def noticed_after_s(pulse: Pulse, since_s: float) -> float:
    now_s = since_s
    while pulse.tick(now_s, subscribed=True, heard=False) != "stale":
        now_s += 1.0
        assert now_s < since_s + 10 * DAY_S
    return now_s - since_s


@pytest.mark.parametrize(("every_s", "within_s"), [(1, 32), (2, 32), (8, 50), (60, 362)])
def test_a_silence_is_noticed_by_what_was_usual(every_s: float, within_s: float) -> None:
    pulse = subscribed()
    last_s, alarms = play(pulse, regular(every_s), 2 * 3600)
    assert alarms == 0
    assert FLOOR_S < noticed_after_s(pulse, last_s) <= within_s


PATTERNS: dict[str, Callable[[random.Random], float]] = {
    "poisson": lambda chance: chance.expovariate(1.0),
    "clustered": lambda chance: chance.choice([0.01] * 9 + [10.0]) * chance.expovariate(1.0),
    "heavy tail": lambda chance: chance.lognormvariate(-0.5, 1.0),
}


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("mean_s", [1.0, 10.0, 100.0, 1000.0])
def test_markets_that_are_only_quiet_are_left_alone(name: str, mean_s: float) -> None:
    """A day of each, of busy ones some hours, twenty times."""
    alarms = beats = 0
    for seed in range(20):
        chance = random.Random(seed)
        pulse = subscribed()
        gaps = (max(1.0, PATTERNS[name](chance) * mean_s) for _ in iter(int, 1))
        _, false = play(pulse, gaps, min(DAY_S, 5000 * mean_s))
        alarms += false
        beats += pulse._beats
    assert alarms <= 1
    assert beats > 100


def test_nights_are_quieter_than_days() -> None:
    """The rate swings by thirty over a day, slowly."""
    chance = random.Random(3)

    def gaps() -> Iterator[float]:
        now_s = 0.0
        while True:
            mean_s = 10.0 * math.exp(1.7 * math.sin(now_s / DAY_S * 2 * math.pi))
            gap_s = max(1.0, chance.expovariate(1.0) * mean_s)
            now_s += gap_s
            yield gap_s

    assert play(subscribed(), gaps(), 5 * DAY_S)[1] == 0


def test_rare_bursts_are_no_reason_to_expect_more() -> None:
    """Liquidations: nothing for hours, then hundreds in minutes."""

    def gaps() -> Iterator[float]:
        while True:
            yield 4 * 3600.0
            yield from (1.0 for _ in range(300))

    assert play(subscribed(), gaps(), 5 * DAY_S)[1] == 0


def test_a_burst_right_after_the_subscription_proves_little() -> None:
    pulse = subscribed()
    last_s, _ = play(pulse, regular(1), 80)
    assert noticed_after_s(pulse, last_s) > 200


def test_what_never_sent_anything_is_not_judged() -> None:
    """A market without a trade all day; but a book that opens with a snapshot is."""
    pulse = subscribed()
    assert pulse.tick(DAY_S, subscribed=True, heard=False) is None
    assert pulse.never_heard and pulse.limit_s() is None
    assert noticed_after_s(subscribed(at_once=True), 0.0) == FLOOR_S + 1


def test_snapshots_only_and_then_nothing_is_fine() -> None:
    """The book of a dead market: its opening, at each subscription, and no more."""
    pulse = Pulse(at_once=True)
    for session in range(5):
        start_s = session * DAY_S
        pulse.tick(start_s, subscribed=True, heard=False)
        pulse.tick(start_s + 1, subscribed=True, heard=True)
        assert pulse.tick(start_s + DAY_S / 2, subscribed=True, heard=False) is None
        pulse.tick(start_s + DAY_S / 2 + 1, subscribed=False, heard=False)


def test_it_is_over_when_data_comes_again() -> None:
    pulse = subscribed()
    last_s, _ = play(pulse, regular(1), 1800)
    after_s = noticed_after_s(pulse, last_s)
    assert pulse.stale
    now_s = last_s + after_s + 5
    assert pulse.tick(now_s, subscribed=True, heard=True) == "flowing"
    assert not pulse.stale
    # What proved to be possible is not remarkable any more, for a while.
    assert noticed_after_s(pulse, now_s) > 3 * after_s
    last_s, _ = play(pulse, regular(1), 2 * 3600)
    assert noticed_after_s(pulse, last_s) == FLOOR_S + 1


def test_a_silence_that_goes_on_is_reported_more_and_more_rarely() -> None:
    pulse = subscribed()
    last_s, _ = play(pulse, regular(1), 1800)
    reports = [
        now_s
        for now_s in range(7 * 3600)
        if pulse.tick(last_s + now_s, subscribed=True, heard=False) == "stale"
    ]
    waits = [b - a for a, b in pairwise(reports)]
    assert waits[:4] == [60, 120, 240, 480]
    assert waits[-1] == 3600
    assert pulse.reports == len(reports)


def test_a_silence_does_not_go_on_over_a_new_session() -> None:
    pulse = subscribed()
    last_s, _ = play(pulse, regular(1), 1800)
    pulse.tick(last_s + 20, subscribed=False, heard=False)
    pulse.tick(last_s + 25, subscribed=True, heard=False)
    # Its past is known in the new session.
    assert noticed_after_s(pulse, last_s + 25) == FLOOR_S + 1


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.5, 100_000), st.booleans(), st.booleans()), max_size=200),
    st.booleans(),
)
def test_no_silence_up_to_the_longest_known_is_stale(
    steps: list[tuple[float, bool, bool]], at_once: bool
) -> None:
    """Whatever comes: nothing is stale that is not silent for longer than it was lately."""
    pulse, now_s, heard_s = Pulse(at_once=at_once), 0.0, 0.0
    silences = [0.0]
    was_subscribed = False
    for wait_s, is_subscribed, heard in steps:
        now_s += wait_s
        change = pulse.tick(now_s, subscribed=is_subscribed, heard=heard)
        if not was_subscribed:
            heard_s = now_s
        if heard:
            silences.append(now_s - heard_s)
            heard_s = now_s
        was_subscribed = is_subscribed or heard
        if change == "stale":
            assert not heard and was_subscribed
            assert now_s - heard_s > FLOOR_S
            assert at_once or len(silences) > 60
            if len(silences) < 100 and not at_once:
                assert now_s - heard_s > 6 * max(silences)
        assert pulse.stale or change != "stale"
