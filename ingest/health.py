"""Is the service alive? A small file that a running service keeps fresh, and its reader.

    python -m ingest.health

Exit status 0: alive; 1: not, with the reason on standard output. For the health check
of a container. The environment variable INGEST_HEALTH_FILE names the file to both
sides; where it is not set, the service writes none.

Alive means that the supervisor's loop turns and that every worker has reported to it
lately. A venue or a Redis that is away is not death: a restart would not bring it
back, and would lose what waits in memory.
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from ingest.feed.status import WorkerStatus

VARIABLE = "INGEST_HEALTH_FILE"

# Reports come twice a second. The supervisor ends a worker that is silent for as long.
_MAX_SILENCE_NS = 30 * 10**9
_WRITE_EVERY_NS = 10**9

_log = structlog.get_logger(__name__)


class WorkerHealth(Struct, frozen=True):
    """One worker's last report."""

    heard_ns: int  # monotonic clock, which the processes of one machine share
    connections: int
    live: int  # of the connections
    tasks: int = 0  # of its event loop


class Health(Struct, frozen=True):
    """What the file holds."""

    workers: dict[int, WorkerHealth]


class Verdict(Struct, frozen=True):
    """Whether the service is alive, and a line for a person."""

    alive: bool
    text: str


def judge(health: Health, now_ns: int) -> Verdict:
    """Decide by the worker that was heard of longest ago. Pure; *now_ns* is monotonic."""
    if not health.workers:
        return Verdict(False, "not alive: no worker has reported yet")
    for number, worker in sorted(health.workers.items()):
        silent_ns = now_ns - worker.heard_ns
        # From the future: the machine was started anew since, and this is an old file.
        if not 0 <= silent_ns <= _MAX_SILENCE_NS:
            return Verdict(False, f"not alive: worker {number} silent for {silent_ns / 1e9:.0f} s")
    connections = sum(worker.connections for worker in health.workers.values())
    live = sum(worker.live for worker in health.workers.values())
    workers = "1 worker" if len(health.workers) == 1 else f"{len(health.workers)} workers"
    return Verdict(True, f"alive: {workers}, {live} of {connections} connections live")


def check(environ: Mapping[str, str], now_ns: int) -> Verdict:
    """Read the file that *environ* names, and judge it."""
    path = environ.get(VARIABLE)
    if not path:
        return Verdict(False, f"unknown: {VARIABLE} is not set; set it for the service and for me")
    try:
        health = msgspec.json.decode(Path(path).read_bytes(), type=Health)
    except FileNotFoundError:
        return Verdict(False, f"not alive: there is no {path}; no worker has reported yet")
    except (OSError, msgspec.DecodeError) as exc:
        return Verdict(False, f"unknown: {path} cannot be read: {exc}")
    return judge(health, now_ns)


class HealthFile:
    """Writes the file, at most once a second; `on_status` is the supervisor's to call.

    A supervisor that hangs calls no more, and the file grows old.
    """

    def __init__(self, path: Path, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """*clock* gives monotonic ns."""
        self._path = path
        self._clock = clock
        self._workers: dict[int, WorkerHealth] = {}
        self._written_ns: int | None = None
        self._failed = False
        # What an earlier service left says nothing about this one. If it cannot be
        # removed, it cannot be replaced either, and `_write` says so.
        with contextlib.suppress(OSError):
            path.unlink()

    def on_status(self, status: WorkerStatus) -> None:
        """Take a worker's report."""
        now_ns = self._clock()
        live = sum(feed.state == "live" for feed in status.feeds)
        open_ = sum(feed.state != "stopped" for feed in status.feeds)
        self._workers[status.worker] = WorkerHealth(now_ns, open_, live, status.tasks)
        if self._written_ns is None or now_ns - self._written_ns >= _WRITE_EVERY_NS:
            self._written_ns = now_ns
            self._write()

    def _write(self) -> None:
        """Replace the file whole: a reader never sees half of it."""
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            new.write_bytes(msgspec.json.encode(Health(self._workers)))
            new.replace(self._path)
        except OSError as exc:
            # The data flows all the same; that the check fails now is what tells.
            if not self._failed:
                _log.error(
                    "health: the file cannot be written", path=str(self._path), error=str(exc)
                )
            self._failed = True
        else:
            self._failed = False


def from_environment(environ: Mapping[str, str]) -> Callable[[WorkerStatus], None] | None:
    """Return what the supervisor is to call with each report; None where no file is named."""
    path = environ.get(VARIABLE)
    return HealthFile(Path(path)).on_status if path else None


def main() -> None:
    """Print the verdict; exit status 0 if the service is alive."""
    verdict = check(os.environ, time.monotonic_ns())
    sys.stdout.write(f"{verdict.text}\n")
    sys.exit(0 if verdict.alive else 1)


if __name__ == "__main__":
    main()
