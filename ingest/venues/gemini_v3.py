"""Gemini, public market data over the current interface: spot and perpetuals.

`gemini` is the archived v2, which has candles, mark prices and funding besides. The
path's `snapshot=-1` has every book begin with a whole one.

Source: https://developer.gemini.com/websocket/streams
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from ingest.errors import DecodeError
from ingest.model import Bbo, Book, Trade
from ingest.venues import gemini
from ingest.venues.base import (
    Ack,
    BookRule,
    ChannelSpec,
    Data,
    Heartbeat,
    Inbound,
    Limits,
    Pong,
    Reject,
    RestLimits,
    Topic,
    Venue,
)
from ingest.venues.decoding import (
    SequenceNumber,
    check_decimals,
    decimal_or_none,
    decoder,
    levels_decoder,
    mismatch,
)

_BOOK: Final = "depth@100ms"
_PING: Final = "ping"  # the id of pings; those of requests are numbers
_OK = 200

_Nanoseconds = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class _Error(Struct, gc=False):
    code: int | str = ""
    msg: str = ""


class _Frame(Struct, gc=False):
    """Every kind of frame. Only some say what they are."""

    e: str = ""
    s: str = ""
    t: int | None = None  # trades
    u: int | None = None  # best prices
    id: int | str | None = None
    status: int | None = None
    error: _Error | None = None


class _Trade(Struct, gc=False):
    E: _Nanoseconds
    s: str
    t: SequenceNumber
    p: str
    q: str
    m: bool  # the buyer is the maker


class _Bbo(Struct, gc=False):
    E: _Nanoseconds
    u: SequenceNumber
    s: str
    b: str = ""
    B: str = ""
    a: str = ""
    A: str = ""


class _Depth(Struct, gc=False):
    E: _Nanoseconds
    s: str
    U: SequenceNumber
    u: SequenceNumber
    b: Raw
    a: Raw


_decode_frame = decoder(_Frame, "gemini-v3 frame")
_decode_trade = decoder(_Trade, "gemini-v3 trade")
_decode_bbo = decoder(_Bbo, "gemini-v3 bookTicker")
_decode_depth = decoder(_Depth, "gemini-v3 depth")
_decode_levels = levels_decoder("gemini-v3 depth", columns=2)


def _parse(message: bytes) -> Inbound:
    frame = _decode_frame(message)
    if frame.status is not None:
        return _answer(frame, frame.status)
    if frame.s:
        if frame.e == "depthUpdate":
            return Data(f"{frame.s}@{_BOOK}", message)
        if not frame.e and frame.t is not None:
            return Data(f"{frame.s}@trade", message)
        if not frame.e and frame.u is not None:
            return Data(f"{frame.s}@bookTicker", message)
    raise DecodeError("unknown_frame", f"gemini-v3 frame: event {frame.e[:40]!r}, no answer")


def _answer(frame: _Frame, status: int) -> Inbound:
    request_id = frame.id if isinstance(frame.id, int) else None
    if status != _OK:
        error = frame.error or _Error(status)
        return Reject(error.msg, str(error.code), request_id)
    return Pong() if frame.id == _PING else Ack(request_id)


def _check_symbol(what: str, data: Data, symbol: str) -> None:
    if data.topic.partition("@")[0] != symbol:
        raise mismatch(what, data.topic, symbol)


def _trade(data: Data, rx: int) -> Sequence[Trade]:
    what = "gemini-v3 trade"
    wire = _decode_trade(data.payload)
    _check_symbol(what, data, wire.s)
    check_decimals(what, wire.p, wire.q)
    return (
        Trade(
            rx=rx,
            ts=wire.E,
            price=wire.p,
            size=wire.q,
            side="sell" if wire.m else "buy",
            id=str(wire.t),
        ),
    )


def _bbo(data: Data, rx: int) -> Sequence[Bbo]:
    what = "gemini-v3 bookTicker"
    wire = _decode_bbo(data.payload)
    _check_symbol(what, data, wire.s)
    bid, ask = decimal_or_none(what, wire.b), decimal_or_none(what, wire.a)
    return (
        Bbo(
            rx=rx,
            ts=wire.E,
            bid=bid,
            bid_size=None if bid is None else decimal_or_none(what, wire.B),
            ask=ask,
            ask_size=None if ask is None else decimal_or_none(what, wire.A),
            seq=wire.u,
        ),
    )


def _book(data: Data, rx: int) -> Sequence[Book]:
    wire = _decode_depth(data.payload)
    _check_symbol("gemini-v3 depth", data, wire.s)
    # A whole book has one number. An update's first is the last of the one before.
    whole = wire.u == wire.U
    return (
        Book(
            rx=rx,
            ts=wire.E,
            type="snapshot" if whole else "delta",
            bids=_decode_levels(wire.b),
            asks=_decode_levels(wire.a),
            seq=wire.u,
            prev_seq=None if whole else wire.U,
        ),
    )


def _request(method: str, topics: Sequence[Topic], request_id: int) -> bytes:
    names = list(dict.fromkeys(topic.name for topic in topics))
    return msgspec.json.encode({"id": request_id, "method": method, "params": names})


VENUE = Venue(
    name="gemini-v3",
    ws_url="wss://ws.gemini.com/?snapshot=-1",
    rest_url=gemini.VENUE.rest_url,
    docs_url="https://developer.gemini.com/websocket/streams",
    limits=Limits(
        # Nothing is published of topics. Each book begins with the whole of it: this
        # keeps a connection's beginning short.
        topics_per_connection=100,
        topics_per_request=20,  # one bad name has a request refused
        request_bytes=4096,  # not published
        # As the venue's `conninfo` says (probed 2026-09-15): a request weight of 7,000
        # in 10 s, 300 connection attempts in 5 minutes.
        requests_per_s=10.0,
        connects=(300, 300.0),
    ),
    channels={
        "trade": ChannelSpec(topic="{symbol_lower}@trade", decode=_trade),
        "bbo": ChannelSpec(topic="{symbol_lower}@bookTicker", decode=_bbo),
        "book": ChannelSpec(topic=f"{{symbol_lower}}@{_BOOK}", decode=_book),
    },
    intervals={},
    to_symbol=gemini.VENUE.to_symbol,
    parse=_parse,
    subscribe=partial(_request, "subscribe"),
    unsubscribe=partial(_request, "unsubscribe"),
    # The venue pings with PING frames every 20 s; this finds out that it is gone.
    heartbeat=Heartbeat(
        payload=b'{"id":"%b","method":"ping"}' % _PING.encode(), after_idle_s=30.0, timeout_s=10.0
    ),
    rest_limits=RestLimits(weight=(120, 60.0)),  # as `gemini`
    instruments=gemini.VENUE.instruments,
    books={"book": BookRule(continuity="prev_seq")},
)
