"""What one entry costs on its way to the streams: our CPU, and entries per second.

    scripts/bench sink [entries]

Needs the package and its dependencies; starts a server of its own on a unix socket,
without persistence. redis-py's pipeline writes the same entries in the same run, and
everything is done three times over, the best kept: other load on the machine only
ever makes things slower.
"""

import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import redis.asyncio
import structlog
import uvloop

from ingest.embedded import server_binary
from ingest.sinks.batch import build_batch
from ingest.sinks.buffer import StreamWriter
from ingest.sinks.redis_streams import RedisStreamsSink
from ingest.sinks.resp import bulk

STREAMS = 50
PIPELINE = 256  # entries per redis-py pipeline
RX_NS = 1_700_000_000_000_000_000
FIELDS = {"rx": str(RX_NS), "ts": str(RX_NS), "price": "67123.45", "size": "0.00123"}
FIELDS |= {"side": "buy", "id": "123456789"}
WORDS = [word.encode() for pair in FIELDS.items() for word in pair]
ENCODED = b"".join(map(bulk, WORDS))  # the codec's work is not measured here


def packing(entries: int) -> Iterable[tuple[str, float]]:
    """Yield the µs an entry of the two steps that run in our process only."""
    taken: list[Any] = []
    writers = [StreamWriter(f"md:{i}", 1_000_000, _accept(taken)) for i in range(STREAMS)]
    began = time.process_time()
    for n in range(entries):
        writers[n % STREAMS].add(RX_NS + n * 20_000, len(WORDS), ENCODED)
    yield "handing over (without the queue)", _us(began, entries)
    began = time.process_time()
    for start in range(0, entries, 2000):
        build_batch(taken[start : start + 2000], taken.append).packed()
    yield "ids and RESP", _us(began, entries)


def _accept(taken: list[Any]) -> Callable[[Any], bool]:
    def append(entry: Any) -> bool:
        taken.append(entry)
        return True

    return append


async def ours(url: str, entries: int) -> None:
    sink = RedisStreamsSink(url)
    sink.start()
    writers = [sink.open_stream(f"ours:{i}") for i in range(STREAMS)]
    for n in range(entries):
        writers[n % STREAMS].add(RX_NS + n * 20_000, len(WORDS), ENCODED)
        if n % 100 == 99:  # as a reader of a socket does between two reads
            await sink.wait_writable()
            await asyncio.sleep(0)
    if left := await sink.close(60):
        raise SystemExit(f"{left} entries were not published")


async def redis_py(url: str, entries: int) -> None:
    client = redis.asyncio.Redis.from_url(url)
    for start in range(0, entries, PIPELINE):
        pipeline = client.pipeline(transaction=False)
        for n in range(start, min(start + PIPELINE, entries)):
            entry_id = f"{RX_NS // 1_000_000 + n}-0"
            pipeline.xadd(f"py:{n % STREAMS}", FIELDS, entry_id, maxlen=1_000_000)  # type: ignore[arg-type]  # invariant dict
        await pipeline.execute()
    await client.aclose()


async def measure(what: Callable[[str, int], Awaitable[None]], url: str, entries: int) -> str:
    """Return CPU µs an entry and entries a second, the best of three runs."""
    cpu, wall = [], []
    for _ in range(3):
        client = redis.asyncio.Redis.from_url(url)
        await client.flushall()
        await client.aclose()
        gc.collect()
        cpu_began, wall_began = time.process_time(), time.perf_counter()
        await what(url, entries)
        cpu.append(_us(cpu_began, entries))
        wall.append(entries / (time.perf_counter() - wall_began))
    return f"{min(cpu):6.2f} µs CPU an entry   {max(wall):9,.0f} entries/s"


def _us(began: float, entries: int) -> float:
    return (time.process_time() - began) / entries * 1e6


async def main(entries: int) -> None:
    best: dict[str, float] = {}
    for _ in range(3):
        for name, cost in packing(entries):
            best[name] = min(cost, best.get(name, cost))
    for name, cost in best.items():
        print(f"{name:34} {cost:6.2f} µs CPU an entry")
    with tempfile.TemporaryDirectory(prefix="ing") as directory:
        path = Path(directory) / "s"
        server = await asyncio.create_subprocess_exec(
            server_binary(),
            *("--port", "0", "--unixsocket", str(path), "--save", "", "--dir", directory),
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            url = f"unix://{path}"
            await ours(url, 1)  # waits until the server listens
            print(f"{'sink, whole way':34} {await measure(ours, url, entries)}")
            print(f"{'redis-py pipeline':34} {await measure(redis_py, url, entries // 5)}")
        finally:
            server.kill()
            await server.wait()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))  # errors only
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000))
