"""When to ping and when to give up."""

from wscore.keepalive import Keepalive, Verdict


def new(timeout_s: float | None = 5) -> Keepalive:
    return Keepalive(interval_s=20, timeout_s=timeout_s, now=100)


def test_pings_in_the_interval() -> None:
    keepalive = new(None)
    assert keepalive.next_check() == 120
    assert keepalive.check(119) is Verdict.WAIT
    assert keepalive.check(120) is Verdict.PING
    assert keepalive.next_check() == 140
    assert keepalive.check(121) is Verdict.WAIT
    assert keepalive.check(200) is Verdict.PING
    assert keepalive.next_check() == 220


def test_dead_without_an_answer() -> None:
    keepalive = new()
    keepalive.check(120)
    assert keepalive.next_check() == 125
    assert keepalive.check(124.9) is Verdict.WAIT
    assert keepalive.check(125) is Verdict.DEAD


def test_an_answer_lets_it_live() -> None:
    keepalive = new()
    keepalive.check(120)
    keepalive.answered()
    assert keepalive.next_check() == 140
    assert keepalive.check(126) is Verdict.WAIT


def test_the_deadline_is_of_the_first_unanswered_ping() -> None:
    """A timeout longer than the interval is not pushed on by later pings."""
    keepalive = new(50)
    for now in (120, 140, 160):
        assert keepalive.check(now) is Verdict.PING
    assert keepalive.check(170) is Verdict.DEAD


def test_without_a_timeout_it_never_gives_up() -> None:
    keepalive = new(None)
    assert [keepalive.check(now) for now in range(120, 1000, 20)] == [Verdict.PING] * 44


def test_what_is_unread_may_hold_the_answer() -> None:
    """It postpones the end by another timeout, as often as it takes."""
    keepalive = new()
    keepalive.check(120)
    assert keepalive.check(125, unread=True) is Verdict.WAIT
    assert keepalive.next_check() == 130
    assert keepalive.check(130, unread=True) is Verdict.WAIT
    assert keepalive.check(135) is Verdict.DEAD
