"""What Binance's two derivatives markets have in common, beyond what all its markets have."""

import re
from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Raw, Struct

from ingest.model import Bbo, Book, Funding, Liquidation, Mark, Side, Ticker, Trade
from ingest.venues import binance_rest as rest
from ingest.venues import binance_streams as streams
from ingest.venues.base import Backfill, BookRule, ChannelSpec, Data, InstrumentList, Limits
from ingest.venues.decoding import (
    NS_PER_MS,
    Milliseconds,
    SequenceNumber,
    check_decimals,
    decimal_or_none,
    decoder,
    signed_number,
)

_SIDES: dict[str, Side] = {"BUY": "buy", "SELL": "sell"}
# BTC-USDT-PERP, BTC-USDT-250926
_INSTRUMENT = re.compile(r"([A-Z0-9]+)-([A-Z0-9]+)-(PERP|[0-9]{6})").fullmatch


class _BookTicker(streams.BookTicker, gc=False):
    E: Milliseconds | None = None  # always today; not in frames of 2019


class _Depth(streams.Depth, gc=False):
    pu: SequenceNumber


class _MarkPrice(Struct, gc=False):
    E: Milliseconds
    s: str
    p: str
    # For dated futures "" or zero, and 0; not sent at all on COIN-M in 2020.
    r: Raw = Raw(b'""')
    T: Milliseconds = 0
    i: str = ""


class _Order(Struct, gc=False):
    s: str
    S: Literal["BUY", "SELL"]
    p: str
    q: str
    T: Milliseconds


class _ForceOrder(Struct, gc=False):
    o: _Order


_decode_book_ticker = decoder(_BookTicker, "binance @bookTicker")
_decode_depth = decoder(_Depth, "binance @depth")
_decode_ticker = decoder(streams.Statistics, "binance @ticker")
_decode_mark_price = decoder(_MarkPrice, "binance @markPrice")
_decode_force_order = decoder(_ForceOrder, "binance @forceOrder")


def limits(topics_per_connection: int) -> Limits:
    """Return the limits of a derivatives market; they differ in one number."""
    return Limits(
        topics_per_connection=topics_per_connection,
        topics_per_request=100,
        request_bytes=streams.REQUEST_BYTES,
        # "10 incoming messages per second", PONG frames included, else we are
        # disconnected: two are left for those.
        requests_per_s=8.0,
        connects=(300, 300.0),  # "300 connections per attempt every 5 minutes per IP"
        max_age_s=86_400.0,  # "A single connection is only valid for 24 hours"
    )


def _trade(data: Data, rx: int) -> Sequence[Trade]:
    """Decode `@trade`, which is not documented here, but served."""
    events = streams.trade(data, rx)
    # A price of zero stands for an id that was spent on something else than a trade.
    return events if events[0].price.strip("0.") else ()


def _bbo(data: Data, rx: int) -> Sequence[Bbo]:
    """Decode `@bookTicker`."""
    wire = _decode_book_ticker(data.payload)
    ts = None if wire.E is None else wire.E * NS_PER_MS
    return (streams.bbo_event(wire, data.topic, rx, ts=ts),)


def _book(data: Data, rx: int) -> Sequence[Book]:
    """Decode `@depth`."""
    wire = _decode_depth(data.payload)
    return (streams.depth_event(wire, data.topic, rx, prev_seq=wire.pu),)


def _joins(snapshot_seq: int, delta: Book) -> bool:
    """Tell whether the delta says all that changed since the snapshot.

    "U <= lastUpdateId AND u >= lastUpdateId"; but ids are shared by all symbols,
    so a quiet symbol's snapshot mostly has an id between two of its deltas. As the
    later of them continues the earlier (`pu`), it is right to join there, too.
    """
    return delta.prev_seq is not None and delta.prev_seq <= snapshot_seq


def ticker(data: Data, rx: int) -> Sequence[Ticker]:
    """Decode `@ticker`."""
    return (streams.ticker_event(_decode_ticker(data.payload), data.topic, rx),)


def _mark(data: Data, rx: int) -> Sequence[Mark]:
    """Decode `@markPrice`."""
    wire = _mark_price(data)
    return (
        Mark(
            rx=rx,
            ts=wire.E * NS_PER_MS,
            mark=wire.p,
            index=decimal_or_none("binance @markPrice", wire.i),
            funding_rate=_rate(wire),
            next_funding=wire.T * NS_PER_MS or None,
        ),
    )


