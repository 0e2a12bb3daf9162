"""Binance spot, public market data.

Sources: https://github.com/binance/binance-spot-api-docs (web-socket-streams.md,
rest-api.md), https://developers.binance.com/docs/binance-spot-api-docs
"""

import re
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from ingest.model import Bbo, Book, Ticker, Trade
from ingest.venues import binance_rest as rest
from ingest.venues import binance_streams as streams
from ingest.venues.base import Backfill, BookRule, ChannelSpec, Data, Limits, Venue
from ingest.venues.decoding import (
    NS_PER_MS,
    Milliseconds,
    SequenceNumber,
    check_decimals,
    decoder,
)


class _Ticker(streams.Statistics, gc=False):
    b: str
    B: str
    a: str
    A: str


class _PastTrade(Struct, gc=False):
    id: SequenceNumber
    price: str
    qty: str
    time: Milliseconds
    isBuyerMaker: bool


_decode_book_ticker = decoder(streams.BookTicker, "binance @bookTicker")
_decode_depth = decoder(streams.Depth, "binance @depth")
_decode_ticker = decoder(_Ticker, "binance @ticker")
_decode_past_trades = decoder(list[_PastTrade], "binance historicalTrades")


def _bbo(data: Data, rx: int) -> Sequence[Bbo]:
    # This channel carries no event time. Filling in our own clock would make
    # the venue look faster than it is.
    return (streams.bbo_event(_decode_book_ticker(data.payload), data.topic, rx, ts=None),)


def _book(data: Data, rx: int) -> Sequence[Book]:
    return (streams.depth_event(_decode_depth(data.payload), data.topic, rx),)


def _ticker(data: Data, rx: int) -> Sequence[Ticker]:
    wire = _decode_ticker(data.payload)
    check_decimals("binance @ticker", wire.b, wire.B, wire.a, wire.A)
    event = streams.ticker_event(wire, data.topic, rx)
    return (replace(event, bid=wire.b, bid_size=wire.B, ask=wire.a, ask_size=wire.A),)


def _joins(snapshot_seq: int, delta: Book) -> bool:
    # "U <= lastUpdateId + 1": nothing is missing between the two.
    return delta.first_seq is not None and delta.first_seq <= snapshot_seq + 1


def _past_trades(body: bytes, rx: int) -> list[Trade]:
    events = []
    for wire in _decode_past_trades(body):
        check_decimals("binance historicalTrades", wire.price, wire.qty)
        events.append(
            Trade(
                rx=rx,
                ts=wire.time * NS_PER_MS,
                price=wire.price,
                size=wire.qty,
                side="sell" if wire.isBuyerMaker else "buy",
                id=str(wire.id),
                backfill=True,
            )
        )
    return events


def _to_symbol(instrument: str) -> str:
    if re.fullmatch(r"[A-Z0-9]+-[A-Z0-9]+", instrument):
        return instrument.replace("-", "")
    if instrument.endswith("-PERP"):
        raise ValueError(
            f"binance is the spot market and has no {instrument!r}; "
            "perpetuals are venue binance-usdm, or binance-coinm if margined in coin"
        )
    raise ValueError(
        f"{instrument!r} cannot be a binance instrument; "
        "write BASE-QUOTE in capital letters and digits, for example BTC-USDT"
    )


VENUE = Venue(
    name="binance",
    ws_url="wss://stream.binance.com:9443/stream",
    rest_url="https://api.binance.com",
    docs_url="https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams",
    limits=Limits(
        topics_per_connection=1024,  # "can listen to a maximum of 1024 streams"
        topics_per_request=100,
        request_bytes=streams.REQUEST_BYTES,
        # "5 incoming messages per second", PONG frames included, else we are
        # disconnected: one is left for those.
        requests_per_s=4.0,
        connects=(300, 300.0),  # "300 connections per attempt every 5 minutes per IP"
        max_age_s=86_400.0,  # "A single connection … is only valid for 24 hours"
    ),
    channels={
        "trade": ChannelSpec(topic="{symbol_lower}@trade", decode=streams.trade),
        "agg_trade": ChannelSpec(topic="{symbol_lower}@aggTrade", decode=streams.agg_trade),
        "bbo": ChannelSpec(topic="{symbol_lower}@bookTicker", decode=_bbo),
        "book": ChannelSpec(topic="{symbol_lower}@depth@100ms", decode=_book),
        "ticker": ChannelSpec(topic="{symbol_lower}@ticker", decode=_ticker),
        "candle": ChannelSpec(topic="{symbol_lower}@kline_{interval}", decode=streams.candle),
    },
    intervals={interval: interval for interval in ("1s", *streams.INTERVALS)},
    to_symbol=_to_symbol,
    parse=streams.parse,
    subscribe=streams.subscribe,
    unsubscribe=streams.unsubscribe,
    rest_limits=rest.limits(6000),  # exchangeInfo: REQUEST_WEIGHT, 6000 a minute
    instruments=rest.instruments(
        "/api/v3",
        info_weight=20,
        tickers_weight=80,  # of all symbols
        to_symbol=_to_symbol,
        volume=lambda day, _: day.quoteVolume,
    ),
    books={
        "book": BookRule(
            continuity="first_seq",
            # Up to 5000 levels can be had, for a weight of 250: 24 books a minute,
            # where many are to be joined at once. With 1000 it is 120.
            rest=rest.book("/api/v3", limit=1000, weight=50),
            joins=_joins,
        )
    },
    backfills={
        "agg_trade": rest.agg_trades("/api/v3", weight=4),
        # No key is asked for: its security type is NONE.
        "trade": Backfill(
            request=rest.by_id("/api/v3/historicalTrades", weight=25),
            decode=_past_trades,
            most=1000,
        ),
    },
)
