"""Every venue the replay can be. One more is a file here and a line below."""

from ingest.replay.dialects import (
    binance,
    bitfinex,
    bitstamp,
    deribit,
    gemini,
    kucoin,
    okx,
)
from ingest.replay.dialects.base import Dialect

_ALL = (
    binance.DIALECT,
    bitfinex.DIALECT,
    bitstamp.DIALECT,
    deribit.DIALECT,
    gemini.DIALECT,
    kucoin.DIALECT,
    okx.DIALECT,
)
DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in _ALL}
