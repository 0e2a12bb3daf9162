"""Bitfinex, public market data (v2): spot and perpetuals.

Data frames are arrays that begin with a number, which the answer to a subscription
gave to its channel; it is valid for that connection only. Two flags, set when a
connection opens, have every array end in the connection's own sequence number and
books be followed by checksums.

Source: https://docs.bitfinex.com/docs/ws-general
"""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Annotated, Literal
from zlib import crc32

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
    Parse,
    Pong,
    Reconnect,
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
    milliseconds_ns,
    number,
    number_or_none,
    product,
    signed_number,
    size_and_side,
)

_SEQUENCE_FLAG = 65536
_CHECKSUM_FLAG = 131072
_CONF = b'{"event":"conf","flags":196608}'
_CHECKSUM_DEPTH = 25
# Notices that ask for a new connection: the server restarts, or maintenance is over.
_LEAVING = {20051: "server restart", 20061: "maintenance is over"}

# Errors of a request to unsubscribe: it failed; there is no such subscription.
_NOT_LEFT = (10400, 10401)
_SUBSCRIBED_ALREADY = 10301

# One feed has the liquidations of all instruments.
_LIQUIDATIONS = "status:liq:"
_OF_ALL = "liq:global"

# Where the venue's name of a currency is not everybody's.
_CURRENCIES = {
    "ALGO": "ALG",
    "ATOM": "ATO",
    "DASH": "DSH",
    "DATA": "DAT",
    "ETH2": "ETH2X",
    "EURS": "EUS",
    "EURT": "EUT",
    "IOTA": "IOT",
    "MANA": "MNA",
    "QTUM": "QTM",
    "RBTC": "RBT",
    "STORJ": "STJ",
    "TUSD": "TSD",
    "USDC": "UDC",
    "USDT": "UST",
    "USTC": "TERRAUST",
    "XCHF": "XCH",
}
_OURS = {theirs: ours for ours, theirs in _CURRENCIES.items()}
_NULL = Raw(b"null")
_MOST_CHANNELS = 1024  # that one connection may be told of; we ask for 25
_SHORT = 3  # pairs of two such codes are written without a colon

_instrument = re.compile(r"([A-Z0-9]+)-([A-Z0-9]+)(-PERP)?").fullmatch
_pair = re.compile(r"(?:([A-Z0-9]{3})([A-Z0-9]{3})|([A-Z0-9]+):([A-Z0-9]+))").fullmatch
_whole = re.compile(r"-?[0-9]{1,18}").fullmatch
_digits = re.compile(r"[0-9]{1,18}").fullmatch


class _Event(Struct, gc=False):
    """Every kind of frame that is not data; an error repeats what was asked for."""

    event: str
    channel: str = ""
    chanId: int | None = None
    symbol: str = ""
    key: str = ""
    subId: str = ""
    prec: str = ""
    freq: str = ""
    len: int | str = ""
    code: int | str = ""
    msg: str = ""
    flags: int = 0


class _Message(Struct, array_like=True, gc=False):
    """Data, heartbeat ("hb"), trade ("te", "tu") or checksum ("cs") of a channel.

    Of lending, trades are "fte" and "ftu". With a third flag, a time follows the sequence.
    """

    channel: int
    body: Raw
    second: Raw = Raw()  # payload where `body` is a word, else the sequence number
    third: Raw = Raw()


class _Trade(Struct, array_like=True, gc=False):
    id: SequenceNumber
    ms: Milliseconds
    amount: Raw
    price: Raw


class _Ticker(Struct, array_like=True, gc=False):
    bid: Raw
    bid_sizes: Raw  # of the 25 best levels together
    ask: Raw
    ask_sizes: Raw
    change: Raw
    relative_change: Raw
    last: Raw
    volume: Raw
    high: Raw
    low: Raw


class _Row(Struct, array_like=True, gc=False):
    price: Raw
    count: Annotated[int, Meta(ge=0)]  # of orders; 0 deletes the level
    amount: Raw  # of bids positive, of asks negative


