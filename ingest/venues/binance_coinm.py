"""Binance COIN-M futures (quoted in USD, margined in coin), public market data.

Sizes are in contracts, as sent.

Sources: https://developers.binance.com/docs/derivatives/coin-margined-futures
"""

from collections.abc import Sequence
from decimal import Decimal

from msgspec.structs import replace

from ingest.model import Candle, Ticker
from ingest.venues import binance_futures as futures
from ingest.venues import binance_rest as rest
from ingest.venues import binance_streams as streams
from ingest.venues.base import BookRule, ChannelSpec, Data, Venue
from ingest.venues.decoding import check_decimals

_MARK_PRICE = "{symbol_lower}@markPrice@1s"


# In both, q is the volume in base units here: that in quote units is not sent.
def _candle(data: Data, rx: int) -> Sequence[Candle]:
    return [replace(event, quote_volume=None) for event in streams.candle(data, rx)]


def _ticker(data: Data, rx: int) -> Sequence[Ticker]:
    return [replace(event, quote_volume=None) for event in futures.ticker(data, rx)]


def _volume(day: rest.Turnover, contract_size: str | None) -> str:
    """Contracts traded, times what one is worth in USD."""
    check_decimals("binance ticker/24hr", day.volume)
    return format(Decimal(day.volume) * Decimal(contract_size or "0"), "f")


def _to_symbol(instrument: str) -> str:
    base, quote, term = futures.split_instrument("binance-coinm", instrument, "BTC-USD-PERP")
    if quote != "USD":
        raise ValueError(
            f"binance-coinm has no {instrument!r}: it quotes in USD only; "
            "what is margined in USDT or USDC is venue binance-usdm"
        )
    return f"{base}{quote}_{term}"


VENUE = Venue(
    name="binance-coinm",
    ws_url="wss://dstream.binance.com/stream",
    rest_url="https://dapi.binance.com",
    docs_url="https://developers.binance.com/docs/derivatives/coin-margined-futures",
    limits=futures.limits(200),  # "can listen to a maximum of 200 streams"
    channels={
        "trade": ChannelSpec(topic="{symbol_lower}@trade", decode=futures.trade),
        "agg_trade": ChannelSpec(topic="{symbol_lower}@aggTrade", decode=streams.agg_trade),
        "bbo": ChannelSpec(topic="{symbol_lower}@bookTicker", decode=futures.bbo),
        "book": ChannelSpec(topic="{symbol_lower}@depth@100ms", decode=futures.book),
        "ticker": ChannelSpec(topic="{symbol_lower}@ticker", decode=_ticker),
        "candle": ChannelSpec(topic="{symbol_lower}@kline_{interval}", decode=_candle),
        "mark": ChannelSpec(topic=_MARK_PRICE, decode=futures.mark),
        "funding": ChannelSpec(topic=_MARK_PRICE, decode=futures.funding),
        "liquidation": ChannelSpec(topic="{symbol_lower}@forceOrder", decode=futures.liquidation),
    },
    intervals={interval: interval for interval in streams.INTERVALS},
    to_symbol=_to_symbol,
    parse=streams.parse,
    subscribe=streams.subscribe,
    rest_limits=rest.limits(2400),  # exchangeInfo: REQUEST_WEIGHT, 2400 a minute
    instruments=rest.instruments(
        "/dapi/v1",
        info_weight=1,
        tickers_weight=40,  # of all symbols
        to_symbol=_to_symbol,
        volume=_volume,
    ),
    books={
        "book": BookRule(
            continuity="prev_seq",
            rest=rest.book("/dapi/v1", limit=1000, weight=20),
            joins=futures.joins,
        )
    },
    # Not of `trade`: past trades by id ask for a key.
    backfills={"agg_trade": rest.agg_trades("/dapi/v1", weight=20)},
)
