"""`encoding: cryptofeed`: what cryptofeed's own Redis Streams callbacks write.

Its keys, fields, their order, names and times (float seconds); `None` is its word
for what is not known. Where it writes `repr(float(price))` we write the venue's
characters: as text that is one value or the same, to any reader that makes a
number of it, and digits are not lost.

Source: github.com/bmoscon/cryptofeed 2.4.1, `backends/redis.py` (`TradeStream`,
`BookStream` and so on), `backends/backend.py`, `types.pyx`.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from ingest import venues
from ingest.codecs.base import Encoded, KeyForm, interval_of
from ingest.codecs.names import cryptofeed_exchange, cryptofeed_symbol, interval_ns
from ingest.codecs.pieces import opening, writer
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
    Stream,
    Trade,
)

_levels_json = msgspec.json.Encoder().encode
_NONE = "None"

_TIMES = ("timestamp", "receipt_timestamp")
_KEYS = {
    "trade": "trades",
    "agg_trade": "trades",
    "bbo": "ticker",  # theirs is the best bid and ask
    "book": "book",
    "book_l2_tbt": "book",
    "book_raw": "book",
    "book_step0": "book",
    "funding": "funding",
    "mark": "funding",  # theirs has the mark price in it
    "open_interest": "open_interest",
    "liquidation": "liquidations",
}


class CryptofeedEncoder:
    """Their streams hold data only: no markers, no feed events, no 24-hour tickers."""

    keys = KeyForm(
        default="{key}-{exchange}-{symbol}",
        required=("key", "exchange", "symbol"),
        optional=("channel",),
    )
    complete = False

    def key_parts(self, stream: Stream) -> Mapping[str, str] | None:
        """As `Encoder.key_parts`."""
        key = "candles" if interval_of(stream.channel) else _KEYS.get(stream.channel)
        if key is None:
            return None
        venue = venues.get(stream.venue)
        return {
            "key": key,
            "exchange": cryptofeed_exchange(venue),
            "symbol": cryptofeed_symbol(venue, stream.instrument),
            "channel": stream.channel,
        }

    def encode(self, stream: Stream, event: AnyEvent) -> Encoded | None:
        """As `Encoder.encode`."""
        write = _WRITE.get(type(event))
        return None if write is None else write(stream, event)


def _trade(stream: Stream, event: Trade) -> Encoded:
    rx = repr(event.rx / 1_000_000_000)
    ts = rx if event.ts is None else repr(event.ts / 1_000_000_000)
    return _write_trade(
        _opening(stream), event.side, event.size, event.price, event.id or _NONE, _NONE, ts, rx
    )


def _bbo(stream: Stream, event: Bbo) -> Encoded | None:
    bid, ask = event.bid, event.ask
    if bid is None or ask is None:
        return None  # a zero would be a price, and `None` no number to their readers
    rx = repr(event.rx / 1_000_000_000)
    ts = rx if event.ts is None else repr(event.ts / 1_000_000_000)
    return _write_bbo(_opening(stream), bid, ask, ts, rx)


def _book(stream: Stream, event: Book) -> Encoded:
    rx = repr(event.rx / 1_000_000_000)
    ts = rx if event.ts is None else repr(event.ts / 1_000_000_000)
    if event.type == "delta":
        delta = f'{{"bid":{_pairs(event.bids)},"ask":{_pairs(event.asks)}}}'
        return _write_delta(_opening(stream), delta, ts, rx)
    book = f'{{"bid":{_table(event.bids)},"ask":{_table(event.asks)}}}'
    return _write_snapshot(_opening(stream), book, ts, rx)


def _pairs(levels: list[Level]) -> str:
    """Return `[[1.50,2],…]`: JSON numbers, of the venue's characters."""
    return str(_levels_json(levels), "ascii").replace('"', "")


def _table(levels: list[Level]) -> str:
    """Return `{"1.50":2,…}`; JSON has no other keys than text."""
    if not levels:
        return "{}"
    text = str(_levels_json(levels), "ascii").replace('","', '":').replace('"],["', ',"')
    return f"{{{text[2:-3]}}}"


def _candle(stream: Stream, event: Candle) -> Encoded:
    interval, length_ns = _bar(stream)
    end = event.end
    if end is None and length_ns is not None:
        end = event.start + length_ns
    return _write_candle(
        _opening(stream),
        _seconds(event.start),
        _seconds(end),
        interval,
        str(event.trades),
        event.open,
        event.close,
        event.high,
        event.low,
        event.volume or _NONE,
        "True" if event.closed else "False",
        _seconds(event.rx if event.ts is None else event.ts),
        _seconds(event.rx),
    )


def _funding(stream: Stream, event: Funding) -> Encoded:
    return _any_funding(stream, event, _NONE, event.rate)


def _mark(stream: Stream, event: Mark) -> Encoded | None:
    rate = event.funding_rate
    return None if rate is None else _any_funding(stream, event, event.mark, rate)


def _any_funding(stream: Stream, event: Funding | Mark, mark: str, rate: str) -> Encoded:
    ts = _seconds(event.rx if event.ts is None else event.ts)
    due = _seconds(event.next_funding)
    return _write_funding(_opening(stream), mark, rate, due, _NONE, ts, _seconds(event.rx))


def _open_interest(stream: Stream, event: OpenInterest) -> Encoded:
    ts = _seconds(event.rx if event.ts is None else event.ts)
    return _write_open_interest(_opening(stream), event.open_interest, ts, _seconds(event.rx))


def _liquidation(stream: Stream, event: Liquidation) -> Encoded:
    ts = _seconds(event.rx if event.ts is None else event.ts)
    return _write_liquidation(
        _opening(stream),
        event.side,
        event.size,
        event.price,
        event.id or _NONE,
        _NONE,
        ts,
        _seconds(event.rx),
    )


def _seconds(ns: int | None) -> str:
    # Of two integers, the division is rounded once: `ns / 1e9` would be rounded twice.
    return _NONE if ns is None else repr(ns / 1_000_000_000)


@lru_cache(maxsize=65536)  # streams of one worker
def _opening(stream: Stream) -> str:
    venue = venues.get(stream.venue)
    symbol = cryptofeed_symbol(venue, stream.instrument)
    return opening(exchange=cryptofeed_exchange(venue), symbol=symbol)


@lru_cache(maxsize=65536)
def _bar(stream: Stream) -> tuple[str, int | None]:
    interval = interval_of(stream.channel) or ""
    return interval, interval_ns(interval)


_write_trade = writer("side", "amount", "price", "id", "type", *_TIMES, opened=2)
_write_bbo = writer("bid", "ask", *_TIMES, opened=2)
_write_delta = writer("delta", *_TIMES, opened=2, long="delta")
_write_snapshot = writer("book", *_TIMES, opened=2, long="book")
# fmt: off
_write_candle = writer(
    "start", "stop", "interval", "trades", "open", "close", "high", "low", "volume", "closed",
    *_TIMES, opened=2,
)
# fmt: on
_write_funding = writer(
    "mark_price", "rate", "next_funding_time", "predicted_rate", *_TIMES, opened=2
)
_write_open_interest = writer("open_interest", *_TIMES, opened=2)
_write_liquidation = writer("side", "quantity", "price", "id", "status", *_TIMES, opened=2)

_WRITE: dict[type, Callable[[Stream, Any], Encoded | None]] = {
    Trade: _trade,
    Bbo: _bbo,
    Book: _book,
    Candle: _candle,
    Funding: _funding,
    Mark: _mark,
    OpenInterest: _open_interest,
    Liquidation: _liquidation,
}
