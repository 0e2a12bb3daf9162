"""Coinbase Exchange, public market data.

Source: https://docs.cdp.coinbase.com/exchange/websocket-feed/channels
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from ingest.errors import DecodeError
from ingest.model import Book, Level, Ticker, Trade
from ingest.venues.base import (
    Ack,
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
    RestRequest,
    Topic,
    Venue,
)
from ingest.venues.coinbase_common import REST_LIMITS, TAKER, check_product
from ingest.venues.decoding import (
    SequenceNumber,
    check_decimals,
    decimal_or_none,
    decoder,
    levels_decoder,
    rfc3339_ns,
)

# Frames of a book do not name their channel; `level2` itself wants a login.
_BOOK = "level2_batch"
_CHANNELS = ("matches", "ticker", _BOOK)
_CHANNEL_OF = {"match": "matches", "ticker": "ticker", "snapshot": _BOOK, "l2update": _BOOK}
# last_match repeats the trade before the subscription.
_NO_DATA = ("last_match", "heartbeat", "status")
# Sent for a time that is not known, as in an l2update of 2019 (tardis-dev/tardis-node).
_NO_TIME = "0001-01-01T00:00:00.000000Z"
_MAKER = Literal["buy", "sell"]
_INSTRUMENT = re.compile(r"[A-Z0-9]+-[A-Z0-9]+").fullmatch
_NAMED_IN_ERROR = re.compile(r"([A-Z0-9]+-[A-Z0-9]+) is not a valid product").match


class _Subscribed(Struct, gc=False):
    name: str
    product_ids: list[str] | None = None


class _Frame(Struct, gc=False):
    """What tells the kinds of frames apart."""

    type: str
    product_id: str = ""
    channels: list[_Subscribed] = []
    message: str = ""
    reason: str = ""


class _PastTrade(Struct, gc=False):
    trade_id: SequenceNumber
    side: _MAKER
    price: str
    size: str
    time: str


class _Match(_PastTrade, gc=False):
    product_id: str


class _Ticker(Struct, gc=False):
    product_id: str
    price: str
    time: str | None = None
    open_24h: str | None = None
    high_24h: str | None = None
    low_24h: str | None = None
    volume_24h: str | None = None
    best_bid: str | None = None
    best_bid_size: str | None = None
    best_ask: str | None = None
    best_ask_size: str | None = None


class _Snapshot(Struct, gc=False, tag="snapshot"):
    product_id: str
    bids: Raw
    asks: Raw
    time: str | None = None


class _Update(Struct, gc=False, tag="l2update"):
    product_id: str
    changes: list[tuple[_MAKER, str, str]]
    time: str | None = None  # always today; not in frames of 2019


class _Product(Struct, gc=False):
    id: str
    base_currency: str
    quote_currency: str
    quote_increment: str | None = None
    base_increment: str | None = None
    status: str = ""
    trading_disabled: bool = False


class _Day(Struct, frozen=True, gc=False):
    last: str = ""
    volume: str = ""  # in base units


class _Stats(Struct, gc=False):
    stats_24hour: _Day = _Day()


_decode_frame = decoder(_Frame, "coinbase frame")
_decode_match = decoder(_Match, "coinbase match")
_decode_ticker = decoder(_Ticker, "coinbase ticker")
_decode_book = decoder(_Snapshot | _Update, "coinbase level2")  # type: ignore[arg-type]
_decode_levels = levels_decoder("coinbase level2", columns=2)
_decode_products = decoder(list[_Product], "coinbase products")
_decode_stats = decoder(dict[str, _Stats], "coinbase products/stats")
_decode_past_trades = decoder(list[_PastTrade], "coinbase trades")


def _parse(message: bytes) -> Inbound:
    frame = _decode_frame(message)
    channel = _CHANNEL_OF.get(frame.type)
    if channel is not None:
        return Data(f"{channel}:{frame.product_id}", message)
    if frame.type == "subscriptions":
        # All that this connection has, not only what was asked for last: so it answers
        # a request to unsubscribe, too.
        names = [f"{each.name}:{id_}" for each in frame.channels for id_ in each.product_ids or ()]
        return Ack(topics=tuple(names)) if names else Ignored("no subscriptions")
    if frame.type == "error":
        named = _NAMED_IN_ERROR(frame.reason)
        topics = tuple(f"{channel}:{named[1]}" for channel in _CHANNELS) if named else ()
        text = f"{frame.message}: {frame.reason}" if frame.reason else frame.message
        return Reject(text, topics=topics)
    if frame.type in _NO_DATA:
        return Ignored(frame.type)
    if frame.product_id:
        # Of a channel that we have no use for, such as `full` (received, open, done, …).
        return Data(f"{frame.type}:{frame.product_id}", message)
    raise DecodeError("unknown_frame", f"coinbase frame: of unknown type {frame.type[:40]!r}")


def _matches(data: Data, rx: int) -> Sequence[Trade]:
    wire = _decode_match(data.payload)
    check_product("coinbase match", data.topic, wire.product_id)
    return (_trade(wire, rx),)


def _trade(wire: _PastTrade, rx: int, *, backfill: bool | None = None) -> Trade:
    check_decimals("coinbase match", wire.price, wire.size)
    return Trade(
        rx=rx,
        ts=rfc3339_ns("coinbase match", wire.time),
        price=wire.price,
        size=wire.size,
        side=TAKER[wire.side],
        id=str(wire.trade_id),
        backfill=backfill,
    )


def _time(what: str, text: str | None) -> int | None:
    return None if text in (None, _NO_TIME) else rfc3339_ns(what, text)


def _ticker(data: Data, rx: int) -> Sequence[Ticker]:
    what = "coinbase ticker"
    wire = _decode_ticker(data.payload)
    check_product(what, data.topic, wire.product_id)
    check_decimals(what, wire.price)
    return (
        Ticker(
            rx=rx,
            ts=_time(what, wire.time),
            last=wire.price,
            open=decimal_or_none(what, wire.open_24h),
            high=decimal_or_none(what, wire.high_24h),
            low=decimal_or_none(what, wire.low_24h),
            volume=decimal_or_none(what, wire.volume_24h),
            bid=decimal_or_none(what, wire.best_bid),
            bid_size=decimal_or_none(what, wire.best_bid_size),
            ask=decimal_or_none(what, wire.best_ask),
            ask_size=decimal_or_none(what, wire.best_ask_size),
        ),
    )


def _book(data: Data, rx: int) -> Sequence[Book]:
    what = "coinbase level2"
    wire: _Snapshot | _Update = _decode_book(data.payload)
    check_product(what, data.topic, wire.product_id)
    ts = _time(what, wire.time)
    if isinstance(wire, _Snapshot):
        bids, asks = _decode_levels(wire.bids), _decode_levels(wire.asks)
        return (Book(rx=rx, ts=ts, type="snapshot", bids=bids, asks=asks),)
    sides: dict[str, list[Level]] = {"buy": [], "sell": []}
    for side, price, size in wire.changes:
        check_decimals(what, price, size)
        sides[side].append((price, size))
    return (Book(rx=rx, ts=ts, type="delta", bids=sides["buy"], asks=sides["sell"]),)


def _instruments(bodies: Sequence[bytes]) -> list[Instrument]:
    products, stats = bodies
    days = _decode_stats(stats)
    found = []
    for wire in _decode_products(products):
        if wire.id != f"{wire.base_currency}-{wire.quote_currency}" or not _INSTRUMENT(wire.id):
            continue
        day = days.get(wire.id, _Stats()).stats_24hour
        volume = None
        if day.last and day.volume:
            check_decimals("coinbase products/stats", day.last, day.volume)
            # Sent in base units only; at the last price it ranks well enough.
            volume = format(Decimal(day.volume) * Decimal(day.last), "f")
        found.append(
            Instrument(
                name=wire.id,
                symbol=wire.id,
                kind="spot",
                base=wire.base_currency,
                quote=wire.quote_currency,
                tick_size=wire.quote_increment,
                lot_size=wire.base_increment,
                trading=wire.status == "online" and not wire.trading_disabled,
                volume=volume,
            )
        )
    return found


def _past_trades_request(symbol: str, first: int, last: int) -> RestRequest:
    # after: those with smaller ids, newest first.
    return RestRequest(path=f"/products/{symbol}/trades?limit={last - first + 1}&after={last + 1}")


def _past_trades(body: bytes, rx: int) -> list[Trade]:
    return [_trade(wire, rx, backfill=True) for wire in reversed(_decode_past_trades(body))]


def _to_symbol(instrument: str) -> str:
    if not _INSTRUMENT(instrument):
        raise ValueError(
            f"{instrument!r} cannot be a coinbase instrument; "
            "write BASE-QUOTE in capital letters and digits, for example BTC-USD"
        )
    return instrument


def _request(kind: str, topics: Sequence[Topic], request_id: int) -> bytes:  # noqa: ARG001  # no ids here
    products: dict[str, list[str]] = {}
    for name in dict.fromkeys(topic.name for topic in topics):
        channel, _, product = name.partition(":")
        products.setdefault(channel, []).append(product)
    channels = [{"name": name, "product_ids": ids} for name, ids in products.items()]
    return msgspec.json.encode({"type": kind, "channels": channels})


VENUE = Venue(
    name="coinbase",
    ws_url="wss://ws-feed.exchange.coinbase.com",
    rest_url="https://api.exchange.coinbase.com",
    docs_url="https://docs.cdp.coinbase.com/exchange/websocket-feed/overview",
    limits=Limits(
        # No number is published, but who reads too slowly is cut off, and busy
        # products are to be spread over connections.
        topics_per_connection=100,
        topics_per_request=100,
        request_bytes=16 * 1024,  # not published; "message size is too large" cuts off
        # "Messages sent by the client every second per IP: 100", of all connections.
        requests_per_s=8.0,
        messages_per_host=(80, 1.0),
        connects=(8, 1.0),  # "Requests per second per IP: 8", 20 in bursts
    ),
    channels={
        # The last trade, and the ticker as it is, come first.
        "trade": ChannelSpec(topic="matches:{symbol}", decode=_matches, at_once=True),
        "book": ChannelSpec(topic=f"{_BOOK}:{{symbol}}", decode=_book),
        "ticker": ChannelSpec(topic="ticker:{symbol}", decode=_ticker, at_once=True),
    },
    intervals={},
    to_symbol=_to_symbol,
    parse=_parse,
    subscribe=partial(_request, "subscribe"),
    unsubscribe=partial(_request, "unsubscribe"),
    rest_limits=REST_LIMITS,
    instruments=InstrumentList(
        requests=(RestRequest(path="/products"), RestRequest(path="/products/stats")),
        parse=_instruments,
    ),
    books={"book": BookRule(continuity="none")},
    backfills={
        "trade": Backfill(request=_past_trades_request, decode=_past_trades, most=1000),
    },
)
