"""The arbiter: whatever one leg loses, delays or ends with, each event goes out once."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from ingest.books.tracker import BookTracker
from ingest.feed.arbiter import (
    HOLD_S,
    MOST_HELD,
    SETTLE_S,
    Arbiter,
    Doubt,
    Jump,
    LeadArbiter,
    arbiter_for,
)
from ingest.model import Bbo, Book, Liquidation, Mark, Ticker, Trade
from ingest.trades.tracker import Room, TradeTracker
from ingest.venues.base import BookRule, RestBook, RestRequest

FETCHED = RestBook(request=lambda s: RestRequest(path=s), decode=lambda b, rx: book(0))


def trade(number: int, *, name: bool = True) -> Trade:
    id = str(number) if name else None
    # Without an id, some are the same in all: five of each.
    price = "1" if name else str(number // 5)
    ts = number if name else number // 5
    return Trade(rx=1, ts=ts, price=price, size="1", side="buy", id=id)


def book(number: int, kind: Any = "delta", **changes: Any) -> Book:
    return Book(
        rx=1,
        type=kind,
        bids=[("1", str(number))],
        asks=[],
        **{"seq": number, "first_seq": number, "prev_seq": number - 1, **changes},
    )


def ids(out: Sequence[Any]) -> list[Any]:
    return [
        type(e).__name__
        if isinstance(e, Jump | Doubt)
        else int(e.bids[0][1] if isinstance(e, Book) else e.id)
        for e in out
    ]


class Stream:
    """An arbiter, and what its stream's tracker makes of what goes out."""

    def __init__(self, kind: str) -> None:
        self.out: list[Any] = []
        self.gaps = 0
        self.book: BookTracker | None = None
        self.trades: TradeTracker | None = None
        self.event: Callable[[int], Any] = trade
        if kind == "consecutive trades":
            self.trades = TradeTracker(0, Room(1000))
        elif kind != "trades":
            self.book = BookTracker(BookRule(continuity=kind, rest=FETCHED))  # type: ignore[arg-type]
            self.event = book
        self.arbiter: Arbiter = arbiter_for(self.event(1), self.book, self.trades)

    def publish(self, out: Sequence[Any]) -> None:
        for event in out:
            if self.trades is not None:
                steps = self.trades.step([event], 1)
                self.gaps += sum(not isinstance(e, Trade) for e in steps)
                self.out += [e for e in steps if isinstance(e, Trade)]
                continue
            if self.book is not None:
                step = self.book.step(event)
                self.gaps += step.gap is not None
                assert step.publish
            self.out.append(event)

    def take(self, leg: int, *numbers: int, at_s: float = 0.0) -> list[Any]:
        before = len(self.out)
        self.publish(self.arbiter.take(leg, [self.event(n) for n in numbers], at_s))
        return ids(self.out[before:])

    def close(self, leg: int, at_s: float = 0.0) -> list[Any]:
        before = len(self.out)
        self.publish(self.arbiter.close(leg, at_s))
        return ids(self.out[before:])

    def expire(self, at_s: float) -> list[Any]:
        before = len(self.out)
        self.publish(self.arbiter.expire(at_s))
        return ids(self.out[before:])


NUMBERED = ["consecutive trades", "prev_seq", "first_seq", "plus_one"]
KINDS = [*NUMBERED, "trades"]


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    """So many events, and what comes of them when: (leg, number).

    Each leg brings its own in order, leaves some out, and pauses and hurries as it
    likes; no event is left out by both. The first leg has the first event first, as
    whoever is there before.
    """
    count = draw(st.integers(1, 40))
    lost = draw(st.lists(st.sampled_from([0, 0, 0, 0, 1, 2]), min_size=count, max_size=count))
    lost[0] = 0
    queues = {leg: [n for n in range(1, count + 1) if lost[n - 1] != leg] for leg in (1, 2)}
    order = [(1, queues[1].pop(0))]
    while queues[1] or queues[2]:
        legs = [leg for leg in (1, 2) if queues[leg]]
        leg = draw(st.sampled_from(legs))
        order += [(leg, queues[leg].pop(0)) for _ in range(draw(st.integers(1, 8))) if queues[leg]]
    return count, order


