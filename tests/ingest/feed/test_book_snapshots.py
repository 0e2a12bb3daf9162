"""Snapshots for readers who come late: whoever begins at one has the book of who was there.

The streams are those that a server would hold: what the publisher hands over goes
through the sink's own buffer and gets its ids where the sink gives them.
"""

from decimal import Decimal
from typing import Any

import hiredis
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from ingest import codecs, venues
from ingest.feed.counters import FeedCounters
from ingest.model import Book
from ingest.sinks.batch import build_batch
from ingest.sinks.buffer import PendingBuffer, StreamWriter
from ingest.sinks.counters import SinkCounters
from ingest.sinks.entry_id import EntryId, parse_entry_id
from ingest.sinks.settings import SinkSettings
from ingest.venues.base import BookRule, ChannelSpec, Data, RestBook, RestRequest

BOOK, SNAPSHOTS = "md:binance:book:BTC-USDT", "md:binance:book_snapshot:BTC-USDT"
MS = 1_000_000
EVERY_S = 1.0
TOPIC = "btcusdt@depth@100ms"

Record = dict[str, Any]
Sides = tuple[dict[Decimal, str], dict[Decimal, str]]

REST = RestBook(
    request=lambda symbol: RestRequest(path=symbol),
    decode=lambda body, rx: msgspec.json.decode(body, type=Book),
)
RULES = {
    "over rest": BookRule(
        continuity="first_seq",
        rest=REST,
        joins=lambda seq, delta: (delta.first_seq or 0) <= seq + 1 <= (delta.seq or 0),
    ),
    "in stream": BookRule(continuity="first_seq"),
    "checked": BookRule(continuity="first_seq", checksum=lambda bids, asks: 0),
}


class StoredStreams:
    """A sink that stores when it is told to, in batches as large as it is told.

    `refusing`: books' entries are dropped; snapshots would be taken.
    """

    def __init__(self) -> None:
        self.full = self.slow = False
        self.refusing = False
        self.stored: dict[str, list[tuple[EntryId, Record]]] = {}
        self.keys: list[str] = []
        self._buffer = PendingBuffer(SinkSettings(), SinkCounters())

    def open_stream(
        self,
        key: str,
        *,
        maxlen: int | None = None,
        preface: Any = None,
        follows: StreamWriter | None = None,
        conflated: Any = None,
        lost: Any = None,
    ) -> StreamWriter:
        writer: StreamWriter

        def append(entry: Any) -> bool:
            if self.refusing and follows is None:
                writer.dropped += 1
                return False
            return self._buffer.append(entry)

        self.keys.append(key)
        writer = StreamWriter(key, None, append, follows, conflated)
        return writer

    def store(self, entries: int | None = None) -> None:
        taken = self._buffer.take()
        self._buffer.put_back(taken[entries:] if entries is not None else [])
        batch = build_batch(taken[:entries], self._no_id)
        reader = hiredis.Reader()
        reader.feed(batch.packed())
        reader.gets()
        for _ in batch.entries:
            _, key, entry_id, *fields = reader.gets()
            pairs = dict(zip(fields[::2], fields[1::2], strict=True))
            stream = self.stored.setdefault(key.decode(), [])
            stream.append((parse_entry_id(entry_id), codecs.get("fields").decode(pairs)))
            assert len(stream) == 1 or stream[-2][0] < stream[-1][0]

    def of(self, key: str) -> list[tuple[EntryId, Record]]:
        return self.stored.get(key, [])

    @staticmethod
    def _no_id(entry: Any) -> None:
        raise AssertionError(entry)


class Reader:
    """What a consumer of the book's stream does."""

    def __init__(self) -> None:
        self.sides: Sides | None = None
        self.seq = -1

    def read(self, record: Record) -> None:
        if record["type"] in ("gap", "reset", "resume"):
            self.sides = None
            return
        if record["type"] == "snapshot":
            self.sides, self.seq = ({}, {}), -1
        if self.sides is None or (record["type"] == "delta" and record["seq"] <= self.seq):
            return
        self.seq = record["seq"]
        for side, levels in zip(self.sides, (record["bids"], record["asks"]), strict=True):
            for price, size in levels:
                side.pop(Decimal(price), None)
                if Decimal(size):
                    side[Decimal(price)] = size


