"""Trades of a simulated venue that are lost, repeated and swapped, and a REST interface that errs.

Whatever happens, a reader of the stream sees each id at most once, those that are not
backfilled in ascending order, and every missing one inside a marked range.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from ingest.model import Marker, Trade
from ingest.trades import holes, tracker
from ingest.trades.tracker import Room, TradeTracker

MOST = 4  # ids in a request
FIRST = 100


def trade(number: int, *, backfill: bool | None = None, ts: int | None = None) -> Trade:
    ts = number if ts is None else ts
    return Trade(
        rx=number, ts=ts, price="1", size="1", side="buy", id=str(number), backfill=backfill
    )


def shape(events: Sequence[Trade | Marker]) -> list[str]:
    """Ids, with a "+" where they are backfilled; markers with their range."""
    return [
        f"{e.id}{'+' * bool(e.backfill)}"
        if isinstance(e, Trade)
        else f"{e.type} {e.reason} {e.from_seq}-{e.to_seq}"
        for e in events
    ]


class Stream:
    """What a reader finds, and what the reader may rely on."""

    def __init__(self, *, most: int = MOST, room: int = 1000, recalling: bool = False) -> None:
        self.room = Room(room)
        self.size = room
        self.tracker = TradeTracker(most, self.room, recalling=recalling)
        self.entries: list[Trade | Marker] = []

    def live(self, *numbers: int) -> list[str]:
        return self.put(self.tracker.step([trade(n) for n in numbers], 0))

    def answer(self, asked: tuple[int, int], *numbers: int) -> list[str]:
        rest = [trade(n, backfill=True) for n in numbers]
        return self.put(self.tracker.answered(asked, rest, 0))

    def put(self, events: Sequence[Trade | Marker]) -> list[str]:
        self.entries += events
        return shape(events)

    def ids(self) -> list[int]:
        return [int(e.id) for e in self.entries if isinstance(e, Trade)]

    def check(self) -> None:
        ids = self.ids()
        assert len(ids) == len(set(ids)), "an id twice"
        live = [int(e.id) for e in self.entries if isinstance(e, Trade) and not e.backfill]
        assert live == sorted(live), "live trades out of order"
        seen: set[int] = set()
        marked: set[int] = set()
        highest: int | None = None
        for entry in self.entries:
            if isinstance(entry, Marker):
                assert entry.from_seq is not None and entry.to_seq is not None
                span = set(range(entry.from_seq, entry.to_seq + 1))
                if entry.type == "gap":
                    marked |= span
                else:
                    assert span <= seen, "resumed, and not whole"
                continue
            number = int(entry.id)
            if highest is not None:
                assert set(range(highest + 1, number)) <= marked, "missing, and not marked before"
            if entry.backfill and highest is not None and number < highest:
                assert number in marked, "late, and not marked before"
            seen.add(number)
            highest = number if highest is None else max(highest, number)
        assert self.size - self.room.left >= 0


FATES = st.sampled_from(["pass"] * 5 + ["lose"] * 2 + ["repeat", "swap", "replay", "away"])
REST = st.sampled_from(
    ["", "", "whole", "whole", "less", "none", "holes", "more", "older", "fail", "late", "expire"]
)


@settings(deadline=None, max_examples=400)
@given(
    steps=st.lists(st.tuples(FATES, REST, st.integers(1, 30)), max_size=60),
    most=st.sampled_from([0, 1, MOST]),
    room=st.sampled_from([0, 3, 1000]),
    recalling=st.booleans(),
    in_peace=st.booleans(),
)
def test_a_reader_is_never_misled(
    steps: list[Any], most: int, room: int, recalling: bool, in_peace: bool
) -> None:
    stream = Stream(most=most, room=room, recalling=recalling)
    number = FIRST
    swapped: int | None = None
    under_way: list[tuple[int, int]] = []
    sent: set[int] = set()

    def receive(*numbers: int) -> None:
        sent.update(numbers)
        stream.live(*numbers)
        stream.check()
        assert stream.size - stream.room.left <= room + MOST + 2 * len(numbers)

    def rest(kind: str, asked: tuple[int, int]) -> None:
        first, last = asked
        numbers = list(range(first, last + 1))
        if kind == "fail":
            stream.put(stream.tracker.failed(asked, 0))
            return
        answers = {
            "less": numbers[: len(numbers) // 2],
            "none": [],
            "holes": numbers[::2],
            "more": [*range(first - 3, last + 4)],
            "older": [*range(first - 5, first)],
        }
        stream.answer(asked, *answers.get(kind, numbers))

    for fate, answer, length in steps:
        if fate == "away":
            stream.put(stream.tracker.release(0))
            number += length
        elif fate == "swap" and swapped is None:
            swapped = number
        elif fate == "replay":
            receive(*range(max(FIRST, number - length), number + 1))
        elif fate != "lose":
            receive(number)
            if swapped is not None:
                receive(swapped)
                swapped = None
            if fate == "repeat":
                receive(number)
        number += 1
        if answer == "expire":
            stream.put(stream.tracker.expire(0))
        elif answer and (asked := stream.tracker.ask()) is not None:
            assert 1 <= asked[1] - asked[0] + 1 <= max(1, most)
            if answer == "late":
                under_way.append(asked)
            else:
                rest(answer, asked)
        elif answer and under_way:
            rest(answer, under_way.pop())
        if recalling and length == 7:
            stream.put(stream.tracker.recall(FIRST - 5, None, 0))
        stream.check()

    stream.put(stream.tracker.recall(None, None, 0))
    if in_peace and most:
        for _ in range(3000):
            if (asked := stream.tracker.ask()) is None:
                break
            rest("whole", asked)
        assert stream.tracker.ask() is None
        stream.check()
    stream.put(stream.tracker.release(0))
    stream.check()
    assert not stream.tracker.holding
    assert stream.room.left == stream.size
    first = min(stream.ids(), default=0)
    assert {n for n in sent if n >= first} <= set(stream.ids())  # what came is there


def test_those_that_follow_go_through_as_they_are() -> None:
    stream = Stream()
    stream.live(FIRST)
    trades = [trade(FIRST + 1), trade(FIRST + 2)]
    assert stream.tracker.step(trades, 0) is trades


def test_what_counts_is_the_number_where_the_id_is_none() -> None:
    """Ids may jump, numbers may not: within a frame, and from one to the next."""
    stream = Stream()
    first, second, last = (
        structs.replace(trade(number), id=name, seq=number)
        for number, name in ((1, "ETH-90"), (2, "400"), (4, "402"))
    )
    stream.put(stream.tracker.step([first], 0))
    assert stream.tracker.step([second], 0) == [second]
    assert shape(stream.tracker.step([last], 0)) == ["gap sequence 3-3"]
    assert stream.tracker.ask() == (3, 3)


def test_a_jump_is_marked_filled_and_ended_in_order() -> None:
    stream = Stream()
    assert stream.live(1, 2) == ["1", "2"]
    assert stream.live(5) == ["gap sequence 3-4"]
    assert stream.live(6) == []
    assert stream.tracker.ask() == (3, 4)
    assert stream.answer((3, 4), 3, 4) == ["3+", "4+", "resume backfill 3-4", "5", "6"]
    assert stream.live(7) == ["7"]
    assert stream.tracker.ask() is None


def test_what_waited_too_long_goes_out_and_the_range_comes_later() -> None:
    stream = Stream()
    stream.live(1, 4)
    assert stream.tracker.ask() == (2, 3)
    assert stream.put(stream.tracker.expire(0)) == ["4"]
    assert stream.live(5) == ["5"]
    assert stream.answer((2, 3), 2, 3) == ["2+", "3+", "resume backfill 2-3"]


def test_rest_that_is_too_late_is_not_waited_for_until_it_answers() -> None:
    stream = Stream()
    stream.live(1, 4)
    stream.put(stream.tracker.expire(0))
    assert stream.live(6) == ["gap sequence 5-5", "6"]
    stream.answer((2, 3), 2, 3)
    assert stream.live(8) == ["gap sequence 7-7"]


def test_a_lost_connection_is_no_reason_to_give_up_hope() -> None:
    stream = Stream()
    stream.live(1, 4)
    assert stream.put(stream.tracker.release(0)) == ["4"]
    assert stream.live(6) == ["gap sequence 5-5"]
    assert stream.tracker.ask() == (5, 5)  # for which 6 waits, while nothing waits for 2 and 3


def test_rest_that_fails_is_given_up_after_a_while() -> None:
    stream = Stream()
    stream.live(1, 4)
    for _ in range(holes._MOST_FAILURES - 1):
        assert stream.tracker.ask() == (2, 3)
        assert stream.put(stream.tracker.failed((2, 3), 0)) == []
    assert stream.put(stream.tracker.failed((2, 3), 0)) == ["4"]
    assert stream.tracker.ask() is None
    assert stream.live(3, 2) == ["3+", "2+", "resume backfill 2-3"]  # the venue, late


def test_what_the_venue_passes_over_itself_is_not_waited_for() -> None:
    stream = Stream()
    stream.live(1, 6)
    assert stream.answer((2, 5), 2, 3, 5) == ["2+", "3+", "5+", "6"]
    assert stream.tracker.ask() is None


def test_an_answer_that_ends_early_is_asked_for_again() -> None:
    """REST is behind the stream for a moment."""
    stream = Stream()
    stream.live(1, 5)
    assert stream.answer((2, 4), 1) == []
    assert stream.answer((2, 4), 2) == ["2+"]
    assert stream.tracker.ask() == (3, 4)
    assert stream.answer((3, 4), 3, 4, 5, 6) == ["3+", "4+", "resume backfill 2-4", "5"]
    assert stream.live(6) == ["6"]


def test_two_that_changed_places_are_put_right() -> None:
    stream = Stream()
    assert stream.live(1, 3) == ["1", "gap sequence 2-2"]
    assert stream.live(2) == ["2", "resume backfill 2-2", "3"]


def test_a_second_jump_is_marked_where_it_stands() -> None:
    stream = Stream()
    assert stream.live(1, 3, 5) == ["1", "gap sequence 2-2"]
    assert stream.tracker.ask() == (2, 2)
    assert stream.answer((2, 2), 2) == ["2+", "resume backfill 2-2", "3", "gap sequence 4-4"]
    assert stream.answer((4, 4), 4) == ["4+", "resume backfill 4-4", "5"]


def test_of_a_long_range_the_newest_part_is_asked_for() -> None:
    stream = Stream()
    reach = MOST * tracker._MOST_REQUESTS
    last = 1000
    assert stream.live(1, last + 1) == [
        "1",
        f"gap sequence 2-{last - reach}",
        f"gap sequence {last - reach + 1}-{last}",
    ]
    asked = []
    while (range_ := stream.tracker.ask()) is not None:
        asked += range(range_[0], range_[1] + 1)
        stream.answer(range_, *range(range_[0], range_[1] + 1))
    assert asked == [*range(last - reach + 1, last + 1)]
    assert stream.ids() == [1, *asked, last + 1]


def test_without_rest_nothing_is_held_back() -> None:
    stream = Stream(most=0)
    assert stream.live(1, 4, 4, 5) == ["1", "gap sequence 2-3", "4", "5"]
    assert stream.tracker.ask() is None
    assert stream.tracker.repeats == 1


def test_no_more_are_held_back_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(room=3)
    assert stream.live(1, 4, 5, 6) == ["1", "gap sequence 2-3", "4", "5", "6"]
    monkeypatch.setattr(tracker, "_MOST_HELD", 2)
    stream = Stream()
    assert stream.live(1, 4, 5, 6) == ["1", "gap sequence 2-3", "4", "5", "6"]


def test_a_restart_goes_on_behind_what_the_stream_holds() -> None:
    stream = Stream(recalling=True)
    assert stream.live(8, 9) == []
    assert stream.put(stream.tracker.recall(5, 5, 0)) == ["gap sequence 6-7"]
    assert stream.answer((6, 7), 6, 7) == ["6+", "7+", "resume backfill 6-7", "8", "9"]
    # A venue that sends the last trades again, and nothing was missed.
    stream = Stream(recalling=True)
    stream.put(stream.tracker.recall(5, 5, 0))
    assert stream.live(3, 4, 5, 6) == ["6"]
    assert stream.tracker.repeats == 3
    # Nobody knows.
    stream = Stream(recalling=True)
    assert stream.live(8, 9) == []
    assert stream.put(stream.tracker.recall(None, None, 0)) == ["8", "9"]
    assert stream.put(stream.tracker.recall(5, 5, 0)) == []


def test_numbers_that_start_over_are_followed() -> None:
    """Or a venue that does so would be silent for ever."""
    stream = Stream()
    stream.live(1000, 1001)
    later = 1001 + tracker._ANEW_NS + 1
    anew = stream.put(stream.tracker.step([trade(5, ts=later)], 0))
    assert anew == ["gap sequence None-None", "5"]
    assert stream.put(stream.tracker.step([trade(6, ts=later)], 0)) == ["6"]


def test_numbers_that_start_over_without_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "_MOST_REPEATS", 2)
    stream = Stream()
    stream.live(1000)
    undated = [Trade(rx=1, price="1", size="1", side="buy", id=str(n)) for n in range(4)]
    assert stream.put(stream.tracker.step(undated, 0)) == ["gap sequence None-None", "2", "3"]


def test_ids_that_are_no_numbers_go_through() -> None:
    stream = Stream()
    odd = Trade(rx=1, price="1", size="1", side="buy", id="x")
    assert stream.put(stream.tracker.step([odd], 0)) == ["x"]


def test_memory_of_what_is_missing_is_bounded() -> None:
    stream = Stream(most=0)
    for number in range(0, 10 * tracker._MOST_HOLES, 2):
        stream.live(number)
    assert len(stream.tracker._holes) == tracker._MOST_HOLES
    stream = Stream()
    stream.live(0, 10_000)
    stream.put(stream.tracker.release(0))
    stream.live(*range(2, 2000, 2))
    for hole in stream.tracker._holes:
        assert len(hole._starts) <= holes._MOST_PIECES
    stream.check()
