"""What the perpetuals of Gate (gate.io) have in common on the wire, WebSocket v4.

There is a server for each settlement currency. Sizes are in contracts, as sent.

Source: https://www.gate.com/docs/developers/futures/ws/en/ (August 2026)
"""

import re
from collections.abc import Callable, Mapping, Sequence
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
    Level,
    Liquidation,
    Mark,
    OpenInterest,
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
    Reconnect,
    Reject,
    RestBook,
    RestLimits,
    RestRequest,
    Topic,
    Venue,
)
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
    number,
    number_or_none,
    seconds_ns,
    signed_number,
    size_and_side,
)

# fmt: off
_INTERVALS: Final = {
    "10s": "10s", "1m": "1m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "1h",
    "4h": "4h", "8h": "8h", "1d": "1d", "1w": "7d",
}
# fmt: on
# Without it, sizes come as integers: what is behind the point is cut off.
_HEADERS: Final = {"X-Gate-Size-Decimal": "1"}

_TRADES: Final = "futures.trades"
_BBO: Final = "futures.book_ticker"
_BOOK: Final = "futures.order_book_update"
_BOOK_V2: Final = "futures.obu"
_TICKERS: Final = "futures.tickers"
_CANDLES: Final = "futures.candlesticks"
_STATS: Final = "futures.contract_stats"
_LIQUIDATIONS: Final = "futures.public_liquidates"

# One topic a request, with what more its payload has: not a list of contracts.
_SINGLE: Final = (_BOOK, _CANDLES, _STATS)
_BOOK_DEPTH = 100  # the most that the channel has, and how often
_BOOK_SPEED = "100ms"
_STATS_INTERVAL = "1m"
# Required; only requests that are signed have theirs checked.
_TIME = 123456
_CONTRACT = re.compile(r"([A-Z0-9]+)_([A-Z0-9]+)").fullmatch
_PERPETUAL = re.compile(r"[A-Z0-9]+-[A-Z0-9]+-PERP").fullmatch
_WORDS = re.compile(r"[a-z_]{0,40}").fullmatch

_Seconds = Annotated[int, Meta(ge=0, le=9_223_372_036)]


class _Error(Struct, gc=False):
    code: int | str = ""
    message: str = ""


class _Head(Struct, gc=False):
    """What of `result`, or of each of its items, tells the topic."""

    contract: str = ""
    s: str = ""
    n: str = ""
    type: str = ""


class _Frame(Struct, gc=False):
    """Every kind of frame."""

    channel: str = ""
    event: str = ""
    id: int | None = None
    error: _Error | None = None
    result: _Head | list[_Head] | None = None


class _Trade(Struct, gc=False):
    contract: str
    id: SequenceNumber
    create_time_ms: Milliseconds
    price: str
    size: Raw


class _TradeFrame(Struct, gc=False):
    result: list[_Trade]


class _BookTicker(Struct, gc=False):
    t: Milliseconds
    u: SequenceNumber
    s: str
    b: str
    B: Raw
    a: str
    A: Raw


class _BookTickerFrame(Struct, gc=False):
    result: _BookTicker


class _Level(Struct, gc=False):
    p: str
    s: Raw


class _Update(Struct, gc=False):
    t: Milliseconds
    s: str
    U: SequenceNumber
    u: SequenceNumber
    b: list[_Level] = []
    a: list[_Level] = []
    full: bool = False


class _UpdateFrame(Struct, gc=False):
    result: _Update


class _UpdateV2(Struct, gc=False):
    t: Milliseconds
    s: str
    u: SequenceNumber
    U: SequenceNumber | None = None
    b: Raw = Raw(b"[]")  # absent where only the numbers go on
    a: Raw = Raw(b"[]")
    full: bool = False


class _UpdateV2Frame(Struct, gc=False):
    result: _UpdateV2


class _Ticker(Struct, gc=False):
    contract: str
    last: str = ""
    high_24h: str = ""
    low_24h: str = ""
    volume_24h_base: str = ""
    volume_24h_quote: str = ""
    mark_price: str = ""
    index_price: str = ""
    funding_rate: str = ""
    funding_next_apply: _Seconds | None = None
    t: Milliseconds | None = None


class _TickerFrame(Struct, gc=False):
    result: list[_Ticker]
    time_ms: Milliseconds | None = None


class _Bar(Struct, gc=False):
    t: _Seconds
    o: str
    h: str
    l: str  # noqa: E741  # the venue's name
    c: str
    n: str
    v: Raw = Raw()  # contracts
    a: str = ""  # in quote units
    w: bool = False


