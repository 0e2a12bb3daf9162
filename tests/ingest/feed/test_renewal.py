"""`Renewal`: when a socket is to be replaced."""

from collections.abc import Callable
from functools import partial

import pytest

from ingest.feed.renewal import Renewal
from wscore import Backoff

DAY_S = 86_400.0


@pytest.fixture(autouse=True)
def no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.feed.renewal.Backoff", partial(Backoff, random=lambda: 1.0))


@pytest.mark.parametrize(("chance", "hours"), [(min, 19.2), (max, 22.8)])
def test_ahead_of_the_venue(chance: Callable[[float, float], float], hours: float) -> None:
    """At a random moment between four fifths of the greatest age and an hour before it."""
    renewal = Renewal(DAY_S, 100.0, chance=chance)

    assert renewal.wait_s(100.0) == pytest.approx(hours * 3600)
    assert renewal.wait_s(100.0 + DAY_S) == 0
    assert renewal.reason == "max_age"


def test_not_by_itself() -> None:
    """A venue that does not end connections: only when somebody wants it."""
    renewal = Renewal(None, 0.0)
    assert renewal.wait_s(1e9) is None
    renewal.want("reload", 5.0)

    assert renewal.wait_s(5.0) == 0
    assert renewal.reason == "reload"


def test_tried_again_more_and_more_rarely() -> None:
    """Up to once a minute: from an hour before the end there is time for dozens."""
    renewal = Renewal(DAY_S, 0.0)
    renewal.want("soon", 10.0)

    assert [renewal.failed(10.0) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert renewal.wait_s(10.0) == 60
    assert renewal.wait_s(70.0) == 0
