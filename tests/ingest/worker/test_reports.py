"""`ReportPipe`: the supervisor hears of the worker, and can never hold it up."""

import asyncio
import os

from ingest.worker.reports import ReportPipe

DEADLINE_S = 5.0
PIPE_BYTES = 1 << 20  # more than a pipe holds


def read_all(fd: int) -> bytes:
    """Until the writing end is closed."""
    data = b""
    while more := os.read(fd, 65536):
        data += more
    os.close(fd)
    return data


async def test_lines_in_order() -> None:
    """One report per line, the last one included."""
    reading, writing = os.pipe()
    pipe = await ReportPipe.open(writing)
    pipe.send(b"1")
    pipe.send(b"2")
    async with asyncio.timeout(DEADLINE_S):
        await pipe.close(b"3", 1.0)

    assert read_all(reading) == b"1\n2\n3\n"


async def test_nobody_reads_for_a_while() -> None:
    """Reports are left out rather than queued; a half-written one is finished before the last."""
    reading, writing = os.pipe()
    pipe = await ReportPipe.open(writing)
    big = b"x" * PIPE_BYTES
    pipe.send(big)
    for _ in range(10):
        pipe.send(b"left out")
    closing = asyncio.create_task(pipe.close(b"last", DEADLINE_S))
    data = await asyncio.to_thread(read_all, reading)
    await closing

    assert data == big + b"\nlast\n"


async def test_nobody_ever_reads() -> None:
    """The end is not held up."""
    reading, writing = os.pipe()
    pipe = await ReportPipe.open(writing)
    pipe.send(b"x" * PIPE_BYTES)
    async with asyncio.timeout(DEADLINE_S):
        await pipe.close(b"last", 0.05)
    os.close(reading)


async def test_the_reader_is_gone() -> None:
    """Nothing is raised; what is said is said to nobody."""
    reading, writing = os.pipe()
    pipe = await ReportPipe.open(writing)
    os.close(reading)
    for _ in range(3):
        pipe.send(b"1")
        await asyncio.sleep(0)
    async with asyncio.timeout(DEADLINE_S):
        await pipe.close(b"last", 1.0)
