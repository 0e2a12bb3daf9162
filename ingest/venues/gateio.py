"""Gate (gate.io) spot, public market data, WebSocket v4.

Source: https://www.gate.com/docs/developers/apiv4/ws/en/
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from ingest.errors import DecodeError
from ingest.model import Bbo, Book, Candle, Side, Ticker, Trade
from ingest.venues.base import (
    Ack,
    BookRule,
    ChannelSpec,
    Data,
    Heartbeat,
    Ignored,
    Inbound,
    Instrument,
    InstrumentList,
    Limits,
    Pong,
    Reject,
    RestBook,
    RestLimits,
    RestRequest,
    Topic,
    Venue,
)
from ingest.venues.decoding import (
    NS_PER_MS,
    NS_PER_S,
    Milliseconds,
    SequenceNumber,
    check_decimals,
    decimal_or_none,
    decoder,
    levels_decoder,
    milliseconds_ns,
    mismatch,
)

# fmt: off
_INTERVALS = {
    "10s": "10s", "1m": "1m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "1h",
    "4h": "4h", "8h": "8h", "1d": "1d", "1w": "7d",
}
# fmt: on
_CANDLES = "spot.candlesticks"
_BOOK = "spot.order_book_update"
# One topic a request: the payload is not a list of pairs.
_SINGLE: Final = (_CANDLES, _BOOK)
_SPEED = "100ms"
_REST_DEPTH = 100
_INSTRUMENT = re.compile(r"[A-Z0-9]+-[A-Z0-9]+").fullmatch

_Seconds = Annotated[int, Meta(ge=0, le=9_223_372_036)]


class _Error(Struct, gc=False):
    code: int | str = ""
    message: str = ""


class _Head(Struct, gc=False):
    """What of `result` tells its topic."""

    currency_pair: str = ""
    s: str = ""
    n: str = ""


class _Frame(Struct, gc=False):
    """Every kind of frame."""

    channel: str = ""
    event: str = ""
    id: int | None = None
    error: _Error | None = None
    result: _Head | None = None


class _Trade(Struct, gc=False):
    id: SequenceNumber
    create_time_ms: str
    side: Side
    currency_pair: str
    amount: str
    price: str


class _TradeFrame(Struct, gc=False):
    result: _Trade


class _BookTicker(Struct, gc=False):
    t: Milliseconds
    u: SequenceNumber
    s: str
    b: str
    B: str
    a: str
    A: str


class _BookTickerFrame(Struct, gc=False):
    result: _BookTicker


class _Update(Struct, gc=False):
    t: Milliseconds
    s: str
    U: SequenceNumber
    u: SequenceNumber
    b: Raw = Raw(b"[]")
    a: Raw = Raw(b"[]")
    full: bool = False


class _UpdateFrame(Struct, gc=False):
    result: _Update


class _Ticker(Struct, gc=False):
    currency_pair: str
    last: str
    lowest_ask: str
    highest_bid: str
    base_volume: str
    quote_volume: str
    high_24h: str
    low_24h: str


class _TickerFrame(Struct, gc=False):
    result: _Ticker
    time_ms: Milliseconds | None = None  # newer than the recordings


class _Bar(Struct, gc=False):
    t: _Seconds
    v: str  # in quote units
    c: str
    h: str
    l: str  # noqa: E741  # the venue's name
    o: str
    n: str
    a: str = ""  # in base units; newer than the recordings, as `w`
    w: bool = False


class _BarFrame(Struct, gc=False):
    result: _Bar
    time_ms: Milliseconds | None = None


class _RestBook(Struct, gc=False):
    id: SequenceNumber
    asks: Raw
    bids: Raw
    update: Milliseconds | None = None


class _Pair(Struct, gc=False):
    id: str
    base: str
    quote: str
    trade_status: str = ""
    precision: Annotated[int, Meta(ge=0, le=30)] | None = None
    amount_precision: Annotated[int, Meta(ge=0, le=30)] | None = None


class _Volume(Struct, gc=False):
    currency_pair: str
    quote_volume: str = ""


_decode_frame = decoder(_Frame, "gateio frame")
_decode_trade = decoder(_TradeFrame, "gateio spot.trades")
_decode_book_ticker = decoder(_BookTickerFrame, "gateio spot.book_ticker")
_decode_update = decoder(_UpdateFrame, f"gateio {_BOOK}")
_decode_levels = levels_decoder(f"gateio {_BOOK}", columns=2)
_decode_ticker = decoder(_TickerFrame, "gateio spot.tickers")
# `t` of a bar is a string of digits: not strict.
_decode_bar = decoder(_BarFrame, f"gateio {_CANDLES}", strict=False)
_decode_rest_book = decoder(_RestBook, "gateio order_book over REST")
_decode_pairs = decoder(list[_Pair], "gateio currency_pairs")
_decode_volumes = decoder(list[_Volume], "gateio tickers over REST")


def _parse(message: bytes) -> Inbound:
    frame = _decode_frame(message)
    if frame.channel == "spot.pong":
        return Pong()
    if frame.event == "update" and frame.result is not None:
        head = frame.result
        # Whole, as the time stands outside of `result`.
        if frame.channel == _CANDLES:
            interval, _, pair = head.n.partition("_")
            return Data(f"{_CANDLES}:{interval}:{pair}", message)
        return Data(f"{frame.channel}:{head.currency_pair or head.s}", message)
    if frame.error is not None:
        return Reject(frame.error.message, str(frame.error.code), frame.id)
    if frame.event == "subscribe":
        return Ack(frame.id)
    if frame.event == "unsubscribe":
        return Ignored(frame.event)
    raise DecodeError(
        "unknown_frame", f"gateio frame: event {frame.event[:40]!r} of {frame.channel[:40]!r}"
    )


def _check_pair(what: str, topic: str, pair: str) -> None:
    if topic.rpartition(":")[2] != pair:
        raise mismatch(what, topic, pair)


def _trades(data: Data, rx: int) -> Sequence[Trade]:
    what = "gateio spot.trades"
    wire = _decode_trade(data.payload).result
    _check_pair(what, data.topic, wire.currency_pair)
    check_decimals(what, wire.price, wire.amount)
    return (
        Trade(
            rx=rx,
            ts=milliseconds_ns(what, wire.create_time_ms),
            price=wire.price,
            size=wire.amount,
            side=wire.side,  # "Taker side"
            id=str(wire.id),
        ),
    )


def _bbo(data: Data, rx: int) -> Sequence[Bbo]:
    what = "gateio spot.book_ticker"
    wire = _decode_book_ticker(data.payload).result
    _check_pair(what, data.topic, wire.s)
    bid, ask = decimal_or_none(what, wire.b), decimal_or_none(what, wire.a)
    return (
        Bbo(
            rx=rx,
            ts=wire.t * NS_PER_MS,
            bid=bid,
            bid_size=None if bid is None else decimal_or_none(what, wire.B),
            ask=ask,
            ask_size=None if ask is None else decimal_or_none(what, wire.A),
            seq=wire.u,
        ),
    )


def _books(data: Data, rx: int) -> Sequence[Book]:
    wire = _decode_update(data.payload).result
    _check_pair(f"gateio {_BOOK}", data.topic, wire.s)
    return (
        Book(
            rx=rx,
            ts=wire.t * NS_PER_MS,
            type="snapshot" if wire.full else "delta",
            bids=_decode_levels(wire.b),
            asks=_decode_levels(wire.a),
            seq=wire.u,
            first_seq=wire.U,
        ),
    )


def _tickers(data: Data, rx: int) -> Sequence[Ticker]:
    what = "gateio spot.tickers"
    frame = _decode_ticker(data.payload)
    wire = frame.result
    _check_pair(what, data.topic, wire.currency_pair)
    last = decimal_or_none(what, wire.last)
    if last is None:
        return ()  # never traded yet
    return (
        Ticker(
            rx=rx,
            ts=None if frame.time_ms is None else frame.time_ms * NS_PER_MS,
            last=last,
            high=decimal_or_none(what, wire.high_24h),
            low=decimal_or_none(what, wire.low_24h),
            volume=decimal_or_none(what, wire.base_volume),
            quote_volume=decimal_or_none(what, wire.quote_volume),
            bid=decimal_or_none(what, wire.highest_bid),
            ask=decimal_or_none(what, wire.lowest_ask),
        ),
    )


def _candles(data: Data, rx: int) -> Sequence[Candle]:
    what = f"gateio {_CANDLES}"
    frame = _decode_bar(data.payload)
    bar = frame.result
    interval, _, pair = bar.n.partition("_")
    if data.topic != f"{_CANDLES}:{interval}:{pair}":
        raise mismatch(what, data.topic, bar.n)
    check_decimals(what, bar.o, bar.h, bar.l, bar.c, bar.v)
    return (
        Candle(
            rx=rx,
            ts=None if frame.time_ms is None else frame.time_ms * NS_PER_MS,
            start=bar.t * NS_PER_S,
            open=bar.o,
            high=bar.h,
            low=bar.l,
            close=bar.c,
            volume=decimal_or_none(what, bar.a),
            quote_volume=bar.v,
            closed=bar.w,
        ),
    )


def _rest_request(symbol: str) -> RestRequest:
    query = f"currency_pair={symbol}&limit={_REST_DEPTH}&with_id=true"
    return RestRequest(path=f"/api/v4/spot/order_book?{query}")


def _rest_book(body: bytes, rx: int) -> Book:
    wire = _decode_rest_book(body)
    return Book(
        rx=rx,
        ts=None if wire.update is None else wire.update * NS_PER_MS,
        type="snapshot",
        bids=_decode_levels(wire.bids),
        asks=_decode_levels(wire.asks),
        seq=wire.id,
    )


def _joins(snapshot_seq: int, delta: Book) -> bool:
    if delta.first_seq is None or delta.seq is None:
        return False
    return delta.first_seq <= snapshot_seq + 1 <= delta.seq


def _step(decimals: int | None) -> str | None:
    if decimals is None:
        return None
    return f"0.{'0' * (decimals - 1)}1" if decimals else "1"


def _list(bodies: Sequence[bytes]) -> list[Instrument]:
    pairs = _decode_pairs(bodies[0])
    try:
        tickers = _decode_volumes(bodies[1])
    except DecodeError:
        # A refusal is an object. Volumes only rank: without them the list is as right.
        tickers = []
    volumes = {wire.currency_pair: wire.quote_volume for wire in tickers}
    found = []
    for wire in pairs:
        name = f"{wire.base}-{wire.quote}"
        if not _INSTRUMENT(name) or wire.id != f"{wire.base}_{wire.quote}":
            continue
        found.append(
            Instrument(
                name=name,
                symbol=wire.id,
                kind="spot",
                base=wire.base,
                quote=wire.quote,
                tick_size=_step(wire.precision),
                lot_size=_step(wire.amount_precision),
                trading=wire.trade_status == "tradable",
                volume=decimal_or_none("gateio tickers over REST", volumes.get(wire.id, "")),
            )
        )
    return found


def _to_symbol(instrument: str) -> str:
    if _INSTRUMENT(instrument):
        return instrument.replace("-", "_")
    if instrument.endswith("-PERP"):
        raise ValueError(f"gateio is Gate's spot market and has no {instrument!r}")
    raise ValueError(
        f"{instrument!r} cannot be a gateio instrument; "
        "write BASE-QUOTE in capital letters and digits, for example BTC-USDT"
    )


def _request_group(topic: Topic) -> str:
    channel = topic.name.partition(":")[0]
    return topic.name if channel in _SINGLE else channel


def _request(event: str, topics: Sequence[Topic], request_id: int) -> bytes:
    channel, _, rest = topics[0].name.partition(":")
    if channel == _CANDLES:
        payload = rest.split(":")
    elif channel == _BOOK:
        payload = [rest, _SPEED]
    else:
        payload = [topic.name.partition(":")[2] for topic in topics]
    return msgspec.json.encode(
        {
            "id": request_id,
            "channel": channel,
            "event": event,
            "payload": payload,
        }
    )


def _stamp(message: bytes, now_ns: int) -> bytes:
    # Required, of every message. "Gap between request time and server time must not
    # exceed 60 seconds".
    return b'{"time":%d,%b' % (now_ns // NS_PER_S, message[1:])


VENUE = Venue(
    name="gateio",
    ws_url="wss://api.gateio.ws/ws/v4/",
    rest_url="https://api.gateio.ws",
    docs_url="https://www.gate.com/docs/developers/apiv4/ws/en/",
    limits=Limits(
        # No number is published for topics, requests or their size: ours are careful.
        topics_per_connection=200,
        topics_per_request=50,
        request_bytes=8 * 1024,
        requests_per_s=10.0,
        connects=(60, 60.0),  # no limit on attempts is published
        connections_per_host=300,  # "Number of connections per IP: ≤ 300"
    ),
    channels={
        "trade": ChannelSpec(topic="spot.trades:{symbol}", decode=_trades),
        "bbo": ChannelSpec(topic="spot.book_ticker:{symbol}", decode=_bbo),
        "book": ChannelSpec(topic=_BOOK + ":{symbol}", decode=_books),
        "ticker": ChannelSpec(topic="spot.tickers:{symbol}", decode=_tickers),
        "candle": ChannelSpec(topic=_CANDLES + ":{interval}:{symbol}", decode=_candles),
    },
    intervals=_INTERVALS,
    to_symbol=_to_symbol,
    parse=_parse,
    subscribe=partial(_request, "subscribe"),
    unsubscribe=partial(_request, "unsubscribe"),
    request_group=_request_group,
    stamp=_stamp,
    heartbeat=Heartbeat(payload=b'{"channel":"spot.ping"}', after_idle_s=15.0, timeout_s=10.0),
    # 200 requests in 10 seconds for each public endpoint, by address.
    rest_limits=RestLimits(weight=(200, 10.0)),
    instruments=InstrumentList(
        requests=(
            RestRequest(path="/api/v4/spot/currency_pairs"),
            RestRequest(path="/api/v4/spot/tickers"),
        ),
        parse=_list,
    ),
    books={
        "book": BookRule(
            continuity="first_seq",
            rest=RestBook(request=_rest_request, decode=_rest_book),
            joins=_joins,
        )
    },
)
