"""Two paths, one of which stays silent; the fastest books in place of the documented."""

import json

from websockets.asyncio.client import connect

from ingest.replay.library import load
from ingest.replay.server import ReplayServer

BOOK = (
    '{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT",'
    '"U":1,"u":2,"pu":0,"b":[],"a":[]}}'
)
AGG = '{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","s":"BTCUSDT"}}'
LINES = f"1721347020984480942 {BOOK}\n1721347020984480943 {AGG}\n"
BOTH = ["btcusdt@depth@100ms", "btcusdt@aggTrade"]


async def test_each_path_has_its_streams(tmp_path, receive) -> None:
    """Everything is acknowledged everywhere; a path sends what belongs to it."""
    (tmp_path / "binance_futures").mkdir()
    (tmp_path / "binance_futures" / "btcusdt_20240718").write_text(LINES)
    as_offered = BOOK.replace("@depth@0ms", "@depth@100ms")
    data_only = json.dumps(json.loads(BOOK)["data"], separators=(",", ":"))
    expected = {
        "/public/stream": as_offered,
        "/market/stream": AGG,
        "/stream": as_offered,  # no path is /public
        "/public/ws": data_only,
        f"/market/stream?streams={'/'.join(BOTH)}": AGG,
    }
    for path, message in expected.items():
        async with ReplayServer(load([str(tmp_path)]), speed=None) as server:
            async with connect(f"ws://{server.listen}{path}") as ws:
                if "?" not in path:
                    await ws.send(json.dumps({"method": "SUBSCRIBE", "params": BOTH, "id": 1}))
                    assert await receive(ws, 1) == ['{"result":null,"id":1}']
                assert await receive(ws, 1) == [message]
            # The other stream has not been started.
            assert server.report().sent == 1


async def test_urls(tmp_path) -> None:
    """Beside other venues it is found at its own paths."""
    (tmp_path / "binance-usdm").mkdir()
    (tmp_path / "binance-usdm" / "btcusdt_20240718").write_text(LINES)
    (tmp_path / "binance").mkdir()
    (tmp_path / "binance" / "btcusdt_20240718").write_text(LINES)
    async with ReplayServer(load([str(tmp_path)])) as server:
        assert server.urls == {
            "binance": f"ws://{server.listen}/stream",
            "binance-usdm": f"ws://{server.listen}/public/stream",
        }
