"""Hyperliquid, public market data: perpetuals of the venue's own, margined in USDC; spot.

Source: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from ingest.errors import DecodeError
from ingest.model import (
    Bbo,
    Book,
    Candle,
    Funding,
    Level,
    Mark,
    OpenInterest,
    Side,
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
    check_decimals,
    decimal_or_none,
    decoder,
    mismatch,
    signed_number,
)

_SIDES: Final[dict[str, Side]] = {"B": "buy", "A": "sell"}
_SPOT_CTX: Final = "activeSpotAssetCtx"
_TYPES: Final = frozenset({"trades", "l2Book", "bbo", "activeAssetCtx"})


class _Frame(Struct, gc=False):
    channel: str
    data: Raw | UnsetType = UNSET


class _Subscription(Struct, gc=False):
    type: str
    coin: str = ""  # feeds of all coins have none
    interval: str = ""


class _Answered(Struct, gc=False):
    method: str
    subscription: _Subscription


class _Coin(Struct, gc=False):
    coin: str


class _CandleOf(Struct, gc=False):
    s: str
    i: str


class _Trade(Struct, gc=False):
    coin: str
    side: Literal["A", "B"]
    px: str
    sz: str
    time: Milliseconds
    tid: SequenceNumber


class _Level(Struct, gc=False):
    px: str
    sz: str


class _Book(Struct, gc=False):
    coin: str
    time: Milliseconds
    levels: tuple[list[_Level], list[_Level]]


class _Bbo(Struct, gc=False):
    coin: str
    time: Milliseconds
    bbo: tuple[_Level | None, _Level | None]


class _Bar(Struct, gc=False):
    t: Milliseconds
    T: Milliseconds
    o: str
    c: str
    h: str
    l: str  # noqa: E741  # the venue's name
    v: str
    n: SequenceNumber


class _Ctx(Struct, gc=False):
    markPx: str | None = None
    oraclePx: str | None = None
    funding: Raw = Raw(b"null")
    openInterest: str | None = None


class _AssetCtx(Struct, gc=False):
    coin: str
    ctx: _Ctx


_decode_frame = decoder(_Frame, "hyperliquid frame")
_decode_answered = decoder(_Answered, "hyperliquid subscriptionResponse")
_decode_error = decoder(str, "hyperliquid error")
_decode_subscription = decoder(_Subscription, "hyperliquid error")
_decode_coin = decoder(_Coin, "hyperliquid frame")
_decode_coins = decoder(list[_Coin], "hyperliquid trades")
_decode_candle_of = decoder(_CandleOf, "hyperliquid candle")
_decode_trades = decoder(list[_Trade], "hyperliquid trades")
_decode_book = decoder(_Book, "hyperliquid l2Book")
_decode_bbo = decoder(_Bbo, "hyperliquid bbo")
_decode_bar = decoder(_Bar, "hyperliquid candle")
_decode_ctx = decoder(_AssetCtx, "hyperliquid activeAssetCtx")


def _parse(message: bytes) -> Inbound:
    frame = _decode_frame(message)
    if frame.channel == "pong":
        return Pong()
    if frame.data is UNSET:
        raise DecodeError("unknown_frame", f"hyperliquid {frame.channel[:40]!r}: no data")
    if frame.channel == "trades":
        coins = {trade.coin for trade in _decode_coins(frame.data)}
        if not coins:
            return Ignored("no trades")
        if len(coins) > 1:
            raise DecodeError("bad_value", "hyperliquid trades: several coins")
        return Data(f"trades:{coins.pop()}", frame.data)
    if frame.channel == _SPOT_CTX:
        # Of a spot pair: asked for by the name that perpetuals have.
        return Data(f"activeAssetCtx:{_decode_coin(frame.data).coin}", frame.data)
    if frame.channel in _TYPES:
        return Data(f"{frame.channel}:{_decode_coin(frame.data).coin}", frame.data)
    if frame.channel == "candle":
        of = _decode_candle_of(frame.data)
        return Data(f"candle:{of.s}:{of.i}", frame.data)
    return _control(frame.channel, frame.data)


def _control(channel: str, data: Raw) -> Inbound:
    if channel == "subscriptionResponse":
        answered = _decode_answered(data)
        if answered.method != "subscribe":
            return Ignored("unsubscribed")
        return Ack(topics=(_name(answered.subscription),))
    if channel == "error":
        text = _decode_error(data)
        named = _named(text)
        # So it answers the repetition of a request whose answer came too late.
        if named and text.startswith("Already subscribed"):
            return Ack(topics=named)
        if text.startswith("Already unsubscribed"):
            return Ignored("unsubscribed")
        return Reject(text, topics=named)
    raise DecodeError("unknown_frame", f"hyperliquid frame: unknown channel {channel[:40]!r}")


def _name(subscription: _Subscription) -> str:
    kind, coin, interval = subscription.type, subscription.coin, subscription.interval
    return f"{kind}:{coin}:{interval}" if interval else f"{kind}:{coin}"


def _named(text: str) -> tuple[str, ...]:
    """Return the topic of the subscription or request that an error quotes, if it does."""
    quoted = text[text.find("{") :].encode(errors="replace") if "{" in text else b""
    try:
        return (_name(_decode_answered(quoted).subscription),)
    except DecodeError:
        pass
    try:
        return (_name(_decode_subscription(quoted)),)
    except DecodeError:
        return ()


def _check_coin(what: str, topic: str, coin: str) -> None:
    if topic.partition(":")[2] != coin:
        raise mismatch(what, topic, coin)


def _trades(data: Data, rx: int) -> Sequence[Trade]:
    what, events = "hyperliquid trades", []
    for wire in _decode_trades(data.payload):
        _check_coin(what, data.topic, wire.coin)
        check_decimals(what, wire.px, wire.sz)
        events.append(
            Trade(
                rx=rx,
                ts=wire.time * NS_PER_MS,
                price=wire.px,
                size=wire.sz,
                side=_SIDES[wire.side],
                id=str(wire.tid),
            )
        )
    return events


def _levels(levels: list[_Level]) -> list[Level]:
    for level in levels:
        check_decimals("hyperliquid l2Book", level.px, level.sz)
    return [(level.px, level.sz) for level in levels]


def _book(data: Data, rx: int) -> Sequence[Book]:
    wire = _decode_book(data.payload)
    _check_coin("hyperliquid l2Book", data.topic, wire.coin)
    bids, asks = wire.levels
    return (
        Book(
            rx=rx,
            ts=wire.time * NS_PER_MS,
            type="snapshot",
            bids=_levels(bids),
            asks=_levels(asks),
        ),
    )


def _bbo(data: Data, rx: int) -> Sequence[Bbo]:
    wire = _decode_bbo(data.payload)
    _check_coin("hyperliquid bbo", data.topic, wire.coin)
    bid, ask = wire.bbo
    for level in (bid, ask):
        if level is not None:
            check_decimals("hyperliquid bbo", level.px, level.sz)
    return (
        Bbo(
            rx=rx,
            ts=wire.time * NS_PER_MS,
            bid=bid.px if bid else None,
            bid_size=bid.sz if bid else None,
            ask=ask.px if ask else None,
            ask_size=ask.sz if ask else None,
        ),
    )


def _candle(data: Data, rx: int) -> Candle:
    wire = _decode_bar(data.payload)
    check_decimals("hyperliquid candle", wire.o, wire.h, wire.l, wire.c, wire.v)
    return Candle(
        rx=rx,
        start=wire.t * NS_PER_MS,
        end=wire.T * NS_PER_MS,
        open=wire.o,
        high=wire.h,
        low=wire.l,
        close=wire.c,
        volume=wire.v,
        trades=wire.n,
        closed=False,
    )


def _ctx(data: Data) -> _Ctx:
    wire = _decode_ctx(data.payload)
    _check_coin("hyperliquid activeAssetCtx", data.topic, wire.coin)
    return wire.ctx


def _rate(ctx: _Ctx) -> str | None:
    if bytes(ctx.funding) == b"null":
        return None
    return signed_number("hyperliquid activeAssetCtx", ctx.funding)


def _price(value: str | None) -> str | None:
    return None if value is None else decimal_or_none("hyperliquid activeAssetCtx", value)


# The context of an asset carries no time.
def _mark(data: Data, rx: int) -> Sequence[Mark]:
    ctx = _ctx(data)
    mark = _price(ctx.markPx)
    if mark is None:
        return ()
    return (Mark(rx=rx, mark=mark, index=_price(ctx.oraclePx), funding_rate=_rate(ctx)),)


def _funding(data: Data, rx: int) -> Sequence[Funding]:
    rate = _rate(_ctx(data))
    return () if rate is None else (Funding(rx=rx, rate=rate),)


def _open_interest(data: Data, rx: int) -> Sequence[OpenInterest]:
    sent = _price(_ctx(data).openInterest)
    return () if sent is None else (OpenInterest(rx=rx, open_interest=sent),)


# Thousands of a coin are called kPEPE there.
_INSTRUMENT = re.compile(r"(k?[A-Z0-9]+)-USDC?-PERP").fullmatch
# Spot pairs go by numbers, which do not follow from their names; those that are traded most.
_SPOT: Final = {
    "PURR-USDC": "PURR/USDC",
    "HYPE-USDC": "@107",
    "UBTC-USDC": "@142",
    "UETH-USDC": "@151",
}


def _to_symbol(instrument: str) -> str:
    if instrument in _SPOT:
        return _SPOT[instrument]
    found = _INSTRUMENT(instrument)
    if not found:
        raise ValueError(
            f"{instrument!r} cannot be a hyperliquid instrument; it has perpetuals "
            f"in USDC, for example BTC-USDC-PERP, and of its spot pairs {', '.join(_SPOT)}"
        )
    return found[1]


class _Asset(Struct, gc=False):
    name: str
    szDecimals: Annotated[int, Meta(ge=0, le=30)]
    isDelisted: bool = False


class _Universe(Struct, gc=False):
    universe: list[_Asset]


class _Day(Struct, gc=False):
    dayNtlVlm: str | None = None
    coin: str = ""  # of a spot pair


class _Token(Struct, gc=False):
    name: str
    index: int
    szDecimals: Annotated[int, Meta(ge=0, le=30)]


class _Pair(Struct, gc=False):
    name: str
    tokens: tuple[int, int]  # base, quote


class _SpotUniverse(Struct, gc=False):
    universe: list[_Pair]
    tokens: list[_Token]


_decode_meta: Callable[[bytes], Any] = decoder(
    tuple[_Universe, list[_Day]], "hyperliquid metaAndAssetCtxs"
)
_decode_spot_meta: Callable[[bytes], Any] = decoder(
    tuple[_SpotUniverse, list[_Day]], "hyperliquid spotMetaAndAssetCtxs"
)


def _instruments(bodies: Sequence[bytes]) -> list[Instrument]:
    return _perpetuals(bodies[0]) + _spot_pairs(bodies[1])


def _spot_pairs(body: bytes) -> list[Instrument]:
    meta, days = _decode_spot_meta(body)
    tokens = {token.index: token for token in meta.tokens}
    # Not in the order of the pairs.
    volumes = {day.coin: _price(day.dayNtlVlm) for day in days}
    found = []
    for pair in meta.universe:
        base, quote = (tokens.get(index) for index in pair.tokens)
        if base is None or quote is None:
            continue
        name = f"{base.name}-{quote.name}"
        if _SPOT.get(name) != pair.name:
            continue
        found.append(
            Instrument(
                name=name,
                symbol=pair.name,
                kind="spot",
                base=base.name,
                quote=quote.name,
                lot_size=_step(base.szDecimals),
                volume=volumes.get(pair.name),
            )
        )
    return found


def _step(digits: int) -> str:
    return "1" if digits == 0 else f"0.{'0' * (digits - 1)}1"


def _perpetuals(body: bytes) -> list[Instrument]:
    meta, days = _decode_meta(body)
    if len(days) != len(meta.universe):
        raise DecodeError("bad_value", "hyperliquid metaAndAssetCtxs: lists of different lengths")
    found = []
    for asset, day in zip(meta.universe, days, strict=True):
        name = f"{asset.name}-USDC-PERP"
        if not _INSTRUMENT(name):
            continue
        found.append(
            Instrument(
                name=name,
                symbol=asset.name,
                kind="perpetual",
                base=asset.name,
                quote="USDC",
                # Prices have five significant digits, not a step.
                lot_size=_step(asset.szDecimals),
                trading=not asset.isDelisted,
                volume=_price(day.dayNtlVlm),
            )
        )
    return found


def _nautilus_symbol(instrument: str) -> str:
    if instrument in _SPOT:
        return f"{instrument}-SPOT"
    return f"{_to_symbol(instrument)}-USD-PERP"


# An unknown coin is not refused: the venue closes the connection, whatever else it
# serves. So config names come best from the listing.
def _request(method: str, topics: Sequence[Topic], request_id: int) -> bytes:  # noqa: ARG001  # has no ids
    # All of one name, as a request holds one.
    kind, coin, *interval = topics[0].name.split(":")
    subscription = {"type": kind, "coin": coin}
    if interval:
        subscription["interval"] = interval[0]
    return msgspec.json.encode({"method": method, "subscription": subscription})


# fmt: off
_INTERVALS: Final = [
    "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "1d", "3d", "1w", "1M",
]
# fmt: on

VENUE = Venue(
    name="hyperliquid",
    ws_url="wss://api.hyperliquid.xyz/ws",
    rest_url="https://api.hyperliquid.xyz",
    docs_url="https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket",
    limits=Limits(
        # "Maximum of 1000 websocket subscriptions" per address, over all connections
        # (for-developers/api/rate-limits, as are the others).
        topics_per_connection=1000,
        topics_per_host=1000,
        connections_per_host=10,  # "Maximum of 10 websocket connections"
        topics_per_request=1,  # a request names one subscription
        request_bytes=4096,  # not published
        # "2000 messages per minute across all connections"; of which there are at most 10,
        # with some pings.
        requests_per_s=10.0,
        messages_per_host=(1800, 60.0),
        connects=(30, 60.0),  # "maximum of 30 new connections per minute"
    ),
    channels={
        "trade": ChannelSpec(topic="trades:{symbol}", decode=_trades),
        "bbo": ChannelSpec(topic="bbo:{symbol}", decode=_bbo),
        "book": ChannelSpec(topic="l2Book:{symbol}", decode=_book),
        "candle": ChannelSpec(topic="candle:{symbol}:{interval}", new_decoder=closing(_candle)),
        "mark": ChannelSpec(topic="activeAssetCtx:{symbol}", decode=_mark),
        "funding": ChannelSpec(topic="activeAssetCtx:{symbol}", decode=_funding),
        "open_interest": ChannelSpec(topic="activeAssetCtx:{symbol}", decode=_open_interest),
    },
    intervals={interval: interval for interval in _INTERVALS},
    to_symbol=_to_symbol,
    parse=_parse,
    subscribe=partial(_request, "subscribe"),
    unsubscribe=partial(_request, "unsubscribe"),
    # "Closes any connection it has not sent a message to in the last 60 seconds".
    heartbeat=Heartbeat(payload=b'{"method":"ping"}', after_idle_s=30.0, timeout_s=15.0),
    rest_limits=RestLimits(weight=(1200, 60.0)),
    instruments=InstrumentList(
        requests=(
            RestRequest(
                path="/info", method="POST", body=b'{"type":"metaAndAssetCtxs"}', weight=20
            ),
            RestRequest(
                path="/info", method="POST", body=b'{"type":"spotMetaAndAssetCtxs"}', weight=20
            ),
        ),
        parse=_instruments,
    ),
    # 20 levels a side, whole each time, every 5 s (so a probe of 2026-09-24; with
    # `fast` 5 levels every 0.5 s, which cannot be told apart on one connection).
    books={"book": BookRule(continuity="none")},
    nautilus_symbol=_nautilus_symbol,
)