class _Candle(Struct, array_like=True, gc=False):
    ms: Milliseconds
    open: Raw
    close: Raw
    high: Raw
    low: Raw
    volume: Raw


class _Status(Struct, array_like=True, gc=False):
    """Status of a perpetual; every second place is reserved. Years ago it ended sooner."""

    ms: Milliseconds
    _1: Raw
    price: Raw
    spot_price: Raw
    _4: Raw
    insurance_fund: Raw
    _6: Raw
    next_funding_ms: Milliseconds | None
    next_funding_accrued: Raw
    next_funding_step: Raw
    _10: Raw = _NULL
    current_funding: Raw = _NULL
    _12: Raw = _NULL
    _13: Raw = _NULL
    mark_price: Raw = _NULL
    _15: Raw = _NULL
    _16: Raw = _NULL
    open_interest: Raw = _NULL


class _Liquidation(Struct, array_like=True, gc=False):
    """A position that was liquidated."""

    kind: str
    id: SequenceNumber
    ms: Raw
    _3: Raw
    symbol: str
    amount: Raw  # of a long positive, of a short negative
    base_price: Raw
    _7: Raw
    is_match: int  # 0: it begins; 1: it was executed
    _9: Raw
    _10: Raw
    price: Raw


_decode_event = decoder(_Event, "bitfinex event")
_decode_message = decoder(_Message, "bitfinex message")
_decode_trade = decoder(_Trade, "bitfinex trade")
_decode_history = decoder(list[_Trade], "bitfinex trades")
_decode_ticker = decoder(_Ticker, "bitfinex ticker")
_decode_row = decoder(_Row, "bitfinex book")
_decode_rows = decoder(list[_Row], "bitfinex book")
_decode_candle = decoder(_Candle, "bitfinex candle")
_decode_candles = decoder(list[_Candle], "bitfinex candles")
_decode_status = decoder(_Status, "bitfinex status")
_decode_liquidation = decoder(_Liquidation, "bitfinex liquidation")
_decode_items = decoder(list[Raw], "bitfinex liquidations")
_decode_pairs = decoder(list[list[str]], "bitfinex list of pairs")
_decode_tickers = decoder(list[list[Raw]], "bitfinex tickers")


class _Parser:
    """Frames of one connection: what its numbers stand for, and its sequence."""

    def __init__(self) -> None:
        self._topics: dict[int, str] = {}
        self._has_sequence = False
        self._sequence: int | None = None
        self._is_lost = False

    def __call__(self, frame: bytes) -> Inbound | list[Inbound]:
        if frame[:1] == b"{":
            return self._on_event(_decode_event(frame))
        message = _decode_message(frame)
        body = bytes(message.body)
        if self._is_lost:
            return Ignored("after a message that was lost")
        if self._has_sequence and not self._follows(message, body):
            # Which channel it was of, nobody can tell: all begin again.
            self._is_lost = True
            return Reconnect("a message of the connection is missing", lost=True)
        if body == b'"hb"':
            return Ignored("heartbeat")
        topic = self._topics.get(message.channel)
        if topic is None:
            raise DecodeError(
                "unknown_frame", f"bitfinex: no channel has the number {message.channel}"
            )
        if topic == _LIQUIDATIONS + "global":
            return _of_all(message.body)
        if body[:1] != b'"':
            return Data(topic, message.body)
        if body in (b'"te"', b'"fte"', b'"cs"'):
            return Data(topic, message.second, body[1:-1].decode())
        if body in (b'"tu"', b'"ftu"'):
            return Ignored("a trade, for the second time")
        raise DecodeError("unknown_frame", f"bitfinex {topic}: unknown kind {body[:40]!r}")

    def _follows(self, message: _Message, body: bytes) -> bool:
        # A word has its payload between itself and the sequence, but for "hb".
        raw = message.third if body[:1] == b'"' and body != b'"hb"' else message.second
        sequence = _integer("bitfinex sequence", raw)
        last, self._sequence = self._sequence, sequence
        return last is None or sequence == last + 1

    def _on_event(self, event: _Event) -> Inbound:
        if event.event == "subscribed":
            if event.chanId is None:
                raise DecodeError("missing_field", "bitfinex subscribed: no `chanId`")
            if len(self._topics) >= _MOST_CHANNELS:
                raise DecodeError("bad_value", "bitfinex subscribed: channels without end")
            topic = _topic_of(event)
            self._topics[event.chanId] = topic
            if event.key == _OF_ALL:
                return Ack(_request_id(event))
            return Ack(topics=(topic,), handle=str(event.chanId))
        if event.event == "error":
            if event.key == _OF_ALL:
                if event.code == _SUBSCRIBED_ALREADY:
                    return Ack(_request_id(event))
                return Reject(event.msg, str(event.code), _request_id(event))
            if event.code in _NOT_LEFT:
                # What it says of the channel, the request to subscribe will tell.
                return Ignored("not unsubscribed")
            topics = (_topic_of(event),) if event.channel else ()
            return Reject(event.msg, str(event.code), topics=topics)
        if event.event == "conf":
            self._has_sequence = bool(event.flags & _SEQUENCE_FLAG)
            return Ignored("conf")
        if event.event == "info":
            reason = _LEAVING.get(event.code) if isinstance(event.code, int) else None
            return Reconnect(reason) if reason else Ignored("info")
        if event.event == "pong":
            return Pong()
        if event.event == "unsubscribed":
            if event.chanId is not None:
                self._topics.pop(event.chanId, None)
            return Ignored("unsubscribed")
        raise DecodeError("unknown_frame", f"bitfinex: unknown event {event.event[:40]!r}")


