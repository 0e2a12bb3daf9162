"""`encoding: nautilus`: what nautilus_trader's message bus writes to its external streams.

An entry is `topic` and `payload`; the payload is MessagePack, as `MessageBusConfig`
has it by default, of one `TradeTick`, `QuoteTick`, `OrderBookDeltas` or `Bar`. Their
times are nanoseconds: text at the top, integers inside deltas, as their serializer
leaves them. Their prices are text, here the venue's characters.

What their readers refuse is not written: a quote with one side, a bar that is not
over, a trade of nothing, without an id or with one longer than 36, a delta without
a level.

Source: github.com/nautechsystems/nautilus_trader 1.221.0, `serialization/serializer.pyx`,
`model/data.pyx`, `data/engine.pyx` (topics), `crates/infrastructure/src/redis`.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal

import msgspec
from msgspec import Struct

from ingest import venues
from ingest.codecs.base import Encoded, KeyForm, interval_of
from ingest.codecs.names import interval_ns, nautilus_bar_type, nautilus_instrument_id
from ingest.codecs.nautilus_deltas import deltas, pieces
from ingest.codecs.resp import bulk
from ingest.model import AnyEvent, Bbo, Book, Candle, Stream, Trade

_MAX_TRADE_ID = 36
_MAX_QUANTITY_DIGITS = 13  # before the point
_TOPICS = {
    "trade": "data.trades",
    "agg_trade": "data.trades",
    "bbo": "data.quotes",
    "book": "data.book.deltas",
    "book_l2_tbt": "data.book.deltas",
    "book_raw": "data.book.deltas",
    "book_step0": "data.book.deltas",
}
_AGGRESSORS: dict[str, Literal["BUYER", "SELLER"]] = {"buy": "BUYER", "sell": "SELLER"}

_encode = msgspec.msgpack.Encoder().encode


class _TradeTick(Struct, frozen=True, gc=False, tag_field="type", tag="TradeTick"):
    instrument_id: str
    price: str
    size: str
    aggressor_side: Literal["BUYER", "SELLER"]
    trade_id: str
    ts_event: str
    ts_init: str


class _QuoteTick(Struct, frozen=True, gc=False, tag_field="type", tag="QuoteTick"):
    instrument_id: str
    bid_price: str
    ask_price: str
    bid_size: str
    ask_size: str
    ts_event: str
    ts_init: str


class _Bar(Struct, frozen=True, gc=False, tag_field="type", tag="Bar"):
    bar_type: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    ts_event: str
    ts_init: str


class NautilusEncoder:
    """A stream for each topic; of markers, feed events and other channels there are none."""

    keys = KeyForm(default="stream:{topic}", required=("topic",), optional=("channel",))
    complete = False

    def key_parts(self, stream: Stream) -> Mapping[str, str] | None:
        """As `Encoder.key_parts`."""
        topic = _topic(stream)
        return None if topic is None else {"topic": topic, "channel": stream.channel}

    def encode(self, stream: Stream, event: AnyEvent) -> Encoded | None:
        """As `Encoder.encode`."""
        payload_of = _PAYLOADS.get(type(event))
        payload = None if payload_of is None else payload_of(stream, event)
        return None if payload is None else (4, _opening(stream) + bulk(payload))


def _trade(stream: Stream, event: Trade) -> bytes | None:
    size, trade_id = event.size, event.id
    if (
        not size.strip("0.")
        or not trade_id
        or len(trade_id) > _MAX_TRADE_ID
        or not trade_id.isascii()  # theirs aborts the process
    ):
        return None
    rx = str(event.rx)
    return _encode(
        _TradeTick(
            _instrument_id(stream),
            event.price,
            size,
            _AGGRESSORS[event.side],
            trade_id,
            rx if event.ts is None else str(event.ts),
            rx,
        )
    )


def _quote(stream: Stream, event: Bbo) -> bytes | None:
    bid, ask, bid_size, ask_size = event.bid, event.ask, event.bid_size, event.ask_size
    if bid is None or ask is None or bid_size is None or ask_size is None:
        return None
    bid, ask = _same_places(bid, ask)
    bid_size, ask_size = _same_places(bid_size, ask_size)
    rx = str(event.rx)
    # Theirs fills in its own clock, too, where the venue sends no time.
    ts = rx if event.ts is None else str(event.ts)
    return _encode(_QuoteTick(_instrument_id(stream), bid, ask, bid_size, ask_size, ts, rx))


def _bar(stream: Stream, event: Candle) -> bytes | None:
    volume = event.volume
    if not event.closed or volume is None:
        return None  # their `Bar` is over, whatever it says
    if len(volume.partition(".")[0]) > _MAX_QUANTITY_DIGITS:
        return None
    interval = interval_of(stream.channel) or ""
    end = event.end
    if end is None:
        length_ns = interval_ns(interval)
        end = event.rx if length_ns is None else event.start + length_ns
    return _encode(
        _Bar(
            nautilus_bar_type(_instrument_id(stream), interval),
            event.open,
            event.high,
            event.low,
            event.close,
            volume,
            str(end),
            str(event.rx),
        )
    )


def _deltas(stream: Stream, event: Book) -> bytes | None:
    return deltas(_delta_pieces(stream), event)


def _same_places(a: str, b: str) -> tuple[str, str]:
    """Give both as many digits behind the point: theirs takes no quote otherwise."""
    places_a, places_b = len(a.partition(".")[2]), len(b.partition(".")[2])
    if places_a < places_b:
        return _padded(a, places_a, places_b), b
    if places_b < places_a:
        return a, _padded(b, places_b, places_a)
    return a, b


def _padded(number: str, places: int, wanted: int) -> str:
    zeros = "0" * (wanted - places)
    return f"{number}{zeros}" if places or number.endswith(".") else f"{number}.{zeros}"


def _topic(stream: Stream) -> str | None:
    interval = interval_of(stream.channel)
    if interval is not None:
        return f"data.bars.{nautilus_bar_type(_instrument_id(stream), interval)}"
    topic = _TOPICS.get(stream.channel)
    if topic is None:
        return None
    symbol, _, venue = _instrument_id(stream).rpartition(".")
    if topic == "data.book.deltas" and "." in symbol:
        symbol = f"{symbol.partition('.')[0]}*"  # a whole family in one topic
    return f"{topic}.{venue}.{symbol}"


@lru_cache(maxsize=65536)  # streams of one worker
def _instrument_id(stream: Stream) -> str:
    return nautilus_instrument_id(venues.get(stream.venue), stream.instrument)


@lru_cache(maxsize=65536)
def _delta_pieces(stream: Stream) -> tuple[str, str, str]:
    return pieces(_instrument_id(stream))


@lru_cache(maxsize=65536)
def _opening(stream: Stream) -> bytes:
    topic = _topic(stream) or ""
    return bulk(b"topic") + bulk(topic.encode()) + bulk(b"payload")


_PAYLOADS: dict[type, Callable[[Stream, Any], bytes | None]] = {
    Trade: _trade,
    Bbo: _quote,
    Candle: _bar,
    Book: _deltas,
}
