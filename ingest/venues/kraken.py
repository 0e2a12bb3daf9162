"""Kraken spot, public market data, WebSocket API v2.

Numbers come as JSON numbers with all their decimals, and are kept as sent.

Source: https://docs.kraken.com/exchange/api-reference/spot-websocket-v2
"""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Final, Literal
from zlib import crc32

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from ingest.errors import DecodeError
from ingest.model import Bbo, Book, Candle, Level, Side, Ticker, Trade
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
    SequenceNumber,
    check_decimals,
    decoder,
    mismatch,
    number,
    rfc3339_ns,
)

# All that is offered of 10, 25, 100, 500 and 1000.
DEPTH = 1000
# fmt: off
INTERVALS = {  # ours to theirs, in minutes
    "1m": "1", "5m": "5", "15m": "15", "30m": "30",
    "1h": "60", "4h": "240", "1d": "1440", "1w": "10080", "15d": "21600",
}
# fmt: on
# Two assets have older names in parts of the API.
OLD_NAMES: Final = {"BTC": "XBT", "DOGE": "XDG"}
_NEW_NAMES = {old: new for new, old in OLD_NAMES.items()}
_CHANNELS = ("trade", "ticker", "book", "ohlc")
# What is subscribed together. A refusal names the symbol and our number of the
# request, not the channel: so the number tells which of these it was for.
_KINDS = ("trade", "ticker", "book", *(f"ohlc:{interval}" for interval in INTERVALS.values()))
_BOOK_TYPES: Final[dict[str, Literal["snapshot", "delta"]]] = {
    "snapshot": "snapshot",
    "update": "delta",
}
_INSTRUMENT = re.compile(r"[A-Z0-9]+-[A-Z0-9]+").fullmatch
_CHECKED_LEVELS = 10


class _Result(Struct, gc=False):
    channel: str = ""
    symbol: str = ""
    interval: int = 0


class _Frame(Struct, gc=False):
    """Every kind of frame: data, answer to a request, status."""

    channel: str = ""
    type: str = ""
    data: Raw | UnsetType = UNSET
    method: str = ""
    result: _Result | None = None
    success: bool | None = None
    error: str = ""
    symbol: str = ""
    req_id: int | None = None
    Error: str = ""


class _Head(Struct, gc=False):
    """What tells the topic of one item of `data`."""

    symbol: str = ""
    interval: int = 0


class _Trade(Struct, gc=False):
    symbol: str
    side: Side
    price: Raw
    qty: Raw
    trade_id: SequenceNumber
    timestamp: str


class _Ticker(Struct, gc=False):
    symbol: str
    bid: Raw
    bid_qty: Raw
    ask: Raw
    ask_qty: Raw
    last: Raw
    volume: Raw
    low: Raw
    high: Raw
    timestamp: str = ""  # not in the documentation of 2024 and before


class _Level(Struct, gc=False):
    price: Raw
    qty: Raw


class _Book(Struct, gc=False):
    symbol: str
    bids: list[_Level]
    asks: list[_Level]
    checksum: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    timestamp: str = ""  # snapshots had none before 2025


class _Bar(Struct, gc=False):
    symbol: str
    interval: int
    interval_begin: str
    open: Raw
    high: Raw
    low: Raw
    close: Raw
    volume: Raw
    trades: SequenceNumber


class _Pair(Struct, gc=False):
    wsname: str = ""
    pair_decimals: Annotated[int, Meta(ge=0, le=30)] | None = None
    lot_decimals: Annotated[int, Meta(ge=0, le=30)] | None = None
    tick_size: str | None = None
    status: str = "online"


class _Pairs(Struct, gc=False):
    error: list[str]
    result: dict[str, _Pair] = {}


class _Volume(Struct, gc=False):
    v: tuple[str, str]  # today, last 24 hours
    p: tuple[str, str]  # the same of the average price, weighted by volume


class _Volumes(Struct, gc=False):
    error: list[str]
    result: dict[str, _Volume] = {}