def _request_id(event: _Event) -> int | None:
    return int(event.subId) if _digits(event.subId) else None


def _of_all(body: Raw) -> list[Inbound]:
    """Give each liquidation to its instrument's topic."""
    items = _decode_items(body) if _is_snapshot(body) else [body]
    return [
        Data(f"{_LIQUIDATIONS}{_decode_liquidation(item).symbol}", item, shared=True)
        for item in items
    ]


def _topic_of(event: _Event) -> str:
    """Return our name for what an answer is about: as in `VENUE.channels`."""
    if event.channel == "book":
        # Others come in the same shape: rounded prices, or single orders (R0).
        as_ours = (event.prec or "P0", event.freq or "F0") == ("P0", "F0")
        other = "" if as_ours else f":{event.prec}:{event.freq}"
        return f"book:{event.len}:{event.symbol}{other}"
    return f"{event.channel}:{event.key or event.symbol}"


def _integer(what: str, raw: Raw) -> int:
    text = bytes(raw).decode("ascii", "replace")
    if not _whole(text):
        raise DecodeError("bad_value", f"{what}: expected an integer, found {text[:40]!r}")
    return int(text)


def _trades(data: Data, rx: int) -> Sequence[Trade]:
    if data.action != "te":
        # The trades before the subscription, newest first: they come again with
        # every connection, most of them already told.
        _decode_history(data.payload)
        return ()
    wire = _decode_trade(data.payload)
    size, side = size_and_side("bitfinex trade", wire.amount)
    return (
        Trade(
            rx=rx,
            ts=wire.ms * NS_PER_MS,
            price=number("bitfinex trade", wire.price),
            size=size,
            side=side,
            id=str(wire.id),
        ),
    )


def _ticker(data: Data, rx: int) -> Sequence[Ticker]:
    what = "bitfinex ticker"
    wire = _decode_ticker(data.payload)
    last = number_or_none(what, wire.last)
    if last is None:
        return ()
    return (
        Ticker(
            rx=rx,
            last=last,
            high=number_or_none(what, wire.high),
            low=number_or_none(what, wire.low),
            volume=number_or_none(what, wire.volume),
            # Their sizes are not sent: those of the message are sums of 25 levels.
            bid=number_or_none(what, wire.bid),
            ask=number_or_none(what, wire.ask),
        ),
    )


