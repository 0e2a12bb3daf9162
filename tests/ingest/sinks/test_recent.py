"""Which acknowledged batches are still there to be sent again."""

from types import SimpleNamespace
from typing import Any

from ingest.sinks.batch import Batch, build_batch
from ingest.sinks.buffer import StreamWriter
from ingest.sinks.recent import RecentBatches, beyond_reach
from ingest.sinks.settings import SinkSettings

SIZE = 10


def _batch(stream: StreamWriter, rx_ms: int) -> Batch:
    return build_batch([(stream, rx_ms * 1_000_000, 2, b"x" * SIZE)], lambda entry: None)


def _kept(monkeypatch: Any, acked_s: list[float]) -> tuple[int, bool]:
    """How many of the entries that were acknowledged then are left; whether any is not."""
    ticks = iter([0.0, *acked_s])
    clock = SimpleNamespace(monotonic=lambda: next(ticks))
    monkeypatch.setattr("ingest.sinks.recent.time", clock)
    stream = StreamWriter("s", None, lambda entry: True)
    recent = RecentBatches(SinkSettings(resend_s=5.0))
    for number in range(len(acked_s)):
        recent.add(_batch(stream, 1 + number), SIZE)
    lost = recent.take_lost({stream: (0, 0)})
    return sum(len(batch.entries) for batch in lost), beyond_reach(stream, (0, 0)) is not None


def test_what_is_too_old_is_let_go(monkeypatch: Any) -> None:
    assert _kept(monkeypatch, [0.5 * n for n in range(21)]) == (11, True)


def test_a_stall_makes_nothing_older(monkeypatch: Any) -> None:
    """A master that stood still has passed on nothing meanwhile; nor has it forgotten."""
    assert _kept(monkeypatch, [0.0, 0.5, 1.0, 5.9, 6.0]) == (5, False)
