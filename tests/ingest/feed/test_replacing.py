"""`FeedConnection` with several sockets: one takes another's place, or they are redundant."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from msgspec import structs

from ingest import codecs, venues
from ingest.config.schema import ReconnectConfig, RedisConfig, ShutdownConfig, WebSocketConfig
from ingest.feed.connection import FeedConnection
from ingest.limits import Broker, local_gate
from ingest.plan import LegPlan, WorkerPlan
from wscore import Backoff, CurlError, WebSocketClosed

DEADLINE_S = 5.0
FEED, BTC = "md:binance:feed:binance-1", "md:binance:trade:BTC-USDT"
ACK = {"result": None, "id": 1}
SHUTDOWN = {"e": "serverShutdown", "E": 1}
LOST = WebSocketClosed("the connection is closed: 1013", 1013)


@pytest.fixture(autouse=True)
def no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delays are at their ceiling, and short."""
    monkeypatch.setattr("ingest.feed.line.Backoff", partial(Backoff, random=lambda: 1.0))
    monkeypatch.setattr("ingest.feed.renewal._BASE_S", 0.001)
    monkeypatch.setattr("ingest.feed.line._LOOK_S", 0.001)


class Sockets:
    """What the client opens, one after the other; an exception is a failed attempt."""

    def __init__(self, new: Callable[[], Any], *outcomes: Exception | None) -> None:
        self._new = new
        self._outcomes = list(outcomes)
        self.attempts = 0
        self.all: list[Any] = []
        self.options: list[dict[str, Any]] = []
        self._changed = asyncio.Event()

    def ws_connect(self, url: str, **options: Any) -> Awaitable[Any]:
        outcome = self._outcomes[self.attempts] if self.attempts < len(self._outcomes) else None
        self.attempts += 1
        self.options.append(options)

        async def attempt() -> Any:
            if outcome is not None:
                raise outcome
            self.all.append(self._new())
            self._changed.set()
            return self.all[-1]

        return attempt()

    async def number(self, count: int) -> Any:
        """Return the socket of that number, from 1, once it is there and has been asked."""
        async with asyncio.timeout(DEADLINE_S):
            while len(self.all) < count:
                self._changed.clear()
                await self._changed.wait()
        ws = self.all[count - 1]
        await ws.until(lambda: bool(ws.sent))
        return ws


