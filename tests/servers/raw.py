"""A WebSocket server that does exactly what a test tells it, right or wrong."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from tests.servers.frames import CLOSE, Frame, accept_for, close_frame, frame, parse_one

DEADLINE_S = 10.0

Script = Callable[["Peer"], Awaitable[None]]


class Peer:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.request = b""
        self._unparsed = b""

    async def read_request(self) -> dict[str, str]:
        """Read the opening handshake. Return its headers, names in lower case."""
        self.request = await self.reader.readuntil(b"\r\n\r\n")
        lines = self.request.decode().split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return {name.strip().lower(): value.strip() for name, _, value in pairs}

    async def accept(self, *, glued: bytes = b"", **changes: str | None) -> dict[str, str]:
        """Answer with a 101, *glued* right behind it in the same write.

        *changes* replaces, adds, or (None) leaves out headers; `_` stands for `-`.
        """
        request = await self.read_request()
        headers: dict[str, str | None] = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": accept_for(request["sec-websocket-key"]),
        }
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}
        lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
        reply = "\r\n".join(["HTTP/1.1 101 Switching Protocols", *lines, "", ""])
        await self.send(reply.encode() + glued)
        return request

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def send_frame(self, opcode: int, payload: bytes = b"", *, fin: bool = True) -> None:
        await self.send(frame(opcode, payload, fin=fin))

    async def frame(self) -> Frame:
        """The client's next frame. Raises IncompleteReadError at the end of the stream."""
        while (parsed := parse_one(self._unparsed)) is None:
            data = await self.reader.read(1 << 20)
            if not data:
                raise asyncio.IncompleteReadError(self._unparsed, None)
            self._unparsed += data
        self._unparsed = self._unparsed[parsed[1] :]
        assert parsed[0].masked, "a client must mask its frames"
        return parsed[0]

    async def frames_until_close(self) -> list[Frame]:
        """All frames up to and including the client's CLOSE."""
        frames = [await self.frame()]
        while frames[-1].opcode != CLOSE:
            frames.append(await self.frame())
        return frames

    async def close_code(self) -> int | None:
        """Wait for the client's CLOSE. Return its code, None if it has none."""
        payload = (await self.frames_until_close())[-1].payload
        return int.from_bytes(payload[:2], "big") if payload else None

    async def answer_close(self) -> int | None:
        """Wait for the client's CLOSE, answer it and end the stream. Return its code."""
        code = await self.close_code()
        await self.send(close_frame(code or 1000))
        self.writer.close()
        return code

    async def end_of_stream(self) -> None:
        """Wait until the client is gone, whatever it still sends."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(1 << 20):
                pass

    def stop_reading(self) -> None:
        """Leave what the client sends in the kernel, until its buffers are full."""
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]

    def read_on(self) -> None:
        self.writer.transport.resume_reading()  # type: ignore[attr-defined]

    def reset(self) -> None:
        """End the connection with a RST."""
        linger = struct.pack("ii", 1, 0)
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


class RawServer:
    """Runs a script for each connection; a script that failed fails the test.

    `async with RawServer(script) as server`: connect to `server.url`. Leaving waits
    for the scripts.
    """

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._errors: list[BaseException] = []
        self.connections = 0
        self.url = ""

    async def __aenter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", 0))
        # Inherited by its connections. Small and fixed, so that a peer that stops
        # reading is felt soon, and for good: left to itself, the kernel makes it larger
        # and larger.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        self._server = await asyncio.start_server(
            self._serve, sock=listener, ssl=self._tls, limit=1 << 20
        )
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'wss' if self._tls else 'ws'}://127.0.0.1:{port}/"
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        if exc is not None:
            for task in self._tasks:
                task.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=DEADLINE_S)
            assert not late, "the server's script did not end"
        if exc is None and self._errors:
            raise self._errors[0]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._script(Peer(reader, writer))
        except BaseException as error:  # noqa: BLE001 - raised again where the test sees it
            self._errors.append(error)
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