@pytest.mark.parametrize("kind", NUMBERED)
@given(plan=deliveries())
@settings(max_examples=150, deadline=None)
def test_what_one_leg_loses_the_other_brings(kind: str, plan: tuple[int, Any]) -> None:
    """All of it, in order, once, and no gap."""
    count, order = plan
    stream = Stream(kind)
    stream.arbiter.open(1, 0.0, joined=True)
    stream.arbiter.open(2, 0.0)
    for leg, number in order:
        stream.take(leg, number)

    assert ids(stream.out) == list(range(1, count + 1))
    assert stream.gaps == 0
    assert not stream.arbiter.holding


@given(plan=deliveries())
@settings(max_examples=150, deadline=None)
def test_trades_without_an_order_come_once(plan: tuple[int, Any]) -> None:
    """All of it; what one leg has lost stands where the other brings it."""
    count, order = plan
    stream = Stream("trades")
    stream.arbiter.open(1, 0.0, joined=True)
    stream.arbiter.open(2, 0.0)
    for leg, number in order:
        stream.take(leg, number)
    stream.expire(HOLD_S)

    found = [each for each in ids(stream.out) if each != "Doubt"]
    assert sorted(found) == list(range(1, count + 1))


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_leg_that_takes_over(kind: str, data: st.DataObject) -> None:
    """The new one subscribes at some moment, is a little ahead or behind, the old one ends.

    Once the new one covers, nothing is missing or doubled whenever that is.
    """
    stream = Stream(kind)
    count, subscribed = 30, data.draw(st.integers(0, 10))
    stream.arbiter.open(1, 0.0, joined=True)
    stream.arbiter.open(2, 0.0)
    old, new = list(range(1, count + 1)), list(range(subscribed + 1, count + 1))
    ended = False
    while new:
        if old and not ended and data.draw(st.booleans()):
            stream.take(1, old.pop(0))
        else:
            stream.take(2, new.pop(0))
        # The old one brings all that was sent before it ends.
        if not ended and stream.arbiter.covers(2, 0.0) and data.draw(st.booleans()):
            stop = max(data.draw(st.integers(0, count)), count - len(new), count - len(old))
            for number in old[: stop - (count - len(old))]:
                stream.take(1, number)
            stream.close(1)
            ended = True

    if not ended:
        stream.take(1, *old)
        stream.close(1)
    assert ids(stream.out) == list(range(1, count + 1))
    assert stream.gaps == 0


@pytest.mark.parametrize("kind", NUMBERED)
def test_what_both_lose_is_a_gap(kind: str) -> None:
    """As soon as nobody can bring it any more."""
    stream = Stream(kind)
    stream.arbiter.open(1, 0.0, joined=True)
    stream.arbiter.open(2, 0.0)
    stream.take(1, 1)
    stream.take(2, 1)

    assert stream.take(1, 3) == []
    assert stream.gaps == 0
    assert stream.take(2, 3, 4) == [3, 4]
    assert stream.gaps == 1


@pytest.mark.parametrize("kind", NUMBERED)
def test_nobody_waits_for_ever(kind: str) -> None:
    """A leg that has stalled is waited for a little."""
    stream = Stream(kind)
    stream.arbiter.open(1, 0.0, joined=True)
    stream.arbiter.open(2, 0.0)
    stream.take(2, 1)
    stream.take(1, 1, 3, at_s=10.0)

    assert stream.expire(10.0 + HOLD_S - 0.01) == []
    assert stream.expire(10.0 + HOLD_S) == [3]
    assert stream.gaps == 1
    assert not stream.arbiter.holding


