"""Books of a simulated venue, whose updates are lost, repeated and swapped on their way.

Whatever happens, a reader who begins at a snapshot, applies what follows it and
begins again after each marker never holds a book that the venue did not have.
"""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.books.ladder import Ladder, SortedLadder, is_zero
from ingest.books.tracker import BookTracker, Gap, Step
from ingest.model import Book, Level
from ingest.venues.base import BookRule, RestBook, RestRequest

PRICES = ["99.5", "100", "100.0", "100.5", "101", "0.00000001"]
SIZES = ["0", "0.000", "1", "2.50", "3e-8"]

REST = RestBook(request=lambda symbol: RestRequest(path=symbol), decode=lambda body, rx: None)  # type: ignore[arg-type,return-value]


def spot_joins(seq: int, delta: Book) -> bool:
    assert delta.first_seq is not None and delta.seq is not None
    return delta.first_seq <= seq + 1 <= delta.seq


def usdm_joins(seq: int, delta: Book) -> bool:
    assert delta.first_seq is not None and delta.seq is not None
    return delta.first_seq <= seq <= delta.seq or delta.prev_seq == seq


RULES = {
    "first_seq over rest": BookRule(continuity="first_seq", rest=REST, joins=spot_joins),
    "prev_seq over rest": BookRule(continuity="prev_seq", rest=REST, joins=usdm_joins),
    "prev_seq in stream": BookRule(continuity="prev_seq"),
    "first_seq in stream": BookRule(continuity="first_seq"),
    "plus_one in stream": BookRule(continuity="plus_one"),
}


class Venue:
    """The truth: a book, its history by update number, and the updates that lead there."""

    def __init__(self, rule: BookRule) -> None:
        self.rule = rule
        self.seq = 1000
        self.bids: dict[Decimal, str] = {}
        self.asks: dict[Decimal, str] = {}
        self.history = {self.seq: self.state()}

    def state(self) -> tuple[dict[Decimal, str], dict[Decimal, str]]:
        return dict(self.bids), dict(self.asks)

    def change(self, levels: list[tuple[bool, str, str]], width: int) -> Book:
        """The next update; it covers *width* numbers, where the venue counts so."""
        bids: list[Level] = []
        asks: list[Level] = []
        for is_bid, price, size in levels:
            side, sent = (self.bids, bids) if is_bid else (self.asks, asks)
            sent.append((price, size))
            if Decimal(size) == 0:
                side.pop(Decimal(price), None)
            else:
                side[Decimal(price)] = size
        before = self.seq
        self.seq += 1 if self.rule.continuity == "plus_one" else width
        self.history[self.seq] = self.state()
        sequence = {"seq": self.seq}
        if self.rule.continuity == "prev_seq" or self.rule.rest:
            sequence["prev_seq"] = before
        if self.rule.continuity == "first_seq" or self.rule.rest:
            sequence["first_seq"] = before + 1
        return Book(rx=1, type="delta", bids=bids, asks=asks, **sequence)

    def snapshot(self) -> Book:
        def levels(side: dict[Decimal, str]) -> list[Level]:
            return [(str(price), size) for price, size in side.items()]

        return Book(
            rx=1, type="snapshot", bids=levels(self.bids), asks=levels(self.asks), seq=self.seq
        )


class Reader:
    """What a consumer of the stream does, and nothing cleverer."""

    def __init__(self) -> None:
        self.bids: dict[Decimal, str] | None = None
        self.asks: dict[Decimal, str] = {}
        self.seq: int | None = None
        self.marks: list[str] = []

    def read(self, entry: Book | str) -> None:
        if isinstance(entry, str):
            self.marks.append(entry)
            self.bids = None
            return
        if entry.type == "snapshot":
            self.bids, self.asks, self.seq = {}, {}, None
        if self.bids is None:
            return
        if entry.type == "delta" and (entry.seq or 0) <= (self.seq or -1):
            return  # the snapshot knows it
        for side, levels in ((self.bids, entry.bids), (self.asks, entry.asks)):
            for price, size in levels:
                if Decimal(size) == 0:
                    side.pop(Decimal(price), None)
                else:
                    side[Decimal(price)] = size
        self.seq = entry.seq


class Shell:
    """Publishes by what the tracker says; fetches snapshots, each some updates late."""

    def __init__(self, venue: Venue, reader: Reader) -> None:
        self.venue, self.reader = venue, reader
        self.tracker = BookTracker(venue.rule, keep=True)
        self.asked: Book | None = None

    def receive(self, book: Book) -> None:
        step = self.tracker.step(book)
        if step.gap is not None:
            self.reader.read(f"gap {step.gap.reason}")
        if step.resumed:
            self.reader.read("resume")
        if step.publish:
            self.reader.read(book)

    def ask(self, snapshot: Book) -> None:
        if self.asked is None and not self.tracker.synchronised:
            self.tracker.expect_snapshot()
            self.asked = snapshot

    def answer(self) -> None:
        if self.asked is None:
            return
        whole = self.tracker.join(self.asked)
        self.asked = None
        if whole is not None:
            self.reader.read(whole)