def _funding(data: Data, rx: int) -> Sequence[Funding]:
    """Decode the funding rate in `@markPrice`; dated futures have none."""
    wire = _mark_price(data)
    rate = _rate(wire)
    if rate is None:
        return ()
    next_funding = wire.T * NS_PER_MS or None
    return (Funding(rx=rx, ts=wire.E * NS_PER_MS, rate=rate, next_funding=next_funding),)


def _mark_price(data: Data) -> _MarkPrice:
    wire = _decode_mark_price(data.payload)
    streams.check_symbol("binance @markPrice", data.topic, wire.s)
    check_decimals("binance @markPrice", wire.p)
    return wire


def _rate(wire: _MarkPrice) -> str | None:
    return None if bytes(wire.r) == b'""' else signed_number("binance @markPrice", wire.r)


def _liquidation(data: Data, rx: int) -> Sequence[Liquidation]:
    """Decode `@forceOrder`: the order, not what became of it.

    Of each second the venue sends the largest one only.
    """
    order = _decode_force_order(data.payload).o
    streams.check_symbol("binance @forceOrder", data.topic, order.s)
    check_decimals("binance @forceOrder", order.p, order.q)
    return (
        Liquidation(
            rx=rx,
            ts=order.T * NS_PER_MS,
            price=order.p,
            size=order.q,
            side=_SIDES[order.S],
        ),
    )


def split_instrument(venue: str, instrument: str, example: str) -> tuple[str, str, str]:
    """Split a derivative's name into base, quote and "PERP" or its date.

    Raises:
        ValueError: it is no such name; the text shows the form of one.
    """
    found = _INSTRUMENT(instrument)
    if not found:
        raise ValueError(
            f"{instrument!r} cannot be a {venue} instrument; write BASE-QUOTE-PERP or "
            f"BASE-QUOTE-YYMMDD in capital letters and digits, for example {example}"
        )
    return found[1], found[2], found[3]


def nautilus_symbol(to_symbol: Callable[[str], str]) -> Callable[[str], str]:
    """Return what nautilus_trader calls our instrument: its symbol, perpetuals with `-PERP`."""

    def named(instrument: str) -> str:
        symbol = to_symbol(instrument)
        return f"{symbol.removesuffix('_PERP')}-PERP" if instrument.endswith("-PERP") else symbol

    return named


_MARK_PRICE = "{symbol_lower}@markPrice@1s"
CHANNELS = {
    "trade": ChannelSpec(topic="{symbol_lower}@trade", decode=_trade),
    "agg_trade": ChannelSpec(topic="{symbol_lower}@aggTrade", decode=streams.agg_trade),
    "bbo": ChannelSpec(topic="{symbol_lower}@bookTicker", decode=_bbo),
    "book": ChannelSpec(topic="{symbol_lower}@depth@100ms", decode=_book),
    "ticker": ChannelSpec(topic="{symbol_lower}@ticker", decode=ticker),
    "candle": ChannelSpec(topic="{symbol_lower}@kline_{interval}", decode=streams.candle),
    "mark": ChannelSpec(topic=_MARK_PRICE, decode=_mark),
    "funding": ChannelSpec(topic=_MARK_PRICE, decode=_funding),
    "liquidation": ChannelSpec(topic="{symbol_lower}@forceOrder", decode=_liquidation),
}
INTERVALS = {interval: interval for interval in streams.INTERVALS}
REST_LIMITS = rest.limits(2400)  # exchangeInfo: REQUEST_WEIGHT, 2400 a minute


def books(root: str) -> dict[str, BookRule]:
    """Return how books are joined."""
    snapshot = rest.book(root, limit=1000, weight=20)
    return {"book": BookRule(continuity="prev_seq", rest=snapshot, joins=_joins)}


def backfills(root: str) -> dict[str, Backfill]:
    """Return how past trades are asked for; those of `trade` want a key."""
    return {"agg_trade": rest.agg_trades(root, weight=20)}


def instruments(
    root: str,
    to_symbol: Callable[[str], str],
    volume: Callable[[rest.Turnover, str | None], str],
) -> InstrumentList:
    """Return how instruments are listed; *volume* as in `rest.instruments`."""
    return rest.instruments(
        root,
        info_weight=1,
        tickers_weight=40,  # of all symbols
        to_symbol=to_symbol,
        volume=volume,
    )