def test_not_all_is_held() -> None:
    """Nor is a leg that has stalled waited for with more than can be kept."""
    stream = Stream("first_seq")
    stream.arbiter.open(1, 0.0, joined=True)
    stream.arbiter.open(2, 0.0)
    stream.take(1, 1)

    out = stream.take(1, *range(3, MOST_HELD + 4))

    assert out == list(range(3, MOST_HELD + 4))
    assert stream.gaps == 1


@pytest.mark.parametrize("kind", NUMBERED)
def test_nobody_else_is_there(kind: str) -> None:
    """What is missing is missing at once where no other leg has the subscription."""
    stream = Stream(kind)
    stream.arbiter.open(1, 0.0, joined=True)

    assert stream.take(1, 1, 3) == [1, 3]
    assert stream.gaps == 1


@pytest.mark.parametrize("kind", KINDS)
def test_what_proves_that_a_leg_goes_on(kind: str) -> None:
    """Something that went out already, or that follows; an acknowledgement does not."""
    stream = Stream(kind)
    stream.arbiter.open(1, 0.0, joined=True)
    stream.take(1, 1, 2, 3, at_s=0.5)
    stream.arbiter.open(2, 1.0)
    stream.take(1, 4, at_s=2.0)

    assert not stream.arbiter.covers(2, 100.0)
    stream.take(2, 6, at_s=2.1)
    assert not stream.arbiter.covers(2, 100.0)
    assert stream.take(1, 5, 6, at_s=2.2) == [5, 6]
    assert stream.arbiter.covers(2, 2.2)
    assert stream.close(1) == []
    assert stream.take(2, 7) == [7]


@pytest.mark.parametrize("kind", KINDS)
def test_a_market_at_rest(kind: str) -> None:
    """Where nothing has come since the acknowledgement, nothing can be missing."""
    stream = Stream(kind)
    stream.arbiter.open(1, 0.0, joined=True)
    stream.take(1, 1, at_s=0.5)
    stream.arbiter.open(2, 1.0)

    assert not stream.arbiter.covers(2, 1.0 + SETTLE_S - 0.01)
    assert stream.arbiter.covers(2, 1.0 + SETTLE_S)
    stream.close(1)
    assert stream.take(2, 2) == [2]
    assert stream.gaps == 0


def in_stream(continuity: Any = "prev_seq") -> Stream:
    stream = Stream("prev_seq")
    stream.book = BookTracker(BookRule(continuity=continuity))
    stream.arbiter = arbiter_for(book(1), stream.book, None)
    return stream


def test_the_snapshot_of_a_new_leg_is_left_out() -> None:
    """It says nothing new, and readers would begin again for nothing."""
    stream = in_stream()
    stream.arbiter.open(1, 0.0, joined=True)
    stream.publish(stream.arbiter.take(1, [book(1, "snapshot"), book(2)], 0.0))
    # One ahead of the other.
    assert stream.arbiter.take(2, [book(4, "snapshot"), book(5)], 0.0) == []
    stream.publish(stream.arbiter.take(1, [book(3), book(4)], 0.0))

    assert ids(stream.out) == [1, 2, 3, 4, 5]
    assert stream.book is not None and stream.book.whole


def test_the_snapshot_of_a_new_leg_is_a_jump_where_the_old_one_is_gone() -> None:
    """What lies between is missing, and marked."""
    stream = in_stream()
    stream.arbiter.open(1, 0.0, joined=True)
    stream.publish(stream.arbiter.take(1, [book(1, "snapshot")], 0.0))
    assert stream.arbiter.take(2, [book(4, "snapshot"), book(5)], 0.0) == []

    assert ids(stream.arbiter.close(1, 0.0)) == ["Jump", 4, 5]


