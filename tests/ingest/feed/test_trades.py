"""Trades on their way to the stream: each once, in order, what is missing asked for and marked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from msgspec import structs

from ingest import venues
from ingest.errors import DecodeError, RestError, SinkError
from ingest.feed.backfill import TradeBackfill
from ingest.feed.counters import FeedCounters
from ingest.feed.publisher import FeedPublisher, Route
from ingest.model import Trade
from ingest.venues.base import Backfill, Data, RestRequest

DEADLINE_S = 5.0
BTC, ETH = "md:binance:trade:BTC-USDT", "md:binance:trade:ETH-USDT"


def decode(body: bytes, rx: int) -> list[Trade]:
    numbers = msgspec.json.decode(body)
    if not isinstance(numbers, list):
        raise DecodeError("wrong_type", "no trades")
    return [
        Trade(rx=rx, price="1", size="1", side="buy", id=str(n), backfill=True) for n in numbers
    ]


def request(symbol: str, first: int, last: int) -> RestRequest:
    return RestRequest(path=f"{symbol} {first}-{last}")


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


class Trades:
    """A publisher of two streams of trades, and what asks for the missing ones."""

    def __init__(self, kit: Any, sink: Any, *, recalling: bool) -> None:
        self.sink = sink
        self.counters = FeedCounters()
        self.rest = Rest()
        backfill = Backfill(request=request, decode=decode, most=4)
        venue = structs.replace(venues.get("binance"), backfills={"trade": backfill})
        self.backfill = TradeBackfill(venue, self.counters, self.rest.fetch)
        self.publisher: FeedPublisher = kit.publisher(
            kit.plan("BTC-USDT", "ETH-USDT"),
            sink,
            self.counters,
            venue=venue,
            on_trades_missing=lambda route: self.backfill.want(self.publisher, route),
            recalling=recalling,
        )
        self.kit = kit

    def live(self, symbol: str, *numbers: int, **changes: Any) -> None:
        for number in numbers:
            message = self.kit.trade(symbol, number, **changes)
            data = Data(message["stream"], msgspec.json.encode(message["data"]))
            assert self.publisher.publish(data, number)

    def route(self, symbol: str) -> Route:
        return self.publisher._routes[f"{symbol.lower()}@trade"][0]


@pytest.fixture
def start(kit: Any, sink: Any) -> Callable[..., Any]:
    @asynccontextmanager
    async def starter(*, recalling: bool = False) -> AsyncIterator[Trades]:
        trades = Trades(kit, sink, recalling=recalling)
        task = asyncio.create_task(trades.backfill.run(trades.publisher, sink))
        try:
            yield trades
        finally:
            task.cancel()
            await asyncio.wait([task])

    return starter


def shape(entries: list[dict[str, str]]) -> list[str]:
    """Ids, with a "+" where backfilled; markers by type, reason and range."""
    return [
        f"{e['id']}{'+' * (e.get('backfill') == '1')}"
        if "id" in e
        else " ".join([e["type"], e["reason"], *(e[k] for k in ("from_seq", "to_seq") if k in e)])
        for e in entries
    ]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0)


async def test_what_is_missing_is_filled_in_and_costs_only_its_stream(
    start: Any, sink: Any
) -> None:
    async with start() as trades:
        trades.live("BTCUSDT", 1, 8)
        trades.live("ETHUSDT", 1, 2)
        trades.live("BTCUSDT", 9, 9)
        assert shape(sink.of(BTC)) == ["1", "gap sequence 2 7"]
        assert shape(sink.of(ETH)) == ["1", "2"]
        path, answer = await trades.rest.next()
        assert path == "BTCUSDT 2-5"
        answer.set_result(b"[2, 3, 4, 5]")
        path, answer = await trades.rest.next()
        assert path == "BTCUSDT 6-7"
        answer.set_result(b"[6, 7, 8]")
        expected = ["1", "gap sequence 2 7", "2+", "3+", "4+", "5+", "6+", "7+"]
        expected += ["resume backfill 2 7", "8", "9"]
        await until(lambda: shape(sink.of(BTC)) == expected)
    counters = trades.counters
    assert (counters.trade_gaps, counters.trades_missing, counters.trades_backfilled) == (1, 6, 6)
    assert (counters.trade_repeats, counters.backfill_requests) == (1, 2)
    # What was held back keeps the time at which it came.
    rx = [fields["rx"] for key, fields in sink.entries if key == BTC]
    assert rx[-2:] == ["8", "9"]


async def test_a_reconnect_is_filled_in_by_the_first_trade_that_comes(
    start: Any, sink: Any
) -> None:
    async with start() as trades:
        trades.live("BTCUSDT", 1)
        trades.publisher.gap("close_1006", 2)
        trades.live("BTCUSDT", 3)
        (await trades.rest.next())[1].set_result(b"[2]")
        expected = ["1", "gap close_1006", "resume resubscribed", "gap sequence 2 2"]
        expected += ["2+", "resume backfill 2 2", "3"]
        await until(lambda: shape(sink.of(BTC)) == expected)


async def test_a_lost_connection_lets_go_what_was_held_back(start: Any, sink: Any) -> None:
    async with start() as trades:
        trades.live("BTCUSDT", 1, 3)
        trades.publisher.gap("close_1006", 4)
        assert shape(sink.of(BTC)) == ["1", "gap sequence 2 2", "3", "gap close_1006"]
        trades.live("BTCUSDT", 4)
        (await trades.rest.next())[1].set_result(b"[2]")
        await until(
            lambda: (
                shape(sink.of(BTC))[4:] == ["resume resubscribed", "4", "2+", "resume backfill 2 2"]
            )
        )


async def test_nobody_waits_for_long(
    start: Any, sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.feed.backfill._HOLD_S", 0.0)
    async with start() as trades:
        trades.live("BTCUSDT", 1, 3)
        assert shape(sink.of(BTC)) == ["1", "gap sequence 2 2"]
        await until(lambda: shape(sink.of(BTC))[-1] == "3")
        (await trades.rest.next())[1].set_result(b"[2]")
        await until(lambda: shape(sink.of(BTC))[-2:] == ["2+", "resume backfill 2 2"])
        # It has answered: there is reason to wait again, and an end of that, too.
        trades.live("BTCUSDT", 5)
        assert shape(sink.of(BTC))[-1] == "gap sequence 4 4"
        await until(lambda: shape(sink.of(BTC))[-1] == "5")


async def test_rest_out_of_reach_leaves_the_mark(
    start: Any, sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of reach, nonsense, nothing; then given up, and the stream goes on."""
    monkeypatch.setattr("ingest.feed.backfill._BASE_S", 0.0)
    async with start() as trades:
        trades.live("BTCUSDT", 1, 3)
        for _ in range(2):
            (await trades.rest.next())[1].set_exception(RestError("no route to host"))
            (await trades.rest.next())[1].set_result(b'"nonsense"')
            (await trades.rest.next())[1].set_result(b"[]")
        (await trades.rest.next())[1].set_result(b"[]")
        assert shape(sink.of(BTC)) == ["1", "gap sequence 2 2"]
        (await trades.rest.next())[1].set_result(b"[1]")
        await until(lambda: shape(sink.of(BTC)) == ["1", "gap sequence 2 2", "3"])
        assert trades.rest.requests.empty()
        trades.live("BTCUSDT", 4)
        assert shape(sink.of(BTC))[-1] == "4"
    assert trades.counters.backfill_requests == 8
    assert trades.counters.backfill_failures == 4


