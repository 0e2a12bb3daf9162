"""KuCoin perpetuals, public market data: the interface of unified accounts (UTA).

Unlike the classic one it wants no token, begins books in the stream and has the open
interest. Sizes are in lots (contracts), as sent. Frames are binary, and hold JSON.

Source: https://www.kucoin.com/docs-new/websocket-api/base-info/introduction-uta
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from ingest.errors import DecodeError
from ingest.model import (
    Bbo,
    Book,
    Candle,
    Funding,
    Mark,
    OpenInterest,
    Side,
    Ticker,
    Trade,
)
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
    RestLimits,
    RestRequest,
    Topic,
    Venue,
)
from ingest.venues.candles import closing
from ingest.venues.decoding import (
    NS_PER_MS,
    NS_PER_S,
    Milliseconds,
    SequenceNumber,
    check_decimals,
    decimal_or_none,
    decoder,
    levels_decoder,
    mismatch,
    number_or_none,
    signed_number,
)

# Of these, a subscription says which kind of market it means.
_TRADED: Final = ("trade", "ticker", "kline", "obu")
_FUNDING: Final = "funding-fee"
_BBO_DEPTH, _BOOK_DEPTH = "1", "increment@10ms"
_SIDES: Final[dict[str, Side]] = {"buy": "buy", "sell": "sell", "BUY": "buy", "SELL": "sell"}
_PERPETUAL: Final = "FFWCSX"

_Nanoseconds = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Seconds = Annotated[int, Meta(ge=0, le=9_223_372_036)]

_instrument = re.compile(r"([A-Z0-9]+)-([A-Z0-9]+)-PERP").fullmatch
_whole = re.compile(r"[0-9]{1,18}").fullmatch


class _Frame(Struct, gc=False):
    """Every kind of frame."""

    T: str = ""
    dp: str = ""
    t: str = ""
    d: Raw = Raw()
    id: str | int = ""
    result: bool | str | None = None
    message: str = ""
    reason: str = ""
    type: str = ""
    op: str = ""
    code: str | int = ""
    msg: str = ""


class _Head(Struct, gc=False):
    """What of `d` tells the topic."""

    s: str = ""
    i: str = ""


class _Trade(Struct, gc=False):
    s: str
    ti: Annotated[str, Meta(min_length=1, max_length=64)] | int
    p: str
    q: str
    S: str
    M: _Nanoseconds


class _Ticker(Struct, gc=False):
    """The last trade, best bid and ask."""

    s: str
    M: _Nanoseconds
    l: str = ""  # noqa: E741  # the venue's name
    b: str = ""
    B: str = ""
    a: str = ""
    A: str = ""


class _Book(Struct, gc=False):
    s: str
    O: SequenceNumber  # noqa: E741  # the venue's name
    C: SequenceNumber
    M: _Nanoseconds
    b: Raw
    a: Raw


class _Bar(Struct, gc=False):
    s: str
    i: str
    O: _Seconds  # noqa: E741  # the venue's name
    o: str
    h: str
    l: str  # noqa: E741
    c: str
    v: str = ""
    a: str = ""


class _Mark(Struct, gc=False):
    s: str
    ts: Milliseconds
    mp: str = ""
    ip: str = ""
    oi: str = ""


class _Funding(Struct, gc=False):
    s: str
    fr: Raw
    nt: Milliseconds | None = None


class _FundingFrame(Struct, gc=False):
    d: _Funding
    P: _Nanoseconds


class _Contract(Struct, gc=False):
    symbol: str
    type: str
    baseCurrency: str
    quoteCurrency: str
    tickSize: Raw = Raw()
    lotSize: Raw = Raw()
    multiplier: Raw = Raw()
    isInverse: bool = False
    status: str = "Open"
    turnoverOf24h: Raw = Raw()


class _Answer(Struct, gc=False):
    code: str
    data: list[Raw] = []
    msg: str = ""


_decode_frame = decoder(_Frame, "kucoin-futures frame")
_decode_head = decoder(_Head, "kucoin-futures data")
_decode_trade = decoder(_Trade, "kucoin-futures trade")
_decode_ticker = decoder(_Ticker, "kucoin-futures ticker")
_decode_book = decoder(_Book, "kucoin-futures obu")
_decode_levels = levels_decoder("kucoin-futures obu", columns=2)
_decode_bar = decoder(_Bar, "kucoin-futures kline")
_decode_mark = decoder(_Mark, "kucoin-futures mark-price")
_decode_funding = decoder(_FundingFrame, "kucoin-futures funding-fee")
_decode_answer = decoder(_Answer, "kucoin-futures contracts")
_decode_contract = decoder(_Contract, "kucoin-futures contract")


def _parse(message: bytes) -> Inbound:
    frame = _decode_frame(message)
    if frame.T:
        return _data(frame, message)
    request_id = int(frame.id) if _whole(str(frame.id)) else None
    if frame.result is not None:
        # Both are written as words, too.
        if frame.result in (True, "true"):
            return Ack(request_id)
        return Reject(frame.reason or frame.message, request_id=request_id)
    if "pong" in (frame.type, frame.op):
        return Pong()
    if frame.message == "welcome":
        return Ignored("welcome")
    if frame.code:
        return Reject(frame.msg, str(frame.code), request_id)
    raise DecodeError("unknown_frame", "kucoin-futures frame: neither data nor an answer")


def _data(frame: _Frame, message: bytes) -> Data:
    channel = frame.T.partition(".")[0]
    head = _decode_head(frame.d)
    parts = [part for part in (channel, frame.dp, head.i, head.s) if part]
    # The time of a rate stands outside of `d`.
    return Data(":".join(parts), message if channel == _FUNDING else frame.d, frame.t)


def _check_symbol(what: str, data: Data, symbol: str) -> None:
    if data.topic.rpartition(":")[2] != symbol:
        raise mismatch(what, data.topic, symbol)


def _trade(data: Data, rx: int) -> Sequence[Trade]:
    what = "kucoin-futures trade"
    wire = _decode_trade(data.payload)
    _check_symbol(what, data, wire.s)
    check_decimals(what, wire.p, wire.q)
    side = _SIDES.get(wire.S)
    if side is None:
        raise DecodeError("bad_value", f"{what}: side {wire.S[:40]!r}")
    return (
        Trade(
            rx=rx,
            ts=wire.M,
            price=wire.p,
            size=wire.q,
            side=side,  # the taker's
            id=str(wire.ti),
        ),
    )


def _ticker(data: Data, rx: int) -> Sequence[Ticker]:
    what = "kucoin-futures ticker"
    wire = _decode_ticker(data.payload)
    _check_symbol(what, data, wire.s)
    last = decimal_or_none(what, wire.l)
    if last is None:
        return ()
    return (
        Ticker(
            rx=rx,
            ts=wire.M,
            last=last,
            bid=decimal_or_none(what, wire.b),
            bid_size=decimal_or_none(what, wire.B),
            ask=decimal_or_none(what, wire.a),
            ask_size=decimal_or_none(what, wire.A),
        ),
    )


def _book(data: Data, rx: int) -> Sequence[Book]:
    what = "kucoin-futures obu"
    wire = _decode_book(data.payload)
    _check_symbol(what, data, wire.s)
    if data.action not in ("snapshot", "delta"):
        raise DecodeError("bad_value", f"{what}: kind {data.action[:40]!r}")
    whole = data.action == "snapshot"
    return (
        Book(
            rx=rx,
            ts=wire.M,
            type="snapshot" if whole else "delta",
            bids=_decode_levels(wire.b),
            asks=_decode_levels(wire.a),
            seq=wire.C,
            first_seq=None if whole else wire.O,
        ),
    )


def _bbo(data: Data, rx: int) -> Sequence[Bbo]:
    (book,) = _book(data, rx)
    bid, bid_size = book.bids[0] if book.bids else (None, None)
    ask, ask_size = book.asks[0] if book.asks else (None, None)
    return (
        Bbo(
            rx=rx,
            ts=book.ts,
            bid=bid,
            bid_size=bid_size,
            ask=ask,
            ask_size=ask_size,
            seq=book.seq,
        ),
    )


def _candle(data: Data, rx: int) -> Candle:
    what = "kucoin-futures kline"
    wire = _decode_bar(data.payload)
    if data.topic != f"kline:{wire.i}:{wire.s}":
        raise mismatch(what, data.topic, wire.s)
    check_decimals(what, wire.o, wire.h, wire.l, wire.c)
    return Candle(
        rx=rx,
        start=wire.O * NS_PER_S,
        open=wire.o,
        high=wire.h,
        low=wire.l,
        close=wire.c,
        volume=decimal_or_none(what, wire.v),
        quote_volume=decimal_or_none(what, wire.a),
        # `S` is true in the documentation's own example long before the bar is over.
        closed=False,
    )


def _mark(data: Data, rx: int) -> Sequence[Mark]:
    what = "kucoin-futures mark-price"
    wire = _decode_mark(data.payload)
    _check_symbol(what, data, wire.s)
    mark = decimal_or_none(what, wire.mp)
    if mark is None:
        return ()
    return (Mark(rx=rx, ts=wire.ts * NS_PER_MS, mark=mark, index=decimal_or_none(what, wire.ip)),)


def _open_interest(data: Data, rx: int) -> Sequence[OpenInterest]:
    what = "kucoin-futures mark-price"
    wire = _decode_mark(data.payload)
    _check_symbol(what, data, wire.s)
    found = decimal_or_none(what, wire.oi)
    if found is None:
        return ()
    return (OpenInterest(rx=rx, ts=wire.ts * NS_PER_MS, open_interest=found),)


def _funding(data: Data, rx: int) -> Sequence[Funding]:
    what = "kucoin-futures funding-fee"
    frame = _decode_funding(data.payload)
    wire = frame.d
    _check_symbol(what, data, wire.s)
    return (
        Funding(
            rx=rx,
            ts=frame.P,
            rate=signed_number(what, wire.fr),
            next_funding=None if wire.nt is None else wire.nt * NS_PER_MS,
        ),
    )


def _instruments(bodies: Sequence[bytes]) -> list[Instrument]:
    what = "kucoin-futures contract"
    answer = _decode_answer(bodies[0])
    if answer.code != "200000":
        raise DecodeError("bad_value", f"{what}s: code {answer.code[:20]!r}, {answer.msg[:200]!r}")
    found = []
    for entry in answer.data:
        try:
            wire = _decode_contract(entry)
            base = _ours(wire.baseCurrency)
            name = f"{base}-{wire.quoteCurrency}-PERP"
            # Dated ones are of one currency, and their symbols do not say the day.
            if wire.type != _PERPETUAL or not _instrument(name) or _to_symbol(name) != wire.symbol:
                continue
            found.append(
                Instrument(
                    name=name,
                    symbol=wire.symbol,
                    kind="perpetual",
                    base=base,
                    quote=wire.quoteCurrency,
                    tick_size=number_or_none(what, wire.tickSize),
                    lot_size=number_or_none(what, wire.lotSize),
                    # An inverse's is -1: a lot is one unit of the quote.
                    contract_size="1" if wire.isInverse else number_or_none(what, wire.multiplier),
                    trading=wire.status == "Open",
                    volume=number_or_none(what, wire.turnoverOf24h),
                )
            )
        except DecodeError:
            continue
    return found


def _ours(currency: str) -> str:
    return "BTC" if currency == "XBT" else currency


def _to_symbol(instrument: str) -> str:
    found = _instrument(instrument)
    if not found:
        raise ValueError(
            f"{instrument!r} cannot be a kucoin-futures instrument; it has perpetuals: write "
            "BASE-QUOTE-PERP in capital letters and digits, for example BTC-USDT-PERP"
        )
    return f"{'XBT' if found[1] == 'BTC' else found[1]}{found[2]}M"


def _request(action: str, topics: Sequence[Topic], request_id: int) -> bytes:
    channel, *between, symbol = topics[0].name.split(":")
    body = {"id": str(request_id), "action": action, "channel": channel, "symbol": symbol}
    if channel in _TRADED:
        body["tradeType"] = "FUTURES"
    if between:
        body["interval" if channel == "kline" else "depth"] = between[0]
    return msgspec.json.encode(body)


VENUE = Venue(
    name="kucoin-futures",
    ws_url="wss://x-push-futures.kucoin.com",
    rest_url="https://api-futures.kucoin.com",
    docs_url="https://www.kucoin.com/docs-new/websocket-api/base-info/introduction-uta",
    limits=Limits(
        # "Rate Limit Rule (UTA)": 600 topics and 300 messages per 10 seconds a
        # connection, 250 new connections per 5 minutes an address. Books of 100
        # contracts are 300 to 700 messages a second.
        topics_per_connection=300,
        topics_per_request=1,  # books take no list
        request_bytes=4096,  # not published
        requests_per_s=20.0,  # the rest is left for pings
        connects=(250, 300.0),
    ),
    channels={
        "trade": ChannelSpec(topic="trade:{symbol}", decode=_trade),
        "bbo": ChannelSpec(topic=f"obu:{_BBO_DEPTH}:{{symbol}}", decode=_bbo),
        # 500 levels a side, of which it is told when one leaves them
        "book": ChannelSpec(topic=f"obu:{_BOOK_DEPTH}:{{symbol}}", decode=_book),
        "ticker": ChannelSpec(topic="ticker:{symbol}", decode=_ticker),
        "candle": ChannelSpec(topic="kline:{interval}:{symbol}", new_decoder=closing(_candle)),
        "mark": ChannelSpec(topic="mark-price:{symbol}", decode=_mark, at_once=True),
        "funding": ChannelSpec(topic="funding-fee:{symbol}", decode=_funding),
        "open_interest": ChannelSpec(
            topic="mark-price:{symbol}", decode=_open_interest, at_once=True
        ),
    },
    intervals={
        "1m": "1min",
        "3m": "3min",
        "5m": "5min",
        "15m": "15min",
        "30m": "30min",
        "1h": "1hour",
        "2h": "2hour",
        "4h": "4hour",
        "8h": "8hour",
        "12h": "12hour",
        "1d": "1day",
        "1w": "1week",
        "1M": "1month",
    },
    to_symbol=_to_symbol,
    parse=_parse,
    subscribe=partial(_request, "SUBSCRIBE"),
    unsubscribe=partial(_request, "UNSUBSCRIBE"),
    request_group=lambda topic: topic.name,
    # `pingInterval` of the welcome is 18000.
    heartbeat=Heartbeat(
        payload=b'{"id":"0","type":"ping"}', after_idle_s=18.0, timeout_s=10.0, always=True
    ),
    rest_limits=RestLimits(weight=(2000, 30.0)),  # public pool (from memory)
    instruments=InstrumentList(
        requests=(RestRequest(path="/api/v1/contracts/active", weight=3),), parse=_instruments
    ),
    books={"book": BookRule(continuity="first_seq")},
    cryptofeed_name="KUCOIN_FUTURES",
)
