"""Books on their way to the stream: checked, marked, begun again; and nothing else disturbed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec
import pytest
from msgspec import structs

from ingest import venues
from ingest.errors import DecodeError, RestError
from ingest.feed.counters import FeedCounters
from ingest.feed.publisher import FeedPublisher, Route
from ingest.feed.resync import BookResync
from ingest.model import Book
from ingest.venues.base import BookRule, Data, RestBook, RestRequest, Topic
from wscore import Backoff

DEADLINE_S = 5.0
BTC, ETH = "md:binance:book:BTC-USDT", "md:binance:book:ETH-USDT"


def joins(seq: int, delta: Book) -> bool:
    return (delta.first_seq or 0) <= seq + 1


def decode_snapshot(body: bytes, rx: int) -> Book:
    found = msgspec.json.decode(body)
    if not isinstance(found, int):
        raise DecodeError("wrong_type", "no snapshot")
    return Book(rx=rx, type="snapshot", bids=[("1", "1")], asks=[], seq=found)


REST = RestBook(request=lambda symbol: RestRequest(path=symbol), decode=decode_snapshot)
OVER_REST = BookRule(continuity="first_seq", rest=REST, joins=joins)
IN_STREAM = BookRule(continuity="first_seq")


class Books:
    """A publisher of three books, and what it asked for."""

    def __init__(self, kit: Any, sink: Any, rule: BookRule) -> None:
        self.venue = structs.replace(venues.get("binance"), books={"book": rule})
        self.counters = FeedCounters()
        self.lost: list[Route] = []
        self.on_lost: Callable[[Route], None] = self.lost.append
        self.publisher: FeedPublisher = kit.publisher(
            kit.plan("BTC-USDT", "ETH-USDT", "ADA-USDT", channels=("book",)),
            sink,
            self.counters,
            venue=self.venue,
            on_book_lost=lambda route: self.on_lost(route),
        )

    def delta(self, symbol: str, first: int, last: int, rx: int = 1) -> None:
        levels: list[list[str]] = []
        wire = {"E": 1, "s": symbol, "U": first, "u": last, "b": [["1", "2"]], "a": levels}
        topic = f"{symbol.lower()}@depth@100ms"
        assert self.publisher.publish(Data(topic, msgspec.json.encode(wire)), rx)

    def snapshot(self, symbol: str, seq: int) -> None:
        """As if one came in the stream: this venue has none."""
        tracker = self.route(symbol).tracker
        assert tracker is not None
        tracker.step(decode_snapshot(str(seq).encode(), 1))

    def route(self, symbol: str) -> Route:
        return self.publisher._routes[f"{symbol.lower()}@depth@100ms"][0]


def shape(entries: list[dict[str, str]]) -> list[str]:
    """Markers by type and reason, books by type and number."""
    return [f"{e['type']} {e.get('reason') or e['seq']}" for e in entries]


@pytest.fixture
def over_rest(kit: Any, sink: Any) -> Books:
    return Books(kit, sink, OVER_REST)


def test_a_gap_is_marked_with_what_is_missing_and_costs_only_its_book(
    sink: Any, over_rest: Books
) -> None:
    for first, last in ((1, 3), (4, 4), (9, 9), (10, 12)):
        over_rest.delta("BTCUSDT", first, last)
        over_rest.delta("ETHUSDT", last, last)  # of which 4 and 5 to 8 follow nothing …
    assert shape(sink.of(BTC)) == ["delta 3", "delta 4", "gap sequence", "delta 9", "delta 12"]
    assert sink.of(BTC)[2] == {
        "type": "gap",
        "reason": "sequence",
        "from_seq": "5",
        "to_seq": "8",
    }
    assert over_rest.counters.book_gaps == {"sequence": 2}
    # … asked for with the first data, and again when it was lost.
    assert [route.topic.instrument for route in over_rest.lost].count("BTC-USDT") == 2


def test_the_snapshot_stands_between_the_updates_it_knows_and_the_next(
    sink: Any, over_rest: Books
) -> None:
    over_rest.delta("BTCUSDT", 1, 3)
    route = over_rest.route("BTCUSDT")
    assert route.tracker is not None
    route.tracker.expect_snapshot()
    over_rest.delta("BTCUSDT", 4, 6)
    assert over_rest.publisher.publish_snapshot(route, decode_snapshot(b"5", 1))
    over_rest.delta("BTCUSDT", 7, 7)

    assert shape(sink.of(BTC)) == ["delta 3", "delta 6", "snapshot 6", "delta 7"]
    assert sink.of(BTC)[2]["bids"] == '[["1","2"]]'


def test_resume_comes_with_the_snapshot_not_with_the_connection(
    sink: Any, over_rest: Books
) -> None:
    over_rest.delta("BTCUSDT", 1, 3)
    over_rest.publisher.gap("close_1006", 2)
    over_rest.delta("BTCUSDT", 7, 8)
    route = over_rest.route("BTCUSDT")
    assert route.tracker is not None
    route.tracker.expect_snapshot()
    assert over_rest.publisher.publish_snapshot(route, decode_snapshot(b"8", 1))

    assert shape(sink.of(BTC)) == [
        "delta 3",
        "gap close_1006",
        "delta 8",
        "resume snapshot",
        "snapshot 8",
    ]


def test_what_redis_refused_begins_the_book_again(sink: Any, over_rest: Books) -> None:
    over_rest.delta("BTCUSDT", 1, 3)
    sink.refusing = True
    over_rest.delta("BTCUSDT", 4, 4)
    sink.refusing = False
    over_rest.lost.clear()
    over_rest.delta("BTCUSDT", 5, 5)

    assert shape(sink.of(BTC)) == ["delta 3", "gap dropped", "delta 5"]
    assert [route.topic.instrument for route in over_rest.lost] == ["BTC-USDT"]


def test_a_repeated_update_is_counted_and_left_out(sink: Any, over_rest: Books) -> None:
    for _ in range(2):
        over_rest.delta("BTCUSDT", 1, 3)
    assert shape(sink.of(BTC)) == ["delta 3"]
    assert over_rest.counters.book_repeats == 1


# -- asking again ----------------------------------------------------------------


class Rest:
    """Answers each request when it is told to, with what it is told."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[tuple[str, asyncio.Future[bytes]]] = asyncio.Queue()

    async def fetch(self, request: RestRequest) -> bytes:
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.requests.put_nowait((request.path, answer))
        return await answer

    async def next(self) -> tuple[str, "asyncio.Future[bytes]"]:
        async with asyncio.timeout(DEADLINE_S):
            return await self.requests.get()


