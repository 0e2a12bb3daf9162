"""Binance USD-M futures (margined in USDT or USDC), public market data.

Sources: https://developers.binance.com/docs/derivatives/usds-margined-futures
"""

from ingest.venues import binance_futures as futures
from ingest.venues import binance_rest as rest
from ingest.venues import binance_streams as streams
from ingest.venues.base import BookRule, ChannelSpec, Venue

_MARK_PRICE = "{symbol_lower}@markPrice@1s"
# What the matching engine pushes is served at one path, what is made from it at
# another. Asked at the wrong one, the venue says yes and never sends anything. That
# @trade belongs to the first was measured, on 2026-07-30 (github.com/jabdori/maxt).
_PUBLIC, _MARKET = "/public/stream", "/market/stream"
_AT_PUBLIC = ("trade", "bbo", "book")


def _path(channel: str, _instrument: str) -> str:
    return _PUBLIC if channel in _AT_PUBLIC else _MARKET


def _to_symbol(instrument: str) -> str:
    base, quote, term = futures.split_instrument("binance-usdm", instrument, "BTC-USDT-PERP")
    if quote == "USD":
        raise ValueError(
            f"binance-usdm has no {instrument!r}: what is quoted in USD is margined in coin, "
            "and that market is venue binance-coinm"
        )
    return f"{base}{quote}" if term == "PERP" else f"{base}{quote}_{term}"


VENUE = Venue(
    name="binance-usdm",
    ws_url=f"wss://fstream.binance.com{_PUBLIC}",
    rest_url="https://fapi.binance.com",
    docs_url="https://developers.binance.com/docs/derivatives/usds-margined-futures",
    limits=futures.limits(1024),  # "can listen to a maximum of 1024 streams"
    channels={
        "trade": ChannelSpec(topic="{symbol_lower}@trade", decode=futures.trade),
        "agg_trade": ChannelSpec(topic="{symbol_lower}@aggTrade", decode=streams.agg_trade),
        "bbo": ChannelSpec(topic="{symbol_lower}@bookTicker", decode=futures.bbo),
        "book": ChannelSpec(topic="{symbol_lower}@depth@100ms", decode=futures.book),
        "ticker": ChannelSpec(topic="{symbol_lower}@ticker", decode=futures.ticker),
        "candle": ChannelSpec(topic="{symbol_lower}@kline_{interval}", decode=streams.candle),
        "mark": ChannelSpec(topic=_MARK_PRICE, decode=futures.mark),
        "funding": ChannelSpec(topic=_MARK_PRICE, decode=futures.funding),
        "liquidation": ChannelSpec(topic="{symbol_lower}@forceOrder", decode=futures.liquidation),
    },
    intervals={interval: interval for interval in streams.INTERVALS},
    to_symbol=_to_symbol,
    parse=streams.parse,
    subscribe=streams.subscribe,
    path=_path,
    rest_limits=rest.limits(2400),  # exchangeInfo: REQUEST_WEIGHT, 2400 a minute
    instruments=rest.instruments(
        "/fapi/v1",
        info_weight=1,
        tickers_weight=40,  # of all symbols
        to_symbol=_to_symbol,
        volume=lambda day, _: day.quoteVolume,
    ),
    books={
        "book": BookRule(
            continuity="prev_seq",
            rest=rest.book("/fapi/v1", limit=1000, weight=20),
            joins=futures.joins,
        )
    },
    # Not of `trade`: past trades by id ask for a key.
    backfills={"agg_trade": rest.agg_trades("/fapi/v1", weight=20)},
)
