"""Latency, and the keepalive that notices a dead peer."""

import asyncio
import time

import pytest

from tests.servers.frames import CLOSE, PING, PONG, TEXT, frame
from tests.servers.raw import Peer, RawServer
from wscore import AsyncSession, WebSocketClosed, WebSocketError


async def answering(peer: Peer) -> None:
    """Answers PINGs and the CLOSE."""
    await peer.accept()
    while (got := await peer.frame()).opcode != CLOSE:
        if got.opcode == PING:
            await peer.send_frame(PONG, got.payload)
    await peer.send(frame(CLOSE, got.payload))


async def mute(peer: Peer) -> None:
    """Reads and never answers; expects to be left with 1011."""
    await peer.accept()
    assert await peer.close_code() == 1011


async def test_the_latency_of_a_ping(session: AsyncSession) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        got = await peer.frame()
        await asyncio.sleep(0.05)
        await peer.send(frame(PONG, b"not ours") + frame(PONG, got.payload))
        await peer.answer_close()

    async with RawServer(script) as server, session.ws_connect(server.url) as ws:
        assert ws.latency is None
        latency = await asyncio.wait_for(await ws.ping(), 5)
        assert 0.04 < latency < 1
        assert ws.latency == latency


async def test_many_pings_at_once(session: AsyncSession) -> None:
    async with RawServer(answering) as server, session.ws_connect(server.url) as ws:
        pongs = [await ws.ping() for _ in range(100)]
        latencies = await asyncio.wait_for(asyncio.gather(*pongs), 5)
        assert len(latencies) == 100
        assert all(latency > 0 for latency in latencies)


async def test_a_ping_without_an_answer_raises_when_the_connection_ends(
    session: AsyncSession,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.frame()

    async with RawServer(script) as server, session.ws_connect(server.url) as ws:
        pong = await ws.ping(b"x")
        with pytest.raises(WebSocketClosed):
            await asyncio.wait_for(pong, 5)


async def test_keepalive_leaves_a_living_connection_alone(session: AsyncSession) -> None:
    async with (
        RawServer(answering) as server,
        session.ws_connect(server.url, ping_interval=0.02, ping_timeout=0.5) as ws,
    ):
        async with asyncio.timeout(5):
            while ws.counters.pongs_in < 10:
                await asyncio.sleep(0.01)
        assert ws.is_alive()
        assert ws.latency is not None


async def test_keepalive_ends_a_dead_connection_with_1011(session: AsyncSession) -> None:
    async with (
        RawServer(mute) as server,
        session.ws_connect(server.url, ping_interval=0.02, ping_timeout=0.05) as ws,
    ):
        started = time.monotonic()
        with pytest.raises(WebSocketClosed, match="keepalive") as caught:
            await ws.recv(timeout=5)
        assert 0.06 < time.monotonic() - started < 1
        assert (caught.value.code, ws.close_code) == (1011, 1011)
        with pytest.raises(WebSocketError):
            await ws.send(b"x")


async def test_keepalive_does_not_blame_the_server_for_our_own_full_queue(
    session: AsyncSession,
) -> None:
    """The PONGs are there, behind messages that nobody takes."""

    async def script(peer: Peer) -> None:
        await peer.accept(glued=frame(TEXT, b"x") * 50)
        while (got := await peer.frame()).opcode != CLOSE:
            await peer.send_frame(PONG, got.payload)
        await peer.send(frame(CLOSE, got.payload))

    async with (
        RawServer(script) as server,
        session.ws_connect(
            server.url, recv_queue_size=2, ping_interval=0.02, ping_timeout=0.03
        ) as ws,
    ):
        await asyncio.sleep(0.3)
        assert ws.is_alive()
        for _ in range(50):
            assert (await ws.recv(timeout=1))[0] == b"x"
        await asyncio.sleep(0.1)
        assert ws.is_alive()


async def test_keepalive_does_not_blame_the_server_for_our_own_busy_loop(
    session: AsyncSession,
) -> None:
    """The answer came in time; we were late to look."""
    pinged = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.accept()
        while (got := await peer.frame()).opcode != CLOSE:
            await peer.send_frame(PONG, got.payload)
            pinged.set()
        await peer.send(frame(CLOSE, got.payload))

    async with (
        RawServer(script) as server,
        session.ws_connect(server.url, ping_interval=0.05, ping_timeout=0.1) as ws,
    ):
        for _ in range(2):
            pinged.clear()
            await asyncio.wait_for(pinged.wait(), 2)
            time.sleep(0.15)
        await asyncio.sleep(0.01)
        assert ws.is_alive()