def _sides(rows: Sequence[_Row]) -> tuple[list[Level], list[Level]]:
    bids: list[Level] = []
    asks: list[Level] = []
    for row in rows:
        size, side = size_and_side("bitfinex book", row.amount)
        # A deleted level has a count of 0, and an amount of 1 or -1 for its side.
        level = (number("bitfinex book", row.price), size if row.count else "0")
        (bids if side == "buy" else asks).append(level)
    return bids, asks


def _is_snapshot(payload: Raw | bytes) -> bool:
    return bytes(payload)[1:2] in (b"[", b"]")


def _book(data: Data, rx: int) -> Sequence[Book]:
    if data.action == "cs":
        checksum = _integer("bitfinex checksum", Raw(bytes(data.payload)))
        if not -(2**31) <= checksum < 2**32:
            raise DecodeError("bad_value", f"bitfinex checksum: {checksum} has more than 32 bits")
        return (Book(rx=rx, type="delta", bids=[], asks=[], checksum=checksum),)
    kind: Literal["snapshot", "delta"] = "delta"
    if _is_snapshot(data.payload):
        kind, rows = "snapshot", _decode_rows(data.payload)
    else:
        rows = [_decode_row(data.payload)]
    bids, asks = _sides(rows)
    return (Book(rx=rx, type=kind, bids=bids, asks=asks),)


def _checksum(bids: Sequence[Level], asks: Sequence[Level]) -> int:
    """Return the signed CRC32 over the 25 best levels, bid and ask in turn."""
    parts: list[str] = []
    for place in range(_CHECKSUM_DEPTH):
        if place < len(bids):
            parts += bids[place]
        if place < len(asks):
            parts += (asks[place][0], f"-{asks[place][1]}")
    value = crc32(":".join(parts).encode())
    return value - 2**32 if value >= 2**31 else value


def _new_bbo() -> Decode:
    """Build a decoder that keeps the levels of a book of one level a side.

    Where the best price moves, its level may go before the next one comes: a side
    is not told to be empty in between.
    """
    book: tuple[dict[str, str], dict[str, str]] = ({}, {})

    def decode(data: Data, rx: int) -> Sequence[Bbo]:
        events = _book(data, rx)
        if data.action == "cs":
            return ()
        for levels, changes in zip(book, (events[0].bids, events[0].asks), strict=True):
            if events[0].type == "snapshot":
                levels.clear()
            for price, size in changes:
                if size == "0":
                    levels.pop(price, None)
                else:
                    levels[price] = size
        bids, asks = book
        if events[0].type == "delta" and not (bids and asks):
            return ()
        bid = max(bids, key=Decimal, default=None)
        ask = min(asks, key=Decimal, default=None)
        return (
            Bbo(
                rx=rx,
                bid=bid,
                bid_size=None if bid is None else bids[bid],
                ask=ask,
                ask_size=None if ask is None else asks[ask],
            ),
        )

    return decode


def _candle(data: Data, rx: int) -> Sequence[Candle]:
    what = "bitfinex candle"
    if _is_snapshot(data.payload):
        # The newest; those before it are history. None where nothing was ever traded.
        bars = _decode_candles(data.payload)[:1]
    else:
        bars = [_decode_candle(data.payload)]
    return [
        Candle(
            rx=rx,
            start=wire.ms * NS_PER_MS,
            open=number(what, wire.open),
            high=number(what, wire.high),
            low=number(what, wire.low),
            close=number(what, wire.close),
            volume=number(what, wire.volume),
            closed=False,
        )
        for wire in bars
    ]


def _signed_or_none(raw: Raw) -> str | None:
    return None if bytes(raw) == b"null" else signed_number("bitfinex status", raw)


def _next_funding(wire: _Status) -> int | None:
    return None if wire.next_funding_ms is None else wire.next_funding_ms * NS_PER_MS


