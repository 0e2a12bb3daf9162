"""Receiving: order, waiting, timeouts, cancellation, backpressure."""

import asyncio
import json
import os
import socket
from typing import Any

import pytest

from tests.servers.frames import BINARY, PING, TEXT, close_frame, frame
from tests.servers.raw import Peer, RawServer
from wscore import (
    AsyncSession,
    AsyncWebSocket,
    CurlWsFlag,
    WebSocketClosed,
    WebSocketError,
    WebSocketTimeout,
)


def blast(count: int, *, size: int = 0) -> bytes:
    return b"".join(frame(BINARY, b"%d" % i + b"." * size) for i in range(count))


def sending(data: bytes) -> Any:
    """A server that sends *data*, then waits for the client to leave."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        peer.writer.write(data)
        await peer.answer_close()

    return script


def sending_then_close(data: bytes, code: int = 1000) -> Any:
    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(data + close_frame(code, b"done"))
        assert await peer.close_code() == code

    return script


@pytest.fixture
async def quiet(session: AsyncSession) -> Any:
    """A connection, and its server's side, on which nothing happens by itself."""
    peers: asyncio.Queue[Peer] = asyncio.Queue()

    async def script(peer: Peer) -> None:
        await peer.accept()
        peers.put_nowait(peer)
        await peer.answer_close()

    async with RawServer(script) as server, session.ws_connect(server.url) as ws:
        yield ws, await peers.get()


Quiet = tuple[AsyncWebSocket, Peer]

# -- complete and in order ------------------------------------------------------

COUNT = 5000


@pytest.mark.parametrize("busy_poll", [0, 0.001])
@pytest.mark.parametrize("queue", [1, 7, 128, 100_000])
@pytest.mark.parametrize("how", ["for", "recv", "recv_many", "recv_batch"])
async def test_every_way_gets_all_in_order_whatever_the_queue(
    session: AsyncSession, how: str, queue: int, busy_poll: float
) -> None:
    """Small queues stop the reading over and over; nothing may be lost or stall."""
    received: list[bytes] = []
    script = sending_then_close(blast(COUNT))
    async with (
        RawServer(script) as server,
        session.ws_connect(server.url, recv_queue_size=queue, busy_poll=busy_poll) as ws,
        asyncio.timeout(10),
    ):
        if how == "for":
            async for message in ws:
                received.append(message)
        with pytest.raises(WebSocketClosed) as caught:
            while how != "for":
                if how == "recv":
                    payload, kind = await ws.recv()
                    if kind != CurlWsFlag.CLOSE:
                        received.append(payload)
                elif how == "recv_many":
                    messages = await ws.recv_many()
                    assert messages
                    received += messages
                else:
                    batch = await ws.recv_batch()
                    assert batch.reads[-1][0] == len(batch.messages) <= queue
                    received += batch.messages
            await ws.recv()
        assert (caught.value.code, caught.value.reason) == (1000, "done")
    assert received == [b"%d" % i for i in range(COUNT)]


async def test_a_hundred_thousand_small_messages(session: AsyncSession) -> None:
    count = 100_000
    index = 0
    async with (
        RawServer(sending_then_close(blast(count))) as server,
        session.ws_connect(server.url) as ws,
    ):
        async for message in ws:
            assert int(message) == index
            index += 1
    assert index == count
    assert ws.counters.messages_in == count


async def test_a_slow_consumer_makes_the_server_wait(session: AsyncSession, until: Any) -> None:
    """Memory stays bounded: what is not asked for stays in the kernel and at the server."""
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.accept()
        for i in range(3000):
            await peer.send(frame(BINARY, i.to_bytes(4, "big") + bytes(10_000)))
            sent += 1
        await peer.answer_close()

    async with (
        RawServer(script) as server,
        session.ws_connect(server.url, recv_queue_size=10) as ws,
    ):
        await until(lambda: ws.recv_queue_size == 10)
        previous = -1
        while previous != sent:
            previous = sent
            await asyncio.sleep(0.05)
        assert ws.recv_queue_size <= 10
        assert sent < 3000
        for i in range(3000):
            payload, _ = await ws.recv(timeout=5)
            assert int.from_bytes(payload[:4], "big") == i


