"""What an answer says about limits."""

from datetime import UTC, datetime

import pytest

from ingest.rest.answers import stay_away_s, used_weight
from ingest.retry_after import retry_after_seconds
from ingest.venues.base import RestLimits

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMITS = RestLimits(weight=(6000, 60.0))


@pytest.mark.parametrize(
    ("status", "retry_after", "wait_s"),
    [
        (200, None, None),
        (200, "5", None),
        (404, "5", None),
        (429, "5", 5.0),
        (418, "172800", 172_800.0),
        (418, "99999999", 3 * 86_400.0),
        (503, "7", 7.0),
        (503, None, None),
        (429, None, 60.0),
        (429, "soon", 60.0),
        (429, "0", 60.0),
        (418, None, 120.0),
        (429, "Thu, 01 Jan 2026 00:01:40 GMT", 100.0),
        (429, "Wed, 31 Dec 2025 00:01:40 GMT", 60.0),
    ],
)
def test_stay_away(status: int, retry_after: str | None, wait_s: float | None) -> None:
    assert stay_away_s(status, retry_after, LIMITS, NOW) == wait_s


@pytest.mark.parametrize(
    ("value", "used"),
    [(None, None), ("", None), ("12", 12), (" 7 ", 7), ("1.5", None), ("-1", None), ("x", None)],
)
def test_used(value: str | None, used: int | None) -> None:
    assert used_weight(value) == used


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3", 3.0), (" 3 ", 3.0), ("", 0.0), ("-3", 0.0), ("٣", 0.0), ("Thu, 99 Jan 2026", 0.0)],
)
def test_retry_after(value: str, seconds: float) -> None:
    assert retry_after_seconds(value, NOW) == seconds
