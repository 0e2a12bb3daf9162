"""Connections that break, servers that break the rules."""

import asyncio
from typing import Any

import pytest

from tests.servers.frames import BINARY, CONT, PING, TEXT, Frame, close_frame, frame
from tests.servers.raw import Peer, RawServer
from wscore import AsyncSession, WebSocketClosed, WebSocketError


async def receive_all(ws: Any) -> tuple[list[bytes], Exception]:
    """Everything there is, and the error that ends it."""
    received = []
    try:
        async with asyncio.timeout(5):
            while True:
                received.append((await ws.recv())[0])
    except WebSocketError as error:
        return received, error


async def test_a_reset_right_behind_the_data(session: AsyncSession) -> None:
    """libuv reports an error of the socket once: reading has to go on until it shows.

    The two arrive together only sometimes, hence the repetitions.
    """

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.frame()
        await peer.send(frame(TEXT, b"last words"))
        peer.reset()

    async with RawServer(script) as server:
        for _ in range(20):
            ws = await session.ws_connect(server.url, drain_on_error=True)
            await ws.ping(b"go")
            received, error = await receive_all(ws)
            assert received in ([], [b"last words"])  # a reset may overtake the data
            assert error.code == 1006


@pytest.mark.parametrize("ending", ["eof", "reset"])
@pytest.mark.parametrize("cut", [0, 1, 5])
@pytest.mark.parametrize("drain", [True, False])
async def test_an_end_without_a_close(
    session: AsyncSession, ending: str, cut: int, drain: bool
) -> None:
    """1006, whether the server says FIN or RST, between frames or inside one."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(frame(TEXT, b"whole") * 20 + frame(TEXT, b"cut off")[:cut])
        await go.wait()
        if ending == "reset":
            peer.reset()

    async with (
        RawServer(script) as server,
        session.ws_connect(server.url, drain_on_error=drain) as ws,
    ):
        while ws.recv_queue_size < 20:
            await asyncio.sleep(0.001)
        go.set()
        await asyncio.wait_for(ws._ended.wait(), 5)
        received, error = await receive_all(ws)
        assert type(error) is WebSocketClosed
        assert (error.code, ws.close_code) == (1006, 1006)
        assert received == ([b"whole"] * 20 if drain else [])
        with pytest.raises(WebSocketClosed):
            await ws.send(b"x")


async def test_iteration_ends_when_the_connection_does(session: AsyncSession) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(glued=frame(TEXT, b"1") + frame(TEXT, b"2"))

    async with (
        RawServer(script) as server,
        session.ws_connect(server.url, drain_on_error=True) as ws,
    ):
        assert [message async for message in ws] == [b"1", b"2"]
        assert ws.close_code == 1006


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (frame(TEXT, b"x", rsv=4), 1002),
        (frame(3), 1002),
        (frame(PING, bytes(126)), 1002),
        (frame(TEXT, b"x", key=b"abcd"), 1002),
        (frame(CONT, b"x"), 1002),
        (close_frame(1005), 1002),
        (close_frame(1000, b"\xff"), 1007),
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, "€".encode()[:2], fin=False) + frame(CONT, b"x"), 1007),
        (frame(BINARY, bytes(1001)), 1009),
        (frame(BINARY, bytes(600), fin=False) + frame(CONT, bytes(401)), 1009),
        (frame(BINARY, size=1 << 62), 1009),
    ],
)
async def test_a_violation_is_answered_with_its_code(
    session: AsyncSession, bad: bytes, code: int
) -> None:
    """The server sees the CLOSE, also one that first sends all it has, then looks."""
    codes = []

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(frame(TEXT, b"good") + bad + bytes(8 << 20))
        closing = (await peer.frames_until_close())[-1]
        codes.append(int.from_bytes(closing.payload[:2], "big"))
        assert len(closing.payload) > 10  # says why

    async with (
        RawServer(script) as server,
        session.ws_connect(server.url, max_message_size=1000, drain_on_error=True) as ws,
    ):
        received, error = await receive_all(ws)
        assert received == [b"good"]
        assert type(error) is WebSocketError
        assert error.code == (100 if code == 1009 else code)
        assert (code == 1009) == ("Message too large" in str(error))
        assert ws.close_code == code
    assert codes == [code]


async def test_a_failed_connection_is_released_without_close(
    session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the server goes on sending: after a while it is left."""
    monkeypatch.setattr("wscore.websocket.EOF_WAIT_S", 0.1)

    async def script(peer: Peer) -> None:
        await peer.accept(glued=frame(3))
        with pytest.raises(ConnectionError):
            while True:
                await peer.send(bytes(1 << 16))

    async with RawServer(script) as server:
        ws = await session.ws_connect(server.url)
        await asyncio.wait_for(ws._closed.wait(), 3)
        assert not session._websockets


async def test_pings_are_answered_while_nobody_receives(session: AsyncSession) -> None:
    """A quiet market's connection must not be dropped for want of a PONG."""
    answered = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.accept()
        for i in range(10):
            await peer.send_frame(PING, b"%d" % i)
            pong = await asyncio.wait_for(peer.frame(), 2)
            assert pong == Frame(0xA, b"%d" % i, masked=True)
            await asyncio.sleep(0.02)
        answered.set()
        await peer.answer_close()

    async with RawServer(script) as server, session.ws_connect(server.url) as ws:
        await asyncio.wait_for(answered.wait(), 5)
        assert ws.recv_queue_size == 0
        assert ws.counters.pings_in == 10


async def test_pings_behind_a_full_queue_are_answered_when_it_moves(session: AsyncSession) -> None:
    """They are read in their turn, not before the messages that wait."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        for i in range(100):
            await peer.send(frame(PING, b"%d" % i) + frame(TEXT, b"x") * 5)
        for i in range(100):
            pong = await asyncio.wait_for(peer.frame(), 5)
            assert pong.payload == b"%d" % i
        await peer.answer_close()

    async with (
        RawServer(script) as server,
        session.ws_connect(server.url, recv_queue_size=3) as ws,
    ):
        for _ in range(500):
            assert (await ws.recv(timeout=5))[0] == b"x"


async def test_a_flood_of_pings_does_not_starve_the_loop(session: AsyncSession) -> None:
    """Nor cost memory: PONGs that the server does not read are skipped and counted."""
    done = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.accept()
        peer.stop_reading()
        await peer.send(frame(PING, bytes(125)) * 100_000 + frame(TEXT, b"after"))
        await done.wait()
        peer.read_on()
        await peer.end_of_stream()

    async with RawServer(script) as server, session.ws_connect(server.url) as ws:
        assert (await ws.recv(timeout=10))[0] == b"after"
        counters = ws.counters
        assert counters.pings_in == 100_000
        assert counters.pongs_out + counters.pongs_skipped == 100_000
        assert ws._connection.unsent < 200_000
        done.set()
        ws.terminate()
