"""Connections on which nothing is said but PING and PONG."""

import asyncio

import pytest
from websockets.asyncio.server import ServerConnection, serve

from wscore import AsyncSession, CurlWsFlag, WebSocket

MINUTES = 3


async def on_request(ws: ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


@pytest.mark.long
async def test_idle_for_minutes_under_the_servers_pings(session: AsyncSession) -> None:
    """The server gives up after 2 s without a PONG; one is unread, one awaited, one blocking."""
    async with serve(on_request, "127.0.0.1", 0, ping_interval=1, ping_timeout=2) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with (
            session.ws_connect(url) as unread,
            session.ws_connect(url, compression="deflate") as awaited,
        ):
            blocking = WebSocket()
            await asyncio.to_thread(blocking.connect, url)
            blocking.settimeout(2 * 60 * MINUTES)
            blocked = asyncio.create_task(asyncio.to_thread(blocking.recv))
            waiting = asyncio.create_task(awaited.recv())

            done, _ = await asyncio.wait({blocked, waiting}, timeout=60 * MINUTES)
            assert not done
            for ws in (unread, awaited, blocking):
                assert ws.counters.pongs_out >= 58 * MINUTES
                assert ws.counters.pongs_skipped == 0

            await unread.send_str("unread")
            assert await unread.recv_str(timeout=5) == "unread"
            await awaited.send_str("awaited")
            assert await waiting == (b"awaited", CurlWsFlag.TEXT)
            await asyncio.to_thread(blocking.send, "blocking")
            assert (await blocked)[0] == b"blocking"
            await asyncio.to_thread(blocking.close)
