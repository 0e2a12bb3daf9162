"""Crypto.com Exchange v1, public market data: spot, perpetuals and futures.

Source: https://exchange-developer.crypto.com/exchange/v1/docs (websocket)
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from ingest.errors import DecodeError
from ingest.model import (
    AnyEvent,
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
    Answer,
    BookRule,
    ChannelSpec,
    Data,
    Decode,
    Ignored,
    Inbound,
    Instrument,
    InstrumentList,
    Limits,
    Reject,
    RestLimits,
    RestRequest,
    Topic,
    Venue,
)
from ingest.venues.candles import closing
from ingest.venues.decoding import (
    NS_PER_MS,
    Milliseconds,
    SequenceNumber,
    check_decimals,
    decimal_or_none,
    decoder,
    levels_decoder,
    mismatch,
    signed_number,
)

_SIDES: Final[dict[str, Side]] = {"BUY": "buy", "SELL": "sell"}
_PUSH: Final = -1  # the `id` of data that answers nothing
_HISTORY: Final = "history"


class _Result(Struct, gc=False):
    subscription: str = ""
    channel: str = ""
    data: Raw | UnsetType = UNSET


class _Frame(Struct, gc=False):
    """Every kind of frame: data, answer to a request, heartbeat."""

    id: int | None = None
    method: str = ""
    code: int = 0
    channel: str = ""
    message: str = ""
    result: _Result | None = None


class _Trade(Struct, gc=False):
    d: Annotated[str, Meta(min_length=1, max_length=64)] | SequenceNumber
    t: Milliseconds
    p: str
    q: str
    s: Literal["BUY", "SELL"]
    i: str


class _Sides(Struct, gc=False):
    bids: Raw
    asks: Raw


class _Snapshot(Struct, gc=False):
    bids: Raw
    asks: Raw
    t: Milliseconds
    u: SequenceNumber


class _Delta(Struct, gc=False):
    update: _Sides
    t: Milliseconds
    u: SequenceNumber
    pu: SequenceNumber


class _Ticker(Struct, gc=False):
    i: str
    t: Milliseconds
    a: str | None = None
    b: str | None = None
    bs: str | None = None
    k: str | None = None
    ks: str | None = None
    h: str | None = None
    l: str | None = None  # noqa: E741  # the venue's name
    v: str | None = None
    vv: str | None = None
    oi: str | None = None


class _Bar(Struct, gc=False):
    o: str
    h: str
    l: str  # noqa: E741
    c: str
    v: str
    t: Milliseconds  # at which it begins


class _Value(Struct, gc=False):
    v: Raw
    t: Milliseconds


_decode_frame = decoder(_Frame, "crypto-com frame")
_decode_trades = decoder(list[_Trade], "crypto-com trade")
_decode_snapshots = decoder(list[_Snapshot], "crypto-com book")
_decode_deltas = decoder(list[_Delta], "crypto-com book.update")
_decode_tickers = decoder(list[_Ticker], "crypto-com ticker")
_decode_bar = decoder(_Bar, "crypto-com candlestick")
_decode_bars = decoder(list[Raw], "crypto-com candlestick")
_decode_values = decoder(list[_Value], "crypto-com value")
_decode_levels = levels_decoder("crypto-com book", columns=3)  # price, size, orders


def _parse(message: bytes) -> Inbound | list[Inbound]:
    frame = _decode_frame(message)
    if frame.method == "public/heartbeat" and frame.id is not None:
        return Answer(b'{"id":%d,"method":"public/respond-heartbeat"}' % frame.id)
    if frame.method == "subscribe":
        return _subscription(frame)
    if frame.code:
        return Reject(frame.message, str(frame.code), frame.id)
    if frame.method == "unsubscribe":
        return Ignored("unsubscribed")
    raise DecodeError(
        "unknown_frame", f"crypto-com frame: unknown method {frame.method[:40]!r}, no error"
    )


def _subscription(frame: _Frame) -> Inbound | list[Inbound]:
    result = frame.result
    if frame.code:
        topics = (frame.channel,) if frame.channel else ()
        return Reject(frame.message, str(frame.code), frame.id, topics)
    if result is not None and result.subscription and result.data is not UNSET:
        if frame.id is None or frame.id == _PUSH:
            return Data(result.subscription, result.data, result.channel)
        # Of some channels the first data is the answer to the request. Of trades
        # and candles it is what was before.
        action = _HISTORY if result.channel in ("trade", "candlestick") else result.channel
        return [Ack(topics=(result.subscription,)), Data(result.subscription, result.data, action)]
    answered = frame.channel or (result.subscription if result is not None else "")
    if answered:
        return Ack(topics=(answered,))
    if frame.id is not None and frame.id != _PUSH:
        return Ack(frame.id)
    raise DecodeError("unknown_frame", "crypto-com frame: neither data nor an answer")


def _check_symbol(what: str, topic: str, symbol: str) -> None:
    if topic.partition(".")[2] != symbol:
        raise mismatch(what, topic, symbol)


def _decimal(what: str, value: str | None) -> str | None:
    return decimal_or_none(what, value) if value is not None else None


def _trades(data: Data, rx: int) -> Sequence[Trade]:
    what, events = "crypto-com trade", []
    for wire in _decode_trades(data.payload):
        _check_symbol(what, data.topic, wire.i)
        check_decimals(what, wire.p, wire.q)
        events.append(
            Trade(
                rx=rx,
                ts=wire.t * NS_PER_MS,
                price=wire.p,
                size=wire.q,
                side=_SIDES[wire.s],
                id=str(wire.d),
            )
        )
    # The last 50 before we asked would come twice; the latest comes first.
    return () if data.action == _HISTORY else events[::-1]


def _books(data: Data, rx: int) -> Sequence[Book]:
    if data.action == "book":
        return [
            Book(
                rx=rx,
                ts=wire.t * NS_PER_MS,
                type="snapshot",
                bids=_decode_levels(wire.bids),
                asks=_decode_levels(wire.asks),
                seq=wire.u,
            )
            for wire in _decode_snapshots(data.payload)
        ]
    if data.action != "book.update":
        raise DecodeError("bad_value", f"crypto-com book: unknown channel {data.action[:40]!r}")
    # Their checksum, `cs`, is left out: how it is made is not published.
    return [
        Book(
            rx=rx,
            ts=wire.t * NS_PER_MS,
            type="delta",
            bids=_decode_levels(wire.update.bids),
            asks=_decode_levels(wire.update.asks),
            seq=wire.u,
            prev_seq=wire.pu,
        )
        for wire in _decode_deltas(data.payload)
    ]


def _bbo(data: Data, rx: int) -> Sequence[Bbo]:
    what, events = "crypto-com ticker", []
    for wire in _decode_tickers(data.payload):
        _check_symbol(what, data.topic, wire.i)
        events.append(
            Bbo(
                rx=rx,
                ts=wire.t * NS_PER_MS,
                bid=_decimal(what, wire.b),
                bid_size=_decimal(what, wire.bs),
                ask=_decimal(what, wire.k),
                ask_size=_decimal(what, wire.ks),
            )
        )
    return events


# BTC_USD, BTCUSD-PERP
_IN_USD = re.compile(r".*(?:_USD|USD-[A-Z0-9]+)").fullmatch


def _tickers(data: Data, rx: int) -> Sequence[Ticker]:
    what, events = "crypto-com ticker", []
    for wire in _decode_tickers(data.payload):
        _check_symbol(what, data.topic, wire.i)
        last = _decimal(what, wire.a)
        if last is None:
            continue  # never traded yet
        events.append(
            Ticker(
                rx=rx,
                ts=wire.t * NS_PER_MS,
                last=last,
                high=_decimal(what, wire.h),
                low=_decimal(what, wire.l),
                volume=_decimal(what, wire.v),
                # `vv` is in US dollars, whatever the instrument is quoted in.
                quote_volume=_decimal(what, wire.vv if _IN_USD(wire.i) else None),
                bid=_decimal(what, wire.b),
                bid_size=_decimal(what, wire.bs),
                ask=_decimal(what, wire.k),
                ask_size=_decimal(what, wire.ks),
            )
        )
    return events


def _open_interest(data: Data, rx: int) -> Sequence[OpenInterest]:
    what, events = "crypto-com ticker", []
    for wire in _decode_tickers(data.payload):
        _check_symbol(what, data.topic, wire.i)
        sent = _decimal(what, wire.oi)
        if sent is not None:
            events.append(OpenInterest(rx=rx, ts=wire.t * NS_PER_MS, open_interest=sent))
    return events


def _candle(data: Data, rx: int) -> Candle:
    wire = _decode_bar(data.payload)
    check_decimals("crypto-com candlestick", wire.o, wire.h, wire.l, wire.c, wire.v)
    return Candle(
        rx=rx,
        start=wire.t * NS_PER_MS,
        open=wire.o,
        high=wire.h,
        low=wire.l,
        close=wire.c,
        volume=wire.v,
        closed=False,
    )


def _new_candles() -> Decode:
    of_one_bar = closing(_candle)()

    def candles(data: Data, rx: int) -> Sequence[AnyEvent]:
        bars = [Data(data.topic, bar) for bar in _decode_bars(data.payload)]
        # As one: what is broken in a later bar must not leave the earlier ones counted.
        bars.sort(key=lambda bar: _candle(bar, rx).start)
        if data.action == _HISTORY:
            bars = bars[-1:]  # those before are long over
        return [event for bar in bars for event in of_one_bar(bar, rx)]

    return candles


def _mark(data: Data, rx: int) -> Sequence[Mark]:
    events = []
    for wire in _decode_values(data.payload):
        price = signed_number("crypto-com mark", wire.v)
        events.append(Mark(rx=rx, ts=wire.t * NS_PER_MS, mark=price))
    return events


def _funding(data: Data, rx: int) -> Sequence[Funding]:
    # The rate that is settled at the end of the current hour.
    return [
        Funding(rx=rx, ts=wire.t * NS_PER_MS, rate=signed_number("crypto-com funding", wire.v))
        for wire in _decode_values(data.payload)
    ]


_INSTRUMENT = re.compile(r"([A-Z0-9]+)-([A-Z0-9]+)(?:-(PERP|[0-9]{6}))?").fullmatch


def _to_symbol(instrument: str) -> str:
    found = _INSTRUMENT(instrument)
    if found is None or found[2] == "PERP":
        raise ValueError(
            f"{instrument!r} cannot be a crypto-com instrument; write BASE-QUOTE, BASE-QUOTE-PERP "
            "or BASE-QUOTE-YYMMDD in capital letters and digits, for example BTC-USD-PERP"
        )
    base, quote, what = found.groups()
    return f"{base}_{quote}" if what is None else f"{base}{quote}-{what}"


class _Listed(Struct, gc=False):
    symbol: str
    inst_type: str
    base_ccy: str
    quote_ccy: str
    price_tick_size: str = ""
    qty_tick_size: str = ""
    contract_size: str = ""
    tradable: bool = True


class _Listing(Struct, gc=False):
    data: list[_Listed]


class _Listings(Struct, gc=False):
    result: _Listing


class _Day(Struct, gc=False):
    i: str
    vv: str | None = None


class _Days(Struct, gc=False):
    data: list[_Day]


class _Tickers(Struct, gc=False):
    result: _Days


_decode_listings = decoder(_Listings, "crypto-com get-instruments")
_decode_days = decoder(_Tickers, "crypto-com get-tickers")
_KINDS: Final[dict[str, Literal["spot", "perpetual", "future"]]] = {
    "CCY_PAIR": "spot",
    "PERPETUAL_SWAP": "perpetual",
    "FUTURE": "future",
}


def _instruments(bodies: Sequence[bytes]) -> list[Instrument]:
    what, found = "crypto-com get-instruments", []
    listed = _decode_listings(bodies[0]).result.data
    days = _decode_days(bodies[1]).result.data if len(bodies) > 1 else []
    volumes = {day.i: _decimal("crypto-com get-tickers", day.vv) for day in days}
    for wire in listed:
        kind = _KINDS.get(wire.inst_type)
        if kind is None:
            continue
        ends = "" if kind == "spot" else f"-{wire.symbol.rpartition('-')[2]}"
        name = f"{wire.base_ccy}-{wire.quote_ccy}{ends}"
        try:
            if _to_symbol(name) != wire.symbol:
                continue
        except ValueError:
            continue
        found.append(
            Instrument(
                name=name,
                symbol=wire.symbol,
                kind=kind,
                base=wire.base_ccy,
                quote=wire.quote_ccy,
                tick_size=decimal_or_none(what, wire.price_tick_size),
                lot_size=decimal_or_none(what, wire.qty_tick_size),
                contract_size=decimal_or_none(what, wire.contract_size),
                trading=wire.tradable,
                volume=volumes.get(wire.symbol),
            )
        )
    return found


def _request(method: str, topics: Sequence[Topic], request_id: int) -> bytes:
    params: dict[str, Any] = {"channels": list(dict.fromkeys(topic.name for topic in topics))}
    if method == "subscribe":
        # These concern books only: changes every 10 ms after a whole book.
        params |= {"book_subscription_type": "SNAPSHOT_AND_UPDATE", "book_update_frequency": 10}
    return msgspec.json.encode({"id": request_id, "method": method, "params": params})


VENUE = Venue(
    name="crypto-com",
    ws_url="wss://stream.crypto.com/exchange/v1/market",
    rest_url="https://api.crypto.com",
    docs_url="https://exchange-developer.crypto.com/exchange/v1/docs",
    limits=Limits(
        # "A maximum of 400 subscriptions", then error 40107.
        topics_per_connection=400,
        topics_per_request=100,  # not published; so many were accepted (probe of 2026-09-22)
        request_bytes=8192,  # not published
        # "100 requests per second", but only the part of it that is left of the second in
        # which the connection was opened: the first request had better come a second later.
        requests_per_s=4.0,
        first_request_after_s=1.0,
        connects=(10, 10.0),  # not published
    ),
    channels={
        "trade": ChannelSpec(topic="trade.{symbol}", decode=_trades),
        "bbo": ChannelSpec(topic="ticker.{symbol}", decode=_bbo),
        "book": ChannelSpec(topic="book.{symbol}.50", decode=_books),
        "ticker": ChannelSpec(topic="ticker.{symbol}", decode=_tickers),
        "candle": ChannelSpec(topic="candlestick.{interval}.{symbol}", new_decoder=_new_candles),
        "mark": ChannelSpec(topic="mark.{symbol}", decode=_mark),
        "funding": ChannelSpec(topic="funding.{symbol}", decode=_funding),
        "open_interest": ChannelSpec(topic="ticker.{symbol}", decode=_open_interest),
    },
    intervals={
        "1m": "1m",
        "5m": "5m",
        "15m": "15m",
        "30m": "30m",
        "1h": "1h",
        "2h": "2h",
        "4h": "4h",
        "12h": "12h",
        "1d": "1D",
        "1w": "7D",
        "2w": "14D",
        "1M": "1M",
    },
    to_symbol=_to_symbol,
    parse=_parse,
    subscribe=partial(_request, "subscribe"),
    unsubscribe=partial(_request, "unsubscribe"),
    # The venue asks every 30 s (`public/heartbeat`) and wants its answer within 5.
    rest_limits=RestLimits(weight=(100, 1.0)),  # "100 requests per second" each, public
    instruments=InstrumentList(
        requests=(
            RestRequest(path="/exchange/v1/public/get-instruments"),
            RestRequest(path="/exchange/v1/public/get-tickers"),
        ),
        parse=_instruments,
    ),
    # "pu" is the "u" before; an idle book sends empty changes, with both the same.
    books={"book": BookRule(continuity="prev_seq")},
    cryptofeed_name="CRYPTO.COM",
)
