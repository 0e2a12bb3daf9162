"""A book is left and asked for anew, at every venue: nothing else takes notice.

What the venues send is written out here by their documentation, with values of our own.
"""

import asyncio
import gzip
import json
from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

import pytest
from msgspec import structs

from ingest import venues
from ingest.feed.counters import FeedCounters
from ingest.feed.sample import SampledLog
from ingest.feed.session import FeedSession
from ingest.venues import kraken
from ingest.venues.base import Topic
from ingest.venues.subscriber import Subscriber
from wscore import WebSocketClosed

DEADLINE_S = 5.0
Wire = Any  # a frame as JSON


class Protocol(NamedTuple):
    """One venue's frames. `seq` numbers a book's frames, `n` the subscriptions."""

    instrument: str
    update: Callable[[int, int], Wire]  # seq, n
    unsubscribe: Wire  # the request, but for its number
    accepted: Callable[[Wire, int], Wire] = lambda request, n: None  # None: not answered
    left: Callable[[Wire], Wire] = lambda request: None
    # A request to unsubscribe that fails; None: it is not documented how that is told.
    not_left: Callable[[Wire], Wire] | None = None
    snapshot: Callable[[int, int], Wire] | None = None  # None: it comes over REST
    pack: Callable[[bytes], bytes] = bytes


def binance(symbol: str, name: str, instrument: str, **derivative: Any) -> Protocol:
    def update(seq: int, _n: int) -> Wire:
        data = {"e": "depthUpdate", "E": 1, "s": symbol, "U": seq, "u": seq}
        sides = {"b": [["1", "2"]], "a": []}
        previous = {"pu": seq - 1} if derivative else {}
        return {"stream": name, "data": {**data, **sides, **derivative, **previous}}

    return Protocol(
        instrument=instrument,
        update=update,
        unsubscribe={"method": "UNSUBSCRIBE", "params": [name]},
        accepted=lambda request, _n: {"result": None, "id": request["id"]},
        left=lambda request: {"result": None, "id": request["id"]},
        not_left=lambda request: {"error": {"code": 2, "msg": "Invalid"}, "id": request["id"]},
    )


def bitmex_level(number: int, n: int, **values: Any) -> Wire:
    # Levels have other ids in each subscription: the old ones are of no use.
    return {"symbol": "XBTUSD", "id": 100 * n + number, "side": "Buy", **values}


def bitmex_answer(op: str, **answer: Any) -> Wire:
    return {**answer, "request": {"op": op, "args": ["orderBookL2:XBTUSD"]}}


def bybit_book(kind: str) -> Callable[[int, int], Wire]:
    def frame(seq: int, _n: int) -> Wire:
        data = {"s": "BTCUSDT", "b": [["10", "1"]], "a": [], "u": seq, "seq": 1}
        return {"topic": "orderbook.200.BTCUSDT", "type": kind, "ts": 1, "data": data}

    return frame


def bybit_answer(request: Wire, *, success: bool = True) -> Wire:
    answer = {"success": success, "ret_msg": "", "conn_id": "x"}
    return {**answer, "req_id": request["req_id"], "op": request["op"]}


# All messages of a connection are numbered in a row, answers too.
_numbers = count()


def advanced(channel: str, event: Wire) -> Wire:
    head = {"channel": channel, "client_id": "", "timestamp": "2025-10-09T08:53:20.1Z"}
    return {**head, "sequence_num": next(_numbers), "events": [event]}


def advanced_book(kind: str) -> Callable[[int, int], Wire]:
    level = {"side": "bid", "price_level": "10", "new_quantity": "1"}
    event = {"type": kind, "product_id": "BTC-USD", "updates": [level]}
    return lambda _seq, _n: advanced("l2_data", event)


def crypto_com(channel: str, data: Wire) -> Wire:
    result = {"subscription": "book.BTCUSD-PERP.50", "channel": channel, "data": [data]}
    return {"id": -1, "method": "subscribe", "code": 0, "result": result}


def deribit_book(kind: str) -> Callable[[int, int], Wire]:
    def frame(seq: int, _n: int) -> Wire:
        data = {"type": kind, "timestamp": 1, "instrument_name": "BTC-PERPETUAL"}
        data |= {"change_id": seq, "bids": [["new", 10.0, 5.0]], "asks": []}
        if kind == "change":
            data["prev_change_id"] = seq - 1
        params = {"channel": "book.BTC-PERPETUAL.100ms", "data": data}
        return {"jsonrpc": "2.0", "method": "subscription", "params": params}

    return frame


