"""`FeedSession`: what is sent and read on one open connection."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from ingest import venues
from ingest.errors import SinkError
from ingest.feed.counters import FeedCounters, count_words
from ingest.feed.heartbeat import HeartbeatLost
from ingest.feed.retry import VenueLeaving
from ingest.feed.sample import SampledLog
from ingest.feed.session import FeedSession
from ingest.feed.turns import MessageTurns
from ingest.limits import Broker, Lane, local_gate
from ingest.venues.base import Answer, Heartbeat
from ingest.venues.subscriber import Subscriber
from wscore import WebSocketClosed, WebSocketError

DEADLINE_S = 5.0
BTC = "md:binance:trade:BTC-USDT"


class Run:
    """A session under way and everything around it."""

    def __init__(
        self, kit: Any, ws: Any, sink: Any, plan: Any, turns: Any = None, **venue_changes: Any
    ) -> None:
        self.counters = FeedCounters()
        self.settled: list[Subscriber] = []
        self.stopping = asyncio.Event()
        self._settled = asyncio.Event()
        self.session = FeedSession(
            ws,
            structs.replace(venues.get(plan.venue), **venue_changes),
            plan.topics,
            kit.leg(kit.publisher(plan, sink, self.counters), self.counters),
            sink,
            self.counters,
            SampledLog(),
            stopping=self.stopping,
            on_settled=self._on_settled,
            turns=turns,
        )
        self.task = asyncio.create_task(self.session.run())

    def _on_settled(self, subscriber: Subscriber) -> None:
        self.settled.append(subscriber)
        self._settled.set()

    async def until_settled(self) -> Subscriber:
        async with asyncio.timeout(DEADLINE_S):
            await self._settled.wait()
        return self.settled[0]

    async def ended(self) -> None:
        """Wait for the end, which is always an exception."""
        async with asyncio.timeout(DEADLINE_S):
            await self.task


@pytest.fixture
def start(kit: Any, ws: Any, sink: Any) -> Callable[..., Any]:
    @asynccontextmanager
    async def starter(*instruments: str, venue: str = "binance", **changes: Any) -> AsyncIterator:
        run = Run(kit, ws, sink, kit.plan(*(instruments or ("BTC-USDT",)), venue=venue), **changes)
        try:
            yield run
        finally:
            run.task.cancel()
            await asyncio.wait([run.task])

    return starter


async def test_subscribes_reads_and_counts(start: Any, kit: Any, ws: Any, sink: Any) -> None:
    """The topics are asked for, the answer settles them, and every frame is counted once."""
    async with start() as run:
        await ws.until(lambda: len(ws.sent) == 1)
        request = json.loads(ws.sent[0])
        assert request["params"] == ["btcusdt@trade"]
        ws.receive({"result": None, "id": request["id"]}, rx=3)
        await run.until_settled()
        ws.receive(
            kit.trade("BTCUSDT", 1),
            kit.trade("XRPUSDT", 1),
            b"{",
            kit.trade("BTCUSDT", 2, p=2),
            kit.trade("BTCUSDT", 3),
            rx=4,
        )
        ws.end(WebSocketClosed("gone", 1006))
        with pytest.raises(WebSocketClosed):
            await run.ended()

    assert [e.get("id", e.get("type")) for e in sink.of(BTC)] == ["1", "gap", "resume", "3"]
    counters = run.counters
    assert (counters.frames, counters.data, counters.control, counters.unknown_topic) == (
        6,
        2,
        1,
        1,
    )
    assert counters.decode_errors == {"bad_json": 1, "wrong_type": 1}
    assert counters.last_frame_ns == 4


async def test_a_feed_for_all_instruments(kit: Any, ws: Any, sink: Any) -> None:
    """Of one that the venue sends for all, those nobody asked for are passed over.

    A frame counts once, however many parts it has.
    """
    plan = kit.plan("BTC-USDT-PERP", venue="okx", channels=("liquidation",))
    run = Run(kit, ws, sink, plan)
    detail = {"side": "sell", "bkPx": "5", "sz": "1", "ts": "1"}
    items = [{"instId": name, "details": [detail]} for name in ("X-Y-SWAP", "BTC-USDT-SWAP")]
    arg = {"channel": "liquidation-orders", "instType": "SWAP"}
    await ws.until(lambda: len(ws.sent) == 1)
    request = json.loads(ws.sent[0])
    assert request["args"] == [arg]
    ws.receive({"id": request["id"], "event": "subscribe", "arg": arg}, rx=3)
    await run.until_settled()
    ws.receive({"arg": arg, "data": items}, rx=4)
    ws.end(WebSocketClosed("gone", 1006))
    with pytest.raises(WebSocketClosed):
        await run.ended()

    assert [entry["price"] for entry in sink.of("md:okx:liquidation:BTC-USDT-PERP")] == ["5"]
    counters = run.counters
    assert (counters.frames, counters.data, counters.control) == (2, 1, 1)
    assert counters.unknown_topic == 0
    assert counters.passed_over == {"not asked for": 1}


async def test_what_has_no_event_has_a_reason(kit: Any, ws: Any, sink: Any) -> None:
    """Data that says nothing new, and what carries none; of a venue's words, only so many."""
    run = Run(kit, ws, sink, kit.plan("BTC-USDT-PERP", venue="binance-usdm", channels=("trade",)))
    await ws.until(lambda: len(ws.sent) == 1)
    ws.receive({"result": None, "id": json.loads(ws.sent[0])["id"]}, rx=3)
    await run.until_settled()
    spent = (
        b'{"stream":"btcusdt@trade","data":{"s":"BTCUSDT","t":1,"p":"0","q":"0","T":5,"m":true}}'
    )
    ws.receive(spent, b'{"result":[],"id":null}', rx=4)
    ws.end(WebSocketClosed("gone", 1006))
    with pytest.raises(WebSocketClosed):
        await run.ended()

    assert sink.of("md:binance-usdm:trade:BTC-USDT-PERP") == []
    counters = run.counters
    assert (counters.data, counters.passed_over) == (1, {"nothing new": 1, "result": 1})
    for number in range(40):
        count_words(counters.passed_over, f"word {number % 35}")
    assert len(counters.passed_over) == 33
    assert sum(counters.passed_over.values()) == 42


