"""Closing: who says what, who waits for whom, and that it always ends."""

import asyncio
import threading
from typing import Any

import pytest

from tests.servers.frames import BINARY, CLOSE, TEXT, close_frame, frame
from tests.servers.raw import Peer, RawServer
from wscore import AsyncSession, CurlWsFlag, WebSocketClosed, WebSocketError


async def patient(peer: Peer) -> None:
    """Waits for the client's CLOSE and answers."""
    await peer.accept()
    await peer.answer_close()


async def deaf(peer: Peer) -> None:
    """Never answers a CLOSE, never ends the stream."""
    await peer.accept()
    await peer.end_of_stream()


# -- our close --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        ((), b"\x03\xe8"),
        ((4001, "grüße"), b"\x0f\xa1" + "grüße".encode()),
        ((1005,), b"\x03\xf3"),
        ((1000, b"x" * 200), b"\x03\xe8" + b"x" * 123),
    ],
)
async def test_the_server_sees_code_and_reason(
    session: AsyncSession, arguments: tuple[Any, ...], body: bytes
) -> None:
    bodies = []

    async def script(peer: Peer) -> None:
        await peer.accept()
        bodies.append((await peer.frames_until_close())[-1].payload)
        await peer.send(frame(CLOSE, bodies[0]))

    async with RawServer(script) as server:
        ws = await session.ws_connect(server.url)
        await ws.close(*arguments)
        assert ws.close_code == int.from_bytes(body[:2], "big")
        assert ws.close_reason == body[2:].decode()
    assert bodies == [body]


async def test_a_reason_that_is_not_utf8_is_refused_and_nothing_is_closed(
    session: AsyncSession,
) -> None:
    async with RawServer(patient) as server, session.ws_connect(server.url) as ws:
        with pytest.raises(WebSocketError, match="UTF-8"):
            await ws.close(1000, b"\xff")
        assert ws.is_alive()


async def test_close_waits_for_the_answer_and_for_what_was_queued(session: AsyncSession) -> None:
    answered = asyncio.Event()
    received: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.accept()
        frames = await peer.frames_until_close()
        received.append(sum(len(f.payload) for f in frames[:-1]))
        await asyncio.sleep(0.05)
        answered.set()
        await peer.send(close_frame(1000))

    async with RawServer(script) as server:
        ws = await session.ws_connect(server.url)
        for _ in range(20):
            await ws.send(bytes(1 << 20))
        await ws.close()
        assert answered.is_set()
        assert ws.closed
        assert not ws.is_alive()
        assert ws.close_code == 1000
    assert received == [20 << 20]


async def test_close_is_idempotent_and_safe_from_several_tasks(session: AsyncSession) -> None:
    closes = 0

    async def script(peer: Peer) -> None:
        nonlocal closes
        await peer.accept()
        await peer.answer_close()
        closes += 1

    async with RawServer(script) as server:
        ws = await session.ws_connect(server.url)
        await asyncio.gather(*(ws.close(1000 + i) for i in range(5)))
        await ws.close()
        await ws.close(4000, "again")
        ws.terminate()
        assert ws.close_code == 1000
    assert closes == 1


async def test_a_server_that_does_not_answer_is_left_after_the_timeout(
    session: AsyncSession,
) -> None:
    async with RawServer(deaf) as server:
        ws = await session.ws_connect(server.url)
        receiver = asyncio.create_task(ws.recv())
        loop = asyncio.get_running_loop()
        started = loop.time()
        await ws.close(timeout=0.1)
        assert 0.08 < loop.time() - started < 1
        assert ws.close_code == 1006
        with pytest.raises(WebSocketClosed) as caught:
            await receiver
        assert caught.value.code == 1006


async def test_a_server_that_answers_but_stays_is_left_soon(
    session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wscore.websocket.EOF_WAIT_S", 0.1)

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.close_code()
        await peer.send(close_frame(1000))
        await peer.end_of_stream()

    async with RawServer(script) as server:
        ws = await session.ws_connect(server.url)
        await asyncio.wait_for(ws.close(), 0.9)
        assert ws.close_code == 1000


async def test_a_cancelled_close_still_releases_everything(session: AsyncSession) -> None:
    async with RawServer(deaf) as server, AsyncSession(max_clients=1) as session:
        ws = await session.ws_connect(server.url)
        task = asyncio.create_task(ws.close())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        second = await session.ws_connect(server.url)  # the place is free
        second.terminate()


@pytest.mark.parametrize("drain", [True, False])
async def test_what_the_server_sent_before_its_close(session: AsyncSession, drain: bool) -> None:
    """With `drain_on_error` it can still be received after close(); else it is dropped.

    Even if nobody takes meanwhile: the CLOSE behind a full queue is still found.
    """

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.close_code()
        await peer.send(frame(BINARY, b"late") * 1000 + close_frame(1000))

    async with RawServer(script) as server:
        ws = await session.ws_connect(
            server.url, drain_on_error=drain, recv_queue_size=600 if drain else 10
        )
        await asyncio.wait_for(ws.close(), 1)
        assert ws.close_code == 1000
        left = 0
        with pytest.raises(WebSocketClosed):
            while True:
                _payload, kind = await ws.recv()
                left += kind == CurlWsFlag.BINARY
        assert left == (1000 if drain else 0)


# -- their close ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code", "reason", "echo"),
    [
        (b"", 1005, "", 1000),
        (b"\x03\xe9", 1001, "", 1001),
        (b"\x0f\xa0grund", 4000, "grund", 4000),
    ],
)
async def test_the_server_s_close_is_answered(
    session: AsyncSession, body: bytes, code: int, reason: str, echo: int
) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(frame(TEXT, b"last") + frame(CLOSE, body))
        assert await peer.close_code() == echo

    async with RawServer(script) as server, session.ws_connect(server.url) as ws:
        assert [message async for message in ws] == [b"last"]
        assert (ws.close_code, ws.close_reason, ws.closed) == (code, reason, True)
        await asyncio.wait_for(ws._closed.wait(), 5)  # nobody has to call close()