def gateio_answer(request: Wire, **answer: Any) -> Wire:
    head = {"time": 1, "id": request["id"], "channel": request["channel"]}
    return {**head, "event": request["event"], "error": None, "result": None, **answer}


def gateio_stream(kind: str) -> Callable[[int, int], Wire]:
    def frame(seq: int, _n: int) -> Wire:
        numbers = {"full": True, "u": seq} if kind == "full" else {"U": seq, "u": seq}
        result = {"t": 1, "s": "ob.BTC_USDT.400", **numbers, "b": [["1", "2"]], "a": []}
        return {"time": 1, "channel": "futures.obu", "event": "update", "result": result}

    return frame


def gemini_depth(first: int) -> Callable[[int, int], Wire]:
    def frame(seq: int, _n: int) -> Wire:
        head = {"e": "depthUpdate", "E": 1, "s": "btcusd", "U": seq - first, "u": seq}
        return {**head, "b": [["1", "2"]], "a": []}

    return frame


def kucoin_depth(kind: str) -> Callable[[int, int], Wire]:
    def frame(seq: int, _n: int) -> Wire:
        book = {"s": "XBTUSDTM", "O": seq, "C": seq, "M": 1, "b": [["1", "2"]], "a": []}
        return {"T": "obu.FUTURES", "dp": "increment@10ms", "t": kind, "P": 1, "d": book}

    return frame


def htx(instrument: str, topic: str, *, incremental: bool) -> Protocol:
    def book(event: str) -> Callable[[int, int], Wire]:
        def frame(seq: int, _n: int) -> Wire:
            tick = {"bids": [[10, 1]], "asks": [], "ts": 1, "version": seq}
            return {"ch": topic, "ts": 1, "tick": {**tick, **({"event": event} if event else {})}}

        return frame

    error = {"status": "error", "err-code": "bad-request", "err-msg": "unsub with not subbed topic"}
    return Protocol(
        instrument=instrument,
        snapshot=book("snapshot" if incremental else ""),
        update=book("update" if incremental else ""),
        unsubscribe={"unsub": topic, **({"data_type": "incremental"} if incremental else {})},
        accepted=lambda request, _n: {
            "id": request["id"],
            "status": "ok",
            "subbed": topic,
            "ts": 1,
        },
        left=lambda request: {"id": request["id"], "status": "ok", "unsubbed": topic, "ts": 1},
        not_left=lambda request: {"id": request["id"], **error, "ts": 1},
        pack=gzip.compress,
    )


def hyperliquid_answer(method: str) -> Wire:
    subscription = {"type": "l2Book", "coin": "BTC", "nSigFigs": None, "mantissa": None}
    data = {"method": method, "subscription": subscription}
    return {"channel": "subscriptionResponse", "data": data}


def hyperliquid_book(_seq: int, _n: int) -> Wire:
    levels: Wire = [[{"px": "10", "sz": "1", "n": 1}], []]
    return {"channel": "l2Book", "data": {"coin": "BTC", "time": 1, "levels": levels}}


def kraken_book(kind: str) -> Callable[[int, int], Wire]:
    def frame(seq: int, _n: int) -> Wire:
        data = {"symbol": "BTC/USD", "bids": [{"price": 10, "qty": seq}], "asks": []}
        data["checksum"] = kraken.checksum([("10", str(seq))], [])
        return {"channel": "book", "type": kind, "data": [data]}

    return frame


def kraken_answer(request: Wire, **answer: Any) -> Wire:
    return {"method": request["method"], "success": True, "req_id": request["req_id"], **answer}


KRAKEN_RESULT = {"channel": "book", "depth": 1000, "symbol": "BTC/USD"}


def kraken_v1_answer(request: Wire, status: str, **answer: Any) -> Wire:
    head = {"channelID": 1, "channelName": "book-1000", "event": "subscriptionStatus"}
    asked = {"pair": "XBT/USD", "reqid": request["reqid"], "subscription": V1_BOOK}
    return {**head, **asked, "status": status, **answer}


V1_BOOK = {"name": "book", "depth": 1000}
OKX_BOOK = {"channel": "books", "instId": "BTC-USDT"}


