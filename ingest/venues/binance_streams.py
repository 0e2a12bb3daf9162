"""Streams of all Binance markets: the frames, and the channels that are the same on each.

Sources: https://github.com/binance/binance-spot-api-docs (web-socket-streams.md),
https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams
and .../coin-margined-futures/websocket-market-streams
"""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from ingest.errors import DecodeError
from ingest.model import Bbo, Book, Candle, Ticker, Trade
from ingest.venues.base import Ack, Data, Ignored, Inbound, Reconnect, Reject, Topic
from ingest.venues.decoding import (
    NS_PER_MS,
    Milliseconds,
    SequenceNumber,
    check_decimals,
    decoder,
    levels_decoder,
    mismatch,
)

# fmt: off
INTERVALS = [
    "1m", "3m", "5m", "15m", "30m",
    "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M",
]
# fmt: on
# Not documented: a request frame of more than 4096 bytes, 8 of them header, is met
# with silence (binance/binance-connector-rust issue 27).
REQUEST_BYTES = 4088
_SHUTDOWN = "serverShutdown"
# Of frames that do not name their stream, by what they call themselves.
_BARE = {
    "trade": "trade",
    "aggTrade": "aggTrade",
    "bookTicker": "bookTicker",
    "depthUpdate": "depth@100ms",
    "24hrTicker": "ticker",
    "markPriceUpdate": "markPrice@1s",
}


class _Error(Struct, gc=False):
    code: int | str = ""
    msg: str = ""


class _Frame(Struct, gc=False):
    """Every kind of frame: combined stream data, answer to a request, notice."""

    stream: str = ""
    data: Raw | UnsetType = UNSET
    id: int | str | None = None
    result: Raw | UnsetType = UNSET
    error: _Error | None = None
    code: int | str | None = None
    msg: str = ""
    e: str = ""


class _Bare(Struct, gc=False):
    """What tells the stream of a frame that does not name it."""

    e: str = ""
    s: str = ""
    o: Raw = Raw(b"{}")  # an order, or a price
    k: Raw = Raw(b"{}")
    B: Raw | UnsetType = UNSET


class _Inner(Struct, gc=False):
    s: str = ""  # of an order
    i: str = ""  # of a bar


class _Trade(Struct, gc=False):
    s: str
    t: SequenceNumber
    p: str
    q: str
    T: Milliseconds
    m: bool


class AggTrade(Struct, gc=False):
    """Fills of one taker order at one price; as REST sends it."""

    a: SequenceNumber
    p: str
    q: str
    f: int
    l: int  # noqa: E741  # the venue's name
    T: Milliseconds
    m: bool


class _StreamedAggTrade(AggTrade, gc=False):
    s: str


class BookTicker(Struct, gc=False):
    """Best prices of one symbol; derivatives send more."""

    u: SequenceNumber
    s: str
    b: str
    B: str
    a: str
    A: str


class Depth(Struct, gc=False):
    """Changed levels of one symbol; derivatives send more."""

    E: Milliseconds
    s: str
    U: SequenceNumber
    u: SequenceNumber
    b: Raw
    a: Raw


class _Bar(Struct, gc=False):
    t: Milliseconds
    T: Milliseconds
    o: str
    h: str
    l: str  # noqa: E741
    c: str
    v: str
    q: str
    n: SequenceNumber
    x: bool


class _Kline(Struct, gc=False):
    E: Milliseconds
    s: str
    k: _Bar


class Statistics(Struct, gc=False):
    """24 hours of one symbol; the spot market sends more."""

    E: Milliseconds
    s: str
    c: str
    o: str
    h: str
    l: str  # noqa: E741
    v: str
    q: str
    n: SequenceNumber


_decode_frame = decoder(_Frame, "binance frame")
_decode_bare = decoder(_Bare, "binance frame")
_decode_inner = decoder(_Inner, "binance frame")
_decode_trade = decoder(_Trade, "binance @trade")
_decode_agg_trade = decoder(_StreamedAggTrade, "binance @aggTrade")
_decode_levels = levels_decoder("binance @depth", columns=2)
_decode_kline = decoder(_Kline, "binance @kline")


def parse(message: bytes) -> Inbound:
    """Parse one frame of a combined stream, or of a raw one, as `/ws` instead of `/stream` has."""
    frame = _decode_frame(message)
    if frame.stream and frame.data is not UNSET:
        if frame.stream == "!" + _SHUTDOWN:
            return Reconnect(_SHUTDOWN)
        return Data(frame.stream, frame.data)
    if frame.e == _SHUTDOWN:
        return Reconnect(_SHUTDOWN)
    request_id = frame.id if isinstance(frame.id, int) else None
    if frame.error is not None:
        return Reject(frame.error.msg, str(frame.error.code), request_id)
    if frame.code is not None:
        return Reject(frame.msg, str(frame.code), request_id)
    if frame.result is not UNSET:
        # null says yes; anything else answers a question that we do not ask.
        return Ack(request_id) if bytes(frame.result) == b"null" else Ignored("result")
    if frame.stream:
        raise DecodeError("missing_field", f"binance {frame.stream[:80]!r}: no `data`")
    stream = _stream_of(message)
    if stream:
        return Data(stream, message)
    raise DecodeError("unknown_frame", "binance frame: neither data, answer nor notice")