class Feed:
    """One book's publisher, fed with a simulated venue's updates."""

    def __init__(self, kit: Any, rule: BookRule, every_s: float | None = EVERY_S) -> None:
        def decode(data: Data, rx: int) -> list[Book]:
            book = msgspec.json.decode(data.payload, type=Book)
            return [structs.replace(book, rx=rx)]

        venue = structs.replace(
            venues.get("binance"),
            books={"book": rule},
            channels={"book": ChannelSpec(topic="{symbol_lower}@depth@100ms", decode=decode)},
        )
        self.sink = StoredStreams()
        plan = structs.replace(
            kit.plan("BTC-USDT", channels=("book",)), book_snapshot_every_s=every_s
        )
        self.rx = 1_700_000_000_000 * MS
        self.publisher = kit.publisher(
            plan, self.sink, FeedCounters(), venue=venue, started_ns=self.rx
        )
        [self.route] = self.publisher._routes[TOPIC]
        self.seq = 100
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}

    def change(self, levels: list[tuple[bool, str, str]], **more: Any) -> Book:
        """The venue's next update."""
        for is_bid, price, size in levels:
            side = self.bids if is_bid else self.asks
            side.pop(price, None)
            if size != "0":
                side[price] = size
        self.seq += 1
        return Book(
            rx=0,
            type="delta",
            bids=[(price, size) for is_bid, price, size in levels if is_bid],
            asks=[(price, size) for is_bid, price, size in levels if not is_bid],
            seq=self.seq,
            first_seq=self.seq,
            **more,
        )

    def snapshot(self) -> Book:
        bids, asks = list(self.bids.items()), list(self.asks.items())
        return Book(rx=self.rx, type="snapshot", bids=bids, asks=asks, seq=self.seq)

    def receive(self, book: Book, after_ms: int = 0) -> None:
        self.rx += after_ms * MS
        assert self.publisher.publish(Data(TOPIC, msgspec.json.encode(book)), self.rx)

    def begin(self) -> None:
        """By a snapshot of the stream."""
        self.receive(self.snapshot())

    def taken(self) -> list[tuple[EntryId, Record]]:
        self.sink.store()
        return self.sink.of(SNAPSHOTS)


def check(sink: StoredStreams) -> None:
    """Every snapshot begins a book that is, entry by entry, the one read from the start."""
    entries, snapshots = sink.of(BOOK), sink.of(SNAPSHOTS)
    ids = [entry_id for entry_id, _ in entries]
    for snapshot_id, snapshot in snapshots:
        assert snapshot.keys() <= {"rx", "ts", "type", "bids", "asks", "seq"}
        at = ids.index(snapshot_id) + 1
        first = Reader()
        for _, record in entries[:at]:
            first.read(record)
        late = Reader()
        late.read(snapshot)
        assert first.sides is not None
        assert (late.sides, late.seq) == (first.sides, first.seq)
        for _, record in entries[at:]:
            first.read(record)
            late.read(record)
            assert (late.sides, late.seq) == (first.sides, first.seq)


PRICES = ["99.50", "100", "100.5", "0.00000001"]
CHANGES = st.lists(
    st.tuples(st.booleans(), st.sampled_from(PRICES), st.sampled_from(["0", "1", "2.50", "3"])),
    max_size=3,
)
STEPS = st.lists(
    st.tuples(
        CHANGES,
        st.sampled_from([0, 1, 400, 700, 2500, -1500]),  # ms since the last
        st.sampled_from(
            ["pass"] * 6 + ["late"] * 6 + ["lose", "repeat", "resnapshot", "disconnect", "refused"]
        ),
        st.sampled_from(["", "ask", "answer", "ask and answer"]),
        st.sampled_from([0, 1, 3, 100]),  # entries stored meanwhile
    ),
    min_size=5,
    max_size=50,
)


# The kit holds nothing that one example could leave to the next.
@pytest.mark.parametrize("name", RULES)
@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_who_comes_late_has_the_same_book(kit: Any, name: str, steps: list[Any]) -> None:
    """At whatever moment, with losses, reconnects, refusals and resyncs before and after."""
    feed = Feed(kit, RULES[name])
    sink, tracker = feed.sink, feed.route.tracker
    assert tracker is not None
    in_stream = tracker.comes_in_stream
    asked: Book | None = None
    under_way: list[Book] = []  # a REST snapshot overtakes these
    if in_stream:
        feed.begin()
    for levels, after_ms, fate, rest, store in steps:
        update = feed.change(levels)
        feed.rx += after_ms * MS
        if fate == "disconnect":
            feed.publisher.gap("close_1006", feed.rx)
            under_way.clear()
        sink.refusing = fate == "refused"
        if fate != "lose":
            under_way.append(update)
        if fate == "repeat":
            under_way.append(update)
        while under_way and fate != "late":
            feed.receive(under_way.pop(0))
        sink.refusing = False
        if in_stream and (fate == "resnapshot" or (rest == "answer" and not tracker.synchronised)):
            under_way.append(feed.snapshot())
        if rest.startswith("ask") and not in_stream and not tracker.synchronised:
            tracker.expect_snapshot()
            asked = feed.snapshot()
        if rest.endswith("answer") and asked is not None:
            feed.publisher.publish_snapshot(feed.route, asked)
            asked = None
        sink.store(store)
        # What a snapshot refers to is never behind it.
        if sink.of(SNAPSHOTS):
            assert sink.of(SNAPSHOTS)[-1][0] <= sink.of(BOOK)[-1][0]
    sink.store()
    check(sink)