_decode_frame = decoder(_Frame, "kraken frame")
_decode_items = decoder(list[Raw], "kraken data")
_decode_heads = decoder(list[_Head], "kraken data")
_decode_trades = decoder(list[_Trade], "kraken trade")
_decode_tickers = decoder(list[_Ticker], "kraken ticker")
_decode_books = decoder(list[_Book], "kraken book")
_decode_bars = decoder(list[_Bar], "kraken ohlc")
_decode_pairs = decoder(_Pairs, "kraken AssetPairs")
_decode_volumes = decoder(_Volumes, "kraken Ticker")


def _parse(message: bytes) -> Inbound | list[Inbound]:
    frame = _decode_frame(message)
    if frame.method or frame.success is not None:
        return _answer(frame)
    if frame.channel in ("heartbeat", "status"):
        return Ignored(frame.channel)
    if frame.Error:
        # "Exceeded msg rate": it is not said which request is lost by it. The one
        # that has no answer in time is sent again.
        return Ignored(frame.Error[:80])
    if frame.error:
        return Reject(frame.error, request_id=_request_id(frame.req_id))
    if not frame.channel or frame.data is UNSET:
        raise DecodeError("unknown_frame", "kraken frame: neither data, answer nor status")
    if frame.channel not in _CHANNELS:
        # One that we have no use for, such as `instrument`, whose data is no list.
        return Data(frame.channel, frame.data, frame.type)
    heads = _decode_heads(frame.data)
    if not heads:
        return Ignored("no items")
    topics = [_topic(frame.channel, head.interval, head.symbol) for head in heads]
    if len(set(topics)) == 1:
        return Data(topics[0], frame.data, frame.type)
    parts: list[Inbound] = []
    for topic, item in zip(topics, _decode_items(frame.data), strict=True):
        parts.append(Data(topic, b"[%b]" % bytes(item), frame.type))
    return parts


def _answer(frame: _Frame) -> Inbound:
    if frame.method == "pong":
        return Pong()
    if frame.success is False or frame.error:
        number = frame.req_id
        topics: tuple[str, ...] = ()
        if frame.symbol and number is not None and number >= 0:
            topics = (f"{_KINDS[number % len(_KINDS)]}:{frame.symbol}",)
        return Reject(frame.error, request_id=_request_id(number), topics=topics)
    if frame.method == "subscribe" and frame.result is not None:
        result = frame.result
        return Ack(
            _request_id(frame.req_id),
            topics=(_topic(result.channel, result.interval, result.symbol),),
        )
    return Ignored(frame.method)


def _request_id(number: int | None) -> int | None:
    return None if number is None or number < 0 else number // len(_KINDS)


def _topic(channel: str, interval: int, symbol: str) -> str:
    return f"{channel}:{interval}:{symbol}" if channel == "ohlc" else f"{channel}:{symbol}"


def _check_symbol(what: str, topic: str, symbol: str) -> None:
    if topic.rpartition(":")[2] != symbol:
        raise mismatch(what, topic, symbol)


def _number_or_none(what: str, raw: Raw) -> str | None:
    return None if bytes(raw) == b"null" else number(what, raw)


def _time_or_none(what: str, text: str) -> int | None:
    return rfc3339_ns(what, text) if text else None


def _trades(data: Data, rx: int) -> Sequence[Trade]:
    what = "kraken trade"
    events = []
    for wire in _decode_trades(data.payload):
        _check_symbol(what, data.topic, wire.symbol)
        events.append(
            Trade(
                rx=rx,
                ts=rfc3339_ns(what, wire.timestamp),
                price=number(what, wire.price),
                size=number(what, wire.qty),
                side=wire.side,  # "the side of the taker order"
                id=str(wire.trade_id),
            )
        )
    return events


def _bbo(data: Data, rx: int) -> Sequence[Bbo]:
    what = "kraken ticker"
    events = []
    for wire in _decode_tickers(data.payload):
        _check_symbol(what, data.topic, wire.symbol)
        events.append(
            Bbo(
                rx=rx,
                ts=_time_or_none(what, wire.timestamp),
                bid=_number_or_none(what, wire.bid),
                bid_size=_number_or_none(what, wire.bid_qty),
                ask=_number_or_none(what, wire.ask),
                ask_size=_number_or_none(what, wire.ask_qty),
            )
        )
    return events