class _BarFrame(Struct, gc=False):
    result: list[_Bar]
    time_ms: Milliseconds | None = None


class _Stats(Struct, gc=False):
    contract: str
    open_interest: Raw = Raw()


class _StatsFrame(Struct, gc=False):
    result: list[_Stats]
    time_ms: Milliseconds | None = None


class _Liquidation(Struct, gc=False):
    contract: str
    price: Raw
    size: Raw
    time_ms: Milliseconds | None = None
    time: Milliseconds | None = None  # its name since August 2026


class _LiquidationFrame(Struct, gc=False):
    result: list[_Liquidation]


class _RestBook(Struct, gc=False):
    id: SequenceNumber
    asks: list[_Level]
    bids: list[_Level]
    update: Raw = Raw()  # seconds, with decimals


class _Contract(Struct, gc=False):
    name: str
    order_price_round: str = ""
    order_size_min: Raw = Raw()
    quanto_multiplier: str = ""
    status: str = "trading"
    in_delisting: bool = False


class _Volume(Struct, gc=False):
    contract: str
    volume_24h_quote: str = ""


_decode_frame = decoder(_Frame, "gateio futures frame")
_decode_trades = decoder(_TradeFrame, f"gateio {_TRADES}")
_decode_book_ticker = decoder(_BookTickerFrame, f"gateio {_BBO}")
_decode_update = decoder(_UpdateFrame, f"gateio {_BOOK}")
_decode_update_v2 = decoder(_UpdateV2Frame, f"gateio {_BOOK_V2}")
_decode_levels = levels_decoder(f"gateio {_BOOK_V2}", columns=2)
_decode_tickers = decoder(_TickerFrame, f"gateio {_TICKERS}")
_decode_bars = decoder(_BarFrame, f"gateio {_CANDLES}")
_decode_stats = decoder(_StatsFrame, f"gateio {_STATS}")
_decode_liquidations = decoder(_LiquidationFrame, f"gateio {_LIQUIDATIONS}")
_decode_rest_book = decoder(_RestBook, "gateio futures order_book over REST")
_decode_contracts = decoder(list[_Contract], "gateio futures contracts")
_decode_volumes = decoder(list[_Volume], "gateio futures tickers over REST")


def _parse(message: bytes) -> Inbound | list[Inbound]:
    frame = _decode_frame(message)
    if frame.channel == "futures.pong":
        return Pong()
    if frame.error is not None:
        return Reject(frame.error.message, str(frame.error.code), frame.id)
    if frame.event == "update" and frame.result is not None:
        if isinstance(frame.result, _Head):
            return _of_one(frame.channel, frame.result, message)
        topics = dict.fromkeys(_topic(frame.channel, head) for head in frame.result)
        # Whole, to each topic in it, as the time stands outside of `result`.
        return [Data(topic, message) for topic in topics]
    if frame.event == "subscribe":
        return Ack(frame.id)
    if frame.event == "unsubscribe":
        return Ignored(frame.event)
    raise DecodeError(
        "unknown_frame",
        f"gateio futures frame: event {frame.event[:40]!r} of {frame.channel[:40]!r}",
    )


def _of_one(channel: str, head: _Head, message: bytes) -> Inbound:
    if channel == "futures.system":
        if head.type == "upgrade":
            return Reconnect("the server is upgraded")
        return Ignored(f"system {head.type}" if _WORDS(head.type) else "system")
    return Data(_topic(channel, head), message)


def _topic(channel: str, head: _Head) -> str:
    if channel == _CANDLES:
        interval, _, contract = head.n.partition("_")
        return f"{channel}:{interval}:{contract}"
    return f"{channel}:{head.contract or head.s}"


def _is_of(data: Data, contract: str) -> bool:
    return data.topic.rpartition(":")[2] == contract


def _check_contract(what: str, data: Data, contract: str) -> None:
    if not _is_of(data, contract):
        raise mismatch(what, data.topic, contract)


def _trades(data: Data, rx: int) -> Sequence[Trade]:
    what = f"gateio {_TRADES}"
    events = []
    for wire in _decode_trades(data.payload).result:
        if not _is_of(data, wire.contract):
            continue
        check_decimals(what, wire.price)
        size, side = size_and_side(what, wire.size)  # the taker's
        events.append(
            Trade(
                rx=rx,
                ts=wire.create_time_ms * NS_PER_MS,
                price=wire.price,
                size=size,
                side=side,
                id=str(wire.id),
            )
        )
    return events


