"""Sending: kinds, fragments, full queues, flush."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.servers.frames import BINARY, CONT, PING, PONG, TEXT, Frame
from tests.servers.raw import Peer, RawServer
from wscore import (
    AsyncSession,
    AsyncWebSocket,
    CurlWsFlag,
    WebSocketClosed,
    WebSocketError,
    WebSocketTimeout,
)

Open = tuple[AsyncWebSocket, "asyncio.Future[list[Frame]]"]


@pytest.fixture
async def opened(session: AsyncSession) -> AsyncIterator[Open]:
    """A connection, and a future of all frames the server saw before the CLOSE."""
    seen: asyncio.Future[list[Frame]] = asyncio.get_running_loop().create_future()

    async def script(peer: Peer) -> None:
        await peer.accept()
        frames = await peer.frames_until_close()
        seen.set_result(frames[:-1])

    async with RawServer(script) as server:
        ws = await session.ws_connect(server.url)
        yield ws, seen
        await ws.close()


async def sent(opened: Open) -> list[tuple[int, bytes, bool]]:
    """Close, and return what arrived: opcode, payload, fin."""
    ws, seen = opened
    await ws.close()
    return [(f.opcode, f.payload, f.fin) for f in await seen]


async def test_every_kind_of_message(opened: Open) -> None:
    ws, _ = opened
    await ws.send("str still goes binary")
    await ws.send_str("grüße")
    await ws.send_bytes(memoryview(b"abcdef")[::2])
    await ws.send_binary(bytearray(b"array"))
    await ws.send_json({"a": [1, "ü"]})
    await ws.send_json({"a": 1}, dumps=lambda value: repr(value).encode())
    await ws.send(b"text", CurlWsFlag.TEXT)
    await ws.send(b"", 1)
    await ws.ping(b"p")
    await ws.pong(b"q")
    assert await sent(opened) == [
        (BINARY, b"str still goes binary", True),
        (TEXT, "grüße".encode(), True),
        (BINARY, b"ace", True),
        (BINARY, b"array", True),
        (TEXT, b'{"a":[1,"\\u00fc"]}', True),
        (TEXT, b"{'a': 1}", True),
        (TEXT, b"text", True),
        (TEXT, b"", True),
        (PING, b"p", True),
        (PONG, b"q", True),
    ]


async def test_fragments_with_a_ping_between(opened: Open) -> None:
    """Only the first fragment carries the kind; empty ones may be anywhere."""
    ws, _ = opened
    await ws.send("one", CurlWsFlag.TEXT | CurlWsFlag.CONT)
    await ws.ping(b"p")
    await ws.send("", CurlWsFlag.TEXT | CurlWsFlag.CONT)
    await ws.send("two", CurlWsFlag.TEXT)
    await ws.send("whole", CurlWsFlag.TEXT)
    assert await sent(opened) == [
        (TEXT, b"one", False),
        (PING, b"p", True),
        (CONT, b"", False),
        (CONT, b"two", True),
        (TEXT, b"whole", True),
    ]


@pytest.mark.parametrize(
    "flags", [0, CurlWsFlag.CONT, CurlWsFlag.TEXT | CurlWsFlag.BINARY, 1 << 20]
)
async def test_flags_that_say_nothing_sensible(opened: Open, flags: int) -> None:
    with pytest.raises(WebSocketError, match="flags must be") as caught:
        await opened[0].send(b"x", flags)
    assert caught.value.code == 43
    assert await sent(opened) == []


async def test_control_payloads_and_fragments_are_refused_before_the_server_sees_them(
    opened: Open,
) -> None:
    ws, _ = opened
    await ws.ping(bytes(125))
    for payload, flags in [
        (bytes(126), CurlWsFlag.PING),
        (memoryview(bytes(400)).cast("I"), CurlWsFlag.PONG),
        (b"", CurlWsFlag.PING | CurlWsFlag.CONT),
    ]:
        with pytest.raises(WebSocketError, match="at most 125 bytes in one frame") as caught:
            await ws.send(payload, flags)
        assert caught.value.code == 100
    assert await sent(opened) == [(PING, bytes(125), True)]


async def test_wrong_types_are_refused(opened: Open) -> None:
    wrong: Any
    for wrong in (None, 1, ["a"]):
        with pytest.raises(TypeError):
            await opened[0].send(wrong)
    assert await sent(opened) == []


async def test_large_messages_arrive_whole(opened: Open) -> None:
    ws, _ = opened
    payloads = [bytes([i]) * (4 * 1024 * 1024 + i) for i in range(3)]
    for payload in payloads:
        await ws.send(payload)
    assert [payload for _, payload, _ in await sent(opened)] == payloads


async def test_ten_thousand_small_messages_in_order_from_several_tasks(opened: Open) -> None:
    ws, _ = opened

    async def send(task: int) -> None:
        for i in range(2500):
            await ws.send_str(f"{task} {i}")

    await asyncio.gather(*(send(task) for task in range(4)))
    await ws.flush(timeout=5)
    assert ws.send_queue_size == 0
    found = [tuple(map(int, payload.split())) for _, payload, _ in await sent(opened)]
    for task in range(4):
        assert [i for t, i in found if t == task] == list(range(2500))


async def test_after_close_nothing_can_be_sent(opened: Open) -> None:
    ws, _ = opened
    await ws.close(4000)
    for call in (ws.send(b"x"), ws.ping(), ws.send_json({})):
        with pytest.raises(WebSocketClosed):
            await call
    await ws.flush()  # nothing was lost


# -- a server that does not read --------------------------------------------------


@pytest.fixture
async def stuck(session: AsyncSession) -> AsyncIterator[tuple[AsyncWebSocket, asyncio.Event]]:
    """A connection whose server reads nothing until the event is set."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.accept()
        peer.stop_reading()
        await go.wait()
        peer.read_on()
        await peer.end_of_stream()

    async with RawServer(script) as server:
        ws = await session.ws_connect(server.url, send_queue_size=4)
        try:
            yield ws, go
        finally:
            go.set()
            ws.terminate()


