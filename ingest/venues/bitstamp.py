"""Bitstamp, public market data: spot and perpetuals.

Sizes are in base units, of perpetuals too (their contract size is 1).

Source: https://www.bitstamp.net/websocket/v2/ and https://www.bitstamp.net/api/
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from ingest.errors import DecodeError
from ingest.model import Bbo, Book, Funding, Mark, Trade
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
    Reconnect,
    Reject,
    RestBook,
    RestLimits,
    RestRequest,
    Topic,
    Venue,
)
from ingest.venues.decoding import (
    SequenceNumber,
    check_decimals,
    decoder,
    levels_decoder,
    mismatch,
    product,
    signed_number,
)

_NS_PER_US = 1000
_NS_PER_S = 1_000_000_000
_DATA_EVENTS = ("data", "trade", "funding_rate_saved")
# Of `live_orders_…`, which we have no use for.
_ORDER_EVENTS = ("order_created", "order_changed", "order_deleted")

# Still 64 bits after the step to nanoseconds.
_Microseconds = Annotated[int, Meta(ge=0, le=9_223_372_036_853_775)]
_Seconds = Annotated[int, Meta(ge=0, le=9_223_372_036)]
_Decimals = Annotated[int, Meta(ge=0, le=30)]


class _Frame(Struct, gc=False):
    """Every kind of frame."""

    event: str
    channel: str = ""
    data: Raw | UnsetType = UNSET


class _Error(Struct, gc=False):
    code: int | str | None = None
    message: str = ""


class _Trade(Struct, gc=False):
    id: SequenceNumber
    price_str: str
    amount_str: str
    microtimestamp: _Microseconds
    type: Literal[0, 1]


class _Book(Struct, gc=False):
    microtimestamp: _Microseconds
    bids: Raw
    asks: Raw


class _Funding(Struct, gc=False):
    market: str
    mark_price: Raw
    index_price: Raw
    funding_rate: Raw
    timestamp: _Seconds
    next_funding_time: _Seconds | None = None


class _Market(Struct, gc=False):
    name: str  # BTC/USD, BTC/USD-PERP
    trading: str
    base_decimals: _Decimals
    counter_decimals: _Decimals
    market_symbol: str = ""
    url_symbol: str = ""  # the same, of the older listing /trading-pairs-info/


class _Ticker(Struct, gc=False):
    volume: str
    vwap: str
    pair: str = ""
    market: str = ""


# Times are strings of digits: not strict.
_decode_frame = decoder(_Frame, "bitstamp frame")
_decode_error = decoder(_Error, "bitstamp error")
_decode_trade = decoder(_Trade, "bitstamp live_trades", strict=False)
_decode_book = decoder(_Book, "bitstamp order book", strict=False)
_decode_levels = levels_decoder("bitstamp order book", columns=2)
_decode_funding = decoder(_Funding, "bitstamp funding_rate", strict=False)
_decode_markets = decoder(list[Raw], "bitstamp markets")
_decode_market = decoder(_Market, "bitstamp market")
_decode_ticker = decoder(_Ticker, "bitstamp ticker")

_market_name = re.compile(r"([A-Z0-9]+)/([A-Z0-9]+)(-PERP)?").fullmatch
_instrument = re.compile(r"[A-Z0-9]+-[A-Z0-9]+(?:-PERP)?").fullmatch


def _parse(message: bytes) -> Inbound:
    frame = _decode_frame(message)
    if frame.event in _DATA_EVENTS:
        if frame.data is UNSET or not frame.channel:
            raise DecodeError("missing_field", f"bitstamp {frame.event}: no `channel` or no `data`")
        return Data(frame.channel, frame.data)
    return _control(frame)


def _control(frame: _Frame) -> Inbound:
    if frame.event == "bts:subscription_succeeded":
        return Ack(topics=(frame.channel,))
    if frame.event == "bts:heartbeat":
        return Pong()
    if frame.event == "bts:request_reconnect":
        return Reconnect("request_reconnect")
    if frame.event == "bts:error":
        error = _Error() if frame.data is UNSET else _decode_error(frame.data)
        code = "" if error.code is None else str(error.code)
        return Reject(error.message, code, topics=(frame.channel,) if frame.channel else ())
    if frame.event == "bts:unsubscription_succeeded":
        return Ignored("unsubscription_succeeded")
    if frame.event in _ORDER_EVENTS and frame.data is not UNSET:
        return Data(frame.channel, frame.data)
    raise DecodeError("unknown_frame", f"bitstamp frame: unknown event {frame.event[:40]!r}")


def _trade(data: Data, rx: int) -> Sequence[Trade]:
    wire = _decode_trade(data.payload)
    check_decimals("bitstamp live_trades", wire.price_str, wire.amount_str)
    return (
        Trade(
            rx=rx,
            # `timestamp` is in seconds at spot markets, in milliseconds at perpetuals.
            ts=wire.microtimestamp * _NS_PER_US,
            price=wire.price_str,
            size=wire.amount_str,
            # Of the taker: the order with the higher number came second.
            side="sell" if wire.type else "buy",
            id=str(wire.id),
        ),
    )


def _book(payload: Raw | bytes, rx: int, kind: Literal["snapshot", "delta"]) -> Book:
    wire = _decode_book(payload)
    return Book(
        rx=rx,
        ts=wire.microtimestamp * _NS_PER_US,
        type=kind,
        bids=_decode_levels(wire.bids),
        asks=_decode_levels(wire.asks),
        # The venue has no number: this time is what puts diffs and snapshots in order.
        seq=wire.microtimestamp,
    )


def _diff_order_book(data: Data, rx: int) -> Sequence[Book]:
    return (_book(data.payload, rx, "delta"),)


def _rest_book(body: bytes, rx: int) -> Book:
    return _book(body, rx, "snapshot")


def _bbo(data: Data, rx: int) -> Sequence[Bbo]:
    book = _book(data.payload, rx, "snapshot")
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


def _funding_wire(data: Data) -> _Funding:
    wire = _decode_funding(data.payload)
    if data.topic != f"funding_rate_{wire.market}":
        raise mismatch("bitstamp funding_rate", data.topic, wire.market)
    return wire


def _next_funding(wire: _Funding) -> int | None:
    return None if wire.next_funding_time is None else wire.next_funding_time * _NS_PER_S


def _mark(data: Data, rx: int) -> Sequence[Mark]:
    wire = _funding_wire(data)
    return (
        Mark(
            rx=rx,
            ts=wire.timestamp * _NS_PER_S,
            mark=signed_number("bitstamp mark_price", wire.mark_price),
            index=signed_number("bitstamp index_price", wire.index_price),
            funding_rate=signed_number("bitstamp funding_rate", wire.funding_rate),
            next_funding=_next_funding(wire),
        ),
    )


def _funding(data: Data, rx: int) -> Sequence[Funding]:
    wire = _funding_wire(data)
    return (
        Funding(
            rx=rx,
            ts=wire.timestamp * _NS_PER_S,
            rate=signed_number("bitstamp funding_rate", wire.funding_rate),
            next_funding=_next_funding(wire),
        ),
    )


def _instruments(bodies: Sequence[bytes]) -> list[Instrument]:
    volumes = dict(_quote_volumes(bodies[1])) if len(bodies) > 1 else {}
    found = []
    for entry in _decode_markets(bodies[0]):
        try:
            market = _decode_market(entry)
        except DecodeError:
            continue
        name = _market_name(market.name)
        symbol = market.market_symbol or market.url_symbol
        if not name or not symbol:
            continue
        base, quote, perpetual = name.groups()
        found.append(
            Instrument(
                name=f"{base}-{quote}{perpetual or ''}",
                symbol=symbol,
                kind="perpetual" if perpetual else "spot",
                base=base,
                quote=quote,
                tick_size=_step(market.counter_decimals),
                lot_size=_step(market.base_decimals),
                contract_size="1" if perpetual else None,
                trading=market.trading == "Enabled",
                volume=volumes.get(market.name),
            )
        )
    return found


def _quote_volumes(body: bytes) -> list[tuple[str, str]]:
    """Return the 24 h volume of each market by its name: what was traded times its mean price."""
    volumes = []
    for entry in _decode_markets(body):
        try:
            ticker = _decode_ticker(entry)
        except DecodeError:
            continue
        volume = product(ticker.volume, ticker.vwap)
        if volume is not None:
            volumes.append((ticker.pair or ticker.market, volume))
    return volumes


def _step(decimals: int) -> str:
    return "0." + "0" * (decimals - 1) + "1" if decimals else "1"


def _to_symbol(instrument: str) -> str:
    if not _instrument(instrument):
        raise ValueError(
            f"{instrument!r} cannot be a bitstamp instrument; write BASE-QUOTE or "
            "BASE-QUOTE-PERP in capital letters and digits, for example BTC-USD"
        )
    pair, perpetual, _ = instrument.partition("-PERP")
    return pair.replace("-", "").lower() + perpetual.lower()


def _request(event: str, topics: Sequence[Topic], _request_id: int) -> bytes:
    return msgspec.json.encode({"event": event, "data": {"channel": topics[0].name}})


def _rest_book_request(symbol: str) -> RestRequest:
    return RestRequest(path=f"/api/v2/order_book/{symbol}/")


VENUE = Venue(
    name="bitstamp",
    ws_url="wss://ws.bitstamp.net",
    rest_url="https://www.bitstamp.net",
    docs_url="https://www.bitstamp.net/websocket/v2/",
    limits=Limits(
        # 1,024 channel subscriptions per connection; one more closes it.
        topics_per_connection=1024,
        topics_per_request=1,
        request_bytes=511,  # frames are to be under 512 bytes; 513 close the connection
        # No rate is published. 29 subscriptions within 150 ms were taken without
        # complaint (a probe of 2026-09-15); this keeps well below.
        requests_per_s=20.0,
        connects=(60, 60.0),  # none is published either
        max_age_s=90 * 86_400.0,  # 90 days (from memory); bts:request_reconnect comes before
    ),
    channels={
        "trade": ChannelSpec(topic="live_trades_{symbol}", decode=_trade),
        # The best level of each side of whole books of up to 100 levels: the venue
        # has no smaller channel.
        "bbo": ChannelSpec(topic="order_book_{symbol}", decode=_bbo),
        "book": ChannelSpec(topic="diff_order_book_{symbol}", decode=_diff_order_book),
        # One channel of the venue, of perpetuals only, once a second.
        "mark": ChannelSpec(topic="funding_rate_{symbol}", decode=_mark),
        "funding": ChannelSpec(topic="funding_rate_{symbol}", decode=_funding),
    },
    intervals={},
    to_symbol=_to_symbol,
    parse=_parse,
    subscribe=partial(_request, "bts:subscribe"),
    unsubscribe=partial(_request, "bts:unsubscribe"),
    # Offered, not demanded; the server's own ping frames come every 54 s.
    heartbeat=Heartbeat(payload=b'{"event":"bts:heartbeat"}', after_idle_s=30.0, timeout_s=10.0),
    rest_limits=RestLimits(weight=(10_000, 600.0)),  # 10,000 requests per 10 minutes
    instruments=InstrumentList(
        requests=(RestRequest(path="/api/v2/markets/"), RestRequest(path="/api/v2/ticker/")),
        parse=_instruments,
    ),
    books={
        # "Full order book": diffs not newer than the snapshot are dropped, every later
        # one fits. Nothing in a diff would show that another one was lost.
        "book": BookRule(
            continuity="none",
            # Answers were up to 2.1 s behind the diffs when they were recorded.
            rest=RestBook(request=_rest_book_request, decode=_rest_book, age_s=4.0),
            joins=lambda _seq, _delta: True,
        )
    },
)