def _bbo(data: Data, rx: int) -> Sequence[Bbo]:
    what = f"gateio {_BBO}"
    wire = _decode_book_ticker(data.payload).result
    _check_contract(what, data, wire.s)
    # An empty side has an empty price, and a size of zero.
    bid, ask = decimal_or_none(what, wire.b), decimal_or_none(what, wire.a)
    return (
        Bbo(
            rx=rx,
            ts=wire.t * NS_PER_MS,
            bid=bid,
            bid_size=None if bid is None else number(what, wire.B),
            ask=ask,
            ask_size=None if ask is None else number(what, wire.A),
            seq=wire.u,
        ),
    )


def _levels(what: str, side: Sequence[_Level]) -> list[Level]:
    for level in side:
        check_decimals(what, level.p)
    return [(level.p, number(what, level.s)) for level in side]


def _books(data: Data, rx: int) -> Sequence[Book]:
    what = f"gateio {_BOOK}"
    wire = _decode_update(data.payload).result
    _check_contract(what, data, wire.s)
    return (
        Book(
            rx=rx,
            ts=wire.t * NS_PER_MS,
            type="snapshot" if wire.full else "delta",
            bids=_levels(what, wire.b),
            asks=_levels(what, wire.a),
            seq=wire.u,
            first_seq=wire.U,
        ),
    )


def _books_v2(data: Data, rx: int) -> Sequence[Book]:
    what = f"gateio {_BOOK_V2}"
    wire = _decode_update_v2(data.payload).result
    _check_contract(what, data, wire.s)
    if not wire.full and wire.U is None:
        raise DecodeError("missing_field", f"{what}: an update without `U`")
    return (
        Book(
            rx=rx,
            ts=wire.t * NS_PER_MS,
            type="snapshot" if wire.full else "delta",
            bids=_decode_levels(wire.b),
            asks=_decode_levels(wire.a),
            seq=wire.u,
            first_seq=None if wire.full else wire.U,
        ),
    )


def _of_topic(data: Data) -> list[tuple[_Ticker, int | None]]:
    """Return what the frame holds of the topic, each with its time in Unix ns."""
    frame = _decode_tickers(data.payload)
    return [
        (wire, None if ms is None else ms * NS_PER_MS)
        for wire in frame.result
        if _is_of(data, wire.contract)
        for ms in (frame.time_ms if wire.t is None else wire.t,)
    ]


def _tickers(data: Data, rx: int) -> Sequence[Ticker]:
    what = f"gateio {_TICKERS}"
    return [
        Ticker(
            rx=rx,
            ts=ts,
            last=last,
            high=decimal_or_none(what, wire.high_24h),
            low=decimal_or_none(what, wire.low_24h),
            volume=decimal_or_none(what, wire.volume_24h_base),
            quote_volume=decimal_or_none(what, wire.volume_24h_quote),
        )
        for wire, ts in _of_topic(data)
        if (last := decimal_or_none(what, wire.last)) is not None
    ]


def _rate(what: str, wire: _Ticker) -> str | None:
    return signed_number(what, Raw(wire.funding_rate.encode())) if wire.funding_rate else None


def _next_funding(wire: _Ticker) -> int | None:
    return None if wire.funding_next_apply is None else wire.funding_next_apply * NS_PER_S


def _marks(data: Data, rx: int) -> Sequence[Mark]:
    what = f"gateio {_TICKERS}"
    return [
        Mark(
            rx=rx,
            ts=ts,
            mark=mark,
            index=decimal_or_none(what, wire.index_price),
            funding_rate=_rate(what, wire),
            next_funding=_next_funding(wire),
        )
        for wire, ts in _of_topic(data)
        if (mark := decimal_or_none(what, wire.mark_price)) is not None
    ]


def _fundings(data: Data, rx: int) -> Sequence[Funding]:
    what = f"gateio {_TICKERS}"
    return [
        Funding(rx=rx, ts=ts, rate=rate, next_funding=_next_funding(wire))
        for wire, ts in _of_topic(data)
        if (rate := _rate(what, wire)) is not None
    ]


def _candles(data: Data, rx: int) -> Sequence[Candle]:
    what = f"gateio {_CANDLES}"
    frame = _decode_bars(data.payload)
    events = []
    for bar in frame.result:
        interval, _, contract = bar.n.partition("_")
        if data.topic != f"{_CANDLES}:{interval}:{contract}":
            continue
        check_decimals(what, bar.o, bar.h, bar.l, bar.c)
        events.append(
            Candle(
                rx=rx,
                ts=None if frame.time_ms is None else frame.time_ms * NS_PER_MS,
                start=bar.t * NS_PER_S,
                open=bar.o,
                high=bar.h,
                low=bar.l,
                close=bar.c,
                volume=number_or_none(what, bar.v),
                quote_volume=decimal_or_none(what, bar.a),
                closed=bar.w,
            )
        )
    return events