async def fill(ws: AsyncWebSocket) -> None:
    """Send until the queue is full and the kernel, though asked again, takes no more."""
    unsent = -1
    while unsent != ws.stats().unsent_bytes:
        unsent = ws.stats().unsent_bytes
        with pytest.raises(WebSocketTimeout, match="send queue is full") as caught:
            while True:
                await ws.send(bytes(1 << 20), timeout=0.05)
        assert caught.value.code == 28
        with pytest.raises(WebSocketTimeout, match="does not take the data"):
            await ws.flush(timeout=0.01)


async def test_a_full_queue_makes_senders_wait(
    stuck: tuple[AsyncWebSocket, asyncio.Event],
) -> None:
    ws, go = stuck
    await fill(ws)
    assert ws.send_queue_size == 4
    with pytest.raises(WebSocketTimeout, match="does not take the data"):
        await ws.flush(timeout=0.01)
    waiting = [asyncio.create_task(ws.send(b"x")) for _ in range(20)]
    cancelled = asyncio.create_task(ws.send(b"never"))
    await asyncio.sleep(0.01)
    cancelled.cancel()
    assert not any(task.done() for task in waiting)
    assert ws.send_queue_size == 4
    go.set()
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    await ws.flush(timeout=5)
    assert ws.send_queue_size == 0
    assert ws.is_alive()


async def test_close_is_bounded_though_nobody_reads(
    stuck: tuple[AsyncWebSocket, asyncio.Event],
) -> None:
    """Those who wait for room are told, too."""
    ws, _ = stuck
    await fill(ws)
    waiting = asyncio.create_task(ws.send(b"x"))
    flushing = asyncio.create_task(ws.flush())
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    started = loop.time()
    await ws.close(timeout=0.2)
    assert 0.15 < loop.time() - started < 1
    for task in (waiting, flushing):
        with pytest.raises(WebSocketClosed):
            await asyncio.wait_for(task, 1)
    assert ws.close_code == 1006


async def test_a_connection_that_breaks_wakes_senders(session: AsyncSession) -> None:
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.accept()
        peer.stop_reading()
        await go.wait()
        peer.reset()

    async with RawServer(script) as server:
        ws = await session.ws_connect(server.url, send_queue_size=4)
        await fill(ws)
        tasks = [asyncio.create_task(ws.send(b"x")), asyncio.create_task(ws.flush())]
        await asyncio.sleep(0)
        go.set()
        for task in tasks:
            with pytest.raises(WebSocketError):
                await asyncio.wait_for(task, 5)
        with pytest.raises(WebSocketError):
            await ws.send(b"y")
        assert not ws.is_alive()
        ws.terminate()
