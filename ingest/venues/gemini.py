"""Gemini, public market data v2: spot and perpetuals.

One subscription, `l2`, carries the book and the trades of a symbol. It is not
acknowledged: its first data says that it was accepted.

Source: https://docs.gemini.com/websocket/archived/v2
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from ingest.errors import DecodeError
from ingest.model import Book, Candle, Level, Mark, Side, Trade
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
    number,
)

# The listing writes base and quote in one; the longer one first where one ends in another.
# fmt: off
_QUOTES = (
    "GUSD", "USDT", "USDC", "RLUSD", "USD", "BTC", "ETH", "EUR", "GBP", "SGD", "DAI",
    "BCH", "LTC", "FIL", "SOL",
)
# fmt: on
# Currencies that together with the rest would read as another quote: PAXG-USD, not PAX-GUSD.
_BASES = ("PAXG",)

# What a trade that was not made in the book has instead of a side: nobody was the taker.
_OUTSIDE = ("block", "auction")
_MOST_TOPICS = 1024  # that are remembered of one connection; we ask for 50

_instrument = re.compile(r"[A-Z0-9]+-[A-Z0-9]+(?:-PERP)?").fullmatch
_listed_pair = re.compile(rf"({'|'.join(_BASES)}|[A-Z0-9]+?)({'|'.join(_QUOTES)})(PERP)?").fullmatch


class _Frame(Struct, gc=False):
    """Every kind of frame; data stands beside `type`, so it is decoded again by its channel."""

    type: str = ""
    symbol: str = ""
    side: str = ""
    trades: Raw | UnsetType = UNSET
    auction_events: Raw | UnsetType = UNSET
    result: str = ""
    reason: str = ""
    message: str = ""


class _Trade(Struct, gc=False):
    event_id: SequenceNumber
    timestamp: Milliseconds
    price: str
    quantity: str
    side: Side


class _Book(Struct, gc=False):
    changes: list[tuple[Side, str, str]]
    # History, in the first message only; where nothing was traded yet, `trades` is left out.
    trades: Raw | UnsetType = UNSET
    auction_events: Raw | UnsetType = UNSET

    @property
    def is_first(self) -> bool:
        return self.trades is not UNSET or self.auction_events is not UNSET


class _Bar(Struct, array_like=True, gc=False):
    ms: Milliseconds
    open: Raw
    high: Raw
    low: Raw
    close: Raw
    volume: Raw


class _Candles(Struct, gc=False):
    changes: list[_Bar]


class _Mark(Struct, gc=False):
    mark_price: str
    timestamp: Annotated[int, Meta(ge=0, le=2**63 - 1)]  # Unix ns
    spot_index: str = ""


class _Marks(Struct, gc=False):
    changes: list[_Mark]


_decode_frame = decoder(_Frame, "gemini frame")
_decode_trade = decoder(_Trade, "gemini trade")
_decode_book = decoder(_Book, "gemini l2_updates")
_decode_candles = decoder(_Candles, "gemini candles")
_decode_marks = decoder(_Marks, "gemini mark_price")
_decode_symbols = decoder(list[str], "gemini symbols")


def _new_parser() -> Parse:
    """Build a parser that takes the first data of a topic for its acknowledgement."""
    accepted: set[str] = set()

    def parse(message: bytes) -> Inbound | list[Inbound]:
        frame = _decode_frame(message)
        if frame.type == "trade" and frame.side in _OUTSIDE:
            return Ignored(f"{frame.side} trade")
        if frame.type in ("l2_updates", "trade"):
            topic = f"l2:{frame.symbol}"
        elif frame.type.startswith("candles_") and frame.type.endswith("_updates"):
            topic = f"{frame.type.removesuffix('_updates')}:{frame.symbol}"
        elif frame.type == "mark_price_updates":
            topic = f"mark_price:{frame.symbol}"
        else:
            return _control(frame)
        if not frame.symbol:
            raise DecodeError("missing_field", f"gemini {frame.type[:40]}: no `symbol`")
        data = Data(topic, message, frame.type)
        # The beginning of a book answers whoever asked for it anew, too.
        begins = frame.trades is not UNSET or frame.auction_events is not UNSET
        if not begins and (topic in accepted or len(accepted) >= _MOST_TOPICS):
            return data
        if len(accepted) < _MOST_TOPICS:
            accepted.add(topic)
        return [Ack(topics=(topic,)), data]

    return parse


def _control(frame: _Frame) -> Inbound:
    if frame.type == "heartbeat":
        return Ignored("heartbeat")
    if frame.type in ("subscription_ack", "auction_open", "auction_indicative", "auction_result"):
        return Ignored(frame.type)
    if frame.result == "error":
        return Reject(frame.message or frame.reason, code=frame.reason)
    raise DecodeError("unknown_frame", f"gemini frame: unknown type {frame.type[:40]!r}")


def _trade(data: Data, rx: int) -> Sequence[Trade]:
    if data.action != "trade":
        # The history in the first message comes again with every connection.
        _decode_book(data.payload)
        return ()
    wire = _decode_trade(data.payload)
    check_decimals("gemini trade", wire.price, wire.quantity)
    return (
        Trade(
            rx=rx,
            ts=wire.timestamp * NS_PER_MS,
            price=wire.price,
            size=wire.quantity,
            # The taker's, other than in v1: bought is at the ask, in all recordings.
            side=wire.side,
            id=str(wire.event_id),
        ),
    )


def _book(data: Data, rx: int) -> Sequence[Book]:
    if data.action == "trade":
        _decode_trade(data.payload)
        return ()
    wire = _decode_book(data.payload)
    bids: list[Level] = []
    asks: list[Level] = []
    for side, price, quantity in wire.changes:
        check_decimals("gemini l2_updates", price, quantity)
        (bids if side == "buy" else asks).append((price, quantity))
    return (Book(rx=rx, type="snapshot" if wire.is_first else "delta", bids=bids, asks=asks),)


def _candle(data: Data, rx: int) -> Sequence[Candle]:
    what = "gemini candles"
    # The latest last; those before it, in the first message, are history.
    bars = sorted(_decode_candles(data.payload).changes, key=lambda bar: bar.ms)[-1:]
    return [
        Candle(
            rx=rx,
            start=bar.ms * NS_PER_MS,
            open=number(what, bar.open),
            high=number(what, bar.high),
            low=number(what, bar.low),
            close=number(what, bar.close),
            volume=number(what, bar.volume),
            closed=False,
        )
        for bar in bars
    ]


def _mark(data: Data, rx: int) -> Sequence[Mark]:
    what = "gemini mark_price"
    events = []
    for wire in _decode_marks(data.payload).changes:
        check_decimals(what, wire.mark_price)
        events.append(
            Mark(
                rx=rx,
                ts=wire.timestamp,
                mark=wire.mark_price,
                index=decimal_or_none(what, wire.spot_index),
            )
        )
    return events


def _instruments(bodies: Sequence[bytes]) -> list[Instrument]:
    found = []
    for listed in _decode_symbols(bodies[0]):
        symbol = listed.upper()
        parts = _listed_pair(symbol)
        if parts is None:
            continue
        base, quote, perpetual = parts.groups()
        found.append(
            Instrument(
                name=f"{base}-{quote}" + ("-PERP" if perpetual else ""),
                symbol=symbol,
                kind="perpetual" if perpetual else "spot",
                base=base,
                quote=quote,
            )
        )
    return found


def _to_symbol(instrument: str) -> str:
    if not _instrument(instrument):
        raise ValueError(
            f"{instrument!r} cannot be a gemini instrument; write BASE-QUOTE or "
            "BASE-QUOTE-PERP in capital letters and digits, for example BTC-USD"
        )
    return instrument.replace("-", "")


def _request(kind: str, topics: Sequence[Topic], _request_id: int) -> bytes:
    symbols: dict[str, list[str]] = {}
    for wanted in dict.fromkeys(topic.name for topic in topics):
        name, _, symbol = wanted.partition(":")
        symbols.setdefault(name, []).append(symbol)
    subscriptions = [{"name": name, "symbols": listed} for name, listed in symbols.items()]
    return msgspec.json.encode({"type": kind, "subscriptions": subscriptions})


VENUE = Venue(
    name="gemini",
    ws_url="wss://api.gemini.com/v2/marketdata",
    rest_url="https://api.gemini.com",
    docs_url="https://docs.gemini.com/websocket/archived/v2",
    limits=Limits(
        # No limits are published for v2. Each topic begins with the whole book, up
        # to 200 kB: this keeps a connection's beginning short.
        topics_per_connection=50,
        topics_per_request=10,
        request_bytes=4096,
        requests_per_s=2.0,
        # Public entry points: 120 requests a minute, one a second advised (from memory).
        connects=(60, 60.0),
    ),
    channels={
        "trade": ChannelSpec(topic="l2:{symbol}", decode=_trade),
        "book": ChannelSpec(topic="l2:{symbol}", decode=_book),
        "candle": ChannelSpec(topic="candles_{interval}:{symbol}", new_decoder=closing(_candle)),
        # Of perpetuals. The funding (`funding_amount`) is told in percent, or in dollars:
        # a rate as a fraction would have to be computed.
        "mark": ChannelSpec(topic="mark_price:{symbol}", decode=_mark),
    },
    intervals={name: name for name in ("1m", "5m", "15m", "30m", "1h", "6h", "1d")},
    to_symbol=_to_symbol,
    new_parser=_new_parser,
    subscribe=partial(_request, "subscribe"),
    unsubscribe=partial(_request, "unsubscribe"),
    rest_limits=RestLimits(weight=(120, 60.0)),  # as above
    # What a symbol consists of is told by one request for each of them only: it is
    # read from the symbol.
    instruments=InstrumentList(requests=(RestRequest(path="/v1/symbols"),), parse=_instruments),
    # Snapshot in the stream; nothing in an update would show that another was lost.
    books={"book": BookRule(continuity="none")},
)