CHANGES = st.lists(
    st.tuples(st.booleans(), st.sampled_from(PRICES), st.sampled_from(SIZES)), max_size=3
)
EVENTS = st.lists(
    st.tuples(
        CHANGES,
        st.integers(1, 4),
        st.sampled_from(["pass"] * 6 + ["lose", "repeat", "swap", "resnapshot"]),
        st.sampled_from(["", "ask", "answer", "ask late"]),
    ),
    max_size=40,
)


@pytest.mark.parametrize("name", RULES)
@settings(deadline=None, max_examples=150)
@given(events=EVENTS)
def test_a_reader_never_holds_a_book_that_was_not(name: str, events: list[Any]) -> None:
    venue, reader = Venue(RULES[name]), Reader()
    shell = Shell(venue, reader)
    in_stream = venue.rule.rest is None
    if in_stream:
        shell.receive(venue.snapshot())
    held: Book | None = None
    earlier = venue.snapshot()

    def check() -> None:
        if reader.bids is not None and reader.seq is not None:
            assert (reader.bids, reader.asks) == venue.history[reader.seq]
        tracker = shell.tracker
        assert tracker.ladder is not None
        if tracker.whole:  # the book that is kept is the reader's
            kept = [
                {Decimal(price): size for price, size in side}
                for side in (tracker.ladder.bids(), tracker.ladder.asks())
            ]
            assert kept == [reader.bids, reader.asks]

    for levels, width, fate, rest in events:
        update = venue.change(levels, width)
        if rest in ("ask", "ask late") and not in_stream:
            shell.ask(earlier if rest == "ask late" else venue.snapshot())
        if fate == "swap" and held is None:
            held = update
            continue
        if fate != "lose":
            shell.receive(update)
            check()
        if held is not None:
            shell.receive(held)
            held = None
            check()
        if fate == "repeat":
            shell.receive(update)
            check()
        if fate == "resnapshot" and in_stream:
            shell.receive(venue.snapshot())
            check()
        if rest == "answer":
            shell.answer()
            check()
        earlier = venue.snapshot()

    # In peace it comes right again, and stays so.
    for _ in range(3):
        if in_stream:
            if not shell.tracker.synchronised:
                shell.receive(venue.snapshot())
        else:
            shell.answer()
            shell.ask(venue.snapshot())
            shell.answer()
        shell.receive(venue.change([(True, "100", "7")], 2))
        check()
    assert shell.tracker.synchronised and not shell.tracker.in_gap
    assert reader.bids is not None and reader.seq == venue.seq
    assert (reader.bids, reader.asks) == venue.state()


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("fault", ["lose", "repeat", "swap"])
def test_each_fault_is_seen(name: str, fault: str) -> None:
    """A lost or swapped update is marked before the next one; a repeated one is left out."""
    venue, reader = Venue(RULES[name]), Reader()
    shell = Shell(venue, reader)
    if venue.rule.rest is None:
        shell.receive(venue.snapshot())
    else:
        shell.ask(venue.snapshot())
        shell.answer()
    first, second, third = (venue.change([(True, "100", str(n))], 2) for n in (1, 2, 3))
    order = {
        "lose": [first, third],
        "repeat": [first, second, second, third],
        "swap": [second, first, third],
    }[fault]
    for update in order:
        shell.receive(update)

    assert reader.marks == ([] if fault == "repeat" else ["gap sequence"])
    assert shell.tracker.synchronised == (fault == "repeat")
    if fault == "repeat":
        assert reader.bids == venue.bids


def test_the_gap_names_the_updates_that_are_missing() -> None:
    rule = RULES["first_seq in stream"]
    venue, tracker = Venue(rule), BookTracker(rule)
    tracker.step(venue.snapshot())
    assert tracker.step(venue.change([], 3)) == Step()
    venue.change([], 4)
    assert tracker.step(venue.change([], 1)).gap == Gap("sequence", 1004, 1007)


def test_a_keep_alive_is_no_repetition() -> None:
    """OKX sends, to show that it lives, an empty update whose two numbers are the last one's."""
    tracker = BookTracker(RULES["prev_seq in stream"])
    tracker.step(Book(rx=1, type="snapshot", bids=[], asks=[], seq=7))
    alive = Book(rx=1, type="delta", bids=[], asks=[], seq=7, prev_seq=7)
    assert tracker.step(alive) == tracker.step(alive) == Step()
    assert tracker.step(Book(rx=1, type="delta", bids=[], asks=[], seq=9, prev_seq=7)) == Step()


