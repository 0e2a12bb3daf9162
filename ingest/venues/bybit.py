"""Bybit v5, public market data: spot, linear and inverse contracts.

Sizes are in base units, of inverse contracts in USD, as sent.

Source: https://bybit-exchange.github.io/docs/v5/ws/connect
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from ingest.errors import DecodeError
from ingest.model import (
    AnyEvent,
    Bbo,
    Book,
    Candle,
    Funding,
    Level,
    Liquidation,
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
    Decode,
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

# fmt: off
_INTERVALS = {
    "1m": "1", "3m": "3", "5m": "5", "15m": "15", "30m": "30", "1h": "60", "2h": "120",
    "4h": "240", "6h": "360", "12h": "720", "1d": "D", "1w": "W", "1M": "M",
}
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
# fmt: on
_QUARTERS: Final = {"03": "H", "06": "M", "09": "U", "12": "Z"}
_CATEGORIES: Final = ("spot", "linear", "inverse")
_DERIVATIVES_ONLY: Final = ("mark", "funding", "open_interest", "liquidation")
_SIDES: Final[dict[str, Side]] = {"Buy": "buy", "Sell": "sell"}
# Of the position: a long one is closed by a sell order.
_CLOSING_SIDES: Final[dict[str, Side]] = {"Buy": "sell", "Sell": "buy"}
_BOOK_TYPES: Final[dict[str, Literal["snapshot", "delta"]]] = {
    "snapshot": "snapshot",
    "delta": "delta",
}
_KINDS: Final[dict[str, Literal["spot", "perpetual", "future"]]] = {
    "": "spot",
    "LinearPerpetual": "perpetual",
    "InversePerpetual": "perpetual",
    "LinearFutures": "future",
    "InverseFutures": "future",
}
# BTC-USDT, BTC-USDT-PERP, BTC-USDT-250926
_INSTRUMENT = re.compile(r"([A-Z0-9]+)-([A-Z0-9]+)(?:-(PERP)|-([0-9]{2})([0-9]{2})([0-9]{2}))?")
_IS_INVERSE = re.compile(r"[A-Z0-9]+USD(?:[HMUZ][0-9]{2})?").fullmatch
_DEPTH = 200

_Side = Literal["Buy", "Sell"]


class _Frame(Struct, gc=False):
    """Every kind of frame; of data only what tells its topic."""

    topic: str = ""
    type: str = ""
    ts: int | None = None
    op: str = ""
    success: bool | None = None
    ret_msg: str = ""
    req_id: str = ""


class _TradeItem(Struct, gc=False):
    T: Milliseconds
    s: str
    S: _Side
    v: str
    p: str
    i: Annotated[str, Meta(min_length=1, max_length=64)]


class _Trades(Struct, gc=False):
    data: list[_TradeItem]


class _Levels(Struct, gc=False):
    s: str
    b: Raw
    a: Raw
    u: SequenceNumber


class _Book(Struct, gc=False):
    ts: Milliseconds
    data: _Levels


class _Stats(Struct, gc=False):
    """A ticker, or what of it has changed; null where a field is not sent."""

    symbol: str
    lastPrice: str | None = None
    prevPrice24h: str | None = None
    highPrice24h: str | None = None
    lowPrice24h: str | None = None
    volume24h: str | None = None
    turnover24h: str | None = None
    bid1Price: str | None = None
    bid1Size: str | None = None
    ask1Price: str | None = None
    ask1Size: str | None = None
    markPrice: str | None = None
    indexPrice: str | None = None
    openInterest: str | None = None
    fundingRate: str | None = None
    nextFundingTime: str | None = None


class _Ticker(Struct, gc=False):
    ts: Milliseconds
    data: _Stats


class _Bar(Struct, gc=False):
    start: Milliseconds
    end: Milliseconds
    open: str
    high: str
    low: str
    close: str
    volume: str
    turnover: str
    confirm: bool
    timestamp: Milliseconds


class _Bars(Struct, gc=False):
    data: list[_Bar]


class _LiquidationItem(Struct, gc=False):
    T: Milliseconds
    s: str
    S: _Side
    v: str
    p: str


class _Liquidations(Struct, gc=False):
    data: list[_LiquidationItem]


class _PriceFilter(Struct, frozen=True, gc=False):
    tickSize: str = ""


class _LotFilter(Struct, frozen=True, gc=False):
    qtyStep: str = ""
    basePrecision: str = ""


class _Listed(Struct, gc=False):
    symbol: str
    baseCoin: str
    quoteCoin: str
    status: str
    contractType: str = ""
    deliveryTime: str = ""
    priceFilter: _PriceFilter = _PriceFilter()
    lotSizeFilter: _LotFilter = _LotFilter()


class _Volume(Struct, gc=False):
    symbol: str
    volume24h: str = ""
    turnover24h: str = ""


class _Page(Struct, gc=False):
    list: Raw


class _Answer(Struct, gc=False):
    """What REST answers."""

    retCode: int
    retMsg: str = ""
    result: Raw = Raw(b"{}")


_decode_frame = decoder(_Frame, "bybit frame")
_decode_trades = decoder(_Trades, "bybit publicTrade")
_decode_book = decoder(_Book, "bybit orderbook")
_decode_levels = levels_decoder("bybit orderbook", columns=2)
_decode_ticker = decoder(_Ticker, "bybit tickers")
_decode_bars = decoder(_Bars, "bybit kline")
_decode_liquidations = decoder(_Liquidations, "bybit allLiquidation")
_decode_answer = decoder(_Answer, "bybit REST")
_decode_page = decoder(_Page, "bybit REST")
_decode_listed = decoder(list[_Listed], "bybit instruments-info")
_decode_volumes = decoder(list[_Volume], "bybit tickers over REST")


def _parse(message: bytes) -> Inbound:
    frame = _decode_frame(message)
    if frame.topic:
        if frame.ts is None:
            raise DecodeError(
                "unknown_frame", f"bybit {frame.topic[:40]!r}: no `ts`, so not of API v5"
            )
        # Whole, as the time stands outside of `data`.
        return Data(frame.topic, message, frame.type)
    if frame.op == "pong" or frame.ret_msg == "pong":
        return Pong()
    request_id = int(frame.req_id) if re.fullmatch("[0-9]{1,18}", frame.req_id) else None
    if frame.op == "subscribe" and frame.success is not None:
        # A refusal is for the whole request, whichever topic of it was wrong.
        return Ack(request_id) if frame.success else Reject(frame.ret_msg, request_id=request_id)
    if frame.op and frame.success is False:
        return Reject(frame.ret_msg, request_id=request_id)
    if frame.op or frame.type == "COMMAND_RESP":
        # The latter is what the market of options answers, which we have no use for.
        return Ignored(frame.op[:40] or frame.type)
    raise DecodeError("unknown_frame", "bybit frame: neither data nor answer of API v5")


def _symbol_of(topic: str) -> str:
    return topic.rpartition(".")[2]


def _check_symbol(what: str, topic: str, symbol: str) -> None:
    if _symbol_of(topic) != symbol:
        raise mismatch(what, topic, symbol)


def _trades(data: Data, rx: int) -> Sequence[Trade]:
    what = "bybit publicTrade"
    events = []
    for wire in _decode_trades(data.payload).data:
        _check_symbol(what, data.topic, wire.s)
        check_decimals(what, wire.p, wire.v)
        events.append(
            Trade(
                rx=rx,
                ts=wire.T * NS_PER_MS,
                price=wire.p,
                size=wire.v,
                side=_SIDES[wire.S],  # the taker's
                id=wire.i,
            )
        )
    return events


def _books(data: Data, rx: int) -> Sequence[Book]:
    what = "bybit orderbook"
    kind = _BOOK_TYPES.get(data.action)
    if kind is None:
        raise DecodeError(
            "bad_value", f"{what}: type is not snapshot or delta but {data.action[:40]!r}"
        )
    wire = _decode_book(data.payload)
    _check_symbol(what, data.topic, wire.data.s)
    return (
        Book(
            rx=rx,
            ts=wire.ts * NS_PER_MS,
            # 1: the service has restarted, and this replaces the book.
            type="snapshot" if wire.data.u == 1 else kind,
            bids=_decode_levels(wire.data.b),
            asks=_decode_levels(wire.data.a),
            seq=wire.data.u,
        ),
    )


def _new_bbo() -> Decode:
    """Follow a book of one level. It comes in snapshots; deltas, should any come, are joined."""
    sides: tuple[dict[str, str], dict[str, str]] = ({}, {})

    def decode(data: Data, rx: int) -> Sequence[Bbo]:
        nonlocal sides
        (book,) = _books(data, rx)
        before = ({}, {}) if book.type == "snapshot" else sides
        bids, asks = (
            _joined(side, levels)
            for side, levels in zip(before, (book.bids, book.asks), strict=True)
        )
        sides = (bids, asks)
        bid = max(bids, key=float, default=None)
        ask = min(asks, key=float, default=None)
        return (
            Bbo(
                rx=rx,
                ts=book.ts,
                bid=bid,
                bid_size=None if bid is None else bids[bid],
                ask=ask,
                ask_size=None if ask is None else asks[ask],
                seq=book.seq,
            ),
        )

    return decode


def _joined(side: dict[str, str], levels: Sequence[Level]) -> dict[str, str]:
    joined = side | dict(levels)
    return {price: size for price, size in joined.items() if size.strip("0.")}


# What is known, symbol, ts, rx → events.
_FromTicker = Callable[[dict[str, str], str, int, int], Sequence[AnyEvent]]


def _following(names: frozenset[str], make: _FromTicker) -> Callable[[], Decode]:
    """Make a `new_decoder` of a ticker's part: an event where a frame has one of *names*.

    Deltas have only what has changed; the rest is remembered.
    """
    what = "bybit tickers"

    def new_decoder() -> Decode:
        known: dict[str, str] | None = None

        def decode(data: Data, rx: int) -> Sequence[AnyEvent]:
            nonlocal known
            wire = _decode_ticker(data.payload)
            _check_symbol(what, data.topic, wire.data.symbol)
            if data.action not in _BOOK_TYPES:
                raise DecodeError("bad_value", f"{what}: type is {data.action[:40]!r}")
            sent = {
                name: value for name in names if isinstance(value := getattr(wire.data, name), str)
            }
            if data.action == "delta":
                if known is None:
                    raise DecodeError("missing_field", f"{what}: a delta before any snapshot")
                merged = known | sent
            else:
                merged = sent
            events: Sequence[AnyEvent] = ()
            if sent:
                symbol = wire.data.symbol
                events = make(merged, symbol, wire.ts * NS_PER_MS, rx)
            known = merged  # not before: a bad frame leaves no trace
            return events

        return decode

    return new_decoder


def _ticker(known: dict[str, str], symbol: str, ts: int, rx: int) -> Sequence[Ticker]:
    def value(name: str) -> str | None:
        return decimal_or_none("bybit tickers", known.get(name, ""))

    last = value("lastPrice")
    if last is None:
        return ()  # never traded yet
    # The turnover of an inverse contract is in base units.
    quote_volume = None if _IS_INVERSE(symbol) else value("turnover24h")
    return (
        Ticker(
            rx=rx,
            ts=ts,
            last=last,
            open=value("prevPrice24h"),
            high=value("highPrice24h"),
            low=value("lowPrice24h"),
            volume=value("volume24h"),
            quote_volume=quote_volume,
            bid=value("bid1Price"),
            bid_size=value("bid1Size"),
            ask=value("ask1Price"),
            ask_size=value("ask1Size"),
        ),
    )


def _rate_of(known: dict[str, str]) -> str | None:
    """Return the funding rate; none is sent of a dated future."""
    text = known.get("fundingRate", "")
    return signed_number("bybit tickers", Raw(text.encode())) if text else None


def _next_of(known: dict[str, str]) -> int | None:
    text = known.get("nextFundingTime", "")
    if text in ("", "0"):
        return None
    if not re.fullmatch("[0-9]{1,13}", text):
        raise DecodeError("bad_value", f"bybit tickers: nextFundingTime is {text[:40]!r}")
    return int(text) * NS_PER_MS


def _mark(known: dict[str, str], _symbol: str, ts: int, rx: int) -> Sequence[Mark]:
    mark = decimal_or_none("bybit tickers", known.get("markPrice", ""))
    if mark is None:
        return ()
    return (
        Mark(
            rx=rx,
            ts=ts,
            mark=mark,
            index=decimal_or_none("bybit tickers", known.get("indexPrice", "")),
            funding_rate=_rate_of(known),
            next_funding=_next_of(known),
        ),
    )


def _funding(known: dict[str, str], _symbol: str, ts: int, rx: int) -> Sequence[Funding]:
    rate = _rate_of(known)
    if rate is None:
        return ()
    return (Funding(rx=rx, ts=ts, rate=rate, next_funding=_next_of(known)),)


def _open_interest(known: dict[str, str], _symbol: str, ts: int, rx: int) -> Sequence[OpenInterest]:
    value = decimal_or_none("bybit tickers", known.get("openInterest", ""))
    return () if value is None else (OpenInterest(rx=rx, ts=ts, open_interest=value),)


# fmt: off
_TICKER_FIELDS = frozenset({
    "lastPrice", "prevPrice24h", "highPrice24h", "lowPrice24h", "volume24h", "turnover24h",
    "bid1Price", "bid1Size", "ask1Price", "ask1Size",
})
# fmt: on
_FUNDING_FIELDS = frozenset({"fundingRate", "nextFundingTime"})
_MARK_FIELDS = frozenset({"markPrice", "indexPrice"}) | _FUNDING_FIELDS


def _candles(data: Data, rx: int) -> Sequence[Candle]:
    what = "bybit kline"
    is_inverse = _IS_INVERSE(_symbol_of(data.topic))
    events = []
    for bar in _decode_bars(data.payload).data:
        check_decimals(what, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.turnover)
        events.append(
            Candle(
                rx=rx,
                ts=bar.timestamp * NS_PER_MS,
                start=bar.start * NS_PER_MS,
                end=bar.end * NS_PER_MS,
                open=bar.open,
                high=bar.high,
                low=bar.low,
                close=bar.close,
                volume=bar.volume,
                quote_volume=None if is_inverse else bar.turnover,
                closed=bar.confirm,
            )
        )
    return events


def _liquidations(data: Data, rx: int) -> Sequence[Liquidation]:
    what = "bybit allLiquidation"
    events = []
    for wire in _decode_liquidations(data.payload).data:
        _check_symbol(what, data.topic, wire.s)
        check_decimals(what, wire.p, wire.v)
        events.append(
            Liquidation(
                rx=rx,
                ts=wire.T * NS_PER_MS,
                price=wire.p,  # at which the position is bankrupt
                size=wire.v,
                side=_CLOSING_SIDES[wire.S],
            )
        )
    return events


def _category(quote: str, suffix: str) -> str:
    if not suffix:
        return "spot"
    return "inverse" if quote == "USD" else "linear"


def _to_symbol(instrument: str) -> str:
    found = _INSTRUMENT.fullmatch(instrument)
    if not found:
        raise ValueError(
            f"{instrument!r} cannot be a bybit instrument; write BASE-QUOTE, BASE-QUOTE-PERP "
            "or BASE-QUOTE-YYMMDD in capital letters and digits"
        )
    base, quote, perpetual, year, month, day = found.groups()
    if perpetual:
        return f"{base}PERP" if quote == "USDC" else f"{base}{quote}"
    if not month:
        return f"{base}{quote}"
    if quote == "USD" and month in _QUARTERS:
        return f"{base}{quote}{_QUARTERS[month]}{year}"
    if quote == "USD" or not 1 <= int(month) <= len(_MONTHS):
        raise ValueError(
            f"{instrument!r} cannot be a bybit instrument; futures on USD end in months "
            f"{', '.join(_QUARTERS)}"
        )
    pair = base if quote == "USDC" else f"{base}{quote}"
    return f"{pair}-{day}{_MONTHS[int(month) - 1]}{year}"


def _path(channel: str, instrument: str) -> str:
    found = _INSTRUMENT.fullmatch(instrument)
    category = _category(found[2], found[3] or found[4]) if found else "spot"
    if category == "spot" and channel in _DERIVATIVES_ONLY:
        raise ValueError(
            f"bybit has {channel} of perpetuals and futures, not of {instrument!r}, which is spot; "
            f"write {instrument}-PERP for the perpetual"
        )
    return f"/v5/public/{category}"


def _nautilus_symbol(instrument: str) -> str:
    _, quote, *term = instrument.split("-")
    return f"{_to_symbol(instrument)}-{_category(quote, ''.join(term)).upper()}"


def _request(op: str, topics: Sequence[Topic], request_id: int) -> bytes:
    names = list(dict.fromkeys(topic.name for topic in topics))
    return msgspec.json.encode({"op": op, "args": names, "req_id": str(request_id)})


def _rows(body: bytes) -> Raw | None:
    answer = _decode_answer(body)
    return _decode_page(answer.result).list if answer.retCode == 0 else None


def _list(bodies: Sequence[bytes]) -> list[Instrument]:
    count = len(_CATEGORIES)
    found = []
    for category, listing, tickers in zip(_CATEGORIES, bodies[:count], bodies[count:], strict=True):
        rows, traded = _rows(listing), _rows(tickers)
        if rows is None:
            raise DecodeError("bad_value", f"bybit instruments-info: {listing[:200]!r}")
        # Volumes only rank: without them the list is as right as before.
        volumes = {
            wire.symbol: wire.volume24h if category == "inverse" else wire.turnover24h
            for wire in (_decode_volumes(traded) if traded is not None else [])
        }
        for wire in _decode_listed(rows):
            volume = decimal_or_none("bybit tickers over REST", volumes.get(wire.symbol, ""))
            instrument = _instrument(wire, volume)
            if instrument is not None:
                found.append(instrument)
    return found


def _instrument(wire: _Listed, volume: str | None) -> Instrument | None:
    kind = _KINDS.get(wire.contractType)
    name = f"{wire.baseCoin}-{wire.quoteCoin}"
    if kind == "perpetual":
        name += "-PERP"
    elif kind == "future":
        if not re.fullmatch("[0-9]{1,13}", wire.deliveryTime):
            return None
        name += f"-{datetime.fromtimestamp(int(wire.deliveryTime) // 1000, UTC):%y%m%d}"
    # What the rule does not lead back to is not of a kind that has a name of ours.
    try:
        symbol = _to_symbol(name)
    except ValueError:
        return None
    if kind is None or symbol != wire.symbol:
        return None
    lot = wire.lotSizeFilter
    return Instrument(
        name=name,
        symbol=wire.symbol,
        kind=kind,
        base=wire.baseCoin,
        quote=wire.quoteCoin,
        tick_size=wire.priceFilter.tickSize or None,
        lot_size=lot.qtyStep or lot.basePrecision or None,
        trading=wire.status == "Trading",
        volume=volume,
    )


VENUE = Venue(
    name="bybit",
    ws_url="wss://stream.bybit.com/v5/public/spot",
    rest_url="https://api.bybit.com",
    docs_url="https://bybit-exchange.github.io/docs/v5/ws/connect",
    limits=Limits(
        # "for one public connection, you cannot have length of "args" array over 21,000
        # characters"; none of ours is longer than 40 with its quotes and comma.
        topics_per_connection=500,
        topics_per_request=10,  # "Spot can input up to 10 args for each subscription request"
        request_bytes=21_000,
        requests_per_s=5.0,  # no number is published
        connects=(500, 300.0),  # "Do not build over 500 connections in 5 minutes"
        connections_per_host=1000,  # of each market
    ),
    channels={
        "trade": ChannelSpec(topic="publicTrade.{symbol}", decode=_trades),
        # Books and tickers begin with a snapshot.
        "bbo": ChannelSpec(topic="orderbook.1.{symbol}", new_decoder=_new_bbo, at_once=True),
        "book": ChannelSpec(topic=f"orderbook.{_DEPTH}.{{symbol}}", decode=_books),
        "ticker": ChannelSpec(
            topic="tickers.{symbol}",
            new_decoder=_following(_TICKER_FIELDS, _ticker),
            at_once=True,
        ),
        "candle": ChannelSpec(topic="kline.{interval}.{symbol}", decode=_candles),
        "mark": ChannelSpec(
            topic="tickers.{symbol}", new_decoder=_following(_MARK_FIELDS, _mark), at_once=True
        ),
        "funding": ChannelSpec(
            topic="tickers.{symbol}",
            new_decoder=_following(_FUNDING_FIELDS, _funding),
            at_once=True,
        ),
        "open_interest": ChannelSpec(
            topic="tickers.{symbol}",
            new_decoder=_following(frozenset({"openInterest"}), _open_interest),
            at_once=True,
        ),
        "liquidation": ChannelSpec(topic="allLiquidation.{symbol}", decode=_liquidations),
    },
    intervals=_INTERVALS,
    to_symbol=_to_symbol,
    parse=_parse,
    subscribe=partial(_request, "subscribe"),
    unsubscribe=partial(_request, "unsubscribe"),
    path=_path,
    # "we recommend that you send the ping heartbeat packet every 20 seconds"
    heartbeat=Heartbeat(payload=b'{"op":"ping"}', after_idle_s=20.0, timeout_s=10.0, always=True),
    # 600 requests in 5 seconds and address (docs/v5/rate-limit).
    rest_limits=RestLimits(weight=(600, 5.0)),
    instruments=InstrumentList(
        # Spot comes whole; of contracts 1000 is the most, and there are fewer.
        requests=(
            RestRequest(path="/v5/market/instruments-info?category=spot"),
            RestRequest(path="/v5/market/instruments-info?category=linear&limit=1000"),
            RestRequest(path="/v5/market/instruments-info?category=inverse&limit=1000"),
            *(RestRequest(path=f"/v5/market/tickers?category={name}") for name in _CATEGORIES),
        ),
        parse=_list,
    ),
    # A later snapshot replaces the book; `u` of 1 is made one above.
    books={"book": BookRule(continuity="plus_one")},
    nautilus_symbol=_nautilus_symbol,
)
