"""Delays between connection attempts."""

import pytest

from wscore import Backoff


def new(random: float = 1.0) -> Backoff:
    return Backoff(base_s=0.5, cap_s=30, healthy_after_s=60, random=lambda: random)


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    backoff = new()
    delays = [backoff.next_delay_s() for _ in range(9)]
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert backoff.failures == 9


def test_full_jitter_draws_from_the_whole_range() -> None:
    for share in (0.0, 0.25, 0.99):
        backoff = new(share)
        assert [backoff.next_delay_s() for _ in range(3)] == [0.5 * share, share, 2 * share]


def test_only_a_healthy_session_resets() -> None:
    backoff = new()
    for _ in range(4):
        backoff.next_delay_s(connected_for_s=59.9)
    assert backoff.ceiling_s() == 8
    assert backoff.next_delay_s(connected_for_s=60) == 0.5
    assert backoff.next_delay_s() == 1


def test_never_connected_is_not_healthy_even_if_nothing_is_asked_for() -> None:
    backoff = Backoff(base_s=1, cap_s=30, healthy_after_s=0, random=lambda: 1.0)
    assert [backoff.next_delay_s() for _ in range(3)] == [1, 2, 4]
    assert backoff.next_delay_s(connected_for_s=0.001) == 1


@pytest.mark.parametrize("failures", [61, 1100])
def test_a_very_long_outage_does_not_overflow(failures: int) -> None:
    backoff = new()
    for _ in range(failures):
        backoff.next_delay_s()
    assert backoff.next_delay_s() == 30