async def test_one_subscription_for_several_channels(kit: Any, ws: Any, sink: Any) -> None:
    """A derivative's ticker is asked for once, and feeds every channel made of it."""
    plan = kit.plan("BTC-USDT-PERP", venue="bybit", channels=("ticker", "mark", "funding"))
    run = Run(kit, ws, sink, plan)
    await ws.until(lambda: len(ws.sent) == 1)
    request = json.loads(ws.sent[0])
    assert request["args"] == ["tickers.BTCUSDT"]
    ws.receive({"success": True, "ret_msg": "", "op": "subscribe", "req_id": "1"}, rx=3)
    subscriber = await run.until_settled()
    assert subscriber.active == set(plan.topics)
    data = {"symbol": "BTCUSDT", "lastPrice": "5", "markPrice": "6", "fundingRate": "-0.1"}
    ws.receive({"topic": "tickers.BTCUSDT", "type": "snapshot", "ts": 1, "data": data}, rx=4)
    ws.end(WebSocketClosed("gone", 1006))
    with pytest.raises(WebSocketClosed):
        await run.ended()

    found = {name: sink.of(f"md:bybit:{name}:BTC-USDT-PERP") for name in ("ticker", "mark")}
    assert [entry["last"] for entry in found["ticker"]] == ["5"]
    assert [entry["mark"] for entry in found["mark"]] == ["6"]
    assert [entry["rate"] for entry in sink.of("md:bybit:funding:BTC-USDT-PERP")] == ["-0.1"]


async def test_a_send_that_fails_does_not_cut_what_is_left_to_read(
    start: Any, kit: Any, ws: Any, sink: Any
) -> None:
    """The connection is closing, the driver cannot send: the reader still gets everything."""
    ws.send_error = WebSocketError("sending failed: libcurl error 55", 55)
    async with start() as run:
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the driver has failed by now
        ws.receive(kit.trade("BTCUSDT", 1))
        ws.end(WebSocketClosed("the connection is closed: 1001", 1001))
        with pytest.raises(WebSocketClosed, match="1001"):
            await run.ended()

    assert not ws.terminated
    assert sink.of(BTC)[-1]["id"] == "1"


