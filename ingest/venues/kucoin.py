"""KuCoin spot, public market data.

A connection needs a token, asked for over REST just before.

Source: https://www.kucoin.com/docs/websocket/introduction
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from ingest.errors import DecodeError
from ingest.model import Bbo, Book, Candle, Level, Side, Ticker, Trade
from ingest.venues.base import (
    Ack,
    Admission,
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
    RestBook,
    RestLimits,
    RestRequest,
    Ticket,
    Topic,
    Venue,
)
from ingest.venues.candles import closing
from ingest.venues.decoding import (
    NS_PER_MS,
    Milliseconds,
    SequenceNumber,
    check_decimals,
    decimal_or_none,
    decoder,
    levels_decoder,
    mismatch,
    number,
    number_or_none,
)

_WS_URL = "wss://ws-api-spot.kucoin.com/"
_NS_PER_S = 1_000_000_000
# Currencies that were renamed; the symbols of their pairs stay what they were.
_SYMBOLS = {"BSV": "BCHSV", "GALA": "GALAX", "OXEN": "LOKI", "REV": "R", "WAXP": "WAX"}

_Nanoseconds = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Seconds = Annotated[int, Meta(ge=0, le=9_223_372_036)]

_instrument = re.compile(r"[A-Z0-9]+-[A-Z0-9]+").fullmatch
_whole = re.compile(r"[0-9]{1,18}").fullmatch


class _Frame(Struct, gc=False):
    """Every kind of frame."""

    type: str
    topic: str = ""
    subject: str = ""
    data: Raw | UnsetType = UNSET
    id: str | int = ""
    code: int | str = ""


class _Trade(Struct, gc=False):
    symbol: str
    tradeId: Annotated[str, Meta(min_length=1, max_length=64)]
    price: str
    size: str
    side: Side
    time: _Nanoseconds


class _Ticker(Struct, gc=False):
    """Best bid and ask, and the last trade."""

    sequence: SequenceNumber
    bestBid: str | None = None
    bestBidSize: str | None = None
    bestAsk: str | None = None
    bestAskSize: str | None = None
    time: Milliseconds | None = None


class _Changes(Struct, gc=False):
    bids: Raw
    asks: Raw


class _Update(Struct, gc=False):
    symbol: str
    sequenceStart: SequenceNumber
    sequenceEnd: SequenceNumber
    changes: _Changes
    time: Milliseconds | None = None


class _Candles(Struct, gc=False):
    symbol: str
    candles: tuple[_Seconds, str, str, str, str, str, str]  # start, o, c, h, l, volume, quote
    time: _Nanoseconds


class _Day(Struct, gc=False):
    symbol: str
    datetime: Milliseconds
    lastTradedPrice: Raw = Raw()
    open: Raw = Raw()
    high: Raw = Raw()
    low: Raw = Raw()
    vol: Raw = Raw()
    volValue: Raw = Raw()
    buy: Raw = Raw()
    sell: Raw = Raw()


class _Snapshot(Struct, gc=False):
    data: _Day


class _RestBook(Struct, gc=False):
    sequence: SequenceNumber
    bids: Raw
    asks: Raw
    time: Milliseconds | None = None


class _Listed(Struct, gc=False):
    symbol: str
    baseCurrency: str
    quoteCurrency: str
    priceIncrement: str | None = None
    baseIncrement: str | None = None
    enableTrading: bool = True


class _Volume(Struct, gc=False):
    symbol: str
    volValue: str | None = None


class _Volumes(Struct, gc=False):
    ticker: list[Raw]


class _Server(Struct, gc=False):
    endpoint: str
    # In ms. Far from what was ever seen (18,000 and 10,000) they are refused, as a ping
    # every few ms would break the limit on messages.
    pingInterval: Annotated[int, Meta(ge=1000, le=600_000)] = 18_000
    pingTimeout: Annotated[int, Meta(ge=1000, le=600_000)] = 10_000


class _Token(Struct, gc=False):
    token: Annotated[str, Meta(min_length=1, max_length=2048)]
    instanceServers: Annotated[list[_Server], Meta(min_length=1)]


class _Answer(Struct, gc=False):
    code: str
    data: Raw = Raw()
    msg: str = ""


# Times and sequences come as strings of digits in places: not strict.
_decode_frame = decoder(_Frame, "kucoin frame")
_decode_text = decoder(str, "kucoin error")
_decode_trade = decoder(_Trade, "kucoin match", strict=False)
_decode_ticker = decoder(_Ticker, "kucoin ticker", strict=False)
_decode_update = decoder(_Update, "kucoin level2", strict=False)
_decode_changes = levels_decoder("kucoin level2", columns=3)  # price, size, sequence
_decode_candles = decoder(_Candles, "kucoin candles", strict=False)
_decode_snapshot = decoder(_Snapshot, "kucoin snapshot", strict=False)
_decode_answer = decoder(_Answer, "kucoin REST answer")
_decode_rest_book = decoder(_RestBook, "kucoin order book", strict=False)
_decode_levels = levels_decoder("kucoin order book", columns=2)
_decode_list = decoder(list[Raw], "kucoin symbols")
_decode_listed = decoder(_Listed, "kucoin symbol")
_decode_volumes = decoder(_Volumes, "kucoin tickers")
_decode_volume = decoder(_Volume, "kucoin ticker")
_decode_token = decoder(_Token, "kucoin token")


def _parse(message: bytes) -> Inbound:
    frame = _decode_frame(message)
    if frame.type == "message":
        if frame.data is UNSET or not frame.topic:
            raise DecodeError("missing_field", "kucoin message: no `topic` or no `data`")
        return Data(frame.topic, frame.data, frame.subject)
    request_id = int(frame.id) if _whole(str(frame.id)) else None
    if frame.type == "ack":
        return Ack(request_id)
    if frame.type == "error":
        text = "" if frame.data is UNSET else _decode_text(frame.data)
        return Reject(text, str(frame.code), request_id)
    if frame.type == "pong":
        return Pong()
    if frame.type in ("welcome", "notice"):
        return Ignored(frame.type)
    raise DecodeError("unknown_frame", f"kucoin frame: unknown type {frame.type[:40]!r}")


def _check_symbol(what: str, data: Data, symbol: str) -> None:
    if data.topic.partition(":")[2].partition("_")[0] != symbol:
        raise mismatch(what, data.topic, symbol)


def _trade(data: Data, rx: int) -> Sequence[Trade]:
    wire = _decode_trade(data.payload)
    _check_symbol("kucoin match", data, wire.symbol)
    check_decimals("kucoin match", wire.price, wire.size)
    return (
        Trade(
            rx=rx,
            ts=wire.time,
            price=wire.price,
            size=wire.size,
            side=wire.side,  # the taker's
            id=wire.tradeId,
        ),
    )


def _bbo(data: Data, rx: int) -> Sequence[Bbo]:
    what = "kucoin ticker"
    wire = _decode_ticker(data.payload)
    bid, bid_size = _best(what, wire.bestBid, wire.bestBidSize)
    ask, ask_size = _best(what, wire.bestAsk, wire.bestAskSize)
    return (
        Bbo(
            rx=rx,
            ts=None if wire.time is None else wire.time * NS_PER_MS,
            bid=bid,
            bid_size=bid_size,
            ask=ask,
            ask_size=ask_size,
            seq=wire.sequence,
        ),
    )


def _best(what: str, price: str | None, size: str | None) -> tuple[str | None, str | None]:
    found = decimal_or_none(what, price or ""), decimal_or_none(what, size or "")
    # An empty side has a size of zero.
    return found if found[1] and found[1].strip("0.") else (None, None)


def _book(data: Data, rx: int) -> Sequence[Book]:
    wire = _decode_update(data.payload)
    _check_symbol("kucoin level2", data, wire.symbol)
    return (
        Book(
            rx=rx,
            ts=None if wire.time is None else wire.time * NS_PER_MS,
            type="delta",
            bids=_changes(wire.changes.bids),
            asks=_changes(wire.changes.asks),
            seq=wire.sequenceEnd,
            first_seq=wire.sequenceStart,
        ),
    )


def _changes(raw: Raw) -> list[Level]:
    # A price of zero changes no level: it only moves the sequence on.
    return [level for level in _decode_changes(raw) if level[0].strip("0.")]


def _rest_book(body: bytes, rx: int) -> Book:
    wire = _decode_rest_book(_data_of(body))
    return Book(
        rx=rx,
        ts=None if wire.time is None else wire.time * NS_PER_MS,
        type="snapshot",
        bids=_decode_levels(wire.bids),
        asks=_decode_levels(wire.asks),
        seq=wire.sequence,
    )


def _joins(sequence: int, delta: Book) -> bool:
    return (
        delta.first_seq is not None
        and delta.seq is not None
        and delta.first_seq <= sequence + 1 <= delta.seq
    )


def _candle(data: Data, rx: int) -> Candle:
    wire = _decode_candles(data.payload)
    _check_symbol("kucoin candles", data, wire.symbol)
    start, *values = wire.candles
    check_decimals("kucoin candles", *values)
    opened, closed_at, high, low, volume, turnover = values
    return Candle(
        rx=rx,
        ts=wire.time,
        start=start * _NS_PER_S,
        open=opened,
        high=high,
        low=low,
        close=closed_at,
        volume=volume,
        quote_volume=turnover,
        closed=False,
    )


def _ticker(data: Data, rx: int) -> Sequence[Ticker]:
    what = "kucoin snapshot"
    wire = _decode_snapshot(data.payload).data
    _check_symbol(what, data, wire.symbol)
    if bytes(wire.lastTradedPrice) in (b"", b"null"):
        return ()  # never traded yet: there is no ticker to tell
    return (
        Ticker(
            rx=rx,
            ts=wire.datetime * NS_PER_MS,
            last=number(what, wire.lastTradedPrice),
            open=number_or_none(what, wire.open),
            high=number_or_none(what, wire.high),
            low=number_or_none(what, wire.low),
            volume=number_or_none(what, wire.vol),
            quote_volume=number_or_none(what, wire.volValue),
            bid=number_or_none(what, wire.buy),
            ask=number_or_none(what, wire.sell),
        ),
    )


def _data_of(body: bytes) -> Raw:
    answer = _decode_answer(body)
    if answer.code != "200000" or not bytes(answer.data):
        raise DecodeError(
            "bad_value", f"kucoin REST answer: code {answer.code[:20]!r}, {answer.msg[:200]!r}"
        )
    return answer.data


def _instruments(bodies: Sequence[bytes]) -> list[Instrument]:
    volumes: dict[str, str] = {}
    for body in bodies[1:]:
        for entry in _decode_volumes(_data_of(body)).ticker:
            try:
                ticker = _decode_volume(entry)
                volume = decimal_or_none("kucoin ticker", ticker.volValue or "")
            except DecodeError:
                continue
            if volume is not None:
                volumes[ticker.symbol] = volume
    found = []
    for entry in _decode_list(_data_of(bodies[0])):
        try:
            wire = _decode_listed(entry)
        except DecodeError:
            continue
        name = f"{wire.baseCurrency}-{wire.quoteCurrency}"
        if not _instrument(name):
            continue
        found.append(
            Instrument(
                name=name,
                symbol=wire.symbol,
                kind="spot",
                base=wire.baseCurrency,
                quote=wire.quoteCurrency,
                tick_size=wire.priceIncrement,
                lot_size=wire.baseIncrement,
                trading=wire.enableTrading,
                volume=volumes.get(wire.symbol),
            )
        )
    return found


def _heartbeat(every_ms: int, timeout_ms: int) -> Heartbeat:
    # It closes connections that do not ping, data or no data.
    return Heartbeat(
        payload=b'{"id":"0","type":"ping"}',
        after_idle_s=every_ms / 1000,
        timeout_s=timeout_ms / 1000,
        always=True,
    )


def _admit(body: bytes, planned: str) -> Admission:
    token = _decode_token(_data_of(body))
    server = token.instanceServers[0]
    endpoint = server.endpoint
    if not endpoint.startswith("wss://"):
        raise DecodeError("bad_value", f"kucoin token: endpoint is {endpoint[:80]!r}, not wss://…")
    # Where the configuration names another address, it is meant.
    url = endpoint if planned == _WS_URL else planned
    return Admission(
        url=f"{url}{'&' if '?' in url else '?'}token={quote(token.token, safe='')}",
        heartbeat=_heartbeat(server.pingInterval, server.pingTimeout),
    )


def _to_symbol(instrument: str) -> str:
    if not _instrument(instrument):
        raise ValueError(
            f"{instrument!r} cannot be a kucoin instrument; kucoin is the spot market: "
            "write BASE-QUOTE in capital letters and digits, for example BTC-USDT"
        )
    base, _, quoted = instrument.partition("-")
    return f"{_SYMBOLS.get(base, base)}-{quoted}"


def _kind(topic: Topic) -> str:
    return topic.name.partition(":")[0]


def _request(kind: str, topics: Sequence[Topic], request_id: int) -> bytes:
    symbols = dict.fromkeys(topic.name.partition(":")[2] for topic in topics)
    return msgspec.json.encode(
        {
            "id": str(request_id),
            "type": kind,
            "topic": f"{_kind(topics[0])}:{','.join(symbols)}",
            "privateChannel": False,
            "response": True,  # both are answered alike, by the number only
        }
    )


def _rest_book_request(symbol: str) -> RestRequest:
    # 100 levels a side; the whole book, /api/v3/market/orderbook/level2, needs a login.
    return RestRequest(path=f"/api/v1/market/orderbook/level2_100?symbol={symbol}", weight=4)


VENUE = Venue(
    name="kucoin",
    ws_url=_WS_URL,
    rest_url="https://api.kucoin.com",
    docs_url="https://www.kucoin.com/docs/websocket/introduction",
    limits=Limits(
        # "Subscription limit for each connection": 300 topics in the documentation up to
        # 2024, 400 since. What is too much is refused, topic by topic, with code 509.
        topics_per_connection=300,
        topics_per_request=100,  # symbols, of one kind of topic
        request_bytes=4096,
        # 100 per 10 seconds, pings included: one in ten is left for those.
        requests_per_s=9.0,
        connects=(30, 60.0),  # "Connection Limit: 30 per minute"
        max_age_s=86_400.0,  # the ticket is good for 24 hours, and the connection with it
    ),
    channels={
        "trade": ChannelSpec(topic="/market/match:{symbol}", decode=_trade),
        "bbo": ChannelSpec(topic="/market/ticker:{symbol}", decode=_bbo),
        "book": ChannelSpec(topic="/market/level2:{symbol}", decode=_book),
        "ticker": ChannelSpec(topic="/market/snapshot:{symbol}", decode=_ticker),
        "candle": ChannelSpec(
            topic="/market/candles:{symbol}_{interval}", new_decoder=closing(_candle)
        ),
    },
    intervals={
        "1m": "1min",
        "3m": "3min",
        "5m": "5min",
        "15m": "15min",
        "30m": "30min",
        "1h": "1hour",
        "2h": "2hour",
        "4h": "4hour",
        "6h": "6hour",
        "8h": "8hour",
        "12h": "12hour",
        "1d": "1day",
        "1w": "1week",
    },
    to_symbol=_to_symbol,
    parse=_parse,
    subscribe=partial(_request, "subscribe"),
    unsubscribe=partial(_request, "unsubscribe"),
    request_group=_kind,
    heartbeat=_heartbeat(18_000, 10_000),  # without a ticket's word
    ticket=Ticket(
        request=RestRequest(path="/api/v1/bullet-public", method="POST", weight=10), admit=_admit
    ),
    rest_limits=RestLimits(weight=(2000, 30.0)),  # "Public … 2000/30s", by address
    instruments=InstrumentList(
        requests=(
            RestRequest(path="/api/v1/symbols", weight=4),
            RestRequest(path="/api/v1/market/allTickers", weight=15),
        ),
        parse=_instruments,
    ),
    books={
        "book": BookRule(
            continuity="first_seq",
            rest=RestBook(request=_rest_book_request, decode=_rest_book),
            joins=_joins,
        )
    },
)
