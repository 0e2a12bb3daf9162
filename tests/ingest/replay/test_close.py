"""The end of a connection, on a bare socket: what is counted as sent has been sent."""

import asyncio
import socket
import struct

import pytest

from ingest.replay.server import ReplayServer

TOPICS = "btcusdt@trade/btcusdt@bookTicker/btcusdt@depth@100ms"


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Opcode and payload of the next frame."""
    first, size = await reader.readexactly(2)
    if size == 126:
        (size,) = struct.unpack(">H", await reader.readexactly(2))
    elif size == 127:
        (size,) = struct.unpack(">Q", await reader.readexactly(8))
    return first & 0x0F, await reader.readexactly(size)


@pytest.mark.parametrize("read_first", [0, 1, 3000])
async def test_sent_means_sent(library, recording, until, read_first: int) -> None:
    """A client that reads on after its CLOSE gets exactly what counts as sent, then the CLOSE."""
    wanted = {payload for _, payload in recording("binance/hbt-20240808/btcusdt_20240808.gz")}
    async with ReplayServer(library("binance/hbt-20240808"), speed=None) as server:
        host, _, port = server.listen.rpartition(":")
        # A small window, so that the CLOSE comes in the middle.
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
        reader, writer = await asyncio.open_connection(sock=sock)
        writer.write(
            f"GET /stream?streams={TOPICS} HTTP/1.1\r\nHost: localhost\r\n".encode()
            + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        async with asyncio.timeout(10):
            await reader.readuntil(b"\r\n\r\n")
            frames = [await read_frame(reader) for _ in range(read_first)]
            writer.write(b"\x88\x82\0\0\0\0" + (1001).to_bytes(2, "big"))
            while not frames or frames[-1][0] != 8:
                frames.append(await read_frame(reader))
            assert await reader.read() == b""
        writer.close()
        await until(lambda: server.report().open == 0)
        report = server.report()

    assert frames.pop() == (8, (1001).to_bytes(2, "big"))
    assert {payload.decode() for _, payload in frames} <= wanted
    assert report.sent == report.deliveries == len(frames)
    assert report.sent < len(wanted)
    assert report.closes == {"1001": 1}