def _open_interests(data: Data, rx: int) -> Sequence[OpenInterest]:
    what = f"gateio {_STATS}"
    frame = _decode_stats(data.payload)
    return [
        # Its own time is the beginning of the minute.
        OpenInterest(
            rx=rx,
            ts=None if frame.time_ms is None else frame.time_ms * NS_PER_MS,
            open_interest=found,
        )
        for wire in frame.result
        if _is_of(data, wire.contract)
        and (found := number_or_none(what, wire.open_interest)) is not None
    ]


def _liquidations(data: Data, rx: int) -> Sequence[Liquidation]:
    what = f"gateio {_LIQUIDATIONS}"
    events = []
    for wire in _decode_liquidations(data.payload).result:
        if not _is_of(data, wire.contract):
            continue
        size, side = size_and_side(what, wire.size)  # the order's: negative sells
        ms = wire.time if wire.time_ms is None else wire.time_ms
        # Before August 2026, `time` was of seconds.
        unit = NS_PER_S if wire.time_ms is None and ms is not None and ms < 10**11 else NS_PER_MS
        events.append(
            Liquidation(
                rx=rx,
                ts=None if ms is None or ms * unit >= 2**63 else ms * unit,
                price=number(what, wire.price),
                size=size,
                side=side,
            )
        )
    return events


def _rest_book(body: bytes, rx: int) -> Book:
    what = "gateio futures order_book over REST"
    wire = _decode_rest_book(body)
    update = number_or_none(what, wire.update)
    return Book(
        rx=rx,
        ts=None if update is None else seconds_ns(what, update),
        type="snapshot",
        bids=_levels(what, wire.bids),
        asks=_levels(what, wire.asks),
        seq=wire.id,
    )


def _joins(snapshot_seq: int, delta: Book) -> bool:
    if delta.first_seq is None or delta.seq is None:
        return False
    return delta.first_seq <= snapshot_seq + 1 <= delta.seq


def _rest_book_request(settle: str, symbol: str) -> RestRequest:
    query = f"contract={symbol}&limit={_BOOK_DEPTH}&with_id=true"
    return RestRequest(path=f"/api/v4/futures/{settle}/order_book?{query}")


def _list(bodies: Sequence[bytes]) -> list[Instrument]:
    contracts = _decode_contracts(bodies[0])
    try:
        volumes = {wire.contract: wire.volume_24h_quote for wire in _decode_volumes(bodies[1])}
    except DecodeError:
        volumes = {}  # they only rank: without them the list is as right
    found = []
    for wire in contracts:
        parts = _CONTRACT(wire.name)
        if not parts:
            continue
        least = number_or_none("gateio futures contracts", wire.order_size_min)
        # A contract of an inverse has no multiplier: it is one unit of the quote.
        multiplier = wire.quanto_multiplier.strip("0.") and wire.quanto_multiplier
        found.append(
            Instrument(
                name=f"{parts[1]}-{parts[2]}-PERP",
                symbol=wire.name,
                kind="perpetual",
                base=parts[1],
                quote=parts[2],
                tick_size=wire.order_price_round or None,
                lot_size=least if least and least.strip("0.") else None,
                contract_size=multiplier or "1",
                trading=wire.status == "trading" and not wire.in_delisting,
                volume=decimal_or_none(
                    "gateio futures tickers over REST", volumes.get(wire.name, "")
                ),
            )
        )
    return found


def _instruments(settle: str) -> InstrumentList:
    """Return where the contracts settled in this currency are listed."""
    return InstrumentList(
        requests=(
            RestRequest(path=f"/api/v4/futures/{settle}/contracts"),
            RestRequest(path=f"/api/v4/futures/{settle}/tickers"),
        ),
        parse=_list,
    )


def _symbols(venue: str, example: str) -> Callable[[str], str]:
    """Return the function that makes "BTC_USDT" of "BTC-USDT-PERP"."""

    def to_symbol(instrument: str) -> str:
        if _PERPETUAL(instrument):
            return instrument.removesuffix("-PERP").replace("-", "_")
        raise ValueError(
            f"{instrument!r} cannot be a {venue} instrument; it has perpetuals: write "
            f"BASE-QUOTE-PERP in capital letters and digits, for example {example}"
        )

    return to_symbol


