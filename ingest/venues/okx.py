"""OKX v5, public market data: spot, perpetuals, futures and options.

Sizes of derivatives are in contracts, as sent.

Source: https://www.okx.com/docs-v5/en/#order-book-trading-market-data
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Annotated, Final, Literal
from zlib import crc32

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

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
    Reconnect,
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
# Ours to theirs; of those from 6 hours on, the ones that are counted in UTC.
_INTERVALS = {
    "1s": "1s", "1m": "1m", "3m": "3m", "5m": "5m", "15m": "15m", "30m": "30m",
    "1h": "1H", "2h": "2H", "4h": "4H", "6h": "6Hutc", "12h": "12Hutc",
    "1d": "1Dutc", "2d": "2Dutc", "3d": "3Dutc", "1w": "1Wutc", "1M": "1Mutc", "3M": "3Mutc",
}
# fmt: on
# A feed for all instruments of a type: topics are ours, the venue knows only the type.
_LIQUIDATIONS = "liquidation-orders"
_CHECKED_LEVELS = 25
_SERVICE_UPGRADE = "64008"
_KINDS: Final[dict[str, Literal["spot", "perpetual", "future", "option"]]] = {
    "SPOT": "spot",
    "SWAP": "perpetual",
    "FUTURES": "future",
    "OPTION": "option",
}
_INSTRUMENT_TYPES: Final = {
    "spot": "MARGIN",
    "perpetual": "SWAP",
    "future": "FUTURES",
    "option": "OPTION",
}
# Options are listed by family: those of the two that are traded most.
_LISTED: Final = (
    "instType=SPOT",
    "instType=SWAP",
    "instType=FUTURES",
    "instType=OPTION&instFamily=BTC-USD",
    "instType=OPTION&instFamily=ETH-USD",
)
_RANKED: Final = ("instType=SPOT", "instType=SWAP", "instType=FUTURES")
_BOOK_TYPES: Final[dict[str, Literal["snapshot", "delta"]]] = {
    "snapshot": "snapshot",
    "update": "delta",
}
# BTC-USDT, BTC-USDT-PERP, BTC-USDT-250926, BTC-USD-250926-60000-C
_INSTRUMENT = re.compile(
    r"[A-Z0-9]+-[A-Z0-9]+(?:-PERP|-[0-9]{6}(?:-[0-9]+(?:\.[0-9]+)?-[CP])?)?"
).fullmatch
# "Wrong URL or channel:tickers,instId:NO-SUCH doesn't exist. Please …"
_NAMED_IN_ERROR = re.compile(r"channel:([\w-]+),\s*instId:([\w.-]*\w)").search


class _Arg(Struct, gc=False):
    channel: str
    instId: str = ""
    instType: str = ""


class _Frame(Struct, gc=False):
    """Every kind of frame: pushed data, answer to a request, notice."""

    arg: _Arg | None = None
    data: Raw | UnsetType = UNSET
    action: str = ""
    event: str = ""
    id: str = ""
    code: str = ""
    msg: str = ""


class _Trade(Struct, gc=False):
    instId: str
    tradeId: Annotated[str, Meta(min_length=1, max_length=64)]
    px: str
    sz: str
    side: Side
    ts: Milliseconds


class _Book(Struct, gc=False):
    bids: Raw
    asks: Raw
    ts: Milliseconds
    seqId: SequenceNumber | None = None
    prevSeqId: Annotated[int, Meta(ge=-1, le=2**63 - 1)] = -1
    checksum: Annotated[int, Meta(ge=-(2**31), le=2**32 - 1)] = 0


class _Ticker(Struct, gc=False):
    instType: str
    instId: str
    last: str
    askPx: str
    askSz: str
    bidPx: str
    bidSz: str
    open24h: str
    high24h: str
    low24h: str
    volCcy24h: str
    vol24h: str
    ts: Milliseconds


class _Mark(Struct, gc=False):
    instId: str
    markPx: str
    ts: Milliseconds


class _Funding(Struct, gc=False):
    instId: str
    fundingRate: Raw = Raw(b"null")  # signed; not there, null or empty before trading begins
    fundingTime: str = ""
    ts: str = ""


class _OpenInterest(Struct, gc=False):
    instId: str
    oi: str
    ts: Milliseconds


class _Liquidated(Struct, gc=False):
    side: Side
    bkPx: str
    sz: str
    ts: Milliseconds


class _Liquidation(Struct, gc=False):
    instId: str
    details: list[_Liquidated]


class _Bar(Struct, array_like=True, gc=False):
    """As a list, which may go on: the last two came in 2022."""

    start: Milliseconds
    open: str
    high: str
    low: str
    close: str
    volume: str
    base_volume: str
    quote_volume: str
    confirm: Literal["0", "1"]


class _Head(Struct, gc=False):
    """What tells the instrument of one item of a feed for all."""

    instId: str


class _Listed(Struct, gc=False):
    instType: str
    instId: str
    tickSz: str = ""
    lotSz: str = ""
    ctVal: str = ""
    ctMult: str = ""
    state: str = ""


class _Traded(Struct, gc=False):
    instType: str
    instId: str
    last: str = ""
    volCcy24h: str = ""


class _Answer(Struct, gc=False):
    """What REST answers."""

    code: str
    msg: str = ""
    data: Raw | UnsetType = UNSET


# OKX sends times as strings of digits: not strict.
_decode_frame = decoder(_Frame, "okx frame")
_decode_trades = decoder(list[_Trade], "okx trades", strict=False)
_decode_books = decoder(list[_Book], "okx books", strict=False)
_decode_tickers = decoder(list[_Ticker], "okx tickers", strict=False)
_decode_marks = decoder(list[_Mark], "okx mark-price", strict=False)
_decode_fundings = decoder(list[_Funding], "okx funding-rate")
_decode_interests = decoder(list[_OpenInterest], "okx open-interest", strict=False)
_decode_liquidations = decoder(list[_Liquidation], f"okx {_LIQUIDATIONS}", strict=False)
_decode_heads = decoder(list[_Head], f"okx {_LIQUIDATIONS}")
_decode_items = decoder(list[Raw], "okx data")
_decode_candles = decoder(list[_Bar], "okx candles", strict=False)
_decode_time = decoder(Milliseconds, "okx time", strict=False)
_decode_answer = decoder(_Answer, "okx REST")
_decode_listed = decoder(list[_Listed], "okx instruments")
_decode_traded = decoder(list[_Traded], "okx tickers")
# price, size, a field no longer used, number of orders
_decode_levels = levels_decoder("okx books", columns=4)


def _parse(message: bytes) -> Inbound | list[Inbound]:
    if message == b"pong":
        return Pong()
    frame = _decode_frame(message)
    if not frame.event and frame.arg is not None and frame.data is not UNSET:
        if frame.arg.channel == _LIQUIDATIONS:
            return _of_all(frame.data)
        return Data(f"{frame.arg.channel}:{frame.arg.instId}", frame.data, frame.action)
    return _control(frame)


def _of_all(data: Raw) -> list[Inbound]:
    """Give each item of a feed for all instruments to its instrument's topic."""
    items = zip(_decode_heads(data), _decode_items(data), strict=True)
    return [
        Data(f"{_LIQUIDATIONS}:{head.instId}", b"[%b]" % bytes(item), shared=True)
        for head, item in items
    ]