def okx_book(action: str) -> Callable[[int, int], Wire]:
    def frame(seq: int, _n: int) -> Wire:
        previous = -1 if action == "snapshot" else seq - 1
        sides = {"bids": [["10", "1", "0", "1"]], "asks": [], "ts": "1", "checksum": 0}
        data = {**sides, "seqId": seq, "prevSeqId": previous}
        return {"arg": OKX_BOOK, "action": action, "data": [data]}

    return frame


L2 = {"name": "level2_batch", "product_ids": ["BTC-USD"]}

PROTOCOLS = {
    "binance": binance("BTCUSDT", "btcusdt@depth@100ms", "BTC-USDT"),
    "binance-usdm": binance("BTCUSDT", "btcusdt@depth@100ms", "BTC-USDT-PERP", T=1),
    "binance-coinm": binance(
        "BTCUSD_PERP", "btcusd_perp@depth@100ms", "BTC-USD-PERP", T=1, ps="BTCUSD"
    ),
    "bitfinex": Protocol(
        instrument="BTC-USD",
        snapshot=lambda _seq, n: [n, [[10, 1, 0.5], [11, 1, -0.25]]],
        update=lambda _seq, n: [n, [10, 2, 0.75]],
        unsubscribe={"event": "unsubscribe", "chanId": 1},
        accepted=lambda request, n: {
            **{"event": "subscribed", "channel": "book", "chanId": n, "symbol": "tBTCUSD"},
            **{"prec": "P0", "freq": "F0", "len": "250", "pair": "BTCUSD"},
        },
        left=lambda request: {"event": "unsubscribed", "status": "OK", "chanId": request["chanId"]},
        not_left=lambda _: {"event": "error", "msg": "unsubscribe: invalid", "code": 10400},
    ),
    "bitmex": Protocol(
        instrument="BTC-USD-PERP",
        snapshot=lambda _seq, n: {
            **{"table": "orderBookL2", "action": "partial", "filter": {"symbol": "XBTUSD"}},
            "data": [bitmex_level(1, n, size=5, price=10), bitmex_level(2, n, size=5, price=9)],
        },
        update=lambda seq, n: {
            **{"table": "orderBookL2", "action": "update"},
            "data": [bitmex_level(1, n, size=seq)],
        },
        unsubscribe={"op": "unsubscribe", "args": ["orderBookL2:XBTUSD"]},
        accepted=lambda _request, _n: bitmex_answer(
            "subscribe", success=True, subscribe="orderBookL2:XBTUSD"
        ),
        left=lambda _: bitmex_answer("unsubscribe", success=True, unsubscribe="orderBookL2:XBTUSD"),
        not_left=lambda _: bitmex_answer("unsubscribe", status=400, error="You are not subscribed"),
    ),
    "bitstamp": Protocol(
        instrument="BTC-USD",
        update=lambda seq, _n: {
            **{"event": "data", "channel": "diff_order_book_btcusd"},
            "data": {"microtimestamp": str(seq), "bids": [["10", "1"]], "asks": []},
        },
        unsubscribe={"event": "bts:unsubscribe", "data": {"channel": "diff_order_book_btcusd"}},
        accepted=lambda request, _n: {
            **{"event": "bts:subscription_succeeded", "channel": request["data"]["channel"]},
            "data": {},
        },
        left=lambda request: {
            **{"event": "bts:unsubscription_succeeded", "channel": request["data"]["channel"]},
            "data": {},
        },
    ),
    "bybit": Protocol(
        instrument="BTC-USDT-PERP",
        snapshot=bybit_book("snapshot"),
        update=bybit_book("delta"),
        unsubscribe={"op": "unsubscribe", "args": ["orderbook.200.BTCUSDT"]},
        accepted=lambda request, _n: bybit_answer(request),
        left=bybit_answer,
        not_left=lambda request: bybit_answer(request, success=False),
    ),
    "coinbase": Protocol(
        instrument="BTC-USD",
        snapshot=lambda _seq, _n: {
            **{"type": "snapshot", "product_id": "BTC-USD"},
            **{"asks": [["11", "1"]], "bids": [["10", "1"]]},
        },
        update=lambda _seq, _n: {
            **{"type": "l2update", "product_id": "BTC-USD", "changes": [["buy", "10", "2"]]},
            "time": "2021-04-17T16:43:37.075687Z",
        },
        unsubscribe={"type": "unsubscribe", "channels": [L2]},
        accepted=lambda _request, _n: {"type": "subscriptions", "channels": [L2]},
        left=lambda _: {"type": "subscriptions", "channels": [{**L2, "product_ids": ["A-USD"]}]},
    ),
    "coinbase-advanced": Protocol(
        instrument="BTC-USD",
        snapshot=advanced_book("snapshot"),
        update=advanced_book("update"),
        unsubscribe={"type": "unsubscribe", "channel": "level2", "product_ids": ["BTC-USD"]},
        accepted=lambda _request, _n: advanced(
            "subscriptions", {"subscriptions": {"level2": ["A-USD", "BTC-USD"]}}
        ),
        left=lambda _: advanced("subscriptions", {"subscriptions": {"level2": ["A-USD"]}}),
    ),
    "crypto-com": Protocol(
        instrument="BTC-USD-PERP",
        snapshot=lambda seq, _n: crypto_com(
            "book", {"bids": [["10", "1", "1"]], "asks": [], "t": 1, "tt": 1, "u": seq}
        ),
        update=lambda seq, _n: crypto_com(
            "book.update",
            {
                "update": {"bids": [["10", "2", "1"]], "asks": []},
                **{"t": 1, "tt": 1, "u": seq, "pu": seq - 1},
            },
        ),
        unsubscribe={"method": "unsubscribe", "params": {"channels": ["book.BTCUSD-PERP.50"]}},
        accepted=lambda request, _n: {
            **{"id": request["id"], "method": "subscribe", "code": 0},
            "channel": "book.BTCUSD-PERP.50",
        },
        left=lambda request: {"id": request["id"], "method": "unsubscribe", "code": 0},
        not_left=lambda request: {
            **{"id": request["id"], "method": "unsubscribe", "code": 40003},
            "message": "Invalid request",
        },
    ),
    "deribit": Protocol(
        instrument="BTC-USD-PERP",
        snapshot=deribit_book("snapshot"),
        update=deribit_book("change"),
        unsubscribe={
            **{"jsonrpc": "2.0", "method": "public/unsubscribe"},
            "params": {"channels": ["book.BTC-PERPETUAL.100ms"]},
        },
        accepted=lambda request, _n: {
            **{"jsonrpc": "2.0", "id": request["id"]},
            "result": request["params"]["channels"],
        },
        left=lambda request: {
            **{"jsonrpc": "2.0", "id": request["id"]},
            "result": request["params"]["channels"],
        },
        not_left=lambda request: {"jsonrpc": "2.0", "id": request["id"], "result": []},
    ),
    "gateio": Protocol(
        instrument="BTC-USDT",
        update=lambda seq, _n: {
            **{"time": 1, "channel": "spot.order_book_update", "event": "update"},
            "result": {
                **{"t": 1, "e": "depthUpdate", "E": 1, "s": "BTC_USDT", "U": seq, "u": seq},
                **{"b": [["1", "2"]], "a": []},
            },
        },
        unsubscribe={
            **{"channel": "spot.order_book_update", "event": "unsubscribe"},
            "payload": ["BTC_USDT", "100ms"],
        },
        accepted=lambda request, _n: gateio_answer(request, result={"status": "success"}),
        left=lambda request: gateio_answer(request, result={"status": "success"}),
        not_left=lambda request: gateio_answer(request, error={"code": 2, "message": "invalid"}),
    ),
    "gateio-btc": Protocol(
        instrument="BTC-USD-PERP",
        update=lambda seq, _n: {
            **{"time": 1, "channel": "futures.order_book_update", "event": "update"},
            "result": {
                **{"t": 1, "s": "BTC_USD", "U": seq, "u": seq, "l": "100"},
                **{"b": [{"p": "1", "s": "2"}], "a": []},
            },
        },
        unsubscribe={
            **{"time": 123456, "channel": "futures.order_book_update", "event": "unsubscribe"},
            "payload": ["BTC_USD", "100ms", "100"],
        },
        accepted=lambda request, _n: gateio_answer(request, result={"status": "success"}),
        left=lambda request: gateio_answer(request, result={"status": "success"}),
        not_left=lambda request: gateio_answer(request, error={"code": 2, "message": "invalid"}),
    ),
    "gateio-usdt": Protocol(
        instrument="BTC-USDT-PERP",
        snapshot=gateio_stream("full"),
        update=gateio_stream("changes"),
        unsubscribe={
            **{"time": 123456, "channel": "futures.obu", "event": "unsubscribe"},
            "payload": ["ob.BTC_USDT.400"],
        },
        accepted=lambda request, _n: gateio_answer(request, result={"status": "success"}),
        left=lambda request: gateio_answer(request, result={"status": "success"}),
        not_left=lambda request: gateio_answer(
            request, error={"code": 2, "message": "invalid"}, result={"status": "fail"}
        ),
    ),
    "gemini": Protocol(
        instrument="BTC-USD",
        snapshot=lambda _seq, _n: {
            **{"type": "l2_updates", "symbol": "BTCUSD", "changes": [["buy", "10", "1"]]},
            "trades": [],
        },
        update=lambda _seq, _n: {
            **{"type": "l2_updates", "symbol": "BTCUSD", "changes": [["buy", "10", "2"]]},
        },
        unsubscribe={
            "type": "unsubscribe",
            "subscriptions": [{"name": "l2", "symbols": ["BTCUSD"]}],
        },
    ),
    "gemini-v3": Protocol(
        instrument="BTC-USD",
        snapshot=gemini_depth(0),
        update=gemini_depth(1),
        unsubscribe={"method": "unsubscribe", "params": ["btcusd@depth@100ms"]},
        accepted=lambda request, _n: {"id": request["id"], "status": 200},
        left=lambda request: {"id": request["id"], "status": 200},
        not_left=lambda request: {
            **{"id": request["id"], "status": 400},
            "error": {"code": -1013, "msg": "Invalid stream name"},
        },
    ),
    "htx": htx("BTC-USDT", "market.btcusdt.depth.step0", incremental=False),
    "htx-usdm": htx("BTC-USDT-PERP", "market.BTC-USDT.depth.size_150.high_freq", incremental=True),
    "htx-coinm": htx("BTC-USD-PERP", "market.BTC-USD.depth.size_150.high_freq", incremental=True),
    "hyperliquid": Protocol(
        instrument="BTC-USDC-PERP",
        snapshot=hyperliquid_book,
        update=hyperliquid_book,
        unsubscribe={"method": "unsubscribe", "subscription": {"type": "l2Book", "coin": "BTC"}},
        accepted=lambda _request, _n: hyperliquid_answer("subscribe"),
        left=lambda _: hyperliquid_answer("unsubscribe"),
        not_left=lambda _: {
            **{"channel": "error"},
            "data": 'Already unsubscribed: {"type":"l2Book","coin":"BTC"}',
        },
    ),
    "kraken": Protocol(
        instrument="BTC-USD",
        snapshot=kraken_book("snapshot"),
        update=kraken_book("update"),
        unsubscribe={
            "method": "unsubscribe",
            "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 1000},
        },
        accepted=lambda request, _n: kraken_answer(
            request, result={**KRAKEN_RESULT, "snapshot": True}
        ),
        left=lambda request: kraken_answer(request, result=KRAKEN_RESULT),
        not_left=lambda request: kraken_answer(
            request, success=False, error="Subscription Not Found", symbol="BTC/USD"
        ),
    ),
    "kraken-v1": Protocol(
        instrument="BTC-USD",
        snapshot=lambda _seq, _n: [
            1,
            {"as": [["11", "1", "1.1"]], "bs": [["10", "1", "1.1"]]},
            *("book-1000", "XBT/USD"),
        ],
        update=lambda _seq, _n: [1, {"b": [["10", "2", "1.2"]]}, "book-1000", "XBT/USD"],
        unsubscribe={"event": "unsubscribe", "pair": ["XBT/USD"], "subscription": V1_BOOK},
        accepted=lambda request, _n: kraken_v1_answer(request, "subscribed"),
        left=lambda request: kraken_v1_answer(request, "unsubscribed"),
        not_left=lambda request: kraken_v1_answer(
            request, "error", errorMessage="Subscription Not Found"
        ),
    ),
    "kucoin": Protocol(
        instrument="BTC-USDT",
        update=lambda seq, _n: {
            **{"type": "message", "topic": "/market/level2:BTC-USDT", "subject": "trade.l2update"},
            "data": {
                **{"symbol": "BTC-USDT", "sequenceStart": seq, "sequenceEnd": seq, "time": 1},
                "changes": {"bids": [["1", "2", str(seq)]], "asks": []},
            },
        },
        unsubscribe={
            **{"type": "unsubscribe", "topic": "/market/level2:BTC-USDT"},
            **{"privateChannel": False, "response": True},
        },
        accepted=lambda request, _n: {"id": request["id"], "type": "ack"},
        left=lambda request: {"id": request["id"], "type": "ack"},
        not_left=lambda request: {
            **{"id": request["id"], "type": "error", "code": 404},
            "data": "topic /market/level2:BTC-USDT is not found",
        },
    ),
    "kucoin-futures": Protocol(
        instrument="BTC-USDT-PERP",
        snapshot=kucoin_depth("snapshot"),
        update=kucoin_depth("delta"),
        unsubscribe={
            **{"action": "UNSUBSCRIBE", "channel": "obu", "symbol": "XBTUSDTM"},
            **{"tradeType": "FUTURES", "depth": "increment@10ms"},
        },
        accepted=lambda request, _n: {"id": request["id"], "result": True},
        left=lambda request: {"id": request["id"], "result": True},
        not_left=lambda request: {"id": request["id"], "result": False, "message": "invalid"},
    ),
    "okx": Protocol(
        instrument="BTC-USDT",
        snapshot=okx_book("snapshot"),
        update=okx_book("update"),
        unsubscribe={"op": "unsubscribe", "args": [OKX_BOOK]},
        accepted=lambda request, _n: {
            **{"id": request["id"], "event": "subscribe", "arg": OKX_BOOK, "connId": "x"},
        },
        left=lambda request: {
            **{"id": request["id"], "event": "unsubscribe", "arg": OKX_BOOK, "connId": "x"},
        },
        not_left=lambda request: {
            **{"id": request["id"], "event": "error", "code": "60018", "connId": "x"},
            "msg": "channel:books,instId:BTC-USDT doesn't exist",
        },
    ),
}
WHOLE = ("htx", "hyperliquid")  # each of their frames is a whole book
REFUSABLE = [name for name, protocol in PROTOCOLS.items() if protocol.not_left is not None]
NUMBERS = {"id", "req_id", "reqid", "cid"}