@pytest.mark.parametrize("busy_poll", [0.001, 60])
async def test_busy_poll_needs_no_turn_of_the_loop(session: AsyncSession, busy_poll: float) -> None:
    """Steps the coroutine by hand: it ends, or waits for the loop after all."""
    peers: asyncio.Queue[Peer] = asyncio.Queue()

    async def script(peer: Peer) -> None:
        await peer.accept()
        peers.put_nowait(peer)
        await peer.end_of_stream()

    async with (
        RawServer(script) as server,
        session.ws_connect(server.url, busy_poll=busy_poll) as ws,
    ):
        peer = await peers.get()
        if busy_poll < 1:
            waiting = ws.recv()
            assert asyncio.isfuture(waiting.send(None))
            waiting.close()
        peer_socket = socket.socket(fileno=os.dup(peer.writer.get_extra_info("socket").fileno()))
        peer_socket.sendall(frame(BINARY, b"now"))
        assert ws.recv_queue_size == 0
        with pytest.raises(StopIteration) as received:
            ws.recv().send(None)
        assert received.value.value == (b"now", CurlWsFlag.BINARY)
        peer_socket.shutdown(socket.SHUT_RDWR)
        with pytest.raises(WebSocketClosed, match="without a CLOSE"):
            ws.recv().send(None)
        peer_socket.close()


async def test_messages_of_four_mebibytes(session: AsyncSession) -> None:
    size = 4 * 1024 * 1024
    payloads = [bytes([i]) * size for i in range(3)]
    script = sending_then_close(b"".join(frame(BINARY, payload) for payload in payloads))
    async with RawServer(script) as server, session.ws_connect(server.url) as ws:
        assert [message async for message in ws] == payloads


# -- kinds ----------------------------------------------------------------------


async def test_kinds_of_messages_and_the_close_once(session: AsyncSession) -> None:
    data = frame(TEXT, b"t") + frame(PING, b"?") + frame(BINARY, b"b")
    async with (
        RawServer(sending_then_close(data, 4001)) as server,
        session.ws_connect(server.url) as ws,
    ):
        assert await ws.recv() == (b"t", CurlWsFlag.TEXT)
        assert await ws.recv() == (b"b", CurlWsFlag.BINARY)
        assert await ws.recv() == (b"\x0f\xa1done", CurlWsFlag.CLOSE)
        for _ in range(3):
            with pytest.raises(WebSocketClosed, match="4001") as caught:
                await ws.recv()
            assert caught.value.code == 4001
        with pytest.raises(WebSocketClosed):
            aiter(ws)


async def test_takers_of_data_get_the_end_instead_of_the_close(session: AsyncSession) -> None:
    async with (
        RawServer(sending_then_close(frame(TEXT, b"a") + frame(BINARY, b"b"))) as server,
        session.ws_connect(server.url) as ws,
    ):
        batch = await ws.recv_batch()
        messages = list(batch.messages)
        with pytest.raises(WebSocketClosed):
            while True:
                messages += await ws.recv_many()
        assert messages == [b"a", b"b"]


async def test_strings_and_json(session: AsyncSession) -> None:
    texts = ["grüße", '{"a": [1, 2.5, null]}', "{", ""]
    data = b"".join(frame(TEXT, text.encode()) for text in texts) + frame(BINARY, b"{}")
    async with (
        RawServer(sending_then_close(data)) as server,
        session.ws_connect(server.url) as ws,
    ):
        assert await ws.recv_str() == "grüße"
        assert await ws.recv_json(loads=lambda text: json.loads(text, parse_float=str)) == {
            "a": [1, "2.5", None]
        }
        for _ in range(2):
            with pytest.raises(WebSocketError, match="invalid JSON") as caught:
                await ws.recv_json()
            assert caught.value.code == 1007
        with pytest.raises(WebSocketError, match="Not a valid text frame") as caught:
            await ws.recv_str()
        assert caught.value.code == 1007
        with pytest.raises(WebSocketClosed):
            await ws.recv_str()


async def test_unvalidated_text_that_is_not_utf8(session: AsyncSession) -> None:
    async with (
        RawServer(sending(frame(TEXT, b"\xff"))) as server,
        session.ws_connect(server.url, skip_utf8_validation=True) as ws,
    ):
        with pytest.raises(WebSocketError, match="UTF-8") as caught:
            await ws.recv_str()
        assert caught.value.code == 1007
        assert ws.is_alive()


# -- waiting --------------------------------------------------------------------


async def test_receivers_are_served_first_come_first_served(quiet: Quiet) -> None:
    ws, peer = quiet
    order: list[tuple[int, int]] = []

    async def one(number: int) -> None:
        payload, _ = await ws.recv()
        order.append((number, int(payload)))

    tasks = [asyncio.create_task(one(i)) for i in range(300)]
    await asyncio.sleep(0)
    await peer.send(blast(300))
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    assert order == [(i, i) for i in range(300)]