def _control(frame: _Frame) -> Inbound:
    request_id = int(frame.id) if re.fullmatch("[0-9]{1,18}", frame.id) else None
    topics: tuple[str, ...] = ()
    if frame.arg is not None and frame.arg.channel != _LIQUIDATIONS:
        topics = (f"{frame.arg.channel}:{frame.arg.instId}",)
    if frame.event == "subscribe" and frame.arg is not None:
        return Ack(topics=topics) if topics else Ack(request_id)
    if frame.event == "error":
        named = _NAMED_IN_ERROR(frame.msg)
        if not topics and named:
            topics = (f"{named[1]}:{named[2]}",)
        return Reject(frame.msg, frame.code, request_id, topics)
    if frame.event == "notice" and frame.code == _SERVICE_UPGRADE:
        return Reconnect("service upgrade")
    if frame.event == "channel-conn-count-error":
        return Reject("too many connections are subscribed to a channel", request_id=request_id)
    if frame.event in ("notice", "unsubscribe", "channel-conn-count"):
        return Ignored(frame.event)
    raise DecodeError(
        "unknown_frame", f"okx frame: neither data nor a known event ({frame.event[:40]!r})"
    )


def _check_symbol(what: str, topic: str, symbol: str) -> None:
    if topic.partition(":")[2] != symbol:
        raise mismatch(what, topic, symbol)


