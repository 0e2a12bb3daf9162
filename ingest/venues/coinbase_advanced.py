"""Coinbase Advanced Trade, public market data: spot, and perpetuals of the international market.

A message may be of several products: `parse` takes it apart. `Data.payload` is one
item, `Data.action` the time in the message's envelope.

Source: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from ingest.errors import DecodeError
from ingest.model import Book, Candle, Level, Ticker, Trade
from ingest.venues.base import (
    Ack,
    BookRule,
    ChannelSpec,
    Data,
    Ignored,
    Inbound,
    Instrument,
    InstrumentList,
    Limits,
    Parse,
    Reconnect,
    Reject,
    RestRequest,
    Topic,
    Venue,
)
from ingest.venues.candles import closing
from ingest.venues.coinbase_common import REST_LIMITS, TAKER, check_product
from ingest.venues.decoding import (
    SequenceNumber,
    check_decimals,
    decimal_or_none,
    decoder,
    rfc3339_ns,
)

_NS_PER_S = 1_000_000_000
_SPOT = re.compile(r"[A-Z0-9]+-[A-Z0-9]+").fullmatch
_PERPETUAL = re.compile(r"([A-Z0-9]+)-USDC-PERP").fullmatch
# BTC-USDC is answered with BTC-USD, which it shares a book with, but for these two.
_OWN_USDC_BOOK = ("USDT-USDC", "EURC-USDC")


_CHANNELS = ("market_trades", "ticker", "candles")  # whose events are lists of items


class _Frame(Struct, gc=False):
    channel: str = ""
    timestamp: str = ""
    sequence_num: SequenceNumber | None = None
    events: list[Raw] = []
    type: str = ""
    message: str = ""


class _Event(Struct, gc=False):
    """Items of one event, by channel."""

    type: str = ""
    product_id: str = ""
    trades: list[Raw] = []
    tickers: list[Raw] = []
    candles: list[Raw] = []
    subscriptions: dict[str, list[str] | None] = {}


class _Item(Struct, gc=False):
    product_id: str
    start: int = 0  # of a candle


class _Trade(Struct, gc=False):
    product_id: str
    trade_id: Annotated[str, Meta(min_length=1, max_length=64)]
    price: str
    size: str
    side: Literal["BUY", "SELL"]
    time: str


class _Ticker(Struct, gc=False):
    product_id: str
    price: str
    volume_24_h: str | None = None
    low_24_h: str | None = None
    high_24_h: str | None = None
    best_bid: str | None = None
    best_bid_quantity: str | None = None
    best_ask: str | None = None
    best_ask_quantity: str | None = None


class _Candle(Struct, gc=False):
    product_id: str
    start: Annotated[int, Meta(ge=0, lt=2**63 // _NS_PER_S)]  # Unix seconds
    open: str
    high: str
    low: str
    close: str
    volume: str


class _Level(Struct, gc=False):
    side: Literal["bid", "offer"]
    price_level: str
    new_quantity: str


class _Book(Struct, gc=False):
    type: Literal["snapshot", "update"]
    product_id: str
    updates: list[_Level]


class _FutureDetails(Struct, gc=False):
    contract_root_unit: str = ""
    contract_size: str = ""


class _Product(Struct, gc=False):
    product_id: str
    product_type: str = ""
    base_currency_id: str = ""
    quote_currency_id: str = ""
    price_increment: str = ""
    base_increment: str = ""
    approximate_quote_24h_volume: str = ""
    status: str = ""
    is_disabled: bool = False
    trading_disabled: bool = False
    future_product_details: _FutureDetails | None = None


class _Products(Struct, gc=False):
    products: list[_Product]


_decode_frame = decoder(_Frame, "coinbase-advanced frame")
_decode_event = decoder(_Event, "coinbase-advanced event")
_decode_trade = decoder(_Trade, "coinbase-advanced market_trades")
_decode_ticker = decoder(_Ticker, "coinbase-advanced ticker")
_decode_book = decoder(_Book, "coinbase-advanced level2")
# `start` comes as a string of digits: not strict.
_decode_item = decoder(_Item, "coinbase-advanced item", strict=False)
_decode_candle = decoder(_Candle, "coinbase-advanced candles", strict=False)
_decode_products = decoder(_Products, "coinbase-advanced products")


def _new_parser() -> Parse:
    """Build the parser of one connection, which numbers all its messages in a row."""
    expected: int | None = None
    has_gap = False

    def parse(message: bytes) -> Inbound | list[Inbound]:
        nonlocal expected, has_gap
        frame = _decode_frame(message)
        number = frame.sequence_num
        if number is not None:
            due, expected = expected, max(expected or 0, number + 1)
            if due is not None and number < due:
                return Ignored("repeated sequence_num")
            if due is not None and number > due and not has_gap:
                # What is missing may be of any topic: only a new connection makes
                # every book whole again.
                has_gap = True
                text = f"sequence_num {number} after {due - 1}: messages were lost"
                return Reconnect(text, lost=True)
        return Ignored("after a lost message") if has_gap else _split(frame)

    return parse


def _split(frame: _Frame) -> Inbound | list[Inbound]:
    if frame.type == "error":
        return Reject(frame.message)
    if frame.channel == "heartbeats":
        return Ignored("heartbeats")
    events = [(_decode_event(raw), raw) for raw in frame.events]
    if frame.channel == "subscriptions":
        # All that this connection has, not only what was asked for last: so it answers
        # a request to unsubscribe, too.
        topics = tuple(
            f"{channel}:{product}"
            for event, _ in events
            for channel, products in event.subscriptions.items()
            for product in products or ()
        )
        return Ack(topics=topics) if topics else Ignored("no subscriptions")
    if frame.channel == "l2_data":
        at = frame.timestamp
        return [Data(f"level2:{event.product_id}", raw, at) for event, raw in events]
    items: list[Raw] = []
    for event, _ in events:
        if frame.channel == "market_trades":
            # The snapshot holds trades from before the subscription.
            items += event.trades if event.type == "update" else []
        elif frame.channel == "ticker":
            items += event.tickers
        elif frame.channel == "candles":
            items += event.candles if event.type == "update" else _latest(event.candles)
    parts: list[Inbound] = [
        Data(f"{frame.channel}:{_decode_item(raw).product_id}", raw, frame.timestamp)
        for raw in items
    ]
    if frame.channel and frame.channel not in _CHANNELS:
        # Such as `status` or `ticker_batch`, which we have no use for.
        parts = [Data(f"{frame.channel}:{event.product_id}", raw) for event, raw in events]
    if parts:
        return parts
    if frame.channel == "market_trades":
        return Ignored("past trades")
    text = f"coinbase-advanced frame: of unknown channel {frame.channel[:40]!r}, or empty"
    raise DecodeError("unknown_frame", text)


def _latest(candles: list[Raw]) -> list[Raw]:
    """Leave out of a snapshot what is over: bars from before the subscription."""
    latest: dict[str, tuple[int, Raw]] = {}
    for raw in candles:
        item = _decode_item(raw)
        if item.start >= latest.get(item.product_id, (0, raw))[0]:
            latest[item.product_id] = item.start, raw
    return [raw for _, raw in latest.values()]


def _trades(data: Data, rx: int) -> Sequence[Trade]:
    what = "coinbase-advanced market_trades"
    wire = _decode_trade(data.payload)
    check_product(what, data.topic, wire.product_id)
    check_decimals(what, wire.price, wire.size)
    return (
        Trade(
            rx=rx,
            ts=rfc3339_ns(what, wire.time),
            price=wire.price,
            size=wire.size,
            side=TAKER[wire.side],
            id=wire.trade_id,
        ),
    )


def _ticker(data: Data, rx: int) -> Sequence[Ticker]:
    what = "coinbase-advanced ticker"
    wire = _decode_ticker(data.payload)
    check_product(what, data.topic, wire.product_id)
    check_decimals(what, wire.price)
    return (
        Ticker(
            rx=rx,
            ts=rfc3339_ns(what, data.action),
            last=wire.price,
            high=decimal_or_none(what, wire.high_24_h),
            low=decimal_or_none(what, wire.low_24_h),
            volume=decimal_or_none(what, wire.volume_24_h),
            bid=decimal_or_none(what, wire.best_bid),
            bid_size=decimal_or_none(what, wire.best_bid_quantity),
            ask=decimal_or_none(what, wire.best_ask),
            ask_size=decimal_or_none(what, wire.best_ask_quantity),
        ),
    )


def _candle(data: Data, rx: int) -> Candle:
    what = "coinbase-advanced candles"
    wire = _decode_candle(data.payload)
    check_product(what, data.topic, wire.product_id)
    check_decimals(what, wire.open, wire.high, wire.low, wire.close, wire.volume)
    return Candle(
        rx=rx,
        ts=rfc3339_ns(what, data.action),
        start=wire.start * _NS_PER_S,
        open=wire.open,
        high=wire.high,
        low=wire.low,
        close=wire.close,
        volume=wire.volume,
        closed=False,  # never said: the next one closes it
    )


def _book(data: Data, rx: int) -> Sequence[Book]:
    what = "coinbase-advanced level2"
    wire = _decode_book(data.payload)
    check_product(what, data.topic, wire.product_id)
    sides: dict[str, list[Level]] = {"bid": [], "offer": []}
    for level in wire.updates:
        check_decimals(what, level.price_level, level.new_quantity)
        sides[level.side].append((level.price_level, level.new_quantity))
    return (
        Book(
            rx=rx,
            ts=rfc3339_ns(what, data.action),
            type="snapshot" if wire.type == "snapshot" else "delta",
            bids=sides["bid"],
            asks=sides["offer"],
        ),
    )


def _instruments(bodies: Sequence[bytes]) -> list[Instrument]:
    what = "coinbase-advanced products"
    found = []
    for wire in _decode_products(bodies[0]).products:
        future = wire.future_product_details
        base = wire.base_currency_id or (future.contract_root_unit if future else "")
        quote = wire.quote_currency_id
        kind: Literal["spot", "perpetual"] = "perpetual" if future else "spot"
        name = f"{base}-{quote}-PERP" if future else f"{base}-{quote}"
        try:
            if _to_symbol(name) != wire.product_id:
                continue
        except ValueError:
            continue
        found.append(
            Instrument(
                name=name,
                symbol=wire.product_id,
                kind=kind,
                base=base,
                quote=quote,
                tick_size=decimal_or_none(what, wire.price_increment),
                lot_size=decimal_or_none(what, wire.base_increment),
                contract_size=decimal_or_none(what, future.contract_size) if future else None,
                trading=wire.status in ("online", "")
                and not (wire.is_disabled or wire.trading_disabled),
                volume=decimal_or_none(what, wire.approximate_quote_24h_volume),
            )
        )
    return found


def _to_symbol(instrument: str) -> str:
    perpetual = _PERPETUAL(instrument)
    if perpetual:
        return f"{perpetual[1]}-PERP-INTX"
    if not _SPOT(instrument):
        raise ValueError(
            f"{instrument!r} cannot be a coinbase-advanced instrument; write BASE-QUOTE or "
            "BASE-USDC-PERP in capital letters and digits, for example BTC-USD"
        )
    if instrument.endswith("-USDC") and instrument not in _OWN_USDC_BOOK:
        raise ValueError(
            f"coinbase-advanced has one book for {instrument} and {instrument[:-1]}, "
            f"and sends it as the latter; write {instrument[:-1]}"
        )
    return instrument


def _channel(topic: Topic) -> str:
    return topic.name.partition(":")[0]


def _request(kind: str, topics: Sequence[Topic], request_id: int) -> bytes:  # noqa: ARG001  # no ids here
    products = list(dict.fromkeys(topic.name.partition(":")[2] for topic in topics))
    request = {"type": kind, "channel": _channel(topics[0]), "product_ids": products}
    return msgspec.json.encode(request)


VENUE = Venue(
    name="coinbase-advanced",
    ws_url="wss://advanced-trade-ws.coinbase.com",
    rest_url="https://api.coinbase.com",
    docs_url="https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview",
    limits=Limits(
        # No number is published. Books are sent whole, of a busy product in some 5 MB,
        # and a lost message costs all topics of its connection: few are better.
        topics_per_connection=30,
        topics_per_request=30,
        request_bytes=16 * 1024,  # not published
        # "unauthenticated messages are rate-limited at 8 per second per IP address": those
        # of all connections together, the first of each among them.
        requests_per_s=4.0,
        messages_per_host=(4, 1.0),
        connects=(3, 1.0),  # "rate-limited at 8 per second per IP address"; see above
    ),
    channels={
        "trade": ChannelSpec(topic="market_trades:{symbol}", decode=_trades),
        "book": ChannelSpec(topic="level2:{symbol}", decode=_book),
        "ticker": ChannelSpec(topic="ticker:{symbol}", decode=_ticker),
        "candle": ChannelSpec(topic="candles:{symbol}", new_decoder=closing(_candle)),
    },
    intervals={"5m": "FIVE_MINUTE"},  # the only one, and never asked for
    to_symbol=_to_symbol,
    new_parser=_new_parser,
    subscribe=partial(_request, "subscribe"),
    unsubscribe=partial(_request, "unsubscribe"),
    request_group=_channel,  # "one channel per subscription message"
    # Without it, "most channels close within 60-90 seconds if no updates are sent".
    opening=(b'{"type":"subscribe","channel":"heartbeats"}',),
    rest_limits=REST_LIMITS,
    instruments=InstrumentList(
        requests=(RestRequest(path="/api/v3/brokerage/market/products"),),
        parse=_instruments,
    ),
    books={"book": BookRule(continuity="none")},
)
