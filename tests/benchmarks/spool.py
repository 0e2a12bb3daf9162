"""What an outage costs: entries on their way to the disk, and from there to the server.

    scripts/bench spool [entries] [rounds]

Entries are handed over while there is no server; then one is started, with an
append-only file as the embedded one has it, and takes them all. CPU time is this
process's and the server's; of each figure the best round is kept.
"""

import asyncio
import gc
import os
import sys
import tempfile
import time
from pathlib import Path

import structlog
import uvloop

from ingest.embedded import server_binary
from ingest.sinks.redis_streams import RedisStreamsSink
from ingest.sinks.settings import SinkSettings
from ingest.spool import SpoolSettings
from tests.benchmarks.sink import ENCODED, RX_NS, WORDS

STREAMS = 10
PER_TURN = 50  # entries that one turn of the loop brings
APART_NS = 20_000  # 50,000 a second
SERVER = ("--port", "0", "--save", "", "--appendonly", "yes", "--loglevel", "nothing")


def cpu_s(pid: int) -> float:
    """Return what a process has used so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def outage(directory: Path, entries: int) -> dict[str, float]:
    """Return µs an entry: CPU to spool, CPU to drain, the server's CPU, the time to drain."""
    settings = SinkSettings(
        spool=SpoolSettings(directory=str(directory / "spool")), spool_after_s=0.0
    )
    sink = RedisStreamsSink(f"unix://{directory}/s", settings)
    sink.start()
    writers = [sink.open_stream(f"md:venue:trade:{n}") for n in range(STREAMS)]
    writers[0].add(RX_NS, len(WORDS), ENCODED)
    while not sink.slow:
        await asyncio.sleep(0.01)
    began_s = time.process_time()
    for n in range(entries):
        writers[n % STREAMS].add(RX_NS + n * APART_NS, len(WORDS), ENCODED)
        if n % PER_TURN == 0:
            await asyncio.sleep(0)
    spooled_s = time.process_time() - began_s
    server = await asyncio.create_subprocess_exec(
        server_binary(), *SERVER, "--unixsocket", str(directory / "s"), "--dir", str(directory)
    )
    try:
        while not sink.counters.connects:
            await asyncio.sleep(0.001)
        began_s, wall_s = time.process_time(), time.perf_counter()
        await sink.wait_writable(caught_up=True)
        if left := await sink.flush(10):
            raise SystemExit(f"{left} entries were not published")
        wall_s = time.perf_counter() - wall_s
        drained_s = time.process_time() - began_s
        served_s = cpu_s(server.pid)
        await sink.close(10)
    finally:
        server.kill()
        await server.wait()
    seconds = {
        "spooling: CPU": spooled_s,
        "draining: CPU": drained_s,
        "draining: the server's CPU": served_s,
        "draining: time": wall_s,
    }
    return {name: value / entries * 1e6 for name, value in seconds.items()}


async def main(entries: int, rounds: int) -> None:
    best: dict[str, float] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="ing") as directory:
            for name, cost_us in (await outage(Path(directory), entries)).items():
                best[name] = min(cost_us, best.get(name, cost_us))
    for name, cost_us in best.items():
        print(f"{name:30} {cost_us:6.2f} µs an entry")
    print(f"{'drained':30} {1e6 / best['draining: time']:9,.0f} entries/s")


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    # As a worker does.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    entries, rounds = map(int, (sys.argv[1:] + ["300000", "3"][len(sys.argv) - 1 :]))
    uvloop.run(main(entries, rounds))
