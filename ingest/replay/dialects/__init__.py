"""Every venue the replay can be. One more is a file here and a line below."""

from ingest.replay.dialects import binance, bitmex, htx, okx
from ingest.replay.dialects.base import Dialect

# Where venues have a path in common, the first of those served has it.
_ALL = (binance.DIALECT, okx.DIALECT, bitmex.DIALECT, htx.SPOT, htx.USDM, htx.COINM)
DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in _ALL}
