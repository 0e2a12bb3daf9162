"""What is wrong with a request is named; what is right in it is served."""

import json

from websockets.asyncio.client import connect

from ingest.replay.library import load
from ingest.replay.server import ReplayServer

URL = "wss://ws-feed.pro.coinbase.com"
# From cf-20210417-part/COINBASE.ws.28.0.gz; the snapshot is cut.
FRAMES = [
    '{"type":"subscriptions","channels":[{"name":"level2","product_ids":["SKL-BTC"]}]}',
    '{"type":"snapshot","product_id":"SKL-BTC","asks":[["0.00001305","4781.0"]],"bids":[]}',
    '{"type":"l2update","product_id":"SKL-BTC","changes":[["sell","0.00001306","660.5"]],'
    '"time":"2021-04-17T16:43:37.075687Z"}',
    '{"type":"match","trade_id":280232,"side":"sell","size":"985","price":"0.00001305",'
    '"product_id":"SKL-BTC","sequence":177100030,"time":"2021-04-17T16:43:37.089723Z"}',
]
PRODUCTS = '[{"id":"SKL-BTC","base_currency":"SKL","quote_currency":"BTC"}]'


def recording(tmp_path) -> str:
    lines = [f"{URL} <-> 1618677816.8434298"]
    lines += [f"1618677817.0{index}: {frame}" for index, frame in enumerate(FRAMES)]
    lines.append(f"https://api.pro.coinbase.com/products -> 1618677816.8: {PRODUCTS}")
    (tmp_path / "COINBASE.ws.1.0").write_text("\n".join(lines) + "\n")
    return str(tmp_path)


def asked(kind: str, **request: object) -> str:
    return json.dumps({"type": kind, **request})


async def test_subscriptions(tmp_path, receive) -> None:
    """Refusals first, then all that the connection has, then the data as recorded."""
    library = load([recording(tmp_path)])
    assert library.venues["coinbase"].not_data == 1
    async with ReplayServer(library, speed=None) as server:
        async with connect(server.urls["coinbase"]) as ws:
            channels = [
                {"name": "level2_batch", "product_ids": ["SKL-BTC", "NO-SUCH"]},
                {"name": "level2", "product_ids": ["SKL-BTC"]},
            ]
            await ws.send(asked("subscribe", channels=channels))
            answers = [json.loads(answer) for answer in await receive(ws, 3)]
            assert [answer.get("reason") for answer in answers] == [
                "NO-SUCH is not a valid product",
                "level2, level3, and full channels now require authentication.",
                None,
            ]
            book = {"name": "level2_batch", "product_ids": ["SKL-BTC"]}
            assert answers[2] == {"type": "subscriptions", "channels": [book]}
            assert await receive(ws, 2) == FRAMES[1:3]

            await ws.send(asked("subscribe", product_ids=["SKL-BTC"], channels=["matches"]))
            matches = {"name": "matches", "product_ids": ["SKL-BTC"]}
            answer, trade = await receive(ws, 2)
            assert json.loads(answer)["channels"] == [book, matches]
            assert trade == FRAMES[3]

            await ws.send(asked("unsubscribe", channels=[book]))
            (answer,) = await receive(ws, 1)
            assert json.loads(answer)["channels"] == [matches]


async def test_requests_that_are_none(tmp_path, receive) -> None:
    """Each gets an error, none ends the connection."""
    async with ReplayServer(load([recording(tmp_path)])) as server:
        async with connect(server.urls["coinbase"]) as ws:
            for request in (
                "{",
                "[]",
                asked("list"),
                asked("subscribe"),
                asked("subscribe", channels=[7]),
            ):
                await ws.send(request)
                (answer,) = await receive(ws, 1)
                assert json.loads(answer)["type"] == "error"
            await ws.send(asked("subscribe", channels=["nothing"], product_ids=["SKL-BTC"]))
            (answer,) = await receive(ws, 1)
            assert json.loads(answer)["reason"] == "nothing is not a valid channel"