def _trades(data: Data, rx: int) -> Sequence[Trade]:
    events = []
    for wire in _decode_trades(data.payload):
        _check_symbol("okx trades", data.topic, wire.instId)
        check_decimals("okx trades", wire.px, wire.sz)
        events.append(
            Trade(
                rx=rx,
                ts=wire.ts * NS_PER_MS,
                price=wire.px,
                size=wire.sz,
                side=wire.side,
                id=wire.tradeId,
            )
        )
    return events


def _books(data: Data, rx: int) -> Sequence[Book]:
    kind = _BOOK_TYPES.get(data.action)
    if kind is None:
        raise DecodeError(
            "bad_value", f"okx books: action is not snapshot or update but {data.action[:40]!r}"
        )
    return [
        Book(
            rx=rx,
            ts=wire.ts * NS_PER_MS,
            type=kind,
            bids=_decode_levels(wire.bids),
            asks=_decode_levels(wire.asks),
            seq=wire.seqId,
            # -1 in a snapshot says that nothing precedes it.
            prev_seq=None if wire.prevSeqId < 0 else wire.prevSeqId,
            # 0 is what the venue sends since it gave up checksums.
            checksum=wire.checksum or None,
        )
        for wire in _decode_books(data.payload)
    ]


def _bbo(data: Data, rx: int) -> Sequence[Bbo]:
    events = []
    for wire in _decode_books(data.payload):
        bids = _decode_levels(wire.bids) or ((None, None),)
        asks = _decode_levels(wire.asks) or ((None, None),)
        (bid, bid_size), (ask, ask_size) = bids[0], asks[0]
        events.append(
            Bbo(
                rx=rx,
                ts=wire.ts * NS_PER_MS,
                bid=bid,
                bid_size=bid_size,
                ask=ask,
                ask_size=ask_size,
                seq=wire.seqId,
            )
        )
    return events


def _tickers(data: Data, rx: int) -> Sequence[Ticker]:
    what = "okx tickers"
    events = []
    for wire in _decode_tickers(data.payload):
        _check_symbol(what, data.topic, wire.instId)
        if not wire.last:
            continue  # never traded yet, as new options: there is no ticker to tell
        check_decimals(what, wire.last)
        # volCcy24h is in quote units for spot only, else in base units.
        in_quote = wire.volCcy24h if wire.instType in ("SPOT", "MARGIN") else ""
        events.append(
            Ticker(
                rx=rx,
                ts=wire.ts * NS_PER_MS,
                last=wire.last,
                open=decimal_or_none(what, wire.open24h),
                high=decimal_or_none(what, wire.high24h),
                low=decimal_or_none(what, wire.low24h),
                volume=decimal_or_none(what, wire.vol24h),
                quote_volume=decimal_or_none(what, in_quote),
                bid=decimal_or_none(what, wire.bidPx),
                bid_size=decimal_or_none(what, wire.bidSz),
                ask=decimal_or_none(what, wire.askPx),
                ask_size=decimal_or_none(what, wire.askSz),
            )
        )
    return events


def _candles(data: Data, rx: int) -> Sequence[Candle]:
    events = []
    for bar in _decode_candles(data.payload):
        check_decimals("okx candles", bar.open, bar.high, bar.low, bar.close, bar.volume)
        events.append(
            Candle(
                rx=rx,
                start=bar.start * NS_PER_MS,
                open=bar.open,
                high=bar.high,
                low=bar.low,
                close=bar.close,
                volume=bar.volume,
                quote_volume=decimal_or_none("okx candles", bar.quote_volume),
                closed=bar.confirm == "1",
            )
        )
    return events


def _marks(data: Data, rx: int) -> Sequence[Mark]:
    events = []
    for wire in _decode_marks(data.payload):
        _check_symbol("okx mark-price", data.topic, wire.instId)
        check_decimals("okx mark-price", wire.markPx)
        events.append(Mark(rx=rx, ts=wire.ts * NS_PER_MS, mark=wire.markPx))
    return events


def _fundings(data: Data, rx: int) -> Sequence[Funding]:
    what = "okx funding-rate"
    events = []
    for wire in _decode_fundings(data.payload):
        _check_symbol(what, data.topic, wire.instId)
        if bytes(wire.fundingRate) in (b'""', b"null"):
            continue
        events.append(
            Funding(
                rx=rx,
                ts=_time_or_none(wire.ts),
                rate=signed_number(what, wire.fundingRate),
                next_funding=_time_or_none(wire.fundingTime),  # of the settlement to come
            )
        )
    return events