async def test_the_venue_asks_us_to_go(start: Any, kit: Any, ws: Any, sink: Any) -> None:
    """Its notice is obeyed with a CLOSE 1001, and what is still under way is read."""
    async with start() as run:
        ws.receive({"e": "serverShutdown", "E": 1})
        ws.receive(kit.trade("BTCUSDT", 1))
        with pytest.raises(VenueLeaving, match="serverShutdown"):
            await run.ended()

    assert ws.closed_with == 1001
    assert sink.of(BTC)[-1]["id"] == "1"


async def test_a_full_sink_holds_the_reader_back(start: Any, kit: Any, ws: Any, sink: Any) -> None:
    """What was read waits for room instead of overrunning the sink; nothing is lost."""
    async with start():
        sink.full = True
        ws.receive(kit.trade("BTCUSDT", 1))
        async with asyncio.timeout(DEADLINE_S):
            await sink.asked_to_wait.wait()
        assert sink.entries == []
        sink.drain()
        await _until(lambda: len(sink.entries) == 1)


async def test_a_stop_does_not_wait_for_a_full_sink(
    start: Any, kit: Any, ws: Any, sink: Any
) -> None:
    """At a stop everything received is handed over: the sink counts what it cannot hold."""
    async with start() as run:
        sink.full = True
        ws.receive(kit.trade("BTCUSDT", 1))
        async with asyncio.timeout(DEADLINE_S):
            await sink.asked_to_wait.wait()
        ws.receive(kit.trade("BTCUSDT", 2))
        ws.end(WebSocketClosed("closed", 1001))
        run.stopping.set()
        with pytest.raises(WebSocketClosed):
            await run.ended()

    assert [e.get("id") for e in sink.of(BTC)] == ["1", "2"]


async def test_a_failed_sink_ends_the_session(start: Any, kit: Any, ws: Any, sink: Any) -> None:
    """There is nowhere to publish to: that is for the worker to know."""

    async def fail() -> None:
        raise SinkError("the sink has stopped")

    sink.full, sink.wait_writable = True, fail
    async with start() as run:
        ws.receive(kit.trade("BTCUSDT", 1))
        with pytest.raises(SinkError):
            await run.ended()


async def test_the_opening_goes_first(start: Any, ws: Any) -> None:
    """What the venue wants on every connection is sent before the first subscription."""
    limits = structs.replace(venues.get("binance").limits, requests_per_s=1e6)
    async with start(opening=(b"first", b"second"), limits=limits):
        await ws.until(lambda: len(ws.sent) == 3)

    assert ws.sent[:2] == ["first", "second"]
    assert json.loads(ws.sent[2])["method"] == "SUBSCRIBE"


async def test_requests_that_wait_for_a_turn(start: Any, ws: Any) -> None:
    """The first goes at once, the second has the one turn there is; pings wait for nothing."""
    binance = venues.get("binance")
    quick = structs.replace(binance.limits, topics_per_request=1, requests_per_s=1000.0)
    beat = Heartbeat(payload=b"ping", after_idle_s=0.05, timeout_s=60.0)
    broker = Broker(lambda _: (1, 1000.0))
    turns = partial(MessageTurns, local_gate(broker), Lane("message", "binance", "h"))
    three = ("BTC-USDT", "ETH-USDT", "ADA-USDT")
    async with start(*three, limits=quick, heartbeat=beat, turns=turns) as run:
        await ws.until(lambda: len(ws.sent) == 3)
        assert ["SUBSCRIBE" in text for text in ws.sent] == [True, True, False]
        assert broker.waiting == 1
        assert not run.settled
    await asyncio.sleep(0)

    assert broker.waiting == 0


async def test_own_pings_and_a_silent_venue(start: Any, ws: Any) -> None:
    """After silence the venue's own ping is sent; without an answer the session ends."""
    rule = Heartbeat(payload=b"ping", after_idle_s=0.05, timeout_s=0.05)
    async with start(venue="okx", heartbeat=rule) as run:
        with pytest.raises(HeartbeatLost):
            await run.ended()

    assert ws.sent.count("ping") == 1
    assert ws.terminated