def test_numbers_that_start_over_are_followed() -> None:
    """OKX after maintenance: a lower number, that says which one it follows."""
    tracker = BookTracker(RULES["prev_seq in stream"])
    tracker.step(Book(rx=1, type="snapshot", bids=[], asks=[], seq=900))
    assert tracker.step(Book(rx=1, type="delta", bids=[], asks=[], seq=3, prev_seq=900)) == Step()
    assert tracker.step(Book(rx=1, type="delta", bids=[], asks=[], seq=5, prev_seq=3)) == Step()
    # Lower, and following nothing that was here: a loss, not a repetition.
    lost = tracker.step(Book(rx=1, type="delta", bids=[], asks=[], seq=2, prev_seq=1))
    assert lost.gap == Gap("sequence")


def test_a_checksum_that_does_not_fit_is_a_gap_until_the_next_snapshot() -> None:
    def checksum(bids: Any, asks: Any) -> int:
        return sum(int(float(size)) for _, size in [*bids, *asks])

    tracker = BookTracker(BookRule(continuity="none", checksum=checksum))
    start = Book(rx=1, type="snapshot", bids=[("1", "2")], asks=[("3", "4")], checksum=6)
    assert tracker.step(start) == Step()
    fits = Book(rx=1, type="delta", bids=[("1", "5")], asks=[], checksum=9)
    assert tracker.step(fits) == Step()
    broken = Book(rx=1, type="delta", bids=[], asks=[], checksum=1, seq=4)
    assert tracker.step(broken).gap == Gap("checksum", 4, 4)
    assert tracker.step(fits) == Step()  # marked already; the book is not looked at
    assert tracker.step(start) == Step(resumed=True)
    assert tracker.step(fits) == Step()


def test_a_connection_lost_starts_from_nothing() -> None:
    rule = RULES["plus_one in stream"]
    tracker = BookTracker(rule)
    tracker.step(Book(rx=1, type="snapshot", bids=[], asks=[], seq=1))
    tracker.reset(in_gap=True)
    assert tracker.step(Book(rx=1, type="delta", bids=[], asks=[], seq=77)) == Step()
    assert not tracker.synchronised
    again = Book(rx=1, type="snapshot", bids=[], asks=[], seq=80)
    assert tracker.step(again) == Step(resumed=True)


# -- the ladder -----------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PRICES), st.sampled_from(SIZES)), max_size=30),
    st.integers(1, 4),
)
def test_ladder_is_a_sorted_dict_cut_at_its_depth(levels: list[Level], depth: int) -> None:
    plain, ladder, cut = Ladder(), SortedLadder(), SortedLadder(depth)
    expected: dict[Decimal, Level] = {}
    kept: dict[Decimal, Level] = {}
    for level in levels:
        update = Book(rx=1, type="delta", bids=[], asks=[level])
        for one in (plain, ladder, cut):
            one.apply(update)
        for side in (expected, kept):
            side.pop(Decimal(level[0]), None)
            if Decimal(level[1]):
                side[Decimal(level[0])] = level
        while len(kept) > depth:
            del kept[max(kept)]
    assert ladder.asks() == [expected[price] for price in sorted(expected)]
    assert ladder.asks(2) == ladder.asks()[:2]
    assert (plain.asks(), plain.asks(2)) == (ladder.asks(), ladder.asks(2))
    assert cut.asks() == [kept[price] for price in sorted(kept)]


@pytest.mark.parametrize("kind", [Ladder, SortedLadder])
def test_both_sides_best_first(kind: type[Ladder]) -> None:
    ladder = kind()
    levels = [("9", "1"), ("10", "1"), ("8.5", "1")]
    ladder.apply(Book(rx=1, type="snapshot", bids=levels, asks=levels))
    assert [price for price, _ in ladder.bids()] == ["10", "9", "8.5"]
    assert [price for price, _ in ladder.bids(1)] == ["10"]
    assert [price for price, _ in ladder.asks()] == ["8.5", "9", "10"]


@pytest.mark.parametrize("size", ["0", "0.000", "0e-8", "0E+2", "0.0e10", ".0", "00"])
def test_sizes_that_say_that_the_level_is_gone(size: str) -> None:
    assert is_zero(size)


@pytest.mark.parametrize("size", ["1e-8", "0.01", "10", "1E5", "0.1e0", ".5"])
def test_sizes_of_a_level(size: str) -> None:
    assert not is_zero(size)


