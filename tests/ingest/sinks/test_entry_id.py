"""Ids only ever go up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sinks.entry_id import EntryIds, FollowingIds, IdsExhausted, ids_below, parse_entry_id

MAX = 2**64 - 1
TIMES_NS = st.one_of(
    st.integers(-(10**6), 10**20), st.integers(1_700_000_000_000_000_000, 1_700_000_000_010_000_000)
)
IDS = st.tuples(
    st.integers(0, MAX - 10**6), st.one_of(st.integers(0, 5), st.integers(MAX - 3, MAX))
)


@given(st.lists(st.one_of(TIMES_NS, IDS), max_size=50))
def test_strictly_increasing_whatever_the_clock_and_the_stream_do(steps) -> None:
    """Clock steps and ids found in the stream in any order: every id exceeds all before."""
    ids, highest = EntryIds(), (0, 0)
    for step in steps:
        if isinstance(step, tuple):
            ids.raise_to(step)
            highest = max(highest, step)
        else:
            new = ids.next(step)
            assert new > highest
            assert 0 <= new[0] <= MAX
            assert 0 <= new[1] <= MAX
            highest = new
        assert ids.last == highest


@given(st.integers(1, 10**14))
def test_the_id_is_the_receive_time(ms: int) -> None:
    """With a clock that runs, an id is its entry's millisecond and a counter from 0."""
    ids = EntryIds()
    assert [ids.next(ms * 10**6 + ns) for ns in (0, 1, 999_999, 10**6)] == [
        (ms, 0),
        (ms, 1),
        (ms, 2),
        (ms + 1, 0),
    ]


def test_a_clock_that_steps_back_keeps_the_last_millisecond() -> None:
    """Until the clock has caught up, only the counter moves."""
    ids = EntryIds()
    assert ids.next(5_000_000) == (5, 0)
    assert ids.next(3_000_000) == (5, 1)
    assert ids.next(6_000_000) == (6, 0)


def test_the_counter_overflows_into_the_millisecond() -> None:
    """n at its 64 bits: the next millisecond, borrowed from the future."""
    ids = EntryIds()
    ids.raise_to((5, MAX))
    assert ids.next(1) == (6, 0)


def test_the_very_last_id() -> None:
    """When no id is left it says so, again and again, rather than going round."""
    ids = EntryIds()
    ids.raise_to((MAX, MAX - 1))
    assert ids.next(1) == (MAX, MAX)
    for _ in range(2):
        with pytest.raises(IdsExhausted):
            ids.next(1)


def test_one_absurd_time_does_not_spoil_the_stream() -> None:
    """A receive time beyond what an id can hold is treated as a clock that stands still."""
    ids = EntryIds()
    ids.next(5_000_000)
    assert ids.next(10**40) == (5, 1)
    assert ids.next(6_000_000) == (6, 0)


@pytest.mark.parametrize("text", [b"", b"5", b"5-", b"-", b"a-b"])
def test_what_is_not_an_id(text: bytes) -> None:
    """ValueError, nothing else."""
    with pytest.raises(ValueError):
        parse_entry_id(text)
    assert parse_entry_id(b"5-7") == (5, 7)


def test_a_stream_that_follows_has_the_others_ids() -> None:
    """Each once; what this stream holds already neither comes again nor disturbs the other."""
    ids = EntryIds()
    following = FollowingIds(ids)
    with pytest.raises(IdsExhausted):
        following.next(9_000_000)
    assert ids.next(5_000_000) == following.next(9_000_000) == following.last == (5, 0)
    with pytest.raises(IdsExhausted):
        following.next(9_000_000)
    following.raise_to((7, 3))
    following.raise_to((6, 0))
    assert (ids.next(6_000_000), following.last) == ((6, 0), (7, 3))
    with pytest.raises(IdsExhausted):
        following.next(9_000_000)
    assert ids.next(8_000_000) == following.next(9_000_000) == (8, 0)


@pytest.mark.parametrize(
    ("after", "before", "free"),
    [
        ((0, 0), (1000, 8), [(1000, 6), (1000, 7)]),
        ((0, 0), (1000, 0), [(999, MAX - 1), (999, MAX)]),
        ((0, 0), (1000, 1), [(999, MAX), (1000, 0)]),
        ((1000, 4), (1000, 7), [(1000, 5), (1000, 6)]),
        ((1000, 5), (1000, 7), [(1000, 6)]),
        ((1000, 6), (1000, 7), []),
        ((1000, 7), (1000, 7), []),
        ((0, 0), (0, 2), [(0, 1)]),
    ],
)
def test_ids_that_are_free(after, before, free) -> None:
    assert ids_below(before, after, 2) == free
