"""Connections come and go, and nothing stays behind."""

import asyncio
import gc
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.servers.frames import BINARY, frame
from tests.servers.raw import Peer, RawServer
from wscore import AsyncSession, CurlError, WebSocketError

CYCLES = 300


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def held() -> tuple[int, int, int]:
    """File descriptors, threads and tasks of this process."""
    fds = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - of the numbers only the count
    return fds, threading.active_count(), len(asyncio.all_tasks())


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")
async def test_cycles_of_every_kind_of_end(session: AsyncSession, until: Any) -> None:
    """Closed, terminated, dropped by the server, failed, refused."""

    async def script(peer: Peer) -> None:
        number = server.connections % 5
        if number == 4:
            await peer.read_request()
            await peer.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
            return
        await peer.accept(glued=frame(BINARY, bytes(100_000)))
        if number == 2:
            peer.reset()
        elif number == 3:
            await peer.send(frame(7))
            assert await peer.close_code() == 1002
        elif number == 0:
            await peer.answer_close()
        else:
            await peer.end_of_stream()

    async def cycle(number: int) -> None:
        try:
            ws = await session.ws_connect(server.url)
            await ws.send(bytes(1000))
            if number % 5 == 1:
                ws.terminate()
            elif number % 5 == 0:
                assert len((await ws.recv(timeout=5))[0]) == 100_000
                await ws.close()
            else:
                while True:
                    await ws.recv(timeout=5)
        except WebSocketError:
            await ws.close()
        except CurlError:
            pass

    async with RawServer(script) as server:
        for number in range(20):
            await cycle(number + 1)
        gc.collect()
        before, memory = held(), resident_bytes()
        for number in range(CYCLES):
            await cycle(number + 1)
        gc.collect()
        await until(lambda: held() <= before)
        # 300 leaked payloads alone would be 30 MB. AddressSanitizer keeps what is freed.
        if "asan" not in os.environ.get("LD_PRELOAD", ""):
            assert resident_bytes() - memory < 15_000_000