@asynccontextmanager
async def resyncing(
    books: Books, rest: Rest, resubscribe: Callable[[Topic], None] = lambda topic: None
) -> AsyncIterator[None]:
    resync = BookResync(books.venue, books.counters, rest.fetch, resubscribe)
    books.on_lost = resync.want
    task = asyncio.create_task(resync.run(books.publisher))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0)


async def test_one_slow_answer_holds_up_nobody(sink: Any, over_rest: Books) -> None:
    rest = Rest()
    async with resyncing(over_rest, rest):
        over_rest.delta("BTCUSDT", 1, 3)
        over_rest.delta("ETHUSDT", 1, 3)
        asked = dict([await rest.next(), await rest.next()])
        asked["ETHUSDT"].set_result(b"3")
        await until(lambda: "snapshot 3" in shape(sink.of(ETH)))
        over_rest.delta("BTCUSDT", 4, 4)
        assert shape(sink.of(BTC)) == ["delta 3", "delta 4"]
        asked["BTCUSDT"].set_result(b"3")
        await until(lambda: shape(sink.of(BTC))[-1] == "snapshot 4")


async def test_what_cannot_be_used_is_asked_for_again(
    sink: Any, over_rest: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of reach, nonsense, too old; then as it should be."""
    monkeypatch.setattr("ingest.feed.resync._BASE_S", 0.0)
    rest = Rest()
    async with resyncing(over_rest, rest):
        over_rest.delta("BTCUSDT", 11, 13)
        (await rest.next())[1].set_exception(RestError("no route to host"))
        (await rest.next())[1].set_result(b'"nonsense"')
        (await rest.next())[1].set_result(b"7")
        (await rest.next())[1].set_result(b"13")
        await until(lambda: shape(sink.of(BTC)) == ["delta 13", "snapshot 13"])
    assert over_rest.counters.resyncs == 4


async def test_an_answer_may_be_older_than_the_question(sink: Any, over_rest: Books) -> None:
    """It joins the updates since the book was wanted: a fast venue sends before we ask."""
    rest = Rest()
    async with resyncing(over_rest, rest):
        for first, last in ((1, 3), (4, 6), (7, 9)):
            over_rest.delta("BTCUSDT", first, last)
        (await rest.next())[1].set_result(b"5")
        await until(lambda: shape(sink.of(BTC))[-1] == "snapshot 9")
    assert over_rest.counters.resyncs == 1


async def test_an_answer_from_before_the_book_was_lost_again(
    sink: Any, over_rest: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not taken, though nothing in its number would show it; the books are served on."""
    monkeypatch.setattr("ingest.feed.resync._BASE_S", 0.0)
    rest = Rest()
    async with resyncing(over_rest, rest):
        over_rest.delta("BTCUSDT", 1, 3)
        asked = (await rest.next())[1]
        over_rest.publisher.gap("close_1006", 2)
        over_rest.publisher.acknowledged([over_rest.route("BTCUSDT").topic], 3)
        asked.set_result(b"3")
        (await rest.next())[1].set_result(b"9")
        await until(lambda: shape(sink.of(BTC))[-1] == "snapshot 9")
    assert "snapshot 3" not in shape(sink.of(BTC))


async def test_those_next_in_line_listen_already(
    over_rest: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as may: when one is done, another one begins to, long before its turn."""
    monkeypatch.setattr("ingest.feed.resync._AT_ONCE", 1)
    monkeypatch.setattr("ingest.feed.resync._AHEAD", 2)
    rest = Rest()
    trackers = {name: over_rest.route(name).tracker for name in ("BTCUSDT", "ETHUSDT", "ADAUSDT")}

    def listening() -> list[bool]:
        return [tracker is not None and tracker.expecting for tracker in trackers.values()]

    async with resyncing(over_rest, rest):
        for name in trackers:
            over_rest.delta(name, 1, 3)
        path, answer = await rest.next()
        assert (path, listening()) == ("BTCUSDT", [True, True, False])
        answer.set_result(b"3")
        path, _ = await rest.next()
        assert (path, listening()) == ("ETHUSDT", [False, True, True])


async def test_where_answers_are_old_we_listen_first(kit: Any, sink: Any) -> None:
    """For as long as one may be: what it does not know has come by then."""
    rule = structs.replace(OVER_REST, rest=structs.replace(REST, age_s=0.05))
    books, rest = Books(kit, sink, rule), Rest()
    loop = asyncio.get_running_loop()
    async with resyncing(books, rest):
        began_s = loop.time()
        books.delta("BTCUSDT", 1, 3)
        (await rest.next())[1].set_result(b"3")
        assert loop.time() - began_s >= 0.05
        await until(lambda: shape(sink.of(BTC))[-1] == "snapshot 3")


async def test_a_book_of_the_stream_is_subscribed_anew(kit: Any, sink: Any) -> None:
    books = Books(kit, sink, IN_STREAM)
    again: list[str] = []
    rest = Rest()
    async with resyncing(books, rest, lambda topic: again.append(topic.name)):
        books.delta("BTCUSDT", 1, 3)
        books.delta("BTCUSDT", 5, 5)
        await until(lambda: again == ["btcusdt@depth@100ms"])
    assert rest.requests.empty()


async def test_a_promised_snapshot_that_does_not_come(
    kit: Any, sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The subscription is begun anew once more, and again, for as long as the book is not whole."""
    monkeypatch.setattr("ingest.feed.resync._BASE_S", 0.0)
    monkeypatch.setattr("ingest.feed.resync._PATIENCE_S", 0.01)
    books = Books(kit, sink, IN_STREAM)
    again: list[str] = []
    async with resyncing(books, Rest(), lambda topic: again.append(topic.name)):
        books.delta("BTCUSDT", 1, 3)
        books.delta("BTCUSDT", 5, 5)
        await until(lambda: len(again) == 3)
        books.snapshot("BTCUSDT", 7)
        await asyncio.sleep(0.05)
        assert len(again) == 3


async def test_a_book_that_is_lost_over_and_over_is_begun_more_and_more_rarely(
    kit: Any, sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first time at once; the wait grows, up to a minute."""
    waits: list[float] = []
    monkeypatch.setattr("ingest.feed.resync._BASE_S", 1e-6)
    monkeypatch.setattr("ingest.feed.resync._CAP_S", 20e-6)
    monkeypatch.setattr("ingest.feed.resync.Backoff", partial(Backoff, random=lambda: 1.0))
    books = Books(kit, sink, IN_STREAM)
    loop = asyncio.get_running_loop()
    call_later = loop.call_later

    def noting(delay: float, callback: Callable[..., object], *args: object) -> asyncio.TimerHandle:
        if delay < 1e-3:  # not the patience with a new subscription
            waits.append(delay)
        return call_later(delay, callback, *args)

    again: list[str] = []
    async with resyncing(books, Rest(), lambda topic: again.append(topic.name)):
        monkeypatch.setattr(loop, "call_later", noting)
        for number in range(7):
            books.snapshot("BTCUSDT", 7)
            books.delta("BTCUSDT", 99, 99)
            await until(lambda: len(again) > number)  # noqa: B023  # awaited here
    assert [round(wait * 1e6) for wait in waits] == [0, 2, 4, 8, 16, 20, 20]