class Run:
    """A session of one book, with the test in the venue's place."""

    def __init__(self, name: str, kit: Any, ws: Any, sink: Any, *more: str) -> None:
        self.protocol = PROTOCOLS[name]
        self.ws, self.sink = ws, sink
        self.counters = FeedCounters()
        plan = kit.plan(self.protocol.instrument, venue=name, channels=("book", *more))
        self.topic: Topic = plan.topics[0]
        found = venues.get(name)
        venue = structs.replace(
            found,
            opening=(),
            heartbeat=None,
            stamp=None,
            limits=structs.replace(found.limits, requests_per_s=1e6),
        )
        self.publisher = kit.publisher(plan, sink, self.counters, venue=venue)
        self.session = FeedSession(
            ws,
            venue,
            plan.topics,
            kit.leg(self.publisher, self.counters),
            sink,
            self.counters,
            SampledLog(),
            stopping=asyncio.Event(),
            on_settled=lambda subscriber: None,
        )
        self.subscriber: Subscriber = self.session._subscriber
        self.task = asyncio.create_task(self.session.run())

    async def request(self, number: int) -> Wire:
        """The client's message of that number, from 1 on."""
        await self.ws.until(lambda: len(self.ws.sent) >= number)
        return json.loads(self.ws.sent[number - 1])

    def send(self, *frames: Wire) -> None:
        packed = [self.protocol.pack(json.dumps(f).encode()) for f in frames if f is not None]
        self.ws.receive(*packed)

    def send_book(self, n: int, *seqs: int) -> None:
        """The first is a snapshot, where the venue sends any."""
        snapshot = self.protocol.snapshot or self.protocol.update
        self.send(snapshot(seqs[0], n), *(self.protocol.update(seq, n) for seq in seqs[1:]))

    async def begin(self) -> Wire:
        """Subscribe, and read the beginning of the book; the request."""
        request = await self.request(1)
        self.send(self.protocol.accepted(request, 1))
        self.send_book(1, 1, 2)
        await until(lambda: self.counters.data >= 2)
        assert set(self.publisher_topics()) == self.subscriber.active
        return request

    def publisher_topics(self) -> list[Topic]:
        return [r.topic for routes in self.publisher._routes.values() for r in routes]

    def books(self) -> list[str]:
        return [e["type"] for e in self.sink.of(self.key("book"))]

    def key(self, channel: str) -> str:
        return f"md:{self.session._venue.name}:{channel}:{self.protocol.instrument}"

    async def end(self) -> None:
        self.ws.end(WebSocketClosed("gone", 1006))
        with pytest.raises(WebSocketClosed):
            async with asyncio.timeout(DEADLINE_S):
                await self.task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0)


