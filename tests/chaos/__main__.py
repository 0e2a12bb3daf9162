"""Seeds until the time is over, several lives at a time; the failing seed is printed.

python -m tests.chaos [30m] [--first N] [--lives 3]
python -m tests.chaos --seed N           that one alone
python -m tests.chaos --seed N --to M    those, one after the other in one life
python -m tests.chaos --soak 30m [--rate 20000]
                                         one life under load; processes must not grow
"""

import argparse
import asyncio
import json
import re
import sys
import time
from typing import Any

import uvloop

from tests.chaos import schedule
from tests.chaos.life import Failed, Life
from tests.chaos.programs import ROOT
from tests.chaos.soak import soak

_IN_A_LIFE = 5


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)([smh]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r}: write 90s, 30m or 2h")
    return int(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


async def live(first: int, last: int, *, keep: bool) -> int:
    """One life with these seeds; a line of JSON each."""
    life = Life(seed=first)
    seed = first
    text = ""
    try:
        try:
            await life.start()
            for seed in range(first, last + 1):
                began = time.monotonic()
                await life.run(schedule.draw(seed))
                took_s = round(time.monotonic() - began, 1)
                print(json.dumps({"seed": seed, "took_s": took_s}), flush=True)
            await life.finish()
        except Failed as exc:
            text = str(exc)
        except Exception:
            text = "the harness itself failed"
            raise
        print(json.dumps({"from": first, **life.summary()}), flush=True)
    finally:
        await life.end(keep=keep or bool(text))
    if keep and not text:
        print(f"logs, and Redis's data: {life.directory}", file=sys.stderr)
    if not text:
        return 0
    print(f"\nFAILED\n{schedule.show(seed, schedule.draw(seed))}\n\n{text}\n", file=sys.stderr)
    print(f"logs, and Redis's data: {life.directory}", file=sys.stderr)
    print(f"again: scripts/test --chaos --seed {seed}", file=sys.stderr)
    if seed != first:
        print(f"   or: scripts/test --chaos --seed {first} --to {seed}", file=sys.stderr)
    return 1


class _Run:
    """Lives in processes of their own, until the time is over."""

    def __init__(self, until: float, first: int) -> None:
        self._until = until
        self._next = first
        self.done = 0
        self.failed = 0
        self.totals: dict[str, int] = {}

    async def keep_living(self) -> None:
        while time.monotonic() < self._until:
            first, self._next = self._next, self._next + _IN_A_LIFE
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.chaos"),
                *("--seed", str(first), "--to", str(first + _IN_A_LIFE - 1)),
                stdout=asyncio.subprocess.PIPE,
                cwd=ROOT,
            )
            assert process.stdout is not None
            async for line in process.stdout:
                self._note(json.loads(line))
            self.failed += await process.wait() != 0
            print(f"{self.done} schedules", file=sys.stderr, flush=True)

    def _note(self, said: dict[str, Any]) -> None:
        if "seed" in said:
            self.done += 1
            return
        del said["from"]
        for name, number in said.items():
            self.totals[name] = self.totals.get(name, 0) + number


async def run(for_s: float, first: int, lives: int) -> int:
    """All of it; return the exit status."""
    all_of_it = _Run(time.monotonic() + for_s, first)
    async with asyncio.TaskGroup() as group:
        for _ in range(lives):
            group.create_task(all_of_it.keep_living())
    seen = ", ".join(f"{number:,} {name}" for name, number in all_of_it.totals.items())
    print(f"{all_of_it.done} schedules, {all_of_it.failed} lives failed; {seen}")
    return 1 if all_of_it.failed else 0


def main() -> int:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="scripts/test --chaos")
    parser.add_argument("time", nargs="?", type=_seconds, default=60.0, help="90s, 30m, 2h")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--lives", type=int, default=3, help="how many at a time")
    parser.add_argument("--seed", type=int, help="this seed only")
    parser.add_argument("--to", type=int, help="from --seed to this one, in one life")
    parser.add_argument("--keep", action="store_true", help="logs, though all is well")
    parser.add_argument("--soak", type=_seconds, help="one life under load, for so long")
    parser.add_argument("--rate", type=int, default=20_000, help="messages a second of a soak")
    options = parser.parse_args()
    if options.soak is not None:
        return uvloop.run(soak(options.soak, options.rate, options.first))
    if options.seed is not None:
        return uvloop.run(live(options.seed, options.to or options.seed, keep=options.keep))
    return uvloop.run(run(options.time, options.first, options.lives))


if __name__ == "__main__":
    sys.exit(main())