class Running:
    """A connection, its sockets, and what comes out."""

    def __init__(self, connection: FeedConnection, sockets: Sockets, sink: Any) -> None:
        self.connection, self.sockets, self.sink = connection, sockets, sink
        self.task = asyncio.create_task(connection.run())

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                await asyncio.sleep(0.001)

    async def stop(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            await self.connection.stop(1.0)
            await self.task

    def events(self) -> list[tuple[str, str | None]]:
        key = next(k for k, _ in self.sink.entries if ":feed:" in k)
        return [(e["type"], e.get("reason")) for e in self.sink.of(key)]

    def trades(self) -> list[str]:
        return [e.get("id") or f"{e['type']} {e['reason']}" for e in self.sink.of(BTC)]


@pytest.fixture
def start(kit: Any, sink: Any, ws: Any) -> Callable[..., Any]:
    @asynccontextmanager
    async def starter(
        *outcomes: Exception | None,
        venue: str = "binance",
        channel: str = "trade",
        instrument: str = "BTC-USDT",
        more: tuple[str, ...] = (),
        **changes: Any,
    ) -> AsyncIterator[Running]:
        plan = structs.replace(
            kit.plan(instrument, *more, venue=venue, channels=(channel,)), **changes
        )
        worker = WorkerPlan(
            worker=0,
            connections=(plan,),
            redis=RedisConfig(),
            reconnect=ReconnectConfig(base_s=0.001, cap_s=0.008),
            websocket=WebSocketConfig(),
            shutdown=ShutdownConfig(),
        )
        sockets = Sockets(type(ws), *outcomes)
        connection = FeedConnection(
            plan,
            worker,
            structs.replace(venues.get(venue), backfills={}, heartbeat=None),
            sink,
            codecs.get("fields"),
            sockets,  # type: ignore[arg-type]
            local_gate(Broker(lambda lane: (1000, 1.0))),
            after_crash=False,
        )
        running = Running(connection, sockets, sink)
        try:
            yield running
        finally:
            running.task.cancel()
            await asyncio.wait([running.task])

    return starter


@pytest.fixture
def trade(kit: Any) -> Callable[[int], Any]:
    return lambda number: kit.trade("BTCUSDT", number)


@pytest.mark.parametrize("why", ["serverShutdown", "reload"])
async def test_a_new_one_takes_its_place(start: Any, trade: Any, why: str) -> None:
    """The old one is closed, with 1001, once the new one brings what it does."""
    async with start() as running:
        first = await running.sockets.number(1)
        first.receive(ACK, trade(1), trade(2))
        await running.until(lambda: running.connection.status().state == "live")
        if why == "reload":
            running.connection.renew("reload")
        else:
            first.receive(SHUTDOWN, trade(3))
        second = await running.sockets.number(2)
        second.receive(ACK, trade(5), trade(6))
        if why == "reload":
            first.receive(trade(3))
        first.receive(trade(4), trade(5))
        await first.until(lambda: first.closed_with is not None)
        await running.until(lambda: len(running.events()) == 4)
        second.receive(trade(7))
        await running.until(lambda: running.trades()[-1] == "7")
        assert running.connection.status().state == "live"
        await running.stop()

    assert first.closed_with == second.closed_with == 1001
    assert running.trades() == ["1", "2", "3", "4", "5", "6", "7"]
    assert running.events() == [
        ("connected", None),
        ("replacing", why),
        ("connected", None),
        ("replaced", why),
        ("disconnected", "shutdown"),
    ]
    assert running.connection.counters.disconnects == {}
    assert running.connection.counters.replaced == 1


async def test_no_new_one_can_be_had(start: Any, trade: Any) -> None:
    """The old one goes on, and it is tried again."""
    refused = CurlError("refused", 7)
    async with start(None, refused, refused) as running:
        first = await running.sockets.number(1)
        first.receive(ACK, trade(1))
        await running.until(lambda: running.connection.status().state == "live")
        running.connection.renew("reload")
        await running.until(lambda: running.sockets.attempts >= 3)
        first.receive(trade(2))
        second = await running.sockets.number(2)
        second.receive(ACK, trade(2), trade(3))
        await first.until(lambda: first.closed_with is not None)
        await running.until(lambda: running.trades()[-1] == "3")
        await running.stop()

    assert running.trades() == ["1", "2", "3"]
    kinds = [kind for kind, _ in running.events()]
    assert kinds.count("replace_failed") == 2
    assert running.connection.counters.disconnects == {"refused": 2}


async def test_a_new_one_that_dies(start: Any, trade: Any) -> None:
    """Before it has shown anything: nobody notices."""
    async with start() as running:
        first = await running.sockets.number(1)
        first.receive(ACK, trade(1))
        await running.until(lambda: running.connection.status().state == "live")
        running.connection.renew("reload")
        second = await running.sockets.number(2)
        second.end(LOST)
        third = await running.sockets.number(3)
        first.receive(trade(2))
        third.receive(ACK, trade(2), trade(3))
        await first.until(lambda: first.closed_with is not None)
        await running.until(lambda: running.trades()[-1] == "3")
        await running.stop()

    assert running.trades() == ["1", "2", "3"]
    assert ("replace_failed", "close_1013") in running.events()


async def test_a_new_one_that_shows_nothing(
    start: Any, trade: Any, sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while it has to do; what may be missing is marked."""
    monkeypatch.setattr("ingest.feed.line._PROOF_S", 0.05)
    async with start() as running:
        first = await running.sockets.number(1)
        first.receive(ACK, trade(1))
        await running.until(lambda: running.connection.status().state == "live")
        running.connection.renew("reload")
        second = await running.sockets.number(2)
        second.receive(ACK)
        await running.until(lambda: "btcusdt@trade" in str(second.sent))
        first.receive(trade(2))
        await first.until(lambda: first.closed_with is not None)
        second.receive(trade(4))
        await running.until(lambda: running.trades()[-1] == "4")
        await running.stop()

    assert running.trades() == ["1", "2", "gap handover", "resume resubscribed", "4"]
    replaced = next(e for e in sink.of(FEED) if e["type"] == "replaced")
    assert replaced["detail"] == "not shown to go on: btcusdt@trade"


async def test_the_old_one_does_not_wait(start: Any, trade: Any) -> None:
    """It ends before the new one has shown anything: a gap, and the new one goes on."""
    async with start() as running:
        first = await running.sockets.number(1)
        first.receive(ACK, trade(1))
        await running.until(lambda: running.connection.status().state == "live")
        first.receive(SHUTDOWN)
        second = await running.sockets.number(2)
        second.receive(ACK, trade(7))
        first.receive(trade(2))
        await running.until(lambda: running.trades() == ["1", "2"])
        first.end(LOST)
        await running.until(lambda: running.trades()[-1] == "7")
        await running.stop()

    assert running.trades() == ["1", "2", "gap venue_leaving", "resume resubscribed", "7"]
    assert running.sockets.attempts == 2
    assert running.connection.counters.disconnects == {"venue_leaving": 1}


async def test_stop_while_one_is_replaced(start: Any, trade: Any) -> None:
    """Both are closed with 1001, and what they have brought is published."""
    async with start() as running:
        first = await running.sockets.number(1)
        first.receive(ACK, trade(1))
        await running.until(lambda: running.connection.status().state == "live")
        running.connection.renew("reload")
        second = await running.sockets.number(2)
        second.receive(ACK, trade(3))
        first.receive(trade(2))
        await running.stop()

    assert first.closed_with == second.closed_with == 1001
    assert running.trades() == ["1", "2", "3"]


def okx(seq: int, action: str = "update") -> dict[str, Any]:
    data = {
        **{"bids": [["10", str(seq), "0", "1"]], "asks": [], "ts": "1", "checksum": 0},
        **{"seqId": seq, "prevSeqId": -1 if action == "snapshot" else seq - 1},
    }
    return {"arg": {"channel": "books", "instId": "BTC-USDT"}, "action": action, "data": [data]}


def okx_ack(ws: Any) -> dict[str, Any]:
    request = json.loads(ws.sent[0])
    return {"id": request["id"], "event": "subscribe", "arg": request["args"][0], "connId": "x"}


async def test_a_numbered_book(start: Any, sink: Any) -> None:
    """The new one's snapshot is not published: the book goes on without a break."""
    async with start(venue="okx", channel="book") as running:
        first = await running.sockets.number(1)
        first.receive(okx_ack(first), okx(5, "snapshot"), okx(6))
        await running.until(lambda: len(sink.of("md:okx:book:BTC-USDT")) == 2)
        first.receive({"event": "notice", "code": "64008", "msg": "soon"})
        second = await running.sockets.number(2)
        second.receive(okx_ack(second), okx(8, "snapshot"), okx(9))
        first.receive(okx(7), okx(8))
        await first.until(lambda: first.closed_with is not None)
        await running.until(lambda: ("replaced", "service upgrade") in running.events())
        second.receive(okx(10))
        await running.until(lambda: len(sink.of("md:okx:book:BTC-USDT")) >= 6)
        await running.stop()

    book = [(e["type"], e.get("seq")) for e in sink.of("md:okx:book:BTC-USDT")]
    assert book == [("snapshot", "5"), *(("delta", str(seq)) for seq in range(6, 11))]


def coinbase(price: str, size: str) -> dict[str, Any]:
    return {
        **{"type": "l2update", "product_id": "BTC-USD", "changes": [["buy", price, size]]},
        "time": "2026-01-01T00:00:00.000000Z",
    }


async def test_a_book_without_numbers(start: Any, sink: Any) -> None:
    """The new one's book takes the old one's place, whole, when that one is closed."""
    key = "md:coinbase:book:BTC-USD"
    ack = {
        "type": "subscriptions",
        "channels": [{"name": "level2_batch", "product_ids": ["BTC-USD"]}],
    }
    whole = {"type": "snapshot", "product_id": "BTC-USD", "bids": [["1", "1"]], "asks": []}
    async with start(venue="coinbase", channel="book", instrument="BTC-USD") as running:
        first = await running.sockets.number(1)
        first.receive(ack, whole, coinbase("2", "1"))
        await running.until(lambda: len(sink.of(key)) == 2)
        running.connection.renew("reload")
        second = await running.sockets.number(2)
        second.receive(ack, whole, coinbase("2", "1"), coinbase("3", "1"))
        await first.until(lambda: first.closed_with is not None)
        await running.until(lambda: ("replaced", "reload") in running.events())
        second.receive(coinbase("1", "0"))
        await running.until(lambda: len(sink.of(key)) >= 4)
        await running.stop()

    book = [(e["type"], e["bids"]) for e in sink.of(key)]
    assert book == [
        ("snapshot", '[["1","1"]]'),
        ("delta", '[["2","1"]]'),
        ("snapshot", '[["3","1"],["2","1"],["1","1"]]'),
        ("delta", '[["1","0"]]'),
    ]


TWO = (LegPlan(source_address="127.0.0.1"), LegPlan(proxy="http://p:1"))


async def test_redundant_legs(start: Any, trade: Any) -> None:
    """Either may die, or send nonsense; each event goes out once. A stop closes both."""
    async with start(legs=TWO) as running:
        first, second = await running.sockets.number(1), await running.sockets.number(2)
        for ws in (first, second):
            ws.receive(ACK, trade(1), trade(2))
        await running.until(lambda: running.connection.status().legs == 2)
        first.receive(trade(3), {"stream": "btcusdt@trade", "data": {"e": "trade"}})
        second.receive(trade(3), trade(4))
        await running.until(lambda: running.trades()[-1] == "4")
        first.end(LOST)
        third = await running.sockets.number(3)
        second.receive(trade(5))
        third.receive(ACK, trade(5), trade(6))
        await running.until(lambda: running.trades()[-1] == "6")
        second.end(LOST)
        await running.sockets.number(4)
        third.receive(trade(7))
        await running.until(lambda: running.trades()[-1] == "7")
        await running.stop()

    assert running.trades() == [str(number) for number in range(1, 8)]
    ways = [(options["interface"], options["proxy"]) for options in running.sockets.options]
    assert set(ways[:2]) == {("127.0.0.1", None), (None, "http://p:1")}
    assert third.closed_with == running.sockets.all[3].closed_with == 1001
    assert running.connection.counters.decode_errors == {"missing_field": 1}
    assert running.connection.counters.leg_repeats == 4


async def test_a_topic_is_dropped(start: Any, trade: Any, kit: Any, sink: Any) -> None:
    """On both legs; nothing that waited for another leg comes behind its end."""
    async with start(legs=TWO, more=("ETH-USDT",)) as running:
        first, second = await running.sockets.number(1), await running.sockets.number(2)
        for ws in (first, second):
            ws.receive(ACK, trade(1), kit.trade("ETHUSDT", 1))
        await running.until(lambda: running.connection.status().legs == 2)
        await running.until(lambda: running.trades() == ["1"])
        first.end(LOST)
        third = await running.sockets.number(3)
        third.receive(ACK, trade(3))  # waits: nobody knows where it is
        running.connection.drop(kit.plan("BTC-USDT").topics, "unselected")
        for ws in (second, third):
            await ws.until(lambda ws=ws: "UNSUBSCRIBE" in ws.sent[-1])
            ws.receive(trade(4), kit.trade("ETHUSDT", 2))
        await running.until(lambda: sink.of("md:binance:trade:ETH-USDT")[-1]["id"] == "2")
        await running.stop()

    assert running.trades() == ["1", "gap unselected"]
    assert [e["id"] for e in sink.of("md:binance:trade:ETH-USDT")] == ["1", "2"]


async def test_all_redundant_legs_die(start: Any, trade: Any) -> None:
    """Then there is a gap, one, and it ends with the first that comes back."""
    async with start(legs=TWO) as running:
        first, second = await running.sockets.number(1), await running.sockets.number(2)
        for ws in (first, second):
            ws.receive(ACK, trade(1))
        await running.until(lambda: running.connection.status().legs == 2)
        first.end(LOST)
        second.end(LOST)
        third = await running.sockets.number(3)
        third.receive(ACK, trade(9))
        await running.until(lambda: running.trades()[-1] == "9")
        await running.stop()

    assert running.trades() == ["1", "gap close_1013", "resume resubscribed", "9"]


async def test_a_book_that_both_legs_lost(start: Any, sink: Any) -> None:
    """It is asked for anew on one of them; its snapshot makes it whole for both."""
    key = "md:okx:book:BTC-USDT"
    async with start(venue="okx", channel="book", legs=TWO) as running:
        first, second = await running.sockets.number(1), await running.sockets.number(2)
        for ws in (first, second):
            ws.receive(okx_ack(ws), okx(5, "snapshot"))
        await running.until(lambda: running.connection.status().legs == 2)
        for ws in (first, second):
            ws.receive(okx(7))
        await running.until(lambda: any(len(ws.sent) > 2 for ws in (first, second)))
        asked, other = (first, second) if len(first.sent) > 2 else (second, first)
        assert [json.loads(text)["op"] for text in asked.sent] == [
            *("subscribe", "unsubscribe", "subscribe"),
        ]
        request = json.loads(asked.sent[2])
        answer = {"id": request["id"], "event": "subscribe", "arg": request["args"][0]}
        asked.receive({**answer, "connId": "x"}, okx(8, "snapshot"), okx(9))
        other.receive(okx(8), okx(9), okx(10))
        await running.until(lambda: sink.of(key)[-1].get("seq") == "10")
        await running.stop()

    assert len(other.sent) == 1
    book = [(e["type"], e.get("seq") or e.get("reason")) for e in sink.of(key)]
    assert book[:6] == [
        *[("snapshot", "5"), ("gap", "sequence"), ("delta", "7")],
        *[("resume", "snapshot"), ("snapshot", "8"), ("delta", "9")],
    ]
    assert book[6:] == [("delta", "10")]