async def test_a_timeout_leaves_the_connection_and_the_order_alone(quiet: Quiet) -> None:
    ws, peer = quiet
    for timeout in (0, -1, 0.01):
        with pytest.raises(WebSocketTimeout) as caught:
            await ws.recv(timeout=timeout)
        assert caught.value.code == 28
    patient = asyncio.create_task(ws.recv(timeout=5))
    with pytest.raises(WebSocketTimeout):
        await ws.recv_many(timeout=0.01)
    await peer.send(blast(2))
    assert (await patient)[0] == b"0"
    assert (await ws.recv(timeout=5))[0] == b"1"


async def test_a_message_that_races_the_timeout_is_returned(quiet: Quiet) -> None:
    """A loop that was busy past the deadline looks at the socket before it gives up."""
    import time

    ws, peer = quiet
    for i in range(20):
        task = asyncio.create_task(ws.recv(timeout=0.005))
        await asyncio.sleep(0)
        peer.writer.write(frame(BINARY, b"%d" % i))
        time.sleep(0.01)
        assert (await task)[0] == b"%d" % i


async def test_messages_and_timeouts_in_any_rhythm_lose_nothing(quiet: Quiet) -> None:
    ws, peer = quiet
    count = 300

    async def send() -> None:
        for i in range(count):
            await peer.send(frame(BINARY, b"%d" % i))
            await asyncio.sleep(0.0005 if i % 3 else 0)

    sender = asyncio.create_task(send())
    received = 0
    async with asyncio.timeout(10):
        while received < count:
            try:
                payload, _ = await ws.recv(timeout=0.0005 * (received % 4))
            except WebSocketTimeout:
                await asyncio.sleep(0)
                continue
            assert int(payload) == received
            received += 1
    await sender


async def test_cancelled_receivers_lose_nothing(quiet: Quiet) -> None:
    """Whenever they are cancelled, also when their message is already on its way."""
    ws, peer = quiet
    count = 300
    received: list[int] = []

    async def receive() -> None:
        payload, _ = await ws.recv()
        received.append(int(payload))

    async def send() -> None:
        for i in range(count):
            await peer.send(frame(BINARY, b"%d" % i))
            await asyncio.sleep(0)

    sender = asyncio.create_task(send())
    rounds = 0
    async with asyncio.timeout(10):
        while len(received) < count:
            task = asyncio.create_task(receive())
            for _ in range(rounds % 5):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            rounds += 1
            await asyncio.sleep(0)
    await sender
    assert received == list(range(count))
    assert ws.is_alive()


async def test_an_end_wakes_everybody(session: AsyncSession) -> None:
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.accept()
        await go.wait()
        peer.reset()

    async with RawServer(script) as server, session.ws_connect(server.url) as ws:
        tasks = [asyncio.create_task(ws.recv(timeout=5)) for _ in range(50)]
        tasks += [asyncio.create_task(ws.recv_batch()) for _ in range(50)]  # type: ignore[misc]
        await asyncio.sleep(0)
        go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} == {WebSocketClosed}
    assert {result.code for result in results} == {1006}
    assert len(set(map(id, results))) == 1


async def test_times_of_reading(quiet: Quiet) -> None:
    """Unix ns, between the sending and the receiving."""
    import time

    ws, peer = quiet
    before = time.time_ns()
    await peer.send(blast(3))
    batch = await ws.recv_batch(timeout=5)
    assert len(batch.messages) == batch.reads[-1][0]
    assert before <= batch.reads[0][1] <= time.time_ns()


async def test_a_full_queue_is_an_error_if_that_is_wanted(session: AsyncSession) -> None:
    """`block_on_recv_queue_full=False`: the server sees 1013, what fitted can be drained."""
    code: list[int | None] = []

    async def script(peer: Peer) -> None:
        await peer.accept(glued=blast(20))
        code.append(await peer.close_code())

    for drain, expected in [(True, 10), (False, 0)]:
        async with (
            RawServer(script) as server,
            session.ws_connect(
                server.url,
                recv_queue_size=10,
                block_on_recv_queue_full=False,
                drain_on_error=drain,
            ) as ws,
        ):
            await asyncio.wait_for(ws._ended.wait(), 5)
            received = 0
            with pytest.raises(WebSocketError, match="receive queue full") as caught:
                while True:
                    await ws.recv()
                    received += 1
            assert (received, caught.value.code) == (expected, 27)
    assert code == [1013, 1013]
