"""PINGs in both directions, on bare sockets where the client has to misbehave."""

import asyncio

from websockets.asyncio.client import connect

from ingest.replay.journal import Journal, read_journal
from ingest.replay.server import ReplayServer

SESSION = "binance/cf-20210814"
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def test_server_pings(library, tmp_path, until) -> None:
    """A quiet connection gets PINGs, and a client that answers them stays."""
    path = tmp_path / "journal"

    def pongs() -> int:
        journal.flush()
        return sum(line.event == "pong" for line in read_journal(path))

    with Journal(path) as journal:
        async with ReplayServer(
            library(SESSION), ping_interval_s=0.02, ping_timeout_s=5, journal=journal
        ) as server:
            async with connect(server.urls["binance"], ping_interval=None):
                await until(lambda: pongs() >= 3)
                assert server.report().open == 1


async def test_a_client_that_does_not_answer_is_dropped(library, until) -> None:
    """Without PONGs the server ends the connection, 1011, once its patience is over."""
    async with ReplayServer(library(SESSION), ping_interval_s=0.02, ping_timeout_s=0.05) as server:
        host, _, port = server.listen.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(HANDSHAKE)
        async with asyncio.timeout(10):
            await reader.readuntil(b"\r\n\r\n")
            ping = await reader.readexactly(6)
            assert ping[:2] == b"\x89\x04"
            close = await reader.readexactly(4)
        assert close[0] == 0x88
        assert int.from_bytes(close[2:], "big") == 1011
        writer.close()
        await writer.wait_closed()
        await until(lambda: server.report().closed_by_server == 1)


async def test_server_answers_pings(library) -> None:
    """A client's PING comes back as PONG with the same payload."""
    async with ReplayServer(library(SESSION)) as server:
        async with connect(server.urls["binance"]) as ws:
            async with asyncio.timeout(10):
                await (await ws.ping(b"are you there"))
