"""REST answers, and the status page."""

import asyncio
import gzip
import json

import pytest
from websockets.asyncio.client import connect

from ingest.recordings.bundled import bundled_recordings
from ingest.replay.server import ReplayServer

BINANCE = ("binance/cf-20210404", "binance/cf-20210814", "binance/hbt-20240808")
OKX = ("okx/cf-20220227",)


async def get(server: ReplayServer, target: str) -> tuple[int, dict[str, str], bytes]:
    """GET over a bare socket: status, headers, body."""
    host, _, port = server.listen.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {target} HTTP/1.1\r\nHost: {server.listen}\r\n\r\n".encode())
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert int(headers["content-length"]) == len(body)
    return int(status.split()[1]), headers, body


def recorded_body(file: str, url_part: str) -> bytes:
    for line in gzip.decompress((bundled_recordings() / file).read_bytes()).splitlines():
        head, _, body = line.partition(b": ")
        if url_part.encode() in head:
            return body
    raise AssertionError(f"no {url_part} in {file}")


async def test_recorded_bodies(library) -> None:
    """A GET gets the recorded body, byte for byte, as JSON; version and limit do not matter."""
    async with ReplayServer(library(*BINANCE)) as server:
        for target, file, url in [
            (
                "/api/v3/depth?symbol=FTMUSDT&limit=100",
                "cf-20210814/BINANCE.http.0.0.gz",
                "FTMUSDT",
            ),
            ("/api/v1/depth?symbol=DOTUSDT", "cf-20210404/BINANCE-ee25be.0.gz", "symbol=DOTUSDT"),
            ("/api/v3/exchangeInfo", "cf-20210814/BINANCE.0.gz", "exchangeInfo"),
            ("/binance/api/v3/exchangeInfo", "cf-20210814/BINANCE.0.gz", "exchangeInfo"),
        ]:
            status, headers, body = await get(server, target)
            assert status == 200
            assert headers["content-type"].startswith("application/json")
            assert body == recorded_body(f"binance/{file}", url)
        assert server.report().rest_answers == 4


async def test_okx_instruments(library) -> None:
    """Instruments by type, options by family under either of its names."""
    async with ReplayServer(library(*OKX)) as server:
        path = "/api/v5/public/instruments?instType="
        for query, url in [
            ("SPOT", "instType=SPOT"),
            ("OPTION&uly=BTC-USD", "uly=BTC-USD"),
            ("OPTION&instFamily=ETH-USD", "uly=ETH-USD"),
        ]:
            status, _, body = await get(server, path + query)
            assert status == 200
            assert body == recorded_body("okx/cf-20220227/OKX.0.gz", url)
        assert (await get(server, path + "MARGIN"))[0] == 404


@pytest.mark.parametrize(
    ("target", "code"),
    [("/api/v3/depth?symbol=NOSUCH", -1121), ("/api/v3/time", -1000), ("/", -1000)],
)
async def test_not_recorded(library, target: str, code: int) -> None:
    """What was not recorded is a 404 with an error in the venue's form."""
    async with ReplayServer(library(*BINANCE)) as server:
        status, _, body = await get(server, target)
        assert status == 404
        assert json.loads(body)["code"] == code
        assert server.report().rest_missing == 1


async def test_snapshot_of_the_recording_being_played(library, subscribe, receive) -> None:
    """Of two recorded snapshots the client gets the one that fits where its topic is.

    By Binance's rule a snapshot can be used if no update is missing after it: some
    update still to come must contain its `lastUpdateId` or the one after.
    """
    topic, target = "btcusdt@depth@100ms", "/api/v3/depth?symbol=BTCUSDT&limit=1000"
    recorded = library(*BINANCE).venues["binance"].tracks[topic]
    # Where the second recording begins: the only jump in time.
    times = recorded.recorded_ns
    second = next(i for i in range(1, len(times)) if times[i] - times[i - 1] > 10**15)
    clock_ns = 0
    async with ReplayServer(library(*BINANCE), speed=1, clock=lambda: clock_ns) as server:
        before = json.loads((await get(server, target))[2])
        async with connect(server.urls["binance"]) as ws:
            await subscribe(ws, [topic])
            first = json.loads((await get(server, target))[2])
            clock_ns = recorded.axis_ns[second]
            await subscribe(ws, ["unknown@trade"])
            updates = [json.loads(m)["data"] for m in await receive(ws, second + 1)]
            then = json.loads((await get(server, target))[2])
    assert before == first
    assert updates[0]["U"] <= first["lastUpdateId"] + 1 <= updates[-2]["u"]
    assert then["lastUpdateId"] == 50093239218  # of the recording of 2024
    assert updates[-1]["u"] <= then["lastUpdateId"]


async def test_status(library, subscribe, receive, until) -> None:
    """The status page says per topic what was sent and what remains."""
    async with ReplayServer(library(BINANCE[1]), speed=None) as server:
        fresh = json.loads((await get(server, "/_replay/status"))[2])
        async with connect(server.urls["binance"]) as ws:
            topic = "xmrbtc@aggTrade"
            total = fresh["topics"]["binance"][topic]["remaining"]
            await subscribe(ws, [topic])
            await receive(ws, total)
            await until(lambda: server.report().finished)
            done = json.loads((await get(server, "/_replay/status"))[2])
    assert not fresh["finished"]
    assert done["finished"]
    assert done["topics"]["binance"][topic] == {
        "sent": total,
        "deliveries": total,
        "missed": 0,
        "remaining": 0,
        "subscribers": 1,
    }
    assert done["connections"] == done["open"] == 1
