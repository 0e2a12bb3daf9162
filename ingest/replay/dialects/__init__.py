"""Every venue the replay can be. One more is a file here and a line below."""

from ingest.replay.dialects import binance, binance_usdm, coinbase, okx
from ingest.replay.dialects.base import Dialect

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        binance.DIALECT,
        binance_usdm.DIALECT,
        coinbase.DIALECT,
        okx.DIALECT,
    )
}
