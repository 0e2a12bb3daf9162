"""Binance COIN-M as the server: the spot market's protocol, elsewhere."""

from ingest.replay.dialects import DIALECTS
from ingest.replay.dialects.binance_coinm import DIALECT
from ingest.replay.routes import route, ws_path


def test_rest_keys() -> None:
    """A snapshot goes with the stream of its symbol."""
    key = DIALECT.rest_key("/dapi/v1/depth", "symbol=BTCUSD_PERP&limit=1000")

    assert key == "depth?symbol=BTCUSD_PERP"
    assert DIALECT.rest_topic(key) == "btcusd_perp@depth"


def test_paths() -> None:
    """REST paths are its own; beside the spot market, the WebSocket is reached by name."""
    assert route("/dapi/v1/depth", DIALECTS) == ("binance-coinm", "/dapi/v1/depth")
    assert ws_path("binance-coinm", DIALECTS) == "/binance-coinm/stream"
    assert ws_path("binance-coinm", {DIALECT.name: DIALECT}) == "/stream"
