"""Messages on their topics' axes, and the answer due."""

from collections.abc import Sequence

import pytest

from ingest.recordings.records import RestAnswer
from ingest.replay.tracks import Entry, Stretch, arrange, due_answer


def file(*entries: tuple[int, str]) -> Sequence[Entry]:
    return [Entry(ns, topic, f"{ns}{topic}".encode()) for ns, topic in entries]


def test_one_file() -> None:
    """Times count from the file's first message; order numbers run over all topics."""
    tracks, stretches = arrange([file((100, "a"), (105, "b"), (110, "a"))])

    assert stretches == [Stretch(100, 110)]
    assert tracks["a"].axis_ns == [0, 10]
    assert tracks["a"].order == [0, 2]
    assert tracks["b"].axis_ns == [5]
    assert tracks["b"].recorded_ns == [105]
    assert tracks["b"].payloads == [b"105b"]


def test_a_gap_between_files_takes_no_time() -> None:
    """The second recording's clock starts where the first one's ended."""
    tracks, stretches = arrange(
        [file((1_000_000, "a"), (1_000_007, "a")), file((1, "a"), (4, "a"))]
    )

    assert stretches == [Stretch(1, 4), Stretch(1_000_000, 1_000_007)]
    assert tracks["a"].axis_ns == [0, 3, 3, 10]
    assert tracks["a"].length_ns == 10


def test_a_topic_does_not_wait_for_recordings_without_it() -> None:
    """The axis of a topic has only the stretches it occurs in."""
    tracks, _ = arrange([file((1, "a"), (50, "a")), file((100, "b"), (103, "c"), (110, "b"))])

    assert tracks["b"].axis_ns == [0, 10]
    assert tracks["c"].axis_ns == [3]


def test_overlapping_files_are_merged_by_time() -> None:
    """Connections recorded side by side keep their order among each other."""
    tracks, stretches = arrange([file((1, "a"), (5, "a"), (9, "a")), file((2, "b"), (5, "b"))])

    assert stretches == [Stretch(1, 9)]
    assert (tracks["a"].order, tracks["b"].order) == ([0, 2, 4], [1, 3])


def test_a_clock_that_went_back_does_not_reorder() -> None:
    """Within a file the order of the lines is the order of the messages."""
    tracks, _ = arrange([file((5, "a"), (3, "a"), (6, "a"))])

    assert tracks["a"].payloads == [b"5a", b"3a", b"6a"]
    assert tracks["a"].axis_ns == [0, 0, 1]


def test_nothing() -> None:
    """Recordings without data messages give no tracks."""
    assert arrange([[], []]) == ({}, [])


@pytest.mark.parametrize(
    ("now_ns", "expected"),
    [
        (10, b"11"),  # at the beginning: the first of this stretch
        (11, b"11"),
        (14, b"11"),
        (18, b"18"),  # the newest not from the future
        (20, b"18"),
        (100, b"105"),
        (110, b"105"),
        (300, b"400"),
        (None, b"400"),  # nothing decides: the newest
    ],
)
def test_due_answer(now_ns: int | None, expected: bytes) -> None:
    """Of several recorded answers, the one a client at that moment would have got."""
    answers = [RestAnswer(int(ns), "", ns) for ns in (b"11", b"18", b"105", b"400")]
    stretches = [Stretch(10, 20), Stretch(100, 110), Stretch(300, 410)]

    assert due_answer(answers, stretches, now_ns).body == expected


def test_due_answer_when_the_stretch_has_none() -> None:
    """An answer of another stretch is better than none: the newest before, or the first."""
    stretches = [Stretch(10, 20), Stretch(100, 110)]

    assert due_answer([RestAnswer(15, "", b"x")], stretches, 105).body == b"x"
    assert due_answer([RestAnswer(115, "", b"y")], stretches, 15).body == b"y"
