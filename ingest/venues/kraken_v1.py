"""Kraken spot, public market data, WebSocket API v1: frozen, still served.

Trades have no ids, books no sequence numbers. New feeds are better off with `kraken`.

Source: https://docs.kraken.com/exchange/api-reference/spot-websocket-v1
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

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
    Reconnect,
    Reject,
    Topic,
    Venue,
)
from ingest.venues.candles import closing
from ingest.venues.decoding import (
    NS_PER_S,
    SequenceNumber,
    check_decimals,
    decimal_or_none,
    decoder,
    seconds_ns,
)
from ingest.venues.kraken import (
    DEPTH,
    INTERVALS,
    LISTING,
    OLD_NAMES,
    REST_LIMITS,
    check_name,
    checksum,
    list_instruments,
)

_SIDES: Final[dict[str, Side]] = {"b": "buy", "s": "sell"}
# Number of the channel, one or two payloads, channel, pair.
_LENGTHS = (4, 5)
# price, size, time, and "r" where the level is published once more
_Row = Annotated[list[str], Meta(min_length=3, max_length=4)]


class _Subscription(Struct, gc=False):
    name: str = ""
    depth: int | None = None
    interval: int | None = None


class _Event(Struct, gc=False):
    event: str = ""
    status: str = ""
    channelName: str = ""
    pair: str = ""
    errorMessage: str = ""
    reqid: int | None = None
    subscription: _Subscription | None = None
    Error: str = ""


class _Ticker(Struct, gc=False):
    a: tuple[str, Raw, str]  # price, whole lots, size
    b: tuple[str, Raw, str]
    c: tuple[str, str]  # price, size
    v: tuple[str, str]  # today, last 24 hours; so the rest
    t: tuple[SequenceNumber, SequenceNumber]
    l: tuple[str, str]  # noqa: E741  # the venue's name
    h: tuple[str, str]
    o: tuple[str, str]


class _Trade(Struct, array_like=True, gc=False):
    """As a list, which may go on: with order type, miscellaneous and more."""

    price: str
    size: str
    time: str
    side: Literal["b", "s"]
    order_type: str
    misc: str


class _Spread(Struct, array_like=True, gc=False):
    bid: str
    ask: str
    time: str
    bid_size: str | None = None  # neither size before 2019
    ask_size: str | None = None


class _Bar(Struct, array_like=True, gc=False):
    time: str
    end: str
    open: str
    high: str
    low: str
    close: str
    average: str
    volume: str
    trades: SequenceNumber


class _Book(Struct, gc=False):
    # Named as the venue has it: whole sides in a snapshot, changes in an update.
    as_: list[_Row] | None = msgspec.field(default=None, name="as")
    bs: list[_Row] | None = None
    a: list[_Row] = []
    b: list[_Row] = []
    c: Annotated[str, Meta(pattern="^[0-9]{1,10}$")] | None = None


_decode_list = decoder(list[Raw], "kraken-v1 frame")
_decode_text = decoder(str, "kraken-v1 frame")
_decode_event = decoder(_Event, "kraken-v1 frame")
_decode_trades = decoder(list[_Trade], "kraken-v1 trade")
_decode_spread = decoder(_Spread, "kraken-v1 spread")
_decode_ticker = decoder(_Ticker, "kraken-v1 ticker")
_decode_books = decoder(list[_Book], "kraken-v1 book")
_decode_bar = decoder(_Bar, "kraken-v1 ohlc")


def _parse(message: bytes) -> Inbound:
    if not message.startswith(b"["):
        return _control(_decode_event(message))
    parts = _decode_list(message)
    if len(parts) not in _LENGTHS:
        raise DecodeError("unknown_frame", f"kraken-v1 frame: a list of {len(parts)}")
    channel, pair = _decode_text(parts[-2]), _decode_text(parts[-1])
    topic = _topic(channel, pair)
    if not channel.startswith("book"):
        if len(parts) != min(_LENGTHS):
            raise DecodeError("unknown_frame", f"kraken-v1 frame: two payloads of {channel[:40]!r}")
        return Data(topic, parts[1])
    # A change of both sides comes as two objects, of which one has the checksum.
    return Data(topic, b"[%b]" % b",".join(bytes(part) for part in parts[1:-2]))


def _control(frame: _Event) -> Inbound:
    if frame.event == "subscriptionStatus":
        return _subscription_status(frame)
    if frame.event == "pong":
        return Pong()
    if frame.event in ("heartbeat", "systemStatus"):
        return Ignored(frame.event)
    if frame.event == "error":
        return Reject(frame.errorMessage, request_id=frame.reqid)
    if frame.Error:
        # As in `kraken`: the request that this was for is sent again.
        return Ignored(frame.Error[:80])
    raise DecodeError("unknown_frame", f"kraken-v1 frame: unknown event {frame.event[:40]!r}")


def _subscription_status(frame: _Event) -> Inbound:
    if frame.status == "subscribed":
        return Ack(frame.reqid, topics=(_topic(frame.channelName, frame.pair),))
    if frame.status == "error":
        topics: tuple[str, ...] = ()
        if frame.pair and frame.subscription is not None:
            asked = frame.subscription
            parts = (asked.name, asked.depth or asked.interval, frame.pair)
            topics = (":".join(str(part) for part in parts if part is not None),)
        return Reject(frame.errorMessage, request_id=frame.reqid, topics=topics)
    if frame.status == "unsubscribed":
        if frame.reqid is not None:
            return Ignored("unsubscribed")
        # Not at our wish, which has a number: a fresh connection subscribes anew.
        return Reconnect("unsubscribed by the venue", lost=True)
    raise DecodeError("unknown_frame", f"kraken-v1: subscription is {frame.status[:40]!r}")


def _topic(channel: str, pair: str) -> str:
    return f"{channel.replace('-', ':', 1)}:{pair}"  # book-1000, ohlc-5


def _trades(data: Data, rx: int) -> Sequence[Trade]:
    what = "kraken-v1 trade"
    events = []
    for wire in _decode_trades(data.payload):
        check_decimals(what, wire.price, wire.size)
        events.append(
            Trade(
                rx=rx,
                ts=seconds_ns(what, wire.time),
                price=wire.price,
                size=wire.size,
                side=_SIDES[wire.side],
            )
        )
    return events


def _bbo(data: Data, rx: int) -> Sequence[Bbo]:
    what = "kraken-v1 spread"
    wire = _decode_spread(data.payload)
    check_decimals(what, wire.bid, wire.ask)
    return (
        Bbo(
            rx=rx,
            ts=seconds_ns(what, wire.time),
            bid=wire.bid,
            bid_size=decimal_or_none(what, wire.bid_size),
            ask=wire.ask,
            ask_size=decimal_or_none(what, wire.ask_size),
        ),
    )


def _tickers(data: Data, rx: int) -> Sequence[Ticker]:
    wire = _decode_ticker(data.payload)
    ticker = Ticker(
        rx=rx,
        last=wire.c[0],
        open=wire.o[1],
        high=wire.h[1],
        low=wire.l[1],
        volume=wire.v[1],
        bid=wire.b[0],
        bid_size=wire.b[2],
        ask=wire.a[0],
        ask_size=wire.a[2],
        trades=wire.t[1],
    )
    check_decimals("kraken-v1 ticker", wire.c[0], wire.o[1], wire.h[1], wire.l[1], wire.v[1])
    check_decimals("kraken-v1 ticker", wire.b[0], wire.b[2], wire.a[0], wire.a[2])
    return (ticker,)


def _levels(rows: list[list[str]]) -> list[Level]:
    for row in rows:
        check_decimals("kraken-v1 book", row[0], row[1])
    return [(row[0], row[1]) for row in rows]


def _books(data: Data, rx: int) -> Sequence[Book]:
    what = "kraken-v1 book"
    bids: list[list[str]] = []
    asks: list[list[str]] = []
    found = None
    is_snapshot = False
    for wire in _decode_books(data.payload):
        if wire.as_ is not None or wire.bs is not None:
            is_snapshot = True
        bids += wire.bs or wire.b
        asks += wire.as_ or wire.a
        found = wire.c or found
    if is_snapshot:
        # No time of its own: a level's is when it last changed.
        return (Book(rx=rx, type="snapshot", bids=_levels(bids), asks=_levels(asks)),)
    if not bids and not asks:
        raise DecodeError("missing_field", f"{what}: neither a snapshot nor changed levels")
    changed = [seconds_ns(what, row[2]) for row in (*bids, *asks)]
    return (
        Book(
            rx=rx,
            ts=max(changed),  # levels published once more have old times
            type="delta",
            bids=_levels(bids),
            asks=_levels(asks),
            checksum=None if found is None else int(found),
        ),
    )


def _bars(data: Data, rx: int) -> Sequence[Candle]:
    what = "kraken-v1 ohlc"
    bar = _decode_bar(data.payload)
    check_decimals(what, bar.open, bar.high, bar.low, bar.close, bar.volume)
    end_ns = seconds_ns(what, bar.end)
    minutes = data.topic.split(":")[1]
    return (
        Candle(
            rx=rx,
            ts=seconds_ns(what, bar.time),
            start=end_ns - int(minutes) * 60 * NS_PER_S,  # not sent
            end=end_ns,
            open=bar.open,
            high=bar.high,
            low=bar.low,
            close=bar.close,
            volume=bar.volume,
            trades=bar.trades,
            closed=False,
        ),
    )


def _to_symbol(instrument: str) -> str:
    check_name("kraken-v1", instrument)
    return "/".join(OLD_NAMES.get(asset, asset) for asset in instrument.split("-"))


def _list(bodies: Sequence[bytes]) -> list[Instrument]:
    return list_instruments(_to_symbol, bodies)


def _kind(topic: Topic) -> str:
    return topic.name.rpartition(":")[0]


def _request(event: str, topics: Sequence[Topic], request_id: int) -> bytes:
    name, _, number = _kind(topics[0]).partition(":")
    subscription: dict[str, Any] = {"name": name}
    if number:
        subscription["depth" if name == "book" else "interval"] = int(number)
    return msgspec.json.encode(
        {
            "event": event,
            "reqid": request_id,
            "pair": [topic.name.rpartition(":")[2] for topic in topics],
            "subscription": subscription,
        }
    )


VENUE = Venue(
    name="kraken-v1",
    ws_url="wss://ws.kraken.com",
    rest_url="https://api.kraken.com",
    docs_url="https://docs.kraken.com/exchange/api-reference/spot-websocket-v1",
    # As for `kraken`: the same servers.
    limits=Limits(
        topics_per_connection=250,
        topics_per_request=50,
        request_bytes=16 * 1024,
        requests_per_s=1.0,
        connects=(140, 600.0),
        ack_timeout_s=15.0,
    ),
    channels={
        "trade": ChannelSpec(topic="trade:{symbol}", decode=_trades),
        "bbo": ChannelSpec(topic="spread:{symbol}", decode=_bbo),
        "book": ChannelSpec(topic=f"book:{DEPTH}:{{symbol}}", decode=_books),
        # It came at once in all recordings.
        "ticker": ChannelSpec(topic="ticker:{symbol}", decode=_tickers, at_once=True),
        "candle": ChannelSpec(topic="ohlc:{interval}:{symbol}", new_decoder=closing(_bars)),
    },
    intervals=INTERVALS,
    to_symbol=_to_symbol,
    parse=_parse,
    subscribe=partial(_request, "subscribe"),
    unsubscribe=partial(_request, "unsubscribe"),
    request_group=_kind,
    heartbeat=Heartbeat(payload=b'{"event":"ping"}', after_idle_s=5.0, timeout_s=5.0),
    rest_limits=REST_LIMITS,
    instruments=InstrumentList(requests=LISTING, parse=_list),
    books={"book": BookRule(continuity="none", checksum=checksum, depth=DEPTH)},
    nautilus_symbol=lambda instrument: instrument.replace("-", "/"),  # not by the old names
)
