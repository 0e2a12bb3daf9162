"""What suites made for curl_cffi read besides its API says how things are here."""

import asyncio

import pytest

from tests.servers.frames import BINARY, TEXT, frame
from tests.servers.raw import Peer, RawServer
from wscore import AsyncSession, AsyncWebSocket, CurlECode, CurlError, CurlWsFlag, WebSocket

AT_MOST_S = 5


async def quiet(peer: Peer) -> None:
    """Answers a CLOSE, and nothing else."""
    await peer.accept()
    await peer.answer_close()


async def test_terminated_once_everything_is_released(session: AsyncSession) -> None:
    async with RawServer(quiet) as server:
        ws = await session.ws_connect(server.url)
        assert ws._terminated is False
        assert not ws._write_task.done()
        await ws.close()
        assert ws._terminated is True
        assert ws._write_task.done()


async def test_the_inbox_answers_like_a_queue(session: AsyncSession) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(glued=frame(TEXT, b"one") + frame(BINARY, b"two"))
        await peer.answer_close()

    async with RawServer(script) as server, session.ws_connect(server.url) as ws:
        queue = ws._receive_queue
        assert await asyncio.wait_for(queue.get(), AT_MOST_S) == (b"one", CurlWsFlag.TEXT)
        assert queue.qsize() == 1
        assert queue.get_nowait() == (b"two", CurlWsFlag.BINARY)
        assert queue.empty()
        with pytest.raises(asyncio.QueueEmpty):
            queue.get_nowait()
        waiting = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert ws.is_alive()


async def test_an_error_from_outside_reaches_everybody_who_waits(session: AsyncSession) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.end_of_stream()

    async with RawServer(script) as server:
        ws = await session.ws_connect(server.url)
        waiting = [asyncio.create_task(ws.recv(timeout=AT_MOST_S)) for _ in range(5)]
        await asyncio.sleep(0)
        error = CurlError("the cable was pulled", CurlECode.RECV_ERROR)
        ws._finalize_connection(error)
        for task in waiting:
            with pytest.raises(CurlError) as caught:
                await task
            assert caught.value is error
        assert ws.closed
        await ws.close()


@pytest.mark.parametrize("kind", [AsyncWebSocket, WebSocket])
def test_sizes_can_be_chosen_by_the_frame_size_of_theirs(
    kind: type[AsyncWebSocket] | type[WebSocket],
) -> None:
    assert kind._MAX_CURL_FRAME_SIZE == 1 << 16