def _stream_of(message: bytes) -> str:
    """Name the stream that we would have asked for to get this; "" where there is none."""
    bare = _decode_bare(message)
    symbol, kind = bare.s, _BARE.get(bare.e, "")
    if bare.e == "kline":
        kind = f"kline_{_decode_inner(bare.k).i}"
    elif bare.e == "forceOrder":
        symbol, kind = _decode_inner(bare.o).s, "forceOrder"
    elif not bare.e and bare.B is not UNSET:
        kind = "bookTicker"  # which does not say so on the spot market
    return f"{symbol.lower()}@{kind}" if symbol and kind else ""


def _request(method: str, topics: Sequence[Topic], request_id: int) -> bytes:
    """Build the request for these topics; a stream that feeds several of them once."""
    names = list(dict.fromkeys(topic.name for topic in topics))
    return msgspec.json.encode({"method": method, "params": names, "id": request_id})


# Both are answered alike: `{"result": null, "id": …}`.
subscribe: Final = partial(_request, "SUBSCRIBE")
unsubscribe: Final = partial(_request, "UNSUBSCRIBE")


def check_symbol(what: str, topic: str, symbol: str) -> None:
    """Check that a payload is of the symbol its stream is named after.

    Raises:
        DecodeError: `symbol_mismatch`.
    """
    if _symbol_of(topic) != symbol:
        raise mismatch(what, topic, symbol)


@lru_cache(maxsize=4096)  # a connection has 1024 topics at most
def _symbol_of(topic: str) -> str:
    return topic.partition("@")[0].upper()


def trade(data: Data, rx: int) -> Sequence[Trade]:
    """Decode `@trade`."""
    wire = _decode_trade(data.payload)
    check_symbol("binance @trade", data.topic, wire.s)
    check_decimals("binance @trade", wire.p, wire.q)
    return (
        Trade(
            rx=rx,
            ts=wire.T * NS_PER_MS,
            price=wire.p,
            size=wire.q,
            # m: the buyer was the maker, so the seller was the aggressor.
            side="sell" if wire.m else "buy",
            id=str(wire.t),
        ),
    )


def agg_trade(data: Data, rx: int) -> Sequence[Trade]:
    """Decode `@aggTrade`."""
    wire = _decode_agg_trade(data.payload)
    check_symbol("binance @aggTrade", data.topic, wire.s)
    return (agg_trade_event(wire, rx),)


def agg_trade_event(wire: AggTrade, rx: int, *, backfill: bool | None = None) -> Trade:
    """Build the event, values checked."""
    check_decimals("binance @aggTrade", wire.p, wire.q)
    return Trade(
        rx=rx,
        ts=wire.T * NS_PER_MS,
        price=wire.p,
        size=wire.q,
        side="sell" if wire.m else "buy",
        id=str(wire.a),
        first_id=str(wire.f),
        last_id=str(wire.l),
        backfill=backfill,
    )


def bbo_event(wire: BookTicker, topic: str, rx: int, ts: int | None) -> Bbo:
    """Build the event, values checked."""
    check_symbol("binance @bookTicker", topic, wire.s)
    check_decimals("binance @bookTicker", wire.b, wire.B, wire.a, wire.A)
    return Bbo(rx=rx, ts=ts, bid=wire.b, bid_size=wire.B, ask=wire.a, ask_size=wire.A, seq=wire.u)


def depth_event(wire: Depth, topic: str, rx: int, prev_seq: int | None = None) -> Book:
    """Build the event, values checked."""
    check_symbol("binance @depth", topic, wire.s)
    return Book(
        rx=rx,
        ts=wire.E * NS_PER_MS,
        type="delta",
        bids=_decode_levels(wire.b),
        asks=_decode_levels(wire.a),
        seq=wire.u,
        first_seq=wire.U,
        prev_seq=prev_seq,
    )


def candle(data: Data, rx: int) -> Sequence[Candle]:
    """Decode `@kline_<interval>`."""
    wire = _decode_kline(data.payload)
    check_symbol("binance @kline", data.topic, wire.s)
    bar = wire.k
    check_decimals("binance @kline", bar.o, bar.h, bar.l, bar.c, bar.v, bar.q)
    return (
        Candle(
            rx=rx,
            ts=wire.E * NS_PER_MS,
            start=bar.t * NS_PER_MS,
            end=bar.T * NS_PER_MS,
            open=bar.o,
            high=bar.h,
            low=bar.l,
            close=bar.c,
            volume=bar.v,
            quote_volume=bar.q,
            trades=bar.n,
            closed=bar.x,
        ),
    )


def ticker_event(wire: Statistics, topic: str, rx: int) -> Ticker:
    """Build the event, values checked."""
    check_symbol("binance @ticker", topic, wire.s)
    check_decimals("binance @ticker", wire.c, wire.o, wire.h, wire.l, wire.v, wire.q)
    return Ticker(
        rx=rx,
        ts=wire.E * NS_PER_MS,
        last=wire.c,
        open=wire.o,
        high=wire.h,
        low=wire.l,
        volume=wire.v,
        quote_volume=wire.q,
        trades=wire.n,
    )