def test_a_snapshot_older_than_what_went_out_is_asked_for_again() -> None:
    venue = Venue(RULES["first_seq over rest"])
    tracker, old = BookTracker(venue.rule), venue.snapshot()
    tracker.step(venue.change([(True, "100", "1")], 1))
    tracker.expect_snapshot()
    assert tracker.join(old) is None
    assert not tracker.synchronised
    assert tracker.join(venue.snapshot()) == venue.snapshot()


def test_a_snapshot_asked_for_before_the_connection_was_lost_is_asked_for_again() -> None:
    """What came between it and the new connection was not kept for it."""
    venue = Venue(RULES["first_seq over rest"])
    tracker = BookTracker(venue.rule)
    tracker.expect_snapshot()
    old = venue.snapshot()
    tracker.reset(in_gap=True)
    tracker.step(venue.change([(True, "100", "1")], 1))
    assert tracker.join(old) is None
    tracker.expect_snapshot()
    assert tracker.join(venue.snapshot()) == venue.snapshot()


def test_a_book_ahead_of_its_updates_is_not_whole_until_they_have_caught_up() -> None:
    """What the snapshot knows already does not reach the ladder, however it comes."""
    venue = Venue(RULES["first_seq over rest"])
    tracker = BookTracker(venue.rule, keep=True)
    tracker.expect_snapshot()
    late = venue.change([(True, "100", "1")], 1)
    venue.change([(True, "100", "2")], 1)
    assert tracker.join(venue.snapshot()) is not None
    assert tracker.ladder is not None
    assert tracker.step(late) == Step(publish=False)  # and the one after it never comes
    assert (tracker.whole, tracker.ladder.bids()) == (False, [("100", "2")])
    assert tracker.step(venue.change([(True, "99.5", "3")], 1)) == Step()
    assert (tracker.whole, tracker.ladder.bids()) == (True, [("100", "2"), ("99.5", "3")])


def test_a_snapshot_ahead_of_the_updates_keeps_its_word() -> None:
    """What came before is older than what it says of the same level."""
    venue = Venue(RULES["first_seq over rest"])
    tracker = BookTracker(venue.rule, keep=True)
    tracker.expect_snapshot()
    tracker.step(venue.change([(True, "100", "1")], 1))
    between = venue.change([(True, "100", "2")], 1)
    whole = tracker.join(venue.snapshot())
    assert whole == venue.snapshot()
    assert tracker.step(between) == Step(publish=False)
    assert tracker.step(venue.change([(True, "99.5", "3")], 1)) == Step()
    assert tracker.ladder is not None
    assert tracker.ladder.bids() == [("100", "2"), ("99.5", "3")]


def test_what_a_snapshot_leaves_out_does_not_come_from_updates_before_it() -> None:
    """It has so many levels a side, and updates that it knows are passed over, as venues say."""
    tracker = BookTracker(RULES["first_seq over rest"])
    tracker.expect_snapshot()
    for seq, price in ((5, "1"), (6, "99"), (7, "98")):
        levels = [(price, "1")]
        tracker.step(Book(rx=1, type="delta", bids=levels, asks=[], seq=seq, first_seq=seq))
    whole = tracker.join(Book(rx=1, type="snapshot", bids=[("99", "1")], asks=[], seq=6))
    assert whole is not None
    assert (whole.bids, whole.seq) == ([("99", "1"), ("98", "1")], 7)


def test_updates_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot that comes after too many of them is asked for again."""
    monkeypatch.setattr("ingest.books.tracker._MOST_PENDING", 2)
    venue = Venue(RULES["first_seq over rest"])
    tracker = BookTracker(venue.rule)
    tracker.expect_snapshot()
    for price in PRICES[:4]:
        tracker.step(venue.change([(True, price, "1")], 1))
    assert not tracker.expecting
    assert tracker.join(venue.snapshot()) is None
    tracker.expect_snapshot()
    assert tracker.join(venue.snapshot()) is not None


def test_a_book_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a venue that has ever new prices; those of both sides count."""
    monkeypatch.setattr("ingest.books.tracker._MOST_LEVELS", 10)
    tracker = BookTracker(BookRule(continuity="none"), keep=True)
    tracker.step(Book(rx=1, type="snapshot", bids=[("1", "1")], asks=[("100", "1")]))
    steps = [
        tracker.step(Book(rx=1, type="delta", bids=[(f"{n}", "1")], asks=[(f"{100 + n}", "1")]))
        for n in range(2, 7)
    ]
    assert [step.gap for step in steps] == [None] * 4 + [Gap("oversize")]
    assert tracker.ladder is not None
    assert (len(tracker.ladder), tracker.whole) == (0, False)
    again = tracker.step(Book(rx=1, type="snapshot", bids=[("1", "1")], asks=[]))
    assert (again.resumed, len(tracker.ladder)) == (True, 1)
