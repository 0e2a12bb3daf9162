"""Against the servers of two other libraries, so that no error of ours is shared by the peer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import websockets
from aiohttp import WSMsgType, web
from websockets.asyncio.server import ServerConnection, serve

from wscore import AsyncSession, AsyncWebSocket, CurlWsFlag, WebSocketClosed


@contextlib.asynccontextmanager
async def websockets_server() -> AsyncIterator[str]:
    """Echoes; `bye` makes it close with 4000."""

    async def handle(ws: ServerConnection) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            async for message in ws:
                if message == "bye":
                    await ws.close(4000, "as you wish")
                await ws.send(message)

    async with serve(
        handle, "127.0.0.1", 0, max_size=None, ping_interval=0.05, ping_timeout=5
    ) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@contextlib.asynccontextmanager
async def aiohttp_server() -> AsyncIterator[str]:
    """The same on aiohttp."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(max_msg_size=0, heartbeat=0.1)
        await ws.prepare(request)
        async for message in ws:
            if message.type == WSMsgType.TEXT:
                if message.data == "bye":
                    await ws.close(code=4000, message=b"as you wish")
                else:
                    await ws.send_str(message.data)
            elif message.type == WSMsgType.BINARY:
                await ws.send_bytes(message.data)
        return ws

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@pytest.fixture(params=[websockets_server, aiohttp_server])
async def url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    async with request.param() as url:
        yield url


async def test_text_and_binary_of_every_size(session: AsyncSession, url: str) -> None:
    async with session.ws_connect(url) as ws:
        for size in (0, 1, 125, 126, 127, 65535, 65536, 4 * 1024 * 1024):
            await ws.send_str("x" * size)
            await ws.send_bytes(b"\xff" * size)
            assert await ws.recv(timeout=10) == (b"x" * size, CurlWsFlag.TEXT)
            assert await ws.recv(timeout=10) == (b"\xff" * size, CurlWsFlag.BINARY)


async def test_fragments(session: AsyncSession, url: str) -> None:
    async with session.ws_connect(url) as ws:
        await ws.send("gr\u00fc\u00dfe ", CurlWsFlag.TEXT | CurlWsFlag.CONT)
        await ws.send("", CurlWsFlag.TEXT | CurlWsFlag.CONT)
        await ws.send("aus", CurlWsFlag.TEXT)
        assert await ws.recv_str(timeout=5) == "grüße aus"


async def test_many_small_messages_there_and_back(session: AsyncSession, url: str) -> None:
    count = 2000
    async with session.ws_connect(url) as ws:

        async def send() -> None:
            for i in range(count):
                await ws.send_str(str(i))

        sender = asyncio.create_task(send())
        for i in range(count):
            assert await ws.recv_str(timeout=5) == str(i)
        await sender


async def test_pings_both_ways(session: AsyncSession, url: str) -> None:
    """Their pings are answered while we idle; ours are answered by them."""
    async with session.ws_connect(url) as ws:
        latency = await asyncio.wait_for(await ws.ping(), 5)
        assert 0 < latency < 5
        async with asyncio.timeout(5):
            while ws.counters.pongs_out < 2:
                await asyncio.sleep(0.01)
        assert ws.is_alive()


async def test_our_close_and_theirs(session: AsyncSession, url: str) -> None:
    ws = await session.ws_connect(url)
    await ws.close(1000, "done")
    assert ws.close_code == 1000
    async with session.ws_connect(url) as ws:
        await ws.send_str("bye")
        assert await ws.recv(timeout=5) == (b"\x0f\xa0as you wish", CurlWsFlag.CLOSE)
        with pytest.raises(WebSocketClosed):
            await ws.recv()
        assert (ws.close_code, ws.close_reason) == (4000, "as you wish")


async def test_fifty_connections_at_once(url: str) -> None:
    async with AsyncSession(max_clients=50) as session:

        async def open_one() -> AsyncWebSocket:
            return await session.ws_connect(url)

        sockets = await asyncio.gather(*(open_one() for _ in range(50)))
        for index, ws in enumerate(sockets):
            await ws.send_str(str(index))
        for index, ws in enumerate(sockets):
            assert await ws.recv_str(timeout=5) == str(index)
