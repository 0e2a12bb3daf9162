"""wscore against the other WebSocket clients, alternating in one run.

    scripts/bench ws [--quick] [--rounds N] [--no-pin] [--idle] [--leak] [--no-write]

Every library runs in its own process and receives from one server process; a job is
given to each in turn, round after round, and the medians are kept: what else the
machine does hits all of them alike. CPU time is the client's own (user and system).
"""

import argparse
import json
import os
import select
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Self

from rich.console import Console

from tests.benchmarks import ws_memory, ws_report
from tests.benchmarks.ws_clients import CLIENTS, OWN_ECHOES, OWN_WAYS

COUNTS = {100: 200_000, 250: 200_000, 2048: 60_000, 65536: 4000}
DEADLINE_S = 120  # for one job
SLOW = 4  # the others get so many times fewer small messages
ECHOES = {100: 3000, 250: 3000, 2048: 3000, 65536: 800}


@dataclass(frozen=True, slots=True)
class Job:
    """One cell of the table."""

    what: str
    scheme: str
    size: int
    client: str

    @property
    def is_echo(self) -> bool:
        return self.what.startswith("echo")


class Worker:
    """A process of `python -m tests.benchmarks.*` that talks JSON lines."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.hello = self._read()

    def ask(self, job: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], DEADLINE_S)[0]:
            self._process.kill()
            raise SystemExit(f"{self._process.args!r}: no result within {DEADLINE_S} s")
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args!r} ended with {self._process.wait()}")
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()


def jobs(clients: list[str], schemes: list[str], sizes: list[int]) -> Iterator[Job]:
    for scheme in schemes:
        for size in sizes:
            for client in clients:
                own = client == "wscore"
                for what in (*OWN_WAYS, *OWN_ECHOES) if own else ("receive", "echo"):
                    yield Job(what, scheme, size, client)


def count_of(job: Job) -> int:
    if job.is_echo:
        return ECHOES[job.size]
    return COUNTS[job.size] // (SLOW if job.client not in ("wscore", "picows") else 1)


def measure(arguments: argparse.Namespace, console: Console) -> dict[Job, dict[str, float]]:
    """Return the medians of every cell."""
    pin = ["--cpu", "0"], ["--cpu", "1"]
    if arguments.no_pin or len(os.sched_getaffinity(0)) < 2:
        pin = [], []
    clients = [name for name in arguments.clients if find_spec(name)]
    found: dict[Job, list[dict[str, float]]] = defaultdict(list)
    with Worker("ws_server", *pin[0]) as server:
        workers = {name: Worker("ws_clients", name, *pin[1]) for name in clients}
        try:
            for n in range(arguments.rounds):
                console.log(f"round {n + 1} of {arguments.rounds}")
                for job in jobs(clients, arguments.schemes, arguments.sizes):
                    path = "echo" if job.is_echo else "blast"
                    found[job].append(
                        workers[job.client].ask(
                            {
                                "what": job.what,
                                "url": f"{server.hello[job.scheme]}/{path}?size={job.size}",
                                "size": job.size,
                                "count": count_of(job),
                            }
                        )
                    )
        finally:
            for worker in workers.values():
                worker.__exit__(None, None, None)
    return {
        job: {name: statistics.median(r[name] for r in results) for name in results[0]}
        for job, results in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench ws", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one round, ws, 100 B and 64 KiB")
    parser.add_argument("--no-pin", action="store_true", help="do not pin processes to CPUs")
    parser.add_argument("--no-write", action="store_true", help="leave docs/benchmarks.md alone")
    parser.add_argument("--clients", nargs="+", choices=CLIENTS, default=list(CLIENTS))
    parser.add_argument("--schemes", nargs="+", choices=["ws", "wss"], default=["ws", "wss"])
    parser.add_argument("--sizes", nargs="+", type=int, choices=COUNTS, default=list(COUNTS))
    parser.add_argument("--idle", action="store_true", help="memory of 1,000 idle connections")
    parser.add_argument("--leak", action="store_true", help="10,000 connections, 1 M messages")
    arguments = parser.parse_args()
    console = Console()
    if arguments.idle or arguments.leak:
        with Worker("ws_server") as server:
            if arguments.idle:
                console.print(ws_memory.measure_idle(server.hello["ws"]))
            if arguments.leak:
                console.print(ws_memory.check_leaks(server.hello["ws"]))
        return
    if arguments.quick:
        arguments.rounds, arguments.schemes, arguments.sizes = 1, ["ws"], [100, 65536]
    results = measure(arguments, console)
    ws_report.show(results, console)
    complete = arguments.sizes == list(COUNTS) and arguments.schemes == ["ws", "wss"]
    if complete and not arguments.no_write:
        ws_report.write(results, arguments.rounds, pinned=not arguments.no_pin)


if __name__ == "__main__":
    main()
