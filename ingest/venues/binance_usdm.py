"""Binance USD-M futures (margined in USDT or USDC), public market data.

Sources: https://developers.binance.com/docs/derivatives/usds-margined-futures
"""

from ingest.venues import binance_futures as futures
from ingest.venues import binance_streams as streams
from ingest.venues.base import Venue

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
    channels=futures.CHANNELS,
    intervals=futures.INTERVALS,
    to_symbol=_to_symbol,
    parse=streams.parse,
    subscribe=streams.subscribe,
    unsubscribe=streams.unsubscribe,
    path=_path,
    rest_limits=futures.REST_LIMITS,
    instruments=futures.instruments("/fapi/v1", _to_symbol, lambda day, _: day.quoteVolume),
    books=futures.books("/fapi/v1"),
    backfills=futures.backfills("/fapi/v1"),
    cryptofeed_name="BINANCE_FUTURES",
    nautilus_symbol=futures.nautilus_symbol(_to_symbol),
)