async def test_while_we_do_not_read_the_venue_is_not_silent(
    start: Any, kit: Any, ws: Any, sink: Any
) -> None:
    """Redis is away and we are the ones who hold back: the connection stays."""
    rule = Heartbeat(payload=b"ping", after_idle_s=0.02, timeout_s=0.02)
    async with start(heartbeat=rule) as run:
        sink.full = True
        ws.receive(kit.trade("BTCUSDT", 1))
        async with asyncio.timeout(DEADLINE_S):
            await sink.asked_to_wait.wait()
        done, _ = await asyncio.wait([run.task], timeout=0.15)
        assert not done
        sink.drain()
        await _until(lambda: len(sink.entries) == 1)
        with pytest.raises(HeartbeatLost):  # now it is
            await run.ended()


async def test_acks_out_of_order(start: Any, ws: Any) -> None:
    """Each answer is matched by its number."""
    instruments = [f"A{n}-USDT" for n in range(201)]
    limits = structs.replace(venues.get("binance").limits, requests_per_s=1e6)
    async with start(*instruments, limits=limits) as run:
        await ws.until(lambda: len(ws.sent) == 3)
        for request in reversed(ws.sent):
            ws.receive({"result": None, "id": json.loads(request)["id"]})
        subscriber = await run.until_settled()

    assert len(subscriber.active) == 201
    assert not subscriber.refused
    assert not subscriber.unanswered


async def test_refused_topics_settle_and_make_no_flood(start: Any, ws: Any) -> None:
    """A hundred refusals, one by one: the others are fed, the log has not a line each."""
    instruments = ["BTC-USDT", *(f"A{n}-USDT" for n in range(99))]
    with capture_logs() as lines:
        async with start(*instruments, venue="okx") as run:
            await ws.until(lambda: len(ws.sent) == 1)
            for arg in json.loads(ws.sent[0])["args"]:
                known = arg["instId"] == "BTC-USDT"
                error = {"event": "error", "code": "60018", "msg": "doesn't exist"}
                ws.receive({**({"event": "subscribe"} if known else error), "arg": arg})
            subscriber = await run.until_settled()

    assert len(subscriber.refused) == 99
    assert {topic.instrument for topic in subscriber.active} == {"BTC-USDT"}
    assert len(lines) <= 2


async def test_a_missing_ack_is_asked_for_again(start: Any, ws: Any) -> None:
    """Twice, then the topic counts as unanswered; one line for all of a request."""
    limits = structs.replace(venues.get("binance").limits, ack_timeout_s=0.05, requests_per_s=1e6)
    with capture_logs() as lines:
        async with start("BTC-USDT", "ETH-USDT", limits=limits) as run:
            subscriber = await run.until_settled()

    assert len(ws.sent) == 2
    assert json.loads(ws.sent[0])["params"] == json.loads(ws.sent[1])["params"]
    assert {topic.name for topic in subscriber.unanswered} == {"btcusdt@trade", "ethusdt@trade"}
    assert [line["topics"] for line in lines] == [2]


async def _until(condition: Callable[[], bool]) -> None:
    """Wait for something that no event tells of."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.002)


async def test_everything_we_send_is_stamped(start: Any, ws: Any) -> None:
    """Requests, answers and pings, where the venue wants the time in them."""
    heartbeat = Heartbeat(payload=b"ping", after_idle_s=0.3, timeout_s=60.0, always=True)
    began_ns = time.time_ns()
    changes = {"parse": lambda frame: Answer(b"pong"), "heartbeat": heartbeat}
    async with start(stamp=lambda text, now: b"%d %b" % (now, text), **changes):
        await ws.until(lambda: len(ws.sent) == 1)
        ws.receive(b"{}")
        await ws.until(lambda: len(ws.sent) == 3)

    stamps, texts = zip(*(text.split(" ", 1) for text in ws.sent), strict=True)
    assert ["SUBSCRIBE" in texts[0], *texts[1:]] == [True, "pong", "ping"]
    assert all(began_ns <= int(stamp) <= time.time_ns() for stamp in stamps)