def _mark(data: Data, rx: int) -> Sequence[AnyEvent]:
    wire = _decode_status(data.payload)
    mark = number_or_none("bitfinex status", wire.mark_price)
    if mark is None:
        return ()
    return (
        Mark(
            rx=rx,
            ts=wire.ms * NS_PER_MS,
            mark=mark,
            index=number_or_none("bitfinex status", wire.spot_price),
            funding_rate=_signed_or_none(wire.current_funding),
            next_funding=_next_funding(wire),
        ),
    )


def _funding(data: Data, rx: int) -> Sequence[AnyEvent]:
    wire = _decode_status(data.payload)
    rate = _signed_or_none(wire.current_funding)
    if rate is None:
        return ()
    return (Funding(rx=rx, ts=wire.ms * NS_PER_MS, rate=rate, next_funding=_next_funding(wire)),)


def _open_interest(data: Data, rx: int) -> Sequence[AnyEvent]:
    wire = _decode_status(data.payload)
    interest = number_or_none("bitfinex status", wire.open_interest)
    if interest is None:
        return ()
    return (OpenInterest(rx=rx, ts=wire.ms * NS_PER_MS, open_interest=interest),)


def _liquidations(data: Data, rx: int) -> Sequence[AnyEvent]:
    what = "bitfinex liquidation"
    wire = _decode_liquidation(data.payload)
    price = number_or_none(what, wire.price)
    if wire.kind != "pos" or not wire.is_match or price is None:
        return ()  # one that only begins has no order, and no price, yet
    size, position = size_and_side(what, wire.amount)
    return (
        Liquidation(
            rx=rx,
            ts=milliseconds_ns(what, bytes(wire.ms).decode("ascii", "replace")),
            price=price,
            size=size,
            side="sell" if position == "buy" else "buy",
            id=str(wire.id),
        ),
    )


def _instruments(bodies: Sequence[bytes]) -> list[Instrument]:
    volumes: dict[str, str] = {}
    for body in bodies[1:]:
        volumes.update(_volumes(body))
    found = []
    for pair in dict.fromkeys(pair for pairs in _decode_pairs(bodies[0]) for pair in pairs):
        instrument = _listed(pair)
        if instrument is not None:
            volume = volumes.get(instrument.symbol)
            found.append(msgspec.structs.replace(instrument, volume=volume))
    return found


def _listed(pair: str) -> Instrument | None:
    parts = _pair(pair)
    if parts is None:
        return None
    base, quote = parts[1] or parts[3], parts[2] or parts[4]
    perpetual = base.endswith("F0") and quote.endswith("F0")
    if perpetual:
        base, quote = base[:-2], quote[:-2]
    base, quote = _OURS.get(base, base), _OURS.get(quote, quote)
    name = f"{base}-{quote}" + ("-PERP" if perpetual else "")
    # A code that we use for another currency would lead elsewhere.
    if not _instrument(name) or _to_symbol(name) != f"t{pair}":
        return None
    return Instrument(
        name=name,
        symbol=f"t{pair}",
        kind="perpetual" if perpetual else "spot",
        base=base,
        quote=quote,
    )


def _volumes(body: bytes) -> dict[str, str]:
    """Return the volume of 24 h by symbol: in base units times the last price, which is near."""
    volumes = {}
    for row in _decode_tickers(body):
        # Those of lending have other columns, and names that begin with "f".
        if len(row) < 9 or not bytes(row[0]).startswith(b'"t'):
            continue
        symbol, last, traded = (bytes(row[place]).decode("ascii", "replace") for place in (0, 7, 8))
        volume = product(last, traded)
        if volume is not None:
            volumes[symbol.strip('"')] = volume
    return volumes


def _to_symbol(instrument: str) -> str:
    parts = _instrument(instrument)
    if parts is None:
        raise ValueError(
            f"{instrument!r} cannot be a bitfinex instrument; write BASE-QUOTE or "
            "BASE-QUOTE-PERP in capital letters and digits, for example BTC-USDT"
        )
    base, quote = _CURRENCIES.get(parts[1], parts[1]), _CURRENCIES.get(parts[2], parts[2])
    if parts[3]:
        return f"t{base}F0:{quote}F0"
    return f"t{base}{quote}" if len(base) == len(quote) == _SHORT else f"t{base}:{quote}"


