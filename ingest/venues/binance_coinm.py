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
from ingest.venues.base import Data, Venue
from ingest.venues.decoding import check_decimals


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
        **futures.CHANNELS,
        "ticker": replace(futures.CHANNELS["ticker"], decode=_ticker),
        "candle": replace(futures.CHANNELS["candle"], decode=_candle),
    },
    intervals=futures.INTERVALS,
    to_symbol=_to_symbol,
    parse=streams.parse,
    subscribe=streams.subscribe,
    unsubscribe=streams.unsubscribe,
    rest_limits=futures.REST_LIMITS,
    instruments=futures.instruments("/dapi/v1", _to_symbol, _volume),
    books=futures.books("/dapi/v1"),
    backfills=futures.backfills("/dapi/v1"),
    cryptofeed_name="BINANCE_DELIVERY",
    nautilus_symbol=futures.nautilus_symbol(_to_symbol),
)
