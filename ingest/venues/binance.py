"""Binance spot, public market data.

Source: https://github.com/binance/binance-spot-api-docs (web-socket-streams.md)
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from ingest.errors import DecodeError
from ingest.model import Bbo, Book, Candle, Ticker, Trade
from ingest.venues.base import (
    Ack,
    ChannelSpec,
    Data,
    Ignored,
    Inbound,
    Limits,
    Reconnect,
    Reject,
    Topic,
    Venue,
)
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
_INTERVALS = [
    "1s", "1m", "3m", "5m", "15m", "30m",
    "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M",
]
# fmt: on
_SHUTDOWN = "serverShutdown"


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


class _Trade(Struct, gc=False):
    s: str
    t: SequenceNumber
    p: str
    q: str
    T: Milliseconds
    m: bool


class _AggTrade(Struct, gc=False):
    s: str
    a: SequenceNumber
    p: str
    q: str
    f: int
    l: int  # noqa: E741  # the venue's name
    T: Milliseconds
    m: bool


class _BookTicker(Struct, gc=False):
    u: SequenceNumber
    s: str
    b: str
    B: str
    a: str
    A: str


class _Depth(Struct, gc=False):
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


class _Ticker(Struct, gc=False):
    E: Milliseconds
    s: str
    c: str
    o: str
    h: str
    l: str  # noqa: E741
    v: str
    q: str
    b: str
    B: str
    a: str
    A: str
    n: SequenceNumber


_decode_frame = decoder(_Frame, "binance frame")
_decode_trade = decoder(_Trade, "binance @trade")
_decode_agg_trade = decoder(_AggTrade, "binance @aggTrade")
_decode_book_ticker = decoder(_BookTicker, "binance @bookTicker")
_decode_depth = decoder(_Depth, "binance @depth")
_decode_levels = levels_decoder("binance @depth", columns=2)
_decode_kline = decoder(_Kline, "binance @kline")
_decode_ticker = decoder(_Ticker, "binance @ticker")


def _parse(message: bytes) -> Inbound:
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
    raise DecodeError("unknown_frame", "binance frame: neither data, answer nor notice")


@lru_cache(maxsize=4096)  # a connection has 1024 topics at most
def _symbol_of(topic: str) -> str:
    return topic.partition("@")[0].upper()


def _trade(data: Data, rx: int) -> Sequence[Trade]:
    wire = _decode_trade(data.payload)
    if _symbol_of(data.topic) != wire.s:
        raise mismatch("binance @trade", data.topic, wire.s)
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


def _agg_trade(data: Data, rx: int) -> Sequence[Trade]:
    wire = _decode_agg_trade(data.payload)
    if _symbol_of(data.topic) != wire.s:
        raise mismatch("binance @aggTrade", data.topic, wire.s)
    check_decimals("binance @aggTrade", wire.p, wire.q)
    return (
        Trade(
            rx=rx,
            ts=wire.T * NS_PER_MS,
            price=wire.p,
            size=wire.q,
            side="sell" if wire.m else "buy",
            id=str(wire.a),
            first_id=str(wire.f),
            last_id=str(wire.l),
        ),
    )


def _bbo(data: Data, rx: int) -> Sequence[Bbo]:
    wire = _decode_book_ticker(data.payload)
    if _symbol_of(data.topic) != wire.s:
        raise mismatch("binance @bookTicker", data.topic, wire.s)
    check_decimals("binance @bookTicker", wire.b, wire.B, wire.a, wire.A)
    # This channel carries no event time. Filling in our own clock would make
    # the venue look faster than it is.
    return (Bbo(rx=rx, bid=wire.b, bid_size=wire.B, ask=wire.a, ask_size=wire.A, seq=wire.u),)


def _book(data: Data, rx: int) -> Sequence[Book]:
    wire = _decode_depth(data.payload)
    if _symbol_of(data.topic) != wire.s:
        raise mismatch("binance @depth", data.topic, wire.s)
    return (
        Book(
            rx=rx,
            ts=wire.E * NS_PER_MS,
            type="delta",
            bids=_decode_levels(wire.b),
            asks=_decode_levels(wire.a),
            seq=wire.u,
            first_seq=wire.U,
        ),
    )


def _candle(data: Data, rx: int) -> Sequence[Candle]:
    wire = _decode_kline(data.payload)
    if _symbol_of(data.topic) != wire.s:
        raise mismatch("binance @kline", data.topic, wire.s)
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


def _ticker(data: Data, rx: int) -> Sequence[Ticker]:
    wire = _decode_ticker(data.payload)
    if _symbol_of(data.topic) != wire.s:
        raise mismatch("binance @ticker", data.topic, wire.s)
    check_decimals("binance @ticker", wire.c, wire.o, wire.h, wire.l, wire.v, wire.q)
    check_decimals("binance @ticker", wire.b, wire.B, wire.a, wire.A)
    return (
        Ticker(
            rx=rx,
            ts=wire.E * NS_PER_MS,
            last=wire.c,
            open=wire.o,
            high=wire.h,
            low=wire.l,
            volume=wire.v,
            quote_volume=wire.q,
            bid=wire.b,
            bid_size=wire.B,
            ask=wire.a,
            ask_size=wire.A,
            trades=wire.n,
        ),
    )


def _to_symbol(instrument: str) -> str:
    if re.fullmatch(r"[A-Z0-9]+-[A-Z0-9]+", instrument):
        return instrument.replace("-", "")
    if instrument.endswith("-PERP"):
        raise ValueError(
            f"binance is the spot market and has no {instrument!r}; "
            "perpetuals will be venue binance-usdm"
        )
    raise ValueError(
        f"{instrument!r} cannot be a binance instrument; "
        "write BASE-QUOTE in capital letters and digits, for example BTC-USDT"
    )


def _subscribe(topics: Sequence[Topic], request_id: int) -> bytes:
    return msgspec.json.encode(
        {"method": "SUBSCRIBE", "params": [topic.name for topic in topics], "id": request_id}
    )


VENUE = Venue(
    name="binance",
    ws_url="wss://stream.binance.com:9443/stream",
    rest_url="https://api.binance.com",
    docs_url="https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams",
    limits=Limits(
        topics_per_connection=1024,  # "can listen to a maximum of 1024 streams"
        # Not documented: a request frame of more than 4096 bytes, 8 of them header,
        # is met with silence (binance/binance-connector-rust issue 27).
        topics_per_request=100,
        request_bytes=4088,
        # "5 incoming messages per second", PONG frames included, else we are
        # disconnected: one is left for those.
        requests_per_s=4.0,
        connects=(300, 300.0),  # "300 connections per attempt every 5 minutes per IP"
    ),
    channels={
        "trade": ChannelSpec(topic="{symbol_lower}@trade", decode=_trade),
        "agg_trade": ChannelSpec(topic="{symbol_lower}@aggTrade", decode=_agg_trade),
        "bbo": ChannelSpec(topic="{symbol_lower}@bookTicker", decode=_bbo),
        "book": ChannelSpec(topic="{symbol_lower}@depth@100ms", decode=_book),
        "ticker": ChannelSpec(topic="{symbol_lower}@ticker", decode=_ticker),
        "candle": ChannelSpec(topic="{symbol_lower}@kline_{interval}", decode=_candle),
    },
    intervals={interval: interval for interval in _INTERVALS},
    to_symbol=_to_symbol,
    parse=_parse,
    subscribe=_subscribe,
)