def _tickers(data: Data, rx: int) -> Sequence[Ticker]:
    what = "kraken ticker"
    events = []
    for wire in _decode_tickers(data.payload):
        _check_symbol(what, data.topic, wire.symbol)
        last = _number_or_none(what, wire.last)
        if last is None:
            continue  # never traded yet
        events.append(
            Ticker(
                rx=rx,
                ts=_time_or_none(what, wire.timestamp),
                last=last,
                high=_number_or_none(what, wire.high),
                low=_number_or_none(what, wire.low),
                volume=_number_or_none(what, wire.volume),
                bid=_number_or_none(what, wire.bid),
                bid_size=_number_or_none(what, wire.bid_qty),
                ask=_number_or_none(what, wire.ask),
                ask_size=_number_or_none(what, wire.ask_qty),
            )
        )
    return events


def _levels(levels: list[_Level]) -> list[Level]:
    return [
        (number("kraken book", level.price), number("kraken book", level.qty)) for level in levels
    ]


def _books(data: Data, rx: int) -> Sequence[Book]:
    what = "kraken book"
    kind = _BOOK_TYPES.get(data.action)
    if kind is None:
        raise DecodeError(
            "bad_value", f"{what}: type is not snapshot or update but {data.action[:40]!r}"
        )
    events = []
    for wire in _decode_books(data.payload):
        _check_symbol(what, data.topic, wire.symbol)
        events.append(
            Book(
                rx=rx,
                ts=_time_or_none(what, wire.timestamp),
                type=kind,
                bids=_levels(wire.bids),
                asks=_levels(wire.asks),
                checksum=wire.checksum,
            )
        )
    return events


def _bars(data: Data, rx: int) -> Sequence[Candle]:
    what = "kraken ohlc"
    events = []
    for wire in _decode_bars(data.payload):
        if data.topic != _topic("ohlc", wire.interval, wire.symbol):
            raise mismatch(what, data.topic, f"{wire.interval}:{wire.symbol}")
        events.append(
            Candle(
                rx=rx,
                start=rfc3339_ns(what, wire.interval_begin),
                open=number(what, wire.open),
                high=number(what, wire.high),
                low=number(what, wire.low),
                close=number(what, wire.close),
                volume=number(what, wire.volume),
                trades=wire.trades,
                closed=False,
            )
        )
    return events


def checksum(bids: Sequence[Level], asks: Sequence[Level]) -> int:
    """CRC32 over the ten best levels of each side, as both versions of the API have it.

    Source: https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2
    """
    levels = [*asks[:_CHECKED_LEVELS], *bids[:_CHECKED_LEVELS]]
    digits = [value.replace(".", "").lstrip("0") for level in levels for value in level]
    return crc32("".join(digits).encode())


def _step(decimals: int | None) -> str | None:
    if decimals is None:
        return None
    return f"0.{'0' * (decimals - 1)}1" if decimals else "1"


def list_instruments(to_symbol: Callable[[str], str], bodies: Sequence[bytes]) -> list[Instrument]:
    """Return what AssetPairs and Ticker list; *to_symbol* gives the symbol for our name."""
    pairs, volumes = _decode_pairs(bodies[0]), _decode_volumes(bodies[1])
    if pairs.error:
        raise DecodeError("bad_value", f"kraken AssetPairs: {', '.join(pairs.error)[:200]}")
    # Volumes only rank: without them the list is as right as before.
    found = []
    for key, pair in pairs.result.items():
        base, _, quote = pair.wsname.partition("/")
        base, quote = _NEW_NAMES.get(base, base), _NEW_NAMES.get(quote, quote)
        name = f"{base}-{quote}"
        if not _INSTRUMENT(name):
            continue  # dark pools have no wsname; staked and tokenized assets no name of ours
        traded = volumes.result.get(key)
        volume = None
        if traded is not None:
            check_decimals("kraken Ticker", traded.v[1], traded.p[1])
            volume = format(Decimal(traded.v[1]) * Decimal(traded.p[1]), "f")
        found.append(
            Instrument(
                name=name,
                symbol=to_symbol(name),
                kind="spot",
                base=base,
                quote=quote,
                tick_size=pair.tick_size or _step(pair.pair_decimals),
                lot_size=_step(pair.lot_decimals),
                trading=pair.status == "online",
                volume=volume,
            )
        )
    return found


