"""`SampledLog`: a flood of bad messages is a few lines."""

import pytest
from structlog.testing import capture_logs

from ingest.feed import sample
from ingest.feed.sample import SampledLog


def test_one_line_per_reason_and_period(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is shown, the following ones are counted, and the next line says how many."""
    now = 1000.0
    monkeypatch.setattr(sample.time, "monotonic", lambda: now)
    samples = SampledLog()
    with capture_logs() as lines:
        for _ in range(5):
            samples.warning("bad_json", b"{", "not JSON")
        samples.warning("bad_utf8", b"\xff", "not UTF-8")
        now += 10.0
        samples.warning("bad_json", b"[", "not JSON either")

    assert [(line["reason"], line["unlogged"], line["sample"]) for line in lines] == [
        ("bad_json", 0, "{"),
        ("bad_utf8", 0, "�"),
        ("bad_json", 4, "["),
    ]


def test_a_huge_message_makes_a_short_line() -> None:
    """Sample and text are cut."""
    with capture_logs() as lines:
        SampledLog().warning("bad_json", b"x" * 10_000_000, "y" * 10_000_000)

    assert len(lines[0]["sample"]) == len(lines[0]["error"]) == 300
