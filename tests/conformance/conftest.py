"""A server that plays one case of the Autobahn suite to our echo client."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conformance.echo_client import echo
from tests.servers.frames import CLOSE, Frame, accept_for, close_frame, parse_one
from wscore import AsyncSession, CurlError

DEADLINE_S = 10.0


@dataclass
class Answer:
    """What the client did: its frames but CLOSE, its CLOSE, and whether it ended TCP."""

    frames: list[Frame]
    close: Frame | None
    ended: bool

    @property
    def close_code(self) -> int | None:
        return int.from_bytes(self.close.payload[:2], "big") if self.close else None

    @property
    def messages(self) -> list[tuple[int, bytes]]:
        assert all(frame.masked for frame in self.frames)
        return [(frame.opcode, frame.payload) for frame in self.frames]


Play = Callable[..., Awaitable[Answer]]


@pytest.fixture
async def play() -> Play:
    """`play(chunk, …, expect=1, then_close=1000, extension=None)`: sends each chunk on its own.

    *then_close*: the server's own CLOSE once *expect* frames came back; None: it
    waits for the client's.
    """

    async def run(
        *chunks: bytes,
        expect: int = 1,
        then_close: int | None = 1000,
        extension: str | None = None,
    ) -> Answer:
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Answer] = loop.create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            arrived: asyncio.Future[None] = loop.create_future()
            try:
                request = (await reader.readuntil(b"\r\n\r\n")).decode()
                key = next(
                    line.split(": ")[1]
                    for line in request.split("\r\n")
                    if line.lower().startswith("sec-websocket-key")
                )
                reply = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                reply += f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept_for(key)}\r\n"
                if extension is not None:
                    reply += f"Sec-WebSocket-Extensions: {extension}\r\n"
                writer.write(f"{reply}\r\n".encode())
                for chunk in chunks:
                    writer.write(chunk)
                    await writer.drain()
                    await asyncio.sleep(0)
                listening = asyncio.create_task(_listen(reader, expect, arrived))
                if then_close is not None:
                    await asyncio.wait({arrived, listening}, return_when=asyncio.FIRST_COMPLETED)
                    writer.write(close_frame(then_close))
                answer = await listening
                if answer.close is not None and then_close is None:
                    writer.write(close_frame(1000))
                writer.write_eof()
                answer.ended = await reader.read() == b""
                result.set_result(answer)
            except BaseException as exc:  # noqa: BLE001 - the test raises it
                if not result.done():
                    result.set_exception(exc)
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server, AsyncSession() as session, asyncio.timeout(DEADLINE_S):
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            options: dict[str, Any] = {"compression": "deflate"} if extension else {}
            async with session.ws_connect(url, max_message_size=1 << 24, **options) as ws:
                with contextlib.suppress(CurlError):  # what the server saw is what counts
                    await echo(ws)
            return await result

    return run


async def _listen(
    reader: asyncio.StreamReader, expect: int, arrived: "asyncio.Future[None]"
) -> Answer:
    """Read frames up to the client's CLOSE or the end; settle *arrived* at the *expect*-th."""
    frames: list[Frame] = []
    data = b""
    while True:
        while (parsed := parse_one(data)) is not None:
            frame, size = parsed
            data = data[size:]
            if frame.opcode == CLOSE:
                return Answer(frames, frame, ended=False)
            frames.append(frame)
            if len(frames) == expect and not arrived.done():
                arrived.set_result(None)
        more = await reader.read(1 << 20)
        if not more:
            return Answer(frames, None, ended=True)
        data += more
