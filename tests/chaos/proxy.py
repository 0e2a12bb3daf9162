"""A TCP proxy that breaks what goes through it, in one of several ways at a time."""

import asyncio
import random
import socket
import struct

_CHUNK = 256 * 1024
_SLOW_CHUNK = 16 * 1024

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


class Link:
    """One client's connection and ours to the server."""

    def __init__(self, client: Writer, server: Writer) -> None:
        self.client, self.server = client, server
        self.black = False  # nothing gets through any more, and nobody is told

    def reset(self) -> None:
        """RST to both."""
        reset(self.client)
        reset(self.server)


class Proxy:
    """Listens on a port of 127.0.0.1 for a server on a port or at a unix socket."""

    def __init__(self, target: int | str, rng: random.Random) -> None:
        self._target = target
        self._rng = rng
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._passing = asyncio.Event()
        self._passing.set()
        self._refusing = False
        self._black = False
        self._bytes_per_s: float | None = None
        self._break_next = ""  # what happens to the next bytes for a client
        self.port = 0

    async def start(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End it all."""
        assert self._server is not None
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- faults: each lasts until `heal` ------------------------------------------------

    def cut(self) -> None:
        """RST on every connection, and on every new one."""
        self._refusing = True
        for link in list(self._links):
            link.reset()

    def cut_one(self) -> None:
        """RST on one of the connections."""
        if self._links:
            self._rng.choice(list(self._links)).reset()

    def stall(self) -> None:
        """Nothing moves; what was sent arrives afterwards, though its sender may be gone."""
        self._passing.clear()

    def half_open(self) -> None:
        """What is sent vanishes, now and later, and nobody is told. The server's end is closed."""
        self._black = True
        for link in self._links:
            self._vanish(link)

    def half_open_one(self) -> None:
        """The same, of one of those that there are now."""
        if self._links:
            self._vanish(self._rng.choice(list(self._links)))

    @staticmethod
    def _vanish(link: Link) -> None:
        link.black = True
        reset(link.server)

    def slow(self, bytes_per_s: float) -> None:
        """Each direction of a connection has no more than that."""
        self._bytes_per_s = bytes_per_s

    def reset_mid_frame(self) -> None:
        """The next bytes for a client are cut off somewhere, by RST. Once."""
        self._break_next = "reset"

    def corrupt(self) -> None:
        """The next bytes for a client have one changed that cannot be taken for another. Once."""
        self._break_next = "corrupt"

    def heal(self) -> None:
        """As if nothing had been; connections that are lost stay so."""
        self._refusing = self._black = False
        self._bytes_per_s = None
        self._break_next = ""
        self._passing.set()

    # -- bytes ------------------------------------------------------------------------

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self._black:
                while await reader.read(_CHUNK):
                    pass
            elif not self._refusing:
                await self._relay(reader, writer)
        except OSError:
            pass
        except asyncio.CancelledError:
            pass  # by `stop`; the streams of Python 3.11 cannot bear it
        finally:
            self._tasks.discard(task)
            reset(writer)

    async def _relay(self, reader: Reader, writer: Writer) -> None:
        await self._passing.wait()
        if isinstance(self._target, str):
            there = await asyncio.open_unix_connection(self._target, limit=_CHUNK)
        else:
            there = await asyncio.open_connection("127.0.0.1", self._target, limit=_CHUNK)
        link = Link(writer, there[1])
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(link, reader, there[1], to_client=False))
                group.create_task(self._pump(link, there[0], writer, to_client=True))
        except* OSError:
            pass
        finally:
            self._links.discard(link)
            reset(link.server)

    async def _pump(self, link: Link, source: Reader, sink: Writer, *, to_client: bool) -> None:
        while True:
            try:
                data = await source.read(_CHUNK if self._bytes_per_s is None else _SLOW_CHUNK)
            except OSError:
                data = b""
            await self._passing.wait()
            if link.black:
                if to_client:
                    return  # the client is not told
                if not data:
                    raise ConnectionResetError
                continue
            if not data:
                break
            if to_client and self._break_next:
                kind, self._break_next = self._break_next, ""
                at = self._rng.randrange(len(data))
                if kind == "reset":
                    write(sink, data[:at])
                    await sink.drain()
                    link.reset()
                    raise ConnectionResetError
                # In text, all of which is ASCII, that is no UTF-8; in a frame's head it
                # is against the protocol. A digit changed to another one would be
                # for TLS to find out.
                data = data[:at] + bytes([data[at] ^ 0x80]) + data[at + 1 :]
            if self._bytes_per_s is not None:
                await asyncio.sleep(min(0.5, len(data) / self._bytes_per_s))
            write(sink, data)
            await sink.drain()
        if not sink.transport.is_closing() and sink.can_write_eof():
            sink.write_eof()


def write(sink: Writer, data: bytes) -> None:
    """Send it. Raises ConnectionResetError: the connection is closed."""
    if sink.transport.is_closing():  # of which not every loop says it as an OSError
        raise ConnectionResetError
    sink.write(data)


def reset(writer: Writer) -> None:
    """End a connection by RST, where there is such a thing."""
    plain = writer.get_extra_info("socket")
    if not writer.transport.is_closing() and plain is not None:
        if plain.family in (socket.AF_INET, socket.AF_INET6):
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
