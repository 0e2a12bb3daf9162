"""The bounds of what is held."""

import pytest

from ingest.sinks.buffer import PendingBuffer, StreamWriter
from ingest.sinks.counters import SinkCounters
from ingest.sinks.settings import SinkSettings


class Case:
    def __init__(self, **limits: int) -> None:
        self.counters = SinkCounters()
        self.buffer = PendingBuffer(SinkSettings(**limits), self.counters)
        self.writable = 0
        self.buffer.on_writable = self._on_writable
        self.writer = StreamWriter("s", None, self.buffer.append)

    def _on_writable(self) -> None:
        self.writable += 1

    def add(self, number: int, size: int = 10) -> list[bool]:
        return [self.writer.add(i, 2, b"x" * size) for i in range(number)]


@pytest.mark.parametrize("limits", [{"max_pending_entries": 8}, {"max_pending_bytes": 80}])
def test_watermarks_by_number_and_by_bytes(limits: dict[str, int]) -> None:
    """Full at three quarters, dropping at the limit, writable again at half."""
    case = Case(**limits)
    assert case.add(6) == [True] * 6
    assert not case.buffer.full
    assert case.add(4) == [True, True, False, False]
    assert case.buffer.full
    assert case.counters.dropped == {"sink_full": 2}
    taken = case.buffer.take()
    assert case.buffer.full  # taken is not yet stored
    case.buffer.release(taken[:3])
    assert (case.buffer.full, case.writable) == (True, 0)
    case.buffer.release(taken[3:4])
    assert (case.buffer.full, case.writable) == (False, 1)
    case.buffer.release(taken[4:])
    assert (case.counters.pending_entries, case.counters.pending_bytes) == (0, 0)
    assert case.counters.added_entries == 10


def test_batches_are_bounded_and_in_order() -> None:
    """By number, by bytes, and never empty while there is something."""
    case = Case(max_batch_entries=3, max_batch_bytes=100)
    case.add(4, size=10)
    case.add(2, size=60)
    case.add(1, size=500)
    sizes = []
    while taken := case.buffer.take():
        sizes.append([len(entry[3]) for entry in taken])
    assert sizes == [[10, 10, 10], [10, 60, 60], [500]]


def test_put_back_goes_to_the_front() -> None:
    """An entry that is tried again comes before those that were behind it."""
    case = Case(max_batch_entries=2)
    case.add(4)
    first = case.buffer.take()
    case.buffer.put_back(first)
    assert [entry[1] for entry in case.buffer.take() + case.buffer.take()] == [0, 1, 2, 3]


def test_the_writer_task_is_woken_once() -> None:
    """Only the first entry after idleness costs a wake-up."""
    case = Case()
    woken = []
    case.buffer.on_append = lambda: woken.append(1)
    case.add(1)
    case.buffer.idle = True
    case.add(3)
    assert len(woken) == 1