def _time_or_none(text: str) -> int | None:
    return _decode_time(b'"%b"' % text.encode()) * NS_PER_MS if text else None


def _interests(data: Data, rx: int) -> Sequence[OpenInterest]:
    events = []
    for wire in _decode_interests(data.payload):
        _check_symbol("okx open-interest", data.topic, wire.instId)
        check_decimals("okx open-interest", wire.oi)
        # In contracts, as the sizes of trades and books are.
        events.append(OpenInterest(rx=rx, ts=wire.ts * NS_PER_MS, open_interest=wire.oi))
    return events


def _liquidations(data: Data, rx: int) -> Sequence[Liquidation]:
    what = f"okx {_LIQUIDATIONS}"
    events = []
    for wire in _decode_liquidations(data.payload):
        _check_symbol(what, data.topic, wire.instId)
        for detail in wire.details:
            check_decimals(what, detail.bkPx, detail.sz)
            events.append(
                Liquidation(
                    rx=rx,
                    ts=detail.ts * NS_PER_MS,
                    price=detail.bkPx,  # at which the position is bankrupt
                    size=detail.sz,
                    side=detail.side,
                )
            )
    return events


def checksum(bids: Sequence[Level], asks: Sequence[Level]) -> int:
    """CRC32, signed, over the 25 best levels: a bid, an ask, a bid … as long as there are any.

    The venue sends 0 instead since 2026; sessions recorded before can be proved.

    Source: https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-order-book-channel
    """
    parts: list[str] = []
    for index in range(_CHECKED_LEVELS):
        for side in (bids, asks):
            if index < len(side):
                parts += side[index]
    value = crc32(":".join(parts).encode())
    return value - 2**32 if value >= 2**31 else value


def _list(bodies: Sequence[bytes]) -> list[Instrument]:
    listings, tickers = bodies[: len(_LISTED)], bodies[len(_LISTED) :]
    volumes: dict[str, str] = {}
    for body in tickers:
        answer = _decode_answer(body)
        # Volumes only rank: without them the list is as right as before.
        if answer.code == "0" and answer.data is not UNSET:
            volumes |= _quote_volumes(_decode_traded(answer.data))
    found = []
    for body in listings:
        answer = _decode_answer(body)
        if answer.code != "0" or answer.data is UNSET:
            raise DecodeError(
                "bad_value", f"okx instruments: {answer.code[:20]} {answer.msg[:200]}"
            )
        for wire in _decode_listed(answer.data):
            instrument = _instrument(wire, volumes.get(wire.instId))
            if instrument is not None:
                found.append(instrument)
    return found


def _quote_volumes(tickers: list[_Traded]) -> dict[str, str]:
    volumes = {}
    for wire in tickers:
        if not wire.volCcy24h or not wire.last:
            continue
        check_decimals("okx tickers", wire.volCcy24h, wire.last)
        volume = Decimal(wire.volCcy24h)
        if wire.instType != "SPOT":
            volume *= Decimal(wire.last)  # of a derivative it is in base units
        volumes[wire.instId] = format(volume, "f")
    return volumes


def _instrument(wire: _Listed, volume: str | None) -> Instrument | None:
    kind = _KINDS.get(wire.instType)
    name = wire.instId
    if kind == "perpetual":
        base, found, rest = name.partition("-SWAP")
        name = f"{base}-PERP" if found and not rest else ""
    if kind is None or not _INSTRUMENT(name):
        return None
    if _INSTRUMENT_TYPES[kind] != _type_of(wire.instId):
        return None
    size = wire.ctVal
    if size and wire.ctMult not in ("", "1"):
        check_decimals("okx instruments", wire.ctVal, wire.ctMult)
        size = format(Decimal(wire.ctVal) * Decimal(wire.ctMult), "f")
    base, quote = name.split("-")[:2]
    return Instrument(
        name=name,
        symbol=wire.instId,
        kind=kind,
        base=base,
        quote=quote,
        tick_size=wire.tickSz or None,
        lot_size=wire.lotSz or None,
        contract_size=size or None,
        trading=wire.state == "live",
        volume=volume,
    )


def _type_of(symbol: str) -> str:
    """Return `instType` of an instrument, as the feed of liquidations has it."""
    last = symbol.rpartition("-")[2]
    if symbol.count("-") == 1:
        return "MARGIN"
    return {"SWAP": "SWAP", "C": "OPTION", "P": "OPTION"}.get(last, "FUTURES")