def _request_group(topic: Topic) -> str:
    channel = topic.name.partition(":")[0]
    return topic.name if channel in _SINGLE else channel


def _request(event: str, topics: Sequence[Topic], request_id: int) -> bytes:
    channel, _, rest = topics[0].name.partition(":")
    if channel == _CANDLES:
        payload = rest.split(":")
    elif channel == _BOOK:
        payload = [rest, _BOOK_SPEED, str(_BOOK_DEPTH)]
    elif channel == _STATS:
        payload = [rest, _STATS_INTERVAL]
    else:
        # Several of our channels have the name of one of the venue's.
        payload = list(dict.fromkeys(topic.name.partition(":")[2] for topic in topics))
    return msgspec.json.encode(
        {
            "time": _TIME,
            "id": request_id,
            "channel": channel,
            "event": event,
            "payload": payload,
        }
    )


def book(settle: str) -> tuple[ChannelSpec, BookRule]:
    """Return books of 100 levels a side, every 100 ms, that begin over REST."""
    rest = RestBook(request=partial(_rest_book_request, settle), decode=_rest_book)
    return (
        ChannelSpec(topic=_BOOK + ":{symbol}", decode=_books),
        BookRule(continuity="first_seq", rest=rest, joins=_joins, depth=_BOOK_DEPTH),
    )


def book_v2(depth: int) -> tuple[ChannelSpec, BookRule]:
    """Return books of 400 levels a side, every 100 ms, or of 50, every 20 ms.

    They begin in the stream, with a whole one.
    """
    return (
        ChannelSpec(topic=f"{_BOOK_V2}:ob.{{symbol}}.{depth}", decode=_books_v2),
        BookRule(continuity="first_seq", depth=depth),
    )


def perpetuals(
    name: str, settle: str, example: str, books: Mapping[str, tuple[ChannelSpec, BookRule]]
) -> Venue:
    """Return the venue of the contracts settled in one currency.

    *example*: one of its instruments, for the texts of errors. *books* by our channel.
    """
    return Venue(
        name=name,
        ws_url=f"wss://fx-ws.gateio.ws/v4/ws/{settle}",
        rest_url="https://api.gateio.ws",
        docs_url="https://www.gate.com/docs/developers/futures/ws/en/",
        limits=Limits(
            # No number is published for topics, requests or their size: ours are careful.
            topics_per_connection=200,
            topics_per_request=50,
            request_bytes=8 * 1024,
            requests_per_s=10.0,
            # 300 connections an address; no limit on attempts is published.
            connects=(60, 60.0),
        ),
        channels={
            "trade": ChannelSpec(topic=_TRADES + ":{symbol}", decode=_trades),
            "bbo": ChannelSpec(topic=_BBO + ":{symbol}", decode=_bbo),
            **{channel: spec for channel, (spec, _) in books.items()},
            "ticker": ChannelSpec(topic=_TICKERS + ":{symbol}", decode=_tickers),
            "candle": ChannelSpec(topic=_CANDLES + ":{interval}:{symbol}", decode=_candles),
            "mark": ChannelSpec(topic=_TICKERS + ":{symbol}", decode=_marks),
            "funding": ChannelSpec(topic=_TICKERS + ":{symbol}", decode=_fundings),
            "open_interest": ChannelSpec(topic=_STATS + ":{symbol}", decode=_open_interests),
            "liquidation": ChannelSpec(topic=_LIQUIDATIONS + ":{symbol}", decode=_liquidations),
        },
        intervals=_INTERVALS,
        to_symbol=_symbols(name, example),
        parse=_parse,
        subscribe=partial(_request, "subscribe"),
        unsubscribe=partial(_request, "unsubscribe"),
        request_group=_request_group,
        headers=_HEADERS,
        # The server pings with PING frames; this finds out that it is gone.
        heartbeat=Heartbeat(
            payload=b'{"time":%d,"channel":"futures.ping"}' % _TIME,
            after_idle_s=15.0,
            timeout_s=10.0,
        ),
        # 200 requests in 10 seconds for each public endpoint, by address.
        rest_limits=RestLimits(weight=(200, 10.0)),
        instruments=_instruments(settle),
        books={channel: rule for channel, (_, rule) in books.items()},
        cryptofeed_name="GATEIO_FUTURES",
        # Of spot pairs, the symbols are the same.
        nautilus_symbol=lambda instrument: f"{instrument[:-5].replace('-', '_')}-PERP",
    )
