"""The blocking side's pure rules: when to connect again."""

from wscore.sync.reconnecting import reconnect_backoff


def test_reconnects_start_at_the_users_pace_and_slow_down() -> None:
    backoff = reconnect_backoff(5, random=lambda: 1.0)
    assert [backoff.next_delay_s() for _ in range(6)] == [5, 10, 20, 40, 60, 60]


def test_the_jitter_takes_a_quarter_at_most() -> None:
    assert reconnect_backoff(4, random=lambda: 0.0).next_delay_s() == 3


def test_only_a_good_session_starts_over() -> None:
    """One that connects and is dropped at once does not."""
    backoff = reconnect_backoff(5, random=lambda: 1.0)
    backoff.next_delay_s()
    assert backoff.next_delay_s(connected_for_s=9.9) == 10
    assert backoff.next_delay_s(connected_for_s=10) == 5


def test_a_pace_of_more_than_a_minute_is_kept() -> None:
    backoff = reconnect_backoff(300, random=lambda: 1.0)
    assert [backoff.next_delay_s() for _ in range(2)] == [300, 300]
