"""One life under load and faults that every process survives: none of them may grow."""

import asyncio
import itertools
import os
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path

import msgspec

from ingest.health import Health
from tests.chaos import schedule
from tests.chaos.life import Failed, Life
from tests.chaos.venue import Rates

_INSTRUMENTS = [f"C{n}-USDT" for n in range(10)]
_KEPT = 200_000  # entries of each stream: more than come while nobody looks
_HARNESS = "harness"
_FEW = 8  # samples from which nothing is concluded
# How much more the last quarter of a run may have than its second one: a share, and a
# number on top of it. The first quarter fills caches and buffers.
_MAY_GROW = {"rss_kib": (0.10, 8 * 1024), "files": (0.0, 4), "threads": (0.0, 4), "tasks": (0.0, 4)}


def sample(pid: int) -> dict[str, int]:
    """What a process has of the things it might leak."""
    process = Path(f"/proc/{pid}")
    status = dict(
        line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line
    )
    return {
        "rss_kib": int(status["VmRSS"].split()[0]),
        "files": len(list((process / "fd").iterdir())),
        "threads": int(status["Threads"]),
    }


def tasks(health_file: Path) -> dict[str, int]:
    """How many tasks the event loop of each worker has, as it has reported itself."""
    health = msgspec.json.decode(health_file.read_bytes(), type=Health)
    return {f"worker {number}": worker.tasks for number, worker in health.workers.items()}


def growth(samples: list[int], share: float, number: float) -> str:
    """Say how a value has grown; "" if it has not, or nobody can tell."""
    quarter = len(samples) // 4
    if len(samples) < _FEW:
        return ""
    before = statistics.median(samples[quarter : 2 * quarter])
    after = statistics.median(samples[-quarter:])
    return f"from {before:g} to {after:g}" if after > before * (1 + share) + number else ""


async def soak(for_s: float, rate: int, first: int) -> int:
    """Run it; return the exit status."""
    each = rate / len(_INSTRUMENTS)
    life = Life(
        seed=first,
        rates=Rates(trades=each * 0.4, quotes=each * 0.5, updates=each * 0.1),
        instruments=_INSTRUMENTS,
        maxlen=_KEPT,
        forget=True,
        spool="4GiB",
    )
    seen: dict[tuple[str, str], list[int]] = defaultdict(list)
    failed, number = "", 0
    following = None
    try:
        await life.start()
        following = asyncio.create_task(life.follow())
        began, sent = time.monotonic(), life.venue.sent
        for seed in itertools.count(first):
            await life.run(schedule.draw(seed, deadly=False))
            number += 1
            print(f"{time.monotonic() - began:.0f} s: seed {seed} is over", file=sys.stderr)
            if following.done():
                following.result()
            processes = {**life.service.processes(), _HARNESS: os.getpid()}
            for name, pid in processes.items():
                for what, value in sample(pid).items():
                    seen[name, what].append(value)
            for name, value in tasks(life.health).items():
                seen[name, "tasks"].append(value)
            if time.monotonic() - began > for_s:
                break
        took_s, sent = time.monotonic() - began, life.venue.sent - sent
        following.cancel()
        await life.finish()
        print(f"{number} schedules in {took_s:.0f} s, {sent / took_s:,.0f} messages a second")
        print(life.summary())
    except Failed as exc:
        failed = f"seed {first + number}: {exc}"
    finally:
        if following is not None:
            following.cancel()
        await life.end(keep=bool(failed))
    for (name, what), samples in sorted(seen.items()):
        grown = growth(samples, *_MAY_GROW[what])
        print(f"{name} {what}: {samples[0]} … {samples[-1]}, at most {max(samples)} {grown}")
        # The harness remembers which trades are missing: it may grow with what it does.
        if grown and name != _HARNESS:
            failed += f"\n{name}: {what} grew {grown}"
    if failed:
        print(f"\nFAILED\n{failed}\nlogs: {life.directory}", file=sys.stderr)
    return 1 if failed else 0
