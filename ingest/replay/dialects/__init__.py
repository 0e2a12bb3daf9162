"""Every venue the replay can be. One more is a file here and a line below."""

from ingest.replay.dialects import (
    binance,
    binance_usdm,
    bybit,
    coinbase,
    gateio,
    kraken_v1,
    okx,
)
from ingest.replay.dialects.base import Dialect

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        binance.DIALECT,
        binance_usdm.DIALECT,
        bybit.DIALECT,
        coinbase.DIALECT,
        gateio.DIALECT,
        kraken_v1.DIALECT,
        okx.DIALECT,
    )
}
