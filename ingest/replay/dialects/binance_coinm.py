"""Binance COIN-M futures, public market-data streams, as the server.

The protocol is the spot market's, at hosts of its own; all streams are at one path.

Source: https://developers.binance.com/docs/derivatives/coin-margined-futures
"""

from msgspec.structs import replace

from ingest.replay.dialects import binance

DIALECT = replace(
    binance.DIALECT,
    name="binance-coinm",
    hosts=frozenset({"dstream.binance.com", "dapi.binance.com"}),
    folders=frozenset({"binance-coinm", "binance_delivery"}),
    paths=("/dapi/v1",),
)