LISTING: Final = (
    RestRequest(path="/0/public/AssetPairs"),
    RestRequest(path="/0/public/Ticker"),  # of all pairs
)
# One request a second stays within the limits of the public endpoints: support.kraken.com,
# "What are the API rate limits?"
REST_LIMITS: Final = RestLimits(weight=(1, 1.0))


def check_name(venue: str, instrument: str) -> None:
    """Raise ValueError, with what is accepted, for a name that no spot pair has."""
    if _INSTRUMENT(instrument):
        return
    if instrument.endswith("-PERP"):
        raise ValueError(f"{venue} is Kraken's spot market and has no {instrument!r}")
    raise ValueError(
        f"{instrument!r} cannot be a {venue} instrument; "
        "write BASE-QUOTE in capital letters and digits, for example BTC-USD"
    )


def _to_symbol(instrument: str) -> str:
    check_name("kraken", instrument)
    return instrument.replace("-", "/")


def _list(bodies: Sequence[bytes]) -> list[Instrument]:
    return list_instruments(_to_symbol, bodies)


def _kind(topic: Topic) -> str:
    return topic.name.rpartition(":")[0]


def _request(method: str, topics: Sequence[Topic], request_id: int) -> bytes:
    kind = _kind(topics[0])
    channel, _, interval = kind.partition(":")
    params: dict[str, Any] = {
        "channel": channel,
        "symbol": list(dict.fromkeys(topic.name.rpartition(":")[2] for topic in topics)),
    }
    if channel == "book":
        params["depth"] = DEPTH
    elif channel == "ticker":
        # Frames do not say which trigger they are from: one for both of our channels.
        wanted = any(topic.channel == "bbo" for topic in topics)
        params["event_trigger"] = "bbo" if wanted else "trades"
    elif method == "subscribe":
        # What lies before the subscription is no news, and comes again at each reconnect.
        params["snapshot"] = False
    if interval:
        params["interval"] = int(interval)
    number = request_id * len(_KINDS) + _KINDS.index(kind)
    return msgspec.json.encode({"method": method, "params": params, "req_id": number})


VENUE = Venue(
    name="kraken",
    ws_url="wss://ws.kraken.com/v2",
    rest_url="https://api.kraken.com",
    docs_url="https://docs.kraken.com/exchange/api-reference/spot-websocket-v2",
    limits=Limits(
        # No number is published; ours, so that a lost connection costs few.
        topics_per_connection=250,
        topics_per_request=50,
        request_bytes=16 * 1024,
        # Not published either. More than some 15 requests at once are met with
        # "Exceeded msg rate" (nautilus_trader; knowm/XChange issue 502).
        requests_per_s=1.0,
        # By address: "approximately 150 attempts per rolling 10 minutes", then a ban of 10.
        connects=(140, 600.0),
        ack_timeout_s=15.0,
    ),
    channels={
        "trade": ChannelSpec(topic="trade:{symbol}", decode=_trades),
        # "snapshot: request a snapshot after subscribing", which is the default
        "bbo": ChannelSpec(topic="ticker:{symbol}", decode=_bbo, at_once=True),
        "book": ChannelSpec(topic="book:{symbol}", decode=_books),
        "ticker": ChannelSpec(topic="ticker:{symbol}", decode=_tickers, at_once=True),
        "candle": ChannelSpec(topic="ohlc:{interval}:{symbol}", new_decoder=closing(_bars)),
    },
    intervals=INTERVALS,
    to_symbol=_to_symbol,
    parse=_parse,
    subscribe=partial(_request, "subscribe"),
    unsubscribe=partial(_request, "unsubscribe"),
    request_group=_kind,
    # Something comes every second, "heartbeat" if nothing else: 5 s of silence are
    # the documentation's sign of a dead connection.
    heartbeat=Heartbeat(payload=b'{"method":"ping"}', after_idle_s=5.0, timeout_s=5.0),
    rest_limits=REST_LIMITS,
    instruments=InstrumentList(requests=LISTING, parse=_list),
    # No numbers: only the checksum, over the book cut to the depth, shows a loss.
    books={"book": BookRule(continuity="none", checksum=checksum, depth=DEPTH)},
)