def plain(request: Wire) -> Wire:
    """A request without its number."""
    return {key: value for key, value in request.items() if key not in NUMBERS}


def test_no_venue_is_left_out() -> None:
    assert set(PROTOCOLS) == set(venues.names())


@pytest.mark.parametrize("name", PROTOCOLS)
async def test_a_book_is_left_and_begun_anew(name: str, kit: Any, ws: Any, sink: Any) -> None:
    """The old subscription's data still counts until the venue has answered, then the new one's."""
    run = Run(name, kit, ws, sink)
    protocol = run.protocol
    asked = await run.begin()

    run.session.resubscribe(run.topic)
    left, again = await run.request(2), await run.request(3)
    run.send(protocol.update(3, 1))
    await until(lambda: run.counters.data >= 3)
    run.send(protocol.left(left))
    await asyncio.sleep(0.01)
    assert run.subscriber.active == set()
    assert not run.subscriber.settled

    run.send(protocol.accepted(again, 2))
    run.send_book(2, 10, 11)
    await until(lambda: run.counters.data >= 5)
    assert run.subscriber.active == {run.topic}
    assert run.subscriber.settled
    assert not run.subscriber.lost_again
    await run.end()

    assert plain(left) == protocol.unsubscribe
    assert plain(again) == plain(asked)
    first = "delta" if protocol.snapshot is None else "snapshot"
    later = "snapshot" if name in WHOLE else "delta"
    # The jump in the numbers of books without a snapshot of their own is a gap.
    gap = (
        ["gap"] if first == "delta" and venues.get(name).books["book"].continuity != "none" else []
    )
    assert run.books() == [first, later, later, *gap, first, later]
    assert len(ws.sent) == 3
    assert run.counters.decode_errors == {}
    assert run.counters.unknown_topic == 0


