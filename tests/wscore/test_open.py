"""What `ws_connect` makes of servers that answer late, by halves or not at all."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from wscore import AsyncSession, CurlECode, CurlError


@asynccontextmanager
async def serving(answer: bytes, *, then_end: bool) -> AsyncIterator[str]:
    """A server that reads the request, says *answer*, and ends the connection or waits."""
    handlers: set[asyncio.Task[None]] = set()

    async def on_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if not then_end:
            await reader.read()  # until the client goes
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(on_client, "127.0.0.1", 0)
    yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    # The handshake's thread lets go of an abandoned connection within about a second.
    await asyncio.wait_for(asyncio.gather(*handlers), 5)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 101 Swit"])
async def test_the_timeout_holds_for_the_whole_handshake(answer: bytes) -> None:
    """No answer, or half of one: given up in time, and the slot is free again."""
    session = AsyncSession(max_clients=1)
    async with serving(answer, then_end=False) as url:
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(CurlError, match=r"no answer within 0\.1 s") as caught:
                await session.ws_connect(url, timeout=0.1)
            assert caught.value.code == CurlECode.OPERATION_TIMEDOUT
            assert time.monotonic() - began < 1.0


async def test_an_end_without_an_answer() -> None:
    """Said as such, not as a status of 0."""
    async with serving(b"", then_end=True) as url:
        with pytest.raises(CurlError, match="without an answer") as caught:
            await AsyncSession().ws_connect(url)

    assert caught.value.code == CurlECode.GOT_NOTHING
