"""A server that upgrades and then leaves the stream to the test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.servers.frames import CLOSE, Frame, accept_for, close_frame, parse_one

DEADLINE_S = 10.0


class Stream:
    """The server's side of an upgraded connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._unparsed = b""

    async def upgrade(self) -> None:
        request = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        key = next(
            line.partition(":")[2].strip()
            for line in request.split("\r\n")
            if line.lower().startswith("sec-websocket-key:")
        )
        self.writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: "
            + accept_for(key).encode()
            + b"\r\n\r\n"
        )

    async def frame(self) -> Frame:
        """The client's next frame; IncompleteReadError at the end of the stream."""
        while (parsed := parse_one(self._unparsed)) is None:
            data = await self.reader.read(1 << 20)
            if not data:
                raise asyncio.IncompleteReadError(self._unparsed, None)
            self._unparsed += data
        self._unparsed = self._unparsed[parsed[1] :]
        return parsed[0]

    async def frames(self) -> list[Frame]:
        """All frames before the client's CLOSE, which is answered."""
        found = []
        while (frame := await self.frame()).opcode != CLOSE:
            found.append(frame)
        self.writer.write(close_frame(int.from_bytes(frame.payload[:2], "big") or 1000))
        return found


@asynccontextmanager
async def upgrading(script: Callable[[Stream], Awaitable[None]]) -> AsyncIterator[str]:
    """Runs *script* per connection. Yields the URL; leaving waits for the scripts."""
    tasks: set[asyncio.Task[None]] = set()
    errors: list[Exception] = []

    async def on_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        stream = Stream(reader, writer)
        try:
            await stream.upgrade()
            await script(stream)
        except Exception as error:  # noqa: BLE001 - raised again where the test sees it
            errors.append(error)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(on_client, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        await asyncio.wait_for(asyncio.gather(*tasks), DEADLINE_S)
    finally:
        server.close()
        for task in tasks:
            task.cancel()
    if errors:
        raise errors[0]
