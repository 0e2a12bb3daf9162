"""Which message is due when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.replay.playback import Cursor, Playback
from ingest.replay.tracks import Entry, arrange

S = 1_000_000_000


def cursors(*entries: tuple[int, str]) -> dict[str, Cursor]:
    file = [Entry(ns, topic, str(index).encode()) for index, (ns, topic) in enumerate(entries)]
    tracks, _ = arrange([file])
    return {topic: Cursor("v", topic, track) for topic, track in tracks.items()}


def take(playback: Playback[Cursor], now_ns: int) -> list[bytes]:
    """Everything due by then."""
    taken = []
    while (cursor := playback.pop(now_ns)) is not None:
        taken.append(cursor.payload)
        playback.advance(cursor)
    return taken


def test_as_recorded() -> None:
    """A message is due exactly its recorded distance after the start, not a ns before."""
    playback: Playback[Cursor] = Playback(speed=1, loop=False)
    playback.start(cursors((5, "a"), (5 + 3 * S, "a")).values(), 1000)

    assert take(playback, 1000) == [b"0"]
    assert playback.next_due_ns() == 1000 + 3 * S
    assert take(playback, 999 + 3 * S) == []
    assert take(playback, 1000 + 3 * S) == [b"1"]
    assert playback.next_due_ns() is None


def test_faster() -> None:
    """At speed N everything is due after an Nth of the time."""
    playback: Playback[Cursor] = Playback(speed=4, loop=False)
    playback.start(cursors((0, "a"), (2 * S, "a")).values(), 0)

    assert take(playback, S // 2 - 1) == [b"0"]
    assert take(playback, S // 2) == [b"1"]


def test_no_drift() -> None:
    """Rounding does not add up: the millionth message is due when it should be."""
    step, count = 7, 1000
    playback: Playback[Cursor] = Playback(speed=3, loop=False)
    playback.start(cursors(*((index * step, "a") for index in range(count + 1))).values(), 0)
    due_ns = 0
    while (next_ns := playback.next_due_ns()) is not None:
        due_ns = next_ns
        take(playback, due_ns)

    assert due_ns == count * step // 3


@given(
    st.lists(st.tuples(st.integers(0, 50), st.sampled_from("abc")), min_size=1),
    st.sampled_from([None, 1.0, 7.0, 1e6]),
    st.lists(st.integers(0, 80), max_size=5),
)
def test_order_is_kept_at_any_speed(
    raw: list[tuple[int, str]], speed: float | None, looks: list[int]
) -> None:
    """Topics started together come out as recorded, however often one looks."""
    made = cursors(*sorted(raw, key=lambda entry: entry[0]))
    playback: Playback[Cursor] = Playback(speed=speed, loop=False)
    playback.start(made.values(), 0)
    taken = [payload for now_ns in sorted(looks) for payload in take(playback, now_ns)]
    taken += take(playback, 10**9)

    assert taken == [str(index).encode() for index in range(len(raw))]
    assert playback.unfinished == 0


def test_a_later_topic_starts_at_its_own_zero() -> None:
    """A topic's clock starts when it is started, not with the first topic's."""
    made = cursors((0, "a"), (10, "b"), (20, "a"))
    playback: Playback[Cursor] = Playback(speed=1, loop=False)
    playback.start([made["a"]], 0)
    playback.start([made["b"]], 15)

    assert take(playback, 24) == [b"0", b"2"]
    assert take(playback, 25) == [b"1"]


def test_starting_again_changes_nothing() -> None:
    """There is one position: who comes later joins there."""
    made = cursors((0, "a"), (10, "a"))
    playback: Playback[Cursor] = Playback(speed=1, loop=False)
    playback.start(made.values(), 0)
    take(playback, 5)
    playback.start(made.values(), 5)

    assert take(playback, 9) == []
    assert take(playback, 10) == [b"1"]


def test_hold_and_release() -> None:
    """What is held stays the next message, and does not hold up other topics."""
    made = cursors((0, "a"), (1, "b"), (2, "a"), (3, "b"))
    playback: Playback[Cursor] = Playback(speed=None, loop=False)
    playback.start(made.values(), 0)
    held = playback.pop(0)
    assert held is made["a"]
    playback.hold(held)

    assert take(playback, 0) == [b"1", b"3"]
    assert playback.unfinished == 1
    playback.release(held)
    playback.release(held)
    assert take(playback, 0) == [b"0", b"2"]
    assert playback.unfinished == 0


def test_loop() -> None:
    """With loop a topic starts over, a recorded second after the end of its recording."""
    made = cursors((0, "a"), (S, "b"), (2 * S, "a"))
    playback: Playback[Cursor] = Playback(speed=2, loop=True)
    playback.start(made.values(), 0)

    assert take(playback, S) == [b"0", b"1", b"2"]
    assert take(playback, S + S // 2) == [b"0"]
    assert take(playback, 2 * S) == [b"1"]


def test_loop_of_a_single_moment() -> None:
    """A recording without any duration repeats once a second, not endlessly at once."""
    playback: Playback[Cursor] = Playback(speed=1, loop=True)
    playback.start(cursors((7, "a")).values(), 0)

    assert take(playback, S) == [b"0", b"0"]


@pytest.mark.parametrize("speed", [0, -1])
def test_impossible_speed(speed: float) -> None:
    """Time does not stand still or run backwards."""
    with pytest.raises(ValueError, match="above 0"):
        Playback(speed=speed, loop=False)