def test_a_venue_that_counts_anew() -> None:
    """A snapshot on a leg that goes back: the stream follows, and so do the others."""
    stream = in_stream("plus_one")
    stream.arbiter.open(1, 0.0, joined=True)
    stream.arbiter.open(2, 0.0)
    for leg in (1, 2):
        stream.publish(stream.arbiter.take(leg, [book(7, "snapshot"), book(8), book(9)], 0.0))
    stream.publish(stream.arbiter.take(1, [book(1, "snapshot"), book(2)], 0.0))
    stream.publish(stream.arbiter.take(2, [book(1, "snapshot"), book(2), book(3)], 0.0))
    stream.publish(stream.arbiter.take(1, [book(3), book(4)], 0.0))

    assert ids(stream.out) == [7, 8, 9, 1, 2, 3, 4]


def test_the_same_changes_cut_elsewhere() -> None:
    """Servers that gather changes over other spans: one leg's go out, then the other's."""
    stream = Stream("first_seq")
    stream.arbiter.open(1, 0.0, joined=True)
    stream.publish(stream.arbiter.take(1, [book(10, first_seq=1)], 0.0))
    assert stream.arbiter.take(2, [book(5, first_seq=1), book(15, first_seq=6)], 0.0) == []
    assert stream.arbiter.covers(2, 0.0)
    stream.publish(stream.arbiter.take(1, [book(20, first_seq=11)], 0.0))
    assert stream.arbiter.take(2, [book(25, first_seq=16)], 0.0) == []
    stream.publish(stream.arbiter.close(1, 0.0))
    stream.publish(stream.arbiter.take(2, [book(35, first_seq=26)], 0.0))

    assert ids(stream.out) == [10, 20, 25, 35]
    assert stream.gaps == 0


def states(*events: Any) -> list[Any]:
    return [(e.rx, getattr(e, "last", None) or getattr(e, "bid", None)) for e in events]


@pytest.mark.parametrize("by", ["seq", "ts"])
def test_states_by_number_or_time(by: str) -> None:
    """The newest goes out, whoever brings it; several of one moment all do."""

    def state(rx: int, number: int, price: str) -> Any:
        if by == "seq":
            return Bbo(rx=rx, seq=number, bid=price)
        return Ticker(rx=rx, ts=number, last=price)

    arbiter = arbiter_for(state(1, 1, "1"), None, None)
    arbiter.open(1, 0.0, joined=True)
    arbiter.open(2, 0.0)
    assert states(
        *arbiter.take(1, [state(1, 1, "a"), state(1, 2, "b"), state(1, 2, "c")], 0.0)
    ) == [
        *[(1, "a"), (1, "b"), (1, "c")],
    ]
    assert arbiter.take(2, [state(2, 2, "b"), state(2, 2, "c")], 0.0) == []
    assert states(*arbiter.take(2, [state(2, 3, "d")], 0.0)) == [(2, "d")]
    assert arbiter.take(1, [state(1, 3, "d")], 0.0) == []
    # Both have been through it: the venue counts anew.
    assert states(*arbiter.take(1, [state(1, 1, "e")], 0.0)) == [(1, "e")]
    assert arbiter.take(2, [state(2, 1, "e")], 0.0) == []


@pytest.mark.parametrize("other_lives", [False, True])
def test_a_leg_that_is_silent_proves_nothing(other_lives: bool) -> None:
    """Both connections are dead, and one is found to be so much later than the other.

    What the first one's successor brings then follows nothing that anybody knows.
    """
    arbiter = arbiter_for(Bbo(rx=1, seq=1, bid="1"), None, None)
    arbiter.open(1, 0.0, joined=True)
    arbiter.open(2, 0.0, joined=True)
    for leg in (1, 2):
        arbiter.take(leg, [Bbo(rx=leg, seq=1, bid="1")], 0.0)
    assert arbiter.close(1, 5.0) == []
    arbiter.open(3, 5.0)
    late = Bbo(rx=3, seq=9, bid="9")
    assert arbiter.take(3, [late], 5.0) == []
    if other_lives:
        missed = Bbo(rx=4, seq=5, bid="5")
        assert arbiter.take(2, [missed, late], 6.0) == [missed, late]
        assert arbiter.expire(5.0 + HOLD_S) == []
        return
    assert arbiter.expire(5.0 + HOLD_S) == [Doubt(), late]
    more = Bbo(rx=5, seq=12, bid="12")
    assert arbiter.take(3, [more], 8.0) == [more]
    assert arbiter.close(2, 9.0) == []


