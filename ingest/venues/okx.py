"""OKX v5, public market data: spot, perpetuals, futures and options.

Sizes of derivatives are in contracts, as sent.

Source: https://www.okx.com/docs-v5/en/#order-book-trading-market-data
"""

import re
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from ingest.errors import DecodeError
from ingest.model import Bbo, Book, Side, Ticker, Trade
from ingest.venues.base import (
    Ack,
    ChannelSpec,
    Data,
    Heartbeat,
    Ignored,
    Inbound,
    Limits,
    Pong,
    Reconnect,
    Reject,
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
)

_SERVICE_UPGRADE = "64008"
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


# OKX sends times as strings of digits: not strict.
_decode_frame = decoder(_Frame, "okx frame")
_decode_trades = decoder(list[_Trade], "okx trades", strict=False)
_decode_books = decoder(list[_Book], "okx books", strict=False)
_decode_tickers = decoder(list[_Ticker], "okx tickers", strict=False)
# price, size, a field no longer used, number of orders
_decode_levels = levels_decoder("okx books", columns=4)


def _parse(message: bytes) -> Inbound:
    if message == b"pong":
        return Pong()
    frame = _decode_frame(message)
    if not frame.event and frame.arg is not None and frame.data is not UNSET:
        return Data(f"{frame.arg.channel}:{frame.arg.instId}", frame.data, frame.action)
    return _control(frame)


def _control(frame: _Frame) -> Inbound:
    if frame.event == "subscribe" and frame.arg is not None:
        return Ack(topics=(f"{frame.arg.channel}:{frame.arg.instId}",))
    if frame.event == "error":
        named = _NAMED_IN_ERROR(frame.msg)
        if frame.arg is not None:
            topics: tuple[str, ...] = (f"{frame.arg.channel}:{frame.arg.instId}",)
        else:
            topics = (f"{named[1]}:{named[2]}",) if named else ()
        request_id = int(frame.id) if re.fullmatch("[0-9]{1,18}", frame.id) else None
        return Reject(frame.msg, frame.code, request_id, topics)
    if frame.event == "notice" and frame.code == _SERVICE_UPGRADE:
        return Reconnect("service upgrade")
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


def _to_symbol(instrument: str) -> str:
    if not _INSTRUMENT(instrument):
        raise ValueError(
            f"{instrument!r} cannot be an okx instrument; write BASE-QUOTE, BASE-QUOTE-PERP, "
            "BASE-QUOTE-YYMMDD or BASE-QUOTE-YYMMDD-STRIKE-C|P in capital letters and digits"
        )
    base, suffix, _ = instrument.partition("-PERP")
    return f"{base}-SWAP" if suffix else instrument


def _subscribe(topics: Sequence[Topic], request_id: int) -> bytes:
    args = []
    for topic in topics:
        channel, _, symbol = topic.name.partition(":")
        args.append({"channel": channel, "instId": symbol})
    return msgspec.json.encode({"id": str(request_id), "op": "subscribe", "args": args})


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
        # 480 subscribe requests an hour and connection: 5 are enough for all.
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
    },
    intervals={},  # candles live on another endpoint, /business
    to_symbol=_to_symbol,
    parse=_parse,
    subscribe=_subscribe,
    # Cut after 30 s without a push; a text "ping" within that keeps it.
    heartbeat=Heartbeat(payload=b"ping", after_idle_s=20.0, timeout_s=10.0),
)