async def test_both_close_at_once(session: AsyncSession) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.close_code()
        await peer.send(close_frame(4000, b"mine"))

    async with RawServer(script) as server:
        ws = await session.ws_connect(server.url)
        await ws.close(4001, "ours")
        assert (ws.close_code, ws.close_reason) == (4000, "mine")


async def test_without_autoclose_the_user_answers(session: AsyncSession) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(close_frame(4000) + frame(TEXT, b"ignored"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(peer.frame(), 0.05)
        assert await peer.close_code() == 4009

    async with RawServer(script) as server:
        ws = await session.ws_connect(server.url, autoclose=False)
        assert (await ws.recv(timeout=5))[1] == CurlWsFlag.CLOSE
        assert not ws.closed, "our CLOSE is still to come"
        assert not ws.is_alive(), "there is nothing more to receive"
        with pytest.raises(WebSocketClosed):
            await ws.recv(timeout=5)
        await asyncio.sleep(0.1)
        await ws.close(4009)
        assert ws.closed
        assert ws.close_code == 4000


async def test_without_autoclose_terminate_is_an_answer_too(session: AsyncSession) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(glued=close_frame(4000))
        await peer.end_of_stream()

    async with RawServer(script) as server:
        ws = await session.ws_connect(server.url, autoclose=False)
        assert (await ws.recv(timeout=5))[1] == CurlWsFlag.CLOSE
        ws.terminate()
        assert ws.closed


# -- terminate --------------------------------------------------------------------


@pytest.mark.parametrize("how", ["task", "thread"])
async def test_terminate_wakes_receivers_and_sends_no_close(
    session: AsyncSession, how: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await peer.frame()
        assert caught.value.partial == b""

    async with RawServer(script) as server:
        ws = await session.ws_connect(server.url)
        tasks = [asyncio.create_task(ws.recv()) for _ in range(3)]
        await asyncio.sleep(0)
        if how == "task":
            ws.terminate()
        else:
            threads = [threading.Thread(target=ws.terminate) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        for task in tasks:
            with pytest.raises(WebSocketClosed) as caught:
                await asyncio.wait_for(task, 5)
            assert caught.value.code == 1006
        ws.terminate()
        await ws.close()
        assert ws.closed


def test_terminate_after_the_loop_is_gone_releases_the_connection() -> None:
    """Also from the finalizer's side: the server sees the end of the stream."""
    import socket
    from contextlib import suppress

    from tests.servers.frames import accept_for

    def accept_one() -> None:
        connection, _ = listener.accept()
        connection.settimeout(5)
        request = connection.recv(65536).decode()
        key = request.lower().index("sec-websocket-key:")
        connection.sendall(
            b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: "
            + accept_for(request[key + 18 :].split("\r\n")[0].strip()).encode()
            + b"\r\n\r\n"
        )
        accepted.append(connection)

    async def main() -> None:
        sockets.append(await AsyncSession().ws_connect(url))

    accepted: list[socket.socket] = []
    sockets: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        for release in ("terminate", "drop"):
            thread = threading.Thread(target=accept_one)
            thread.start()
            asyncio.run(main())
            thread.join()
            if release == "terminate":
                sockets.pop().terminate()
            else:
                with pytest.warns(ResourceWarning, match="neither closed nor terminated"):
                    sockets.clear()
                    import gc

                    gc.collect()
            with accepted.pop() as connection, suppress(ConnectionError):
                assert connection.recv(1) == b""


async def test_nothing_crashes_after_close(session: AsyncSession) -> None:
    """Every method of a closed connection answers or raises; none touches freed memory."""
    async with RawServer(patient) as server:
        ws = await session.ws_connect(server.url)
        await ws.close()
    assert ws.counters.frames_out == 1
    assert (ws.send_queue_size, ws.recv_queue_size, ws.is_alive()) == (0, 0, False)
    ws.terminate()
    await ws.flush()
    for call in (ws.recv(), ws.recv_many(), ws.recv_batch(), ws.recv_str(), ws.recv_json()):
        with pytest.raises(WebSocketClosed):
            await call
    for call in (ws.send(b""), ws.ping(), ws.pong(), ws.send_str("")):
        with pytest.raises(WebSocketClosed):
            await call
    connection = ws._connection
    for use in (
        connection.flush,
        connection.counters,
        lambda: connection.send(1, b"x"),
        lambda: connection.unsent,
        lambda: connection.close_sent,
        lambda: connection.failure,
        lambda: connection.curl_code,
        lambda: connection.pump(session._buffer, max_messages=1, max_bytes=1, max_ns=1),
        lambda: connection.feed(b"x"),
        lambda: connection.take(),
        lambda: connection.limit(),
    ):
        with pytest.raises(TypeError):
            use()
    connection.close()


async def test_a_closed_easy_handle_is_refused() -> None:
    from wscore.easy import Easy

    easy = Easy()
    easy.close()
    easy.close()
    for use in (easy.perform, easy.abort, easy.headers, lambda: easy.set(10002, "ws://x/")):
        with pytest.raises(TypeError):
            use()
    for name in ("status", "socket"):
        with pytest.raises(TypeError):
            getattr(easy, name)