def test_trades_without_ids_that_are_alike() -> None:
    """Five trades that are the same in all are five, on either leg."""
    arbiter = arbiter_for(trade(0, name=False), None, None)
    arbiter.open(1, 0.0, joined=True)
    arbiter.open(2, 0.0)
    first = arbiter.take(1, [trade(n, name=False) for n in range(7)], 0.0)
    second = arbiter.take(2, [trade(n, name=False) for n in range(12)], 0.0)
    third = arbiter.take(1, [trade(n, name=False) for n in range(7, 13)], 0.0)

    assert (len(first), len(second), len(third)) == (7, 5, 1)


@pytest.mark.parametrize("apart_ns", [0, 1, 10**9])
def test_a_leg_that_is_far_behind(apart_ns: int) -> None:
    """It brings nothing for a second time; and what comes all at one moment is all new."""

    def dated(number: int) -> Trade:
        return structs.replace(trade(number), ts=number * apart_ns)

    arbiter = arbiter_for(trade(1), None, None)
    arbiter.open(1, 0.0, joined=True)
    arbiter.open(2, 0.0, joined=True)

    assert len(arbiter.take(1, [dated(n) for n in range(1, 6001)], 0.0)) == 6000
    assert arbiter.take(2, [dated(n) for n in range(1, 6001)], 0.0) == []


@pytest.mark.parametrize(
    "event", [Mark(rx=1, mark="1"), Liquidation(rx=1, price="1", size="1", side="buy")]
)
def test_events_that_nothing_tells_apart(event: Any) -> None:
    """One leg's go out; what another would go on with cannot be known."""
    arbiter = arbiter_for(event, None, None)
    arbiter.open(1, 0.0, joined=True)
    arbiter.open(2, 0.0)

    assert arbiter.take(1, [event], 1.0) == [event]
    assert arbiter.take(2, [event], 1.0) == []
    assert not arbiter.covers(2, 10.0)
    assert arbiter.close(1, 10.0) == []
    assert arbiter.take(2, [event], 10.0) == [event]


def test_an_unnumbered_book_passes_over_as_a_whole() -> None:
    """The other leg's book takes the place of the first one's."""
    rule = BookRule(continuity="none")
    arbiter = arbiter_for(book(1), BookTracker(rule), None)
    assert isinstance(arbiter, LeadArbiter)
    level = {"seq": None, "first_seq": None, "prev_seq": None}
    arbiter.open(1, 0.0, joined=True)
    delta = book(1, **level)
    assert arbiter.take(1, [delta], 0.0) == [delta]
    assert not arbiter.covers(2, 100.0)
    assert arbiter.take(2, [delta], 0.0) == []
    assert not arbiter.covers(2, 100.0)
    whole = Book(rx=2, type="snapshot", bids=[("3", "1"), ("2", "1")], asks=[("4", "1")])
    change = Book(rx=3, type="delta", bids=[("3", "0")], asks=[("5", "2")])
    assert arbiter.take(2, [whole, change], 0.0) == []
    assert arbiter.covers(2, 0.0)

    (taken,) = arbiter.close(1, 0.0)

    assert isinstance(taken, Book)
    assert (taken.type, taken.rx) == ("snapshot", 3)
    assert (taken.bids, taken.asks) == ([("2", "1")], [("4", "1"), ("5", "2")])
    assert arbiter.take(2, [change], 0.0) == [change]