async def test_one_long_range_does_not_hold_up_the_others(start: Any, sink: Any) -> None:
    async with start() as trades:
        trades.live("BTCUSDT", 1, 40)
        trades.live("ETHUSDT", 1, 3)
        asked = dict([await trades.rest.next(), await trades.rest.next()])
        assert set(asked) == {"BTCUSDT 2-5", "ETHUSDT 2-2"}


async def test_the_end_lets_go_what_was_held_back(start: Any, sink: Any) -> None:
    async with start() as trades:
        trades.live("BTCUSDT", 1, 3)
        trades.publisher.release(4)
        assert shape(sink.of(BTC)) == ["1", "gap sequence 2 2", "3"]


# -- after a restart ---------------------------------------------------------------


async def test_a_restart_goes_on_where_the_stream_stands(
    start: Any, sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = {BTC: [{b"type": b"gap"}, {b"id": b"5", b"ts": b"1000000"}], ETH: []}
    asked = asyncio.Event()

    async def newest(keys: list[str], count: int) -> list[list[dict[bytes, bytes]]]:
        await asked.wait()
        return [stored[key] for key in keys]

    monkeypatch.setattr(sink, "newest", newest, raising=False)
    async with start(recalling=True) as trades:
        trades.live("BTCUSDT", 5, 8)
        trades.live("ETHUSDT", 7)
        assert shape(sink.of(BTC)) == []
        asked.set()
        path, answer = await trades.rest.next()
        assert path == "BTCUSDT 6-7"
        answer.set_result(b"[6, 7]")
        expected = ["gap sequence 6 7", "6+", "7+", "resume backfill 6 7", "8"]
        await until(lambda: shape(sink.of(BTC)) == expected)
        assert shape(sink.of(ETH)) == ["7"]
    assert trades.counters.trade_repeats == 1


@pytest.mark.parametrize("silent", [True, False])
async def test_redis_out_of_reach_is_not_waited_for(
    start: Any, sink: Any, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    async def newest(keys: list[str], count: int) -> list[list[dict[bytes, bytes]]]:
        if silent:
            await asyncio.Event().wait()
        raise SinkError("no connection")

    monkeypatch.setattr(sink, "newest", newest, raising=False)
    monkeypatch.setattr("ingest.feed.backfill._RECALL_S", 0.05)
    async with start(recalling=True) as trades:
        trades.live("BTCUSDT", 5)
        await until(lambda: shape(sink.of(BTC)) == ["5"])