def _request_group(topic: Topic) -> str:
    # A request is for one channel; all liquidations are one.
    return _LIQUIDATIONS if topic.name.startswith(_LIQUIDATIONS) else topic.name


def _unsubscribe(topics: Sequence[Topic], _request_id: int) -> bytes:
    return msgspec.json.encode({"event": "unsubscribe", "chanId": int(topics[0].handle or 0)})


def _subscribe(topics: Sequence[Topic], request_id: int) -> bytes:
    channel, _, what = topics[0].name.partition(":")
    request = {"event": "subscribe", "channel": channel}
    if channel == "book":
        length, _, symbol = what.partition(":")
        request |= {"symbol": symbol, "prec": "P0", "freq": "F0", "len": length}
    elif topics[0].name.startswith(_LIQUIDATIONS):
        # The answer, which repeats `subId`, does not name our topics.
        request |= {"key": _OF_ALL, "subId": str(request_id)}
    elif channel in ("candles", "status"):
        request["key"] = what
    else:
        request["symbol"] = what
    return msgspec.json.encode(request)


_new_parser: Callable[[], Parse] = _Parser

VENUE = Venue(
    name="bitfinex",
    ws_url="wss://api-pub.bitfinex.com/ws/2",
    rest_url="https://api-pub.bitfinex.com",
    docs_url="https://docs.bitfinex.com/docs/ws-general",
    limits=Limits(
        topics_per_connection=25,  # "25 channels at the same time on the same connection"
        topics_per_request=25,  # of liquidations, which are one channel; else 1
        request_bytes=1024,  # nothing is published
        requests_per_s=5.0,  # nothing is published
        connects=(20, 60.0),  # "20 connections per minute"
    ),
    opening=(_CONF,),
    channels={
        # What comes at once did so in all recordings: history, or the state of things.
        "trade": ChannelSpec(topic="trades:{symbol}", decode=_trades, at_once=True),
        "bbo": ChannelSpec(topic="book:1:{symbol}", new_decoder=_new_bbo),
        "book": ChannelSpec(topic="book:250:{symbol}", decode=_book),
        "ticker": ChannelSpec(topic="ticker:{symbol}", decode=_ticker, at_once=True),
        "candle": ChannelSpec(
            topic="candles:trade:{interval}:{symbol}", new_decoder=closing(_candle)
        ),
        "mark": ChannelSpec(topic="status:deriv:{symbol}", decode=_mark),
        "funding": ChannelSpec(topic="status:deriv:{symbol}", decode=_funding),
        "open_interest": ChannelSpec(topic="status:deriv:{symbol}", decode=_open_interest),
        "liquidation": ChannelSpec(topic=_LIQUIDATIONS + "{symbol}", decode=_liquidations),
    },
    intervals={
        "1m": "1m",
        "5m": "5m",
        "15m": "15m",
        "30m": "30m",
        "1h": "1h",
        "3h": "3h",
        "6h": "6h",
        "12h": "12h",
        "1d": "1D",
        "1w": "1W",
        "14d": "14D",
        "1M": "1M",
    },
    to_symbol=_to_symbol,
    new_parser=_new_parser,
    subscribe=_subscribe,
    unsubscribe=_unsubscribe,
    request_group=_request_group,
    heartbeat=Heartbeat(payload=b'{"event":"ping","cid":1}', after_idle_s=20.0, timeout_s=10.0),
    # 10 to 90 requests a minute, depending on the endpoint (from memory).
    rest_limits=RestLimits(weight=(30, 60.0)),
    instruments=InstrumentList(
        requests=(
            RestRequest(path="/v2/conf/pub:list:pair:exchange,pub:list:pair:futures"),
            RestRequest(path="/v2/tickers?symbols=ALL"),
        ),
        parse=_instruments,
    ),
    # The sequence is the connection's and is checked where frames are parsed.
    books={"book": BookRule(continuity="none", checksum=_checksum)},
)