def test_as_the_venue_sent_it(kit: Any) -> None:
    """Best first, every character kept, with the last update's times, number and id."""
    feed = Feed(kit, RULES["in stream"])
    feed.begin()
    feed.receive(feed.change([(True, "99.50", "1.0"), (False, "100.10", "2")]))
    feed.receive(feed.change([(True, "99.70", "3e-8"), (False, "100.10", "0")], ts=7), 1000)
    ((entry_id, record),) = feed.taken()

    assert entry_id == feed.sink.of(BOOK)[-1][0] == (feed.rx // MS, 0)
    bids = [["99.70", "3e-8"], ["99.50", "1.0"]]
    expected = {"rx": feed.rx, "ts": 7, "type": "snapshot", "bids": bids, "asks": [], "seq": 102}
    assert record == expected


def test_once_in_an_interval(kit: Any) -> None:
    """However many updates it has; and after one without updates, with the next update."""
    feed = Feed(kit, RULES["in stream"])
    feed.begin()
    for number in range(40):
        feed.receive(feed.change([(True, "1", str(number + 1))]), 100)
    assert len(feed.taken()) == 4
    feed.receive(feed.change([(True, "1", "9")]), 60_000)
    assert len(feed.taken()) == 5


def test_an_update_without_levels_brings_none(kit: Any) -> None:
    """A keep-alive is no change; the next change brings it."""
    feed = Feed(kit, RULES["in stream"])
    feed.begin()
    feed.receive(feed.change([]), 5000)
    assert feed.taken() == []
    feed.receive(feed.change([(True, "1", "1")]))
    assert len(feed.taken()) == 1


def test_none_of_a_book_that_is_not_whole(kit: Any) -> None:
    """A gap was marked; and after it the next time is waited for."""
    feed = Feed(kit, RULES["in stream"])
    feed.begin()
    feed.change([(True, "1", "1")])  # never comes
    feed.receive(feed.change([(True, "1", "2")]), 2000)
    feed.receive(feed.snapshot())
    feed.receive(feed.change([(True, "1", "3")]))
    assert feed.taken() == []
    feed.receive(feed.change([(True, "1", "4")]), 1000)
    assert len(feed.taken()) == 1


def test_none_that_holds_what_its_stream_has_not(kit: Any) -> None:
    """The update that would have brought it was dropped."""
    feed = Feed(kit, RULES["in stream"])
    feed.begin()
    feed.sink.refusing = True
    feed.receive(feed.change([(True, "1", "1")]), 2000)
    feed.sink.refusing = False
    assert feed.taken() == []


@pytest.mark.parametrize("how", ["full", "slow"])
def test_updates_go_before_snapshots_where_redis_is_slow(kit: Any, how: str) -> None:
    feed = Feed(kit, RULES["in stream"])
    feed.begin()
    setattr(feed.sink, how, True)
    feed.receive(feed.change([(True, "1", "1")]), 2000)
    assert feed.taken() == []
    assert len(feed.sink.of(BOOK)) == 2


def test_off_unless_asked_for(kit: Any) -> None:
    """Then no book is kept, and there is no such stream."""
    feed = Feed(kit, RULES["in stream"], every_s=None)
    feed.begin()
    feed.receive(feed.change([(True, "1", "1")]), 100_000)
    assert feed.taken() == []
    assert SNAPSHOTS not in feed.sink.keys
    assert feed.route.tracker is not None and feed.route.tracker.ladder is None


def test_not_all_at_one_moment(kit: Any, sink: Any) -> None:
    """A thousand books, updated ten times a second: each tenth of a second has its share."""
    names = [f"A{number}-USDT" for number in range(1000)]
    plan = structs.replace(kit.plan(*names, channels=("book",)), book_snapshot_every_s=1.0)
    publisher = kit.publisher(plan, sink, FeedCounters())
    routes = [route for routes in publisher._routes.values() for route in routes]
    taken = [
        sum(route.snapshots.due(10**18 + tenth * 100 * MS) for route in routes)
        for tenth in range(11)
    ]
    assert sum(taken[1:]) == len(routes)
    assert max(taken[1:]) < 150


def test_other_channels_of_the_feed_have_none(kit: Any, sink: Any) -> None:
    plan = structs.replace(
        kit.plan("BTC-USDT", channels=("trade", "book")), book_snapshot_every_s=1.0
    )
    publisher = kit.publisher(plan, sink, FeedCounters())
    assert publisher._routes["btcusdt@trade"][0].snapshots is None
    assert publisher._routes[TOPIC][0].snapshots is not None
