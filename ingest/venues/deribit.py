"""Deribit, public market data: perpetuals, futures, options and spot, over JSON-RPC.

Sizes of inverse perpetuals and futures are in US dollars, those of everything else
in the base currency, as sent.

Source: https://docs.deribit.com
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

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
    Answer,
    Backfill,
    BookRule,
    ChannelSpec,
    Data,
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
    decoder,
    mismatch,
    number,
    number_or_none,
    signed_number,
)

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_OTHER_SIDE: dict[Side, Side] = {"buy": "sell", "sell": "buy"}
# Nobody asks anything else under this number: subscriptions count from 1.
_HEARTBEAT = b'{"jsonrpc":"2.0","id":0,"method":"public/set_heartbeat","params":{"interval":30}}'
_TEST = b'{"jsonrpc":"2.0","id":0,"method":"public/test","params":{}}'

# BTC-PERPETUAL, SOL_USDC-PERPETUAL, ETH-9APR21, BTC-25MAR22-50000-C,
# XRP_USDC-30JUN23-0d625-P, BTC_USDC; not BTC-FS-27DEC24_PERP and other combinations.
_symbol = re.compile(
    r"([A-Z0-9]+)(?:_([A-Z0-9]+))?"
    r"(?:-(?:(PERPETUAL)|([0-9]{1,2})([A-Z]{3})([0-9]{2})(?:-([0-9]+(?:d[0-9]+)?)-([CP]))?))?"
).fullmatch
_instrument = re.compile(
    r"([A-Z0-9]+)-([A-Z0-9]+)"
    r"(?:-(?:(PERP)|([0-9]{2})([0-9]{2})([0-9]{2})(?:-([0-9]+(?:\.[0-9]+)?)-([CP]))?))?"
).fullmatch


class _Params(Struct, gc=False):
    channel: str = ""
    data: Raw | UnsetType = UNSET
    type: str = ""


class _Error(Struct, gc=False):
    code: int | str = ""
    message: str = ""


class _Frame(Struct, gc=False):
    """Every kind of frame: notification, answer to a request, heartbeat."""

    method: str = ""
    params: _Params | None = None
    id: int | None = None
    result: Raw | UnsetType = UNSET
    error: _Error | None = None


class _Trade(Struct, gc=False):
    instrument_name: str
    trade_id: Annotated[str, Meta(min_length=1, max_length=64)]
    trade_seq: SequenceNumber
    price: Raw
    amount: Raw
    direction: Side
    timestamp: Milliseconds
    liquidation: Literal["M", "T", "MT", "none"] | None = None


class _PastTrades(Struct, gc=False):
    trades: list[_Trade]


class _PastTradesAnswer(Struct, gc=False):
    result: _PastTrades


_Row = tuple[Literal["new", "change", "delete"], Raw, Raw]


class _Book(Struct, gc=False):
    instrument_name: str
    timestamp: Milliseconds
    change_id: SequenceNumber
    bids: list[_Row]
    asks: list[_Row]
    type: Literal["snapshot", "change"]
    prev_change_id: SequenceNumber | None = None


class _Quote(Struct, gc=False):
    instrument_name: str
    timestamp: Milliseconds
    best_bid_price: Raw = Raw()
    best_bid_amount: Raw = Raw()
    best_ask_price: Raw = Raw()
    best_ask_amount: Raw = Raw()


class _Stats(Struct, gc=False):
    high: Raw = Raw()
    low: Raw = Raw()
    volume: Raw = Raw()
    volume_notional: Raw = Raw()  # in quote units, of futures and spot


class _Ticker(_Quote, gc=False, kw_only=True):
    stats: _Stats
    last_price: Raw = Raw()
    mark_price: Raw = Raw()
    index_price: Raw = Raw()
    open_interest: Raw = Raw()
    current_funding: Raw = Raw()  # of perpetuals


class _Candle(Struct, gc=False):
    tick: Milliseconds
    open: Raw
    high: Raw
    low: Raw
    close: Raw
    volume: Raw
    cost: Raw = Raw()


class _Listed(Struct, gc=False):
    instrument_name: str
    kind: str
    tick_size: Raw = Raw()
    min_trade_amount: Raw = Raw()
    contract_size: Raw = Raw()
    is_active: bool = True


class _Summary(Struct, gc=False):
    instrument_name: str
    volume_notional: Raw = Raw()
    volume_usd: Raw = Raw()


class _Result(Struct, gc=False):
    result: list[Raw]


_decode_frame = decoder(_Frame, "deribit frame")
_decode_subscribed = decoder(list[str], "deribit answer to public/subscribe")
_decode_past_trades = decoder(_PastTradesAnswer, "deribit trades over REST")
_decode_trades = decoder(list[_Trade], "deribit trades")
_decode_book = decoder(_Book, "deribit book")
_decode_quote = decoder(_Quote, "deribit quote")
_decode_ticker = decoder(_Ticker, "deribit ticker")
_decode_candle = decoder(_Candle, "deribit chart.trades")
_decode_result = decoder(_Result, "deribit REST answer")
_decode_listed = decoder(_Listed, "deribit instrument")
_decode_summary = decoder(_Summary, "deribit book summary")


def _parse(message: bytes) -> Inbound:
    frame = _decode_frame(message)
    params = frame.params
    if frame.method == "subscription":
        if params is None or not params.channel or params.data is UNSET:
            raise DecodeError("missing_field", "deribit notification: no `channel` or no `data`")
        return Data(params.channel, params.data)
    if frame.method == "heartbeat" and params is not None:
        return Answer(_TEST) if params.type == "test_request" else Ignored("heartbeat")
    if frame.error is not None:
        return Reject(frame.error.message, str(frame.error.code), frame.id)
    if frame.result is not UNSET:
        return _answer(frame.result, frame.id)
    raise DecodeError("unknown_frame", "deribit frame: neither notification nor answer")


def _answer(result: Raw, request_id: int | None) -> Inbound:
    if bytes(result)[:1] != b"[":
        return Ignored("answer to set_heartbeat or test")
    topics = _decode_subscribed(result)
    # The channels that were subscribed, or unsubscribed: only the number tells which. One
    # that does not exist is left out.
    if not topics:
        return Reject("none of the channels exists", request_id=request_id)
    return Ack(request_id, tuple(topics))


def _check_symbol(what: str, data: Data, symbol: str) -> None:
    if f".{symbol}." not in f"{data.topic}.":
        raise mismatch(what, data.topic, symbol)


def _trade(wire: _Trade, rx: int, *, backfill: bool | None = None) -> Trade:
    return Trade(
        rx=rx,
        ts=wire.timestamp * NS_PER_MS,
        price=number("deribit trades", wire.price),
        size=number("deribit trades", wire.amount),
        side=wire.direction,  # the taker's
        id=wire.trade_id,  # among those of the currency
        seq=wire.trade_seq,
        backfill=backfill,
    )


def _trades(data: Data, rx: int) -> Sequence[Trade]:
    events = []
    for wire in _decode_trades(data.payload):
        _check_symbol("deribit trades", data, wire.instrument_name)
        events.append(_trade(wire, rx))
    return events


def _past_trades_request(symbol: str, first: int, last: int) -> RestRequest:
    query = f"instrument_name={symbol}&start_seq={first}&end_seq={last}"
    return RestRequest(
        path=f"/api/v2/public/get_last_trades_by_instrument?{query}"
        f"&count={last - first + 1}&sorting=asc"
    )


def _past_trades(body: bytes, rx: int) -> list[Trade]:
    found = [_trade(wire, rx, backfill=True) for wire in _decode_past_trades(body).result.trades]
    return sorted(found, key=lambda trade: trade.seq or 0)


def _liquidations(data: Data, rx: int) -> Sequence[Liquidation]:
    """Trades in which the maker ("M"), the taker ("T") or both were liquidated."""
    events = []
    for wire in _decode_trades(data.payload):
        _check_symbol("deribit trades", data, wire.instrument_name)
        sides: list[Side] = []
        if wire.liquidation in ("T", "MT"):
            sides.append(wire.direction)
        if wire.liquidation in ("M", "MT"):
            sides.append(_OTHER_SIDE[wire.direction])
        events += [
            Liquidation(
                rx=rx,
                ts=wire.timestamp * NS_PER_MS,
                price=number("deribit trades", wire.price),
                size=number("deribit trades", wire.amount),
                side=side,
                id=wire.trade_id,
            )
            for side in sides
        ]
    return events


def _levels(rows: list[_Row]) -> list[Level]:
    levels = []
    for action, price, amount in rows:
        size = number("deribit book", amount)
        if (action == "delete") is not _is_zero(size):
            raise DecodeError("bad_value", f"deribit book: {action} with an amount of {size[:40]}")
        levels.append((number("deribit book", price), size))
    return levels


def _is_zero(size: str) -> bool:
    return not size.partition("e")[0].partition("E")[0].strip("0.")


def _book(data: Data, rx: int) -> Sequence[Book]:
    wire = _decode_book(data.payload)
    _check_symbol("deribit book", data, wire.instrument_name)
    return (
        Book(
            rx=rx,
            ts=wire.timestamp * NS_PER_MS,
            type="snapshot" if wire.type == "snapshot" else "delta",
            bids=_levels(wire.bids),
            asks=_levels(wire.asks),
            seq=wire.change_id,
            prev_seq=wire.prev_change_id,
        ),
    )


def _best(what: str, price: Raw, amount: Raw) -> tuple[str | None, str | None]:
    """Return price and size; an empty side has a size of zero, or null."""
    size = number_or_none(what, amount)
    if size is None or _is_zero(size):
        return None, None
    return number(what, price), size


def _bbo(data: Data, rx: int) -> Sequence[Bbo]:
    what = "deribit quote"
    wire = _decode_quote(data.payload)
    _check_symbol(what, data, wire.instrument_name)
    bid, bid_size = _best(what, wire.best_bid_price, wire.best_bid_amount)
    ask, ask_size = _best(what, wire.best_ask_price, wire.best_ask_amount)
    return (
        Bbo(
            rx=rx,
            ts=wire.timestamp * NS_PER_MS,
            bid=bid,
            bid_size=bid_size,
            ask=ask,
            ask_size=ask_size,
        ),
    )


def _ticker_wire(data: Data) -> _Ticker:
    wire = _decode_ticker(data.payload)
    _check_symbol("deribit ticker", data, wire.instrument_name)
    return wire


def _ticker(data: Data, rx: int) -> Sequence[Ticker]:
    what = "deribit ticker"
    wire = _ticker_wire(data)
    last = number_or_none(what, wire.last_price)
    if last is None:
        return ()  # never traded yet: there is no ticker to tell
    bid, bid_size = _best(what, wire.best_bid_price, wire.best_bid_amount)
    ask, ask_size = _best(what, wire.best_ask_price, wire.best_ask_amount)
    return (
        Ticker(
            rx=rx,
            ts=wire.timestamp * NS_PER_MS,
            last=last,
            high=number_or_none(what, wire.stats.high),
            low=number_or_none(what, wire.stats.low),
            volume=number_or_none(what, wire.stats.volume),
            quote_volume=number_or_none(what, wire.stats.volume_notional),
            bid=bid,
            bid_size=bid_size,
            ask=ask,
            ask_size=ask_size,
        ),
    )


def _signed_or_none(raw: Raw) -> str | None:
    return None if bytes(raw) in (b"", b"null") else signed_number("deribit ticker", raw)


def _mark(data: Data, rx: int) -> Sequence[AnyEvent]:
    what = "deribit ticker"
    wire = _ticker_wire(data)
    mark = number_or_none(what, wire.mark_price)
    if mark is None:
        return ()
    return (
        Mark(
            rx=rx,
            ts=wire.timestamp * NS_PER_MS,
            mark=mark,
            index=number_or_none(what, wire.index_price),
            funding_rate=_signed_or_none(wire.current_funding),
        ),
    )


def _funding(data: Data, rx: int) -> Sequence[AnyEvent]:
    wire = _ticker_wire(data)
    rate = _signed_or_none(wire.current_funding)
    if rate is None:
        return ()  # only perpetuals have one
    # Paid without interruption; the rate is that of 8 hours.
    return (Funding(rx=rx, ts=wire.timestamp * NS_PER_MS, rate=rate),)


def _open_interest(data: Data, rx: int) -> Sequence[AnyEvent]:
    wire = _ticker_wire(data)
    interest = number_or_none("deribit ticker", wire.open_interest)
    if interest is None:
        return ()
    return (OpenInterest(rx=rx, ts=wire.timestamp * NS_PER_MS, open_interest=interest),)


def _candle(data: Data, rx: int) -> Candle:
    what = "deribit chart.trades"
    wire = _decode_candle(data.payload)
    return Candle(
        rx=rx,
        start=wire.tick * NS_PER_MS,
        open=number(what, wire.open),
        high=number(what, wire.high),
        low=number(what, wire.low),
        close=number(what, wire.close),
        volume=number(what, wire.volume),
        quote_volume=number_or_none(what, wire.cost),
        closed=False,
    )


def _instruments(bodies: Sequence[bytes]) -> list[Instrument]:
    volumes: dict[str, str] = {}
    for body in bodies[1:]:
        volumes.update(_volumes(body))
    found = []
    for entry in _decode_result(bodies[0]).result:
        try:
            instrument = _listed(_decode_listed(entry), volumes)
        except DecodeError:
            continue
        if instrument is not None:
            found.append(instrument)
    return found


def _listed(wire: _Listed, volumes: dict[str, str]) -> Instrument | None:
    parts = _symbol(wire.instrument_name)
    name = _name(wire.instrument_name)
    if parts is None or name is None:
        return None
    base, quote, perpetual, day, _, _, strike, _ = parts.groups()
    what = "deribit instrument"
    return Instrument(
        name=name,
        symbol=wire.instrument_name,
        kind="perpetual" if perpetual else "option" if strike else "future" if day else "spot",
        base=base,
        quote=quote or "USD",
        tick_size=number_or_none(what, wire.tick_size),
        lot_size=number_or_none(what, wire.min_trade_amount),
        contract_size=number_or_none(what, wire.contract_size),
        trading=wire.is_active,
        volume=volumes.get(wire.instrument_name),
    )


def _volumes(body: bytes) -> dict[str, str]:
    volumes = {}
    for entry in _decode_result(body).result:
        try:
            wire = _decode_summary(entry)
            volume = number_or_none("deribit book summary", wire.volume_notional)
            if volume is None:
                # Options have this one only.
                volume = number_or_none("deribit book summary", wire.volume_usd)
        except DecodeError:
            continue
        if volume is not None:
            volumes[wire.instrument_name] = volume
    return volumes


def _name(symbol: str) -> str | None:
    """Return our name of the venue's symbol, None if it has none."""
    parts = _symbol(symbol)
    if parts is None:
        return None
    base, quote, perpetual, day, month, year, strike, right = parts.groups()
    if not (quote or perpetual or day) or (month and month not in _MONTHS):
        return None
    name = f"{base}-{quote or 'USD'}"
    if perpetual:
        return f"{name}-PERP"
    if day:
        name += f"-{year}{_MONTHS.index(month) + 1:02}{day:0>2}"
    return f"{name}-{strike.replace('d', '.')}-{right}" if strike else name