def _to_symbol(instrument: str) -> str:
    if not _INSTRUMENT(instrument):
        raise ValueError(
            f"{instrument!r} cannot be an okx instrument; write BASE-QUOTE, BASE-QUOTE-PERP, "
            "BASE-QUOTE-YYMMDD or BASE-QUOTE-YYMMDD-STRIKE-C|P in capital letters and digits"
        )
    base, suffix, _ = instrument.partition("-PERP")
    return f"{base}-SWAP" if suffix else instrument


def _path(channel: str, instrument: str) -> str:  # noqa: ARG001
    return "/ws/v5/business" if channel.startswith("candle_") else ""


def _request_group(topic: Topic) -> str:
    # The answer does not name our topics: it has to be for the whole request.
    channel, _, symbol = topic.name.partition(":")
    return _type_of(symbol) if channel == _LIQUIDATIONS else ""


def _request(op: str, topics: Sequence[Topic], request_id: int) -> bytes:
    args = []
    for topic in topics:
        channel, _, symbol = topic.name.partition(":")
        if channel == _LIQUIDATIONS:
            args = [{"channel": channel, "instType": _type_of(symbol)}]
        else:
            args.append({"channel": channel, "instId": symbol})
    return msgspec.json.encode({"id": str(request_id), "op": op, "args": args})


VENUE = Venue(
    name="okx",
    ws_url="wss://ws.okx.com:8443/ws/v5/public",
    rest_url="https://www.okx.com",
    docs_url="https://www.okx.com/docs-v5/en/#overview-websocket",
    limits=Limits(
        # No number is published, but "the total length of multiple channels
        # cannot exceed 64 KB"; at most some 70 bytes each, this keeps to it
        # whether it is meant per request or per connection.
        topics_per_connection=500,
        # 480 requests an hour and connection, to subscribe or unsubscribe: 5 are enough
        # for all; the rest is for books that are begun anew.
        topics_per_request=100,
        request_bytes=64 * 1024,
        requests_per_s=3.0,
        connects=(3, 1.0),  # "3 requests per second (based on IP)"
    ),
    channels={
        "trade": ChannelSpec(topic="trades:{symbol}", decode=_trades),
        "bbo": ChannelSpec(topic="bbo-tbt:{symbol}", decode=_bbo),
        "book": ChannelSpec(topic="books:{symbol}", decode=_books),
        # Each change at once instead of every 100 ms; the venue asks for a login.
        "book_l2_tbt": ChannelSpec(topic="books-l2-tbt:{symbol}", decode=_books),
        "ticker": ChannelSpec(topic="tickers:{symbol}", decode=_tickers),
        "candle": ChannelSpec(topic="candle{interval}:{symbol}", decode=_candles),
        "mark": ChannelSpec(topic="mark-price:{symbol}", decode=_marks),
        "funding": ChannelSpec(topic="funding-rate:{symbol}", decode=_fundings),
        "open_interest": ChannelSpec(topic="open-interest:{symbol}", decode=_interests),
        "liquidation": ChannelSpec(topic=_LIQUIDATIONS + ":{symbol}", decode=_liquidations),
    },
    intervals=_INTERVALS,
    to_symbol=_to_symbol,
    parse=_parse,
    subscribe=partial(_request, "subscribe"),
    unsubscribe=partial(_request, "unsubscribe"),
    request_group=_request_group,
    path=_path,
    # Cut after 30 s without a push; a text "ping" within that keeps it.
    heartbeat=Heartbeat(payload=b"ping", after_idle_s=20.0, timeout_s=10.0),
    # Of the endpoints used here, the tightest: "20 requests per 2 seconds", by IP.
    rest_limits=RestLimits(weight=(20, 2.0)),
    instruments=InstrumentList(
        requests=(
            *(RestRequest(path=f"/api/v5/public/instruments?{query}") for query in _LISTED),
            *(RestRequest(path=f"/api/v5/market/tickers?{query}") for query in _RANKED),
        ),
        parse=_list,
    ),
    # Trades have no backfill: ids skip, as one trade here may stand for several.
    books={
        "book": BookRule(continuity="prev_seq", checksum=checksum),
        "book_l2_tbt": BookRule(continuity="prev_seq", checksum=checksum),
    },
)
