"""Delays between attempts."""

from ingest.sinks.backoff import Backoff, BackoffSettings, worth_a_line


def test_doubles_to_the_cap_and_starts_over() -> None:
    """Capped exponential; `reset` is what earns the short delay again."""
    backoff = Backoff(BackoffSettings(0.5, 3.0))
    assert [backoff.next_s(1.0) for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    backoff.reset()
    assert backoff.next_s(1.0) == 0.5


def test_full_jitter() -> None:
    """Chance chooses anything from nothing to the whole step."""
    assert [Backoff(BackoffSettings(8.0, 30.0)).next_s(c) for c in (0.0, 0.25, 0.5)] == [0, 2, 4]


def test_an_outage_of_years() -> None:
    """The exponent stays within what a float can hold."""
    backoff = Backoff(BackoffSettings(0.5, 30.0))
    assert {backoff.next_s(1.0) for _ in range(5000)} == {0.5, 1, 2, 4, 8, 16, 30}


def test_which_attempts_are_logged() -> None:
    """The first, then each time the number has doubled."""
    assert [n for n in range(1, 40) if worth_a_line(n)] == [1, 2, 4, 8, 16, 32]