def _to_symbol(instrument: str) -> str:
    parts = _instrument(instrument)
    accepted = (
        f"{instrument!r} cannot be a deribit instrument; write BASE-QUOTE-PERP, "
        "BASE-QUOTE-YYMMDD, BASE-QUOTE-YYMMDD-STRIKE-C|P or, for spot, BASE-QUOTE "
        "in capital letters and digits"
    )
    if parts is None:
        raise ValueError(accepted)
    base, quote, perpetual, year, month, day, strike, right = parts.groups()
    if month and not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        raise ValueError(f"{accepted}; {year}{month}{day} is no date")
    if not (perpetual or day):
        return f"{base}_{quote}"
    # Contracts that settle in the base currency have no quote in their name.
    symbol = base if quote == "USD" else f"{base}_{quote}"
    if perpetual:
        return f"{symbol}-PERPETUAL"
    symbol += f"-{int(day)}{_MONTHS[int(month) - 1]}{year}"
    return f"{symbol}-{strike.replace('.', 'd')}-{right}" if strike else symbol


def _request(method: str, topics: Sequence[Topic], request_id: int) -> bytes:
    channels = list(dict.fromkeys(topic.name for topic in topics))
    return msgspec.json.encode(
        {"jsonrpc": "2.0", "id": request_id, "method": method, "params": {"channels": channels}}
    )


