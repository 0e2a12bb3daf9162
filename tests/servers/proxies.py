"""Real proxies, in the test's own event loop: HTTP CONNECT, SOCKS4(a) and SOCKS5."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


@dataclass
class Proxy:
    """What clients asked of it: targets as `host:port`, credentials as `user:password`."""

    url: str = ""
    port: int = 0
    targets: list[str] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)


Negotiate = Callable[[Proxy, Reader, Writer], Awaitable[tuple[str, int] | None]]


@asynccontextmanager
async def serving(
    scheme: str, negotiate: Negotiate, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Proxy]:
    """A proxy whose *negotiate* returns the target, None to hang up."""
    proxy = Proxy()
    tasks: set[asyncio.Task[None]] = set()
    writers: list[Writer] = []

    async def on_client(reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            target = await negotiate(proxy, reader, writer)
            if target is not None:
                await _relay(reader, writer, target)
        writer.close()

    server = await asyncio.start_server(on_client, "127.0.0.1", 0, ssl=tls)
    proxy.port = server.sockets[0].getsockname()[1]
    proxy.url = f"{scheme}://127.0.0.1:{proxy.port}"
    try:
        yield proxy
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.wait_for(asyncio.gather(*tasks), 5)


def http_proxy(
    *, password: str | None = None, tls: ssl.SSLContext | None = None
) -> contextlib.AbstractAsyncContextManager[Proxy]:
    """Understands CONNECT and nothing else; with *password* (`user:word`) insists on it."""

    async def negotiate(proxy: Proxy, reader: Reader, writer: Writer) -> tuple[str, int] | None:
        request = await reader.readuntil(b"\r\n\r\n")
        proxy.requests.append(request)
        method, target, _ = request.split(b"\r\n")[0].decode().split(" ")
        if method != "CONNECT":
            writer.write(b"HTTP/1.1 405 Only CONNECT\r\nContent-Length: 0\r\n\r\n")
            return None
        proxy.targets.append(target)
        given = None
        for line in request.decode().split("\r\n"):
            name, _, value = line.partition(": ")
            if name.lower() == "proxy-authorization":
                given = base64.b64decode(value.split(" ")[1]).decode()
                proxy.credentials.append(given)
        if password not in (None, given):
            writer.write(
                b"HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
            )
            return None
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        host, _, port = target.rpartition(":")
        return host, int(port)

    return serving("https" if tls else "http", negotiate, tls)


def socks5_proxy(
    scheme: str = "socks5", *, password: str | None = None
) -> contextlib.AbstractAsyncContextManager[Proxy]:
    """RFC 1928, with the passwords of RFC 1929."""

    async def negotiate(proxy: Proxy, reader: Reader, writer: Writer) -> tuple[str, int] | None:
        version, count = await reader.readexactly(2)
        assert version == 5
        methods = await reader.readexactly(count)
        if password is None:
            writer.write(b"\x05\x00")
        elif 2 not in methods:
            writer.write(b"\x05\xff")
            return None
        else:
            writer.write(b"\x05\x02")
            parts = []
            await reader.readexactly(1)
            for _ in range(2):
                [size] = await reader.readexactly(1)
                parts.append((await reader.readexactly(size)).decode())
            proxy.credentials.append(":".join(parts))
            writer.write(b"\x01\x00" if proxy.credentials[-1] == password else b"\x01\x01")
        _, _, _, kind = await reader.readexactly(4)
        if kind == 3:
            [size] = await reader.readexactly(1)
            host = (await reader.readexactly(size)).decode()
        else:
            host = ".".join(map(str, await reader.readexactly(4)))
        port = int.from_bytes(await reader.readexactly(2), "big")
        proxy.targets.append(f"{host}:{port}")
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        return host, port

    return serving(scheme, negotiate)


def socks4_proxy(scheme: str) -> contextlib.AbstractAsyncContextManager[Proxy]:
    """SOCKS4, and 4a where names are the proxy's to resolve."""

    async def negotiate(proxy: Proxy, reader: Reader, writer: Writer) -> tuple[str, int] | None:
        head = await reader.readexactly(8)
        assert head[0] == 4
        await reader.readuntil(b"\0")
        port, address = int.from_bytes(head[2:4], "big"), head[4:]
        host = ".".join(map(str, address))
        if address[:3] == b"\0\0\0" and address[3]:
            host = (await reader.readuntil(b"\0"))[:-1].decode()
        proxy.targets.append(f"{host}:{port}")
        writer.write(b"\x00\x5a" + bytes(6))
        return host, port

    return serving(scheme, negotiate)


async def _relay(reader: Reader, writer: Writer, target: tuple[str, int]) -> None:
    # Names of the tests resolve here and nowhere else.
    host = "127.0.0.1" if target[0].endswith(".test") else target[0]
    there_reader, there_writer = await asyncio.open_connection(host, target[1])

    async def pipe(source: Reader, sink: Writer) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
            sink.close()

    try:
        await asyncio.gather(pipe(reader, there_writer), pipe(there_reader, writer))
    finally:
        there_writer.close()
