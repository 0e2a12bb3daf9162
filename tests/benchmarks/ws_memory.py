"""What idle connections cost, and whether anything is left of closed ones."""

import asyncio
import gc
import resource
from pathlib import Path

import uvloop

from wscore import AsyncSession

IDLE = 1000
CYCLES = 10_000
MESSAGES = 1_000_000
AT_ONCE = 20
PAGE = resource.getpagesize()


def rss() -> int:
    """Return this process's resident memory in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def measure_idle(url: str) -> str:
    """Return a line on the memory of each of 1,000 idle connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * IDLE + 100), hard))
    each = uvloop.run(_idle(f"{url}/idle")) / 1024
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return f"{IDLE} idle ws connections: {each:.1f} KiB each (resident, this process)"


async def _idle(url: str) -> float:
    async with AsyncSession(max_clients=IDLE + 1) as session:
        ws = await session.ws_connect(url)  # what is needed once is not counted
        gc.collect()
        before = rss()
        sockets = []
        for _ in range(IDLE // AT_ONCE):
            sockets += await asyncio.gather(*(_connect(session, url) for _ in range(AT_ONCE)))
        gc.collect()
        after = rss()
        for socket in [ws, *sockets]:
            socket.terminate()
    return (after - before) / IDLE


async def _connect(session: AsyncSession, url: str):  # type: ignore[no-untyped-def]  # a bench
    return await session.ws_connect(url)


def check_leaks(url: str) -> str:
    """Return a line on what 10,000 connections and 1 M messages leave behind.

    Raises:
        SystemExit: memory, file descriptors or tasks are left.
    """
    return uvloop.run(_leaks(url))


async def _leaks(url: str) -> str:
    async with AsyncSession(max_clients=AT_ONCE) as session:
        await _cycles(session, url, CYCLES // 10)
        await _messages(session, url, MESSAGES // 10)
        before = _held()
        await _cycles(session, url, CYCLES)
        after_cycles = _held()
        await _messages(session, url, MESSAGES)
        after = _held()
    text = f"(MiB, descriptors, tasks): {before}, after {CYCLES} connections {after_cycles}, "
    text += f"after {MESSAGES} messages {after}"
    if after[0] - before[0] > 4 or after[1:] != before[1:]:
        raise SystemExit(f"something is left: {text}")
    return text


def _held() -> tuple[float, int, int]:
    gc.collect()
    return round(rss() / 2**20, 1), descriptors(), len(asyncio.all_tasks())


async def _cycles(session: AsyncSession, url: str, count: int) -> None:
    async def cycle() -> None:
        async with session.ws_connect(f"{url}/echo?size=100") as ws:
            await ws.send(b"x" * 100)
            await ws.recv()

    for _ in range(count // AT_ONCE):
        await asyncio.gather(*(cycle() for _ in range(AT_ONCE)))


async def _messages(session: AsyncSession, url: str, count: int) -> None:
    ws = await session.ws_connect(f"{url}/blast?size=250")
    while count > 0:
        count -= len(await ws.recv_many())
    ws.terminate()
    await asyncio.sleep(0)