_IN_STREAM = BookRule(continuity="prev_seq")  # `prev_change_id`; the first frame is a snapshot

VENUE = Venue(
    name="deribit",
    ws_url="wss://www.deribit.com/ws/api/v2",
    rest_url="https://www.deribit.com",
    docs_url="https://docs.deribit.com/articles/notifications",
    limits=Limits(
        # Nothing is published of channels per connection or per request.
        topics_per_connection=500,
        topics_per_request=100,
        request_bytes=16 * 1024,
        # public/subscribe: "Sustained rate: ~3.3 requests/second"
        requests_per_s=3.0,
        # "32 simultaneous connections per IP address", requests over HTTP included;
        # of how fast they may follow each other nothing is said.
        connects=(20, 60.0),
        connections_per_host=32,
    ),
    opening=(_HEARTBEAT,),
    channels={
        "trade": ChannelSpec(topic="trades.{symbol}.100ms", decode=_trades),
        "bbo": ChannelSpec(topic="quote.{symbol}", decode=_bbo),
        "book": ChannelSpec(topic="book.{symbol}.100ms", decode=_book),
        # Each change at once instead of every 100 ms; the venue asks for a login.
        "book_raw": ChannelSpec(topic="book.{symbol}.raw", decode=_book),
        "ticker": ChannelSpec(topic="ticker.{symbol}.100ms", decode=_ticker, at_once=True),
        "ticker_raw": ChannelSpec(topic="ticker.{symbol}.raw", decode=_ticker, at_once=True),
        "candle": ChannelSpec(
            topic="chart.trades.{symbol}.{interval}", new_decoder=closing(_candle)
        ),
        "mark": ChannelSpec(topic="ticker.{symbol}.100ms", decode=_mark, at_once=True),
        "funding": ChannelSpec(topic="ticker.{symbol}.100ms", decode=_funding, at_once=True),
        "open_interest": ChannelSpec(
            topic="ticker.{symbol}.100ms", decode=_open_interest, at_once=True
        ),
        "liquidation": ChannelSpec(topic="trades.{symbol}.100ms", decode=_liquidations),
    },
    intervals={
        "1m": "1",
        "3m": "3",
        "5m": "5",
        "10m": "10",
        "15m": "15",
        "30m": "30",
        "1h": "60",
        "2h": "120",
        "3h": "180",
        "6h": "360",
        "12h": "720",
        "1d": "1D",
    },
    to_symbol=_to_symbol,
    parse=_parse,
    subscribe=partial(_request, "public/subscribe"),
    unsubscribe=partial(_request, "public/unsubscribe"),
    backfills={
        "trade": Backfill(
            request=_past_trades_request, decode=_past_trades, most=1000, field="seq"
        ),
    },
    # A call costs 500 credits, of which 10,000 come back each second.
    rest_limits=RestLimits(weight=(20, 1.0)),
    instruments=InstrumentList(
        requests=(
            # This one costs 10,000 credits (from memory).
            RestRequest(
                path="/api/v2/public/get_instruments?currency=any&expired=false", weight=20
            ),
            *(
                RestRequest(path=f"/api/v2/public/get_book_summary_by_currency?currency={currency}")
                for currency in ("BTC", "ETH", "USDC", "USDT")
            ),
        ),
        parse=_instruments,
    ),
    books={"book": _IN_STREAM, "book_raw": _IN_STREAM},
    cryptofeed_short_days=True,
)
