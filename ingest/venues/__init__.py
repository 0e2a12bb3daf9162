"""The venues that ingest speaks to. To add one, write its file and name it here."""

from ingest.venues import (
    binance,
    binance_coinm,
    binance_usdm,
    bitfinex,
    bitmex,
    bitstamp,
    bybit,
    coinbase,
    coinbase_advanced,
    crypto_com,
    deribit,
    gateio,
    gateio_btc,
    gateio_usdt,
    gemini,
    gemini_v3,
    htx,
    htx_coinm,
    htx_usdm,
    hyperliquid,
    kraken,
    kraken_v1,
    kucoin,
    kucoin_futures,
    okx,
)
from ingest.venues.base import Venue

_VENUES: dict[str, Venue] = {
    venue.name: venue
    for venue in (
        binance.VENUE,
        binance_coinm.VENUE,
        binance_usdm.VENUE,
        bitfinex.VENUE,
        bitmex.VENUE,
        bitstamp.VENUE,
        bybit.VENUE,
        coinbase.VENUE,
        coinbase_advanced.VENUE,
        crypto_com.VENUE,
        deribit.VENUE,
        gateio.VENUE,
        gateio_btc.VENUE,
        gateio_usdt.VENUE,
        gemini.VENUE,
        gemini_v3.VENUE,
        htx.VENUE,
        htx_coinm.VENUE,
        htx_usdm.VENUE,
        hyperliquid.VENUE,
        kraken.VENUE,
        kraken_v1.VENUE,
        kucoin.VENUE,
        kucoin_futures.VENUE,
        okx.VENUE,
    )
}


def get(name: str) -> Venue:
    """Return the venue of this name.

    Raises:
        ValueError: no such venue; the text lists those there are.
    """
    try:
        return _VENUES[name]
    except KeyError:
        raise ValueError(f"no venue {name!r}; supported are {', '.join(names())}") from None


def names() -> list[str]:
    """Names of all venues, sorted."""
    return sorted(_VENUES)
