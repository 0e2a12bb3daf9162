"""Every venue the replay can be. One more is a file here and a line below."""

from ingest.replay.dialects import (
    binance,
    binance_coinm,
    binance_usdm,
    bitfinex,
    bitmex,
    bitstamp,
    bybit,
    coinbase,
    coinbase_advanced,
    deribit,
    gateio,
    gateio_futures,
    gemini,
    gemini_v3,
    htx,
    kraken,
    kraken_v1,
    kucoin,
    kucoin_futures,
    okx,
)
from ingest.replay.dialects.base import Dialect

# Where venues have a path in common, the first of those served has it.
_ALL = (
    binance.DIALECT,
    binance_usdm.DIALECT,
    binance_coinm.DIALECT,
    okx.DIALECT,
    bitmex.DIALECT,
    bybit.DIALECT,
    coinbase.DIALECT,
    coinbase_advanced.DIALECT,
    gateio_futures.USDT,  # whose REST paths are below those of the spot market
    gateio_futures.BTC,
    gateio.DIALECT,
    htx.SPOT,
    htx.USDM,
    htx.COINM,
    kraken_v1.DIALECT,
    kraken.DIALECT,
    bitfinex.DIALECT,
    bitstamp.DIALECT,
    deribit.DIALECT,
    gemini.DIALECT,
    gemini_v3.DIALECT,
    kucoin.DIALECT,
    kucoin_futures.DIALECT,
)
DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in _ALL}