@pytest.mark.parametrize("name", REFUSABLE)
async def test_a_refusal_to_leave_is_no_refusal_to_come_back(
    name: str, kit: Any, ws: Any, sink: Any
) -> None:
    """What matters is what the venue says to the subscription after it."""
    run = Run(name, kit, ws, sink)
    await run.begin()

    run.session.resubscribe(run.topic)
    left, again = await run.request(2), await run.request(3)
    assert run.protocol.not_left is not None
    run.send(run.protocol.not_left(left))
    await asyncio.sleep(0.01)
    assert not run.subscriber.settled
    run.send(run.protocol.accepted(again, 2))
    await until(lambda: run.subscriber.settled)
    await run.end()

    assert run.subscriber.active == {run.topic}
    assert not run.subscriber.refused
    assert run.counters.decode_errors == {}


async def test_what_shares_the_subscription_has_a_gap(kit: Any, ws: Any, sink: Any) -> None:
    """Gemini's trades come with the book: those between the two subscriptions are missing."""

    def trade(number: int) -> Wire:
        values = {"price": "1", "quantity": "2", "side": "buy", "timestamp": 1}
        return {"type": "trade", "symbol": "BTCUSD", "event_id": number, **values}

    run = Run("gemini", kit, ws, sink, "trade")
    await run.begin()
    run.send(trade(1))
    await until(lambda: run.counters.data >= 3)
    run.session.resubscribe(run.topic)
    await run.request(3)
    run.send(trade(2))
    run.send_book(2, 10, 11)
    run.send(trade(5))
    await until(lambda: run.counters.data >= 7)
    await run.end()

    trades = [e.get("id") or f"{e['type']} {e['reason']}" for e in sink.of(run.key("trade"))]
    assert trades == ["1", "2", "gap resync", "resume resubscribed", "5"]


async def test_a_book_that_does_not_come_back(kit: Any, ws: Any, sink: Any) -> None:
    """It was there before: a new connection is worth the try."""
    run = Run("okx", kit, ws, sink)
    await run.begin()
    run.session.resubscribe(run.topic)
    await run.request(3)
    error = {"event": "error", "code": "60018", "msg": "channel:books,instId:BTC-USDT …"}
    run.send({**error, "arg": OKX_BOOK})
    await ws.until(lambda: ws.closed_with is not None)
    run.task.cancel()
    await asyncio.wait([run.task])

    assert ws.closed_with == 1001
