"""The service and the Redis server of a life, as processes that may be treated badly."""

import asyncio
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

import redis.asyncio as redis

import ingest._die_with_parent
from ingest.embedded import server_binary
from ingest.errors import IngestError
from ingest.supervisor.control import Answer, Reload, ask, socket_path

ROOT = Path(__file__).parents[2]
_DEADLINE_S = 120.0
_LOOK_S = 0.02
_ASKED_AGAIN_S = 0.2
_EVENTS_KEPT = 2000


def _dying_with_us(*command: str) -> list[str]:
    """Nothing stays behind when a life is killed."""
    return [sys.executable, ingest._die_with_parent.__file__, str(os.getpid()), *command]


class RedisServer:
    """On a unix socket, its file synced every second, as most people have it."""

    def __init__(self, directory: Path) -> None:
        # A unix socket's path must be short: the directory's is.
        self.path = str(directory / "s")
        self._directory = directory
        self._command = [
            server_binary(),
            *("--port", "0", "--save", "", "--appendonly", "yes", "--dir", str(directory)),
            *("--unixsocket", self.path, "--logfile", str(directory / "redis.log")),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self.client = redis.Redis(unix_socket_path=self.path, decode_responses=True)

    async def start(self) -> None:
        """Return once it answers and has read its file."""
        Path(self.path).unlink(missing_ok=True)
        self._process = subprocess.Popen(_dying_with_us(*self._command))
        end = time.monotonic() + _DEADLINE_S
        while True:
            with contextlib.suppress(redis.RedisError):
                await self.client.ping()
                return
            if time.monotonic() > end:
                raise TimeoutError("the server did not start")
            await asyncio.sleep(_LOOK_S)

    def written(self) -> dict[Path, int]:
        """How long each of its append-only files is."""
        return {path: path.stat().st_size for path in self._directory.glob("appendonlydir/*.aof")}

    async def kill_and_forget(self, written: dict[Path, int]) -> None:
        """kill -9; of its files only as much is left as *written* says.

        Within a command it is the server that cuts off the rest. Nothing is forgotten if
        there are other files by now: it would be something in the middle.
        """
        await self.kill()
        if self.written().keys() == written.keys():
            for path, size in written.items():
                os.truncate(path, size)

    def signal(self, number: int) -> None:
        """SIGSTOP and SIGCONT, to have it hang."""
        if self._process is not None:
            self._process.send_signal(number)

    async def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
            self._process = None

    async def stop(self) -> None:
        """For good."""
        await self.client.aclose()
        await self.kill()


class Service:
    """`ingest run` with JSON logs, which go to a file and are watched."""

    def __init__(self, config: dict[str, Any], directory: Path, env: dict[str, str]) -> None:
        self._directory = directory
        self._env = {**os.environ, "PYTHONPATH": str(ROOT), **env}
        self.configure(config)
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self.log = directory / "service.log"
        self.pids: dict[int, int] = {}
        self.all_pids: set[int] = set()
        self.logged = 0  # lines so far
        self.events: deque[dict[str, Any]] = deque(maxlen=_EVENTS_KEPT)
        self.noise: list[str] = []  # what is not JSON
        self.failures: list[str] = []  # what should never be logged
        self.statuses: list[int] = []

    @property
    def running(self) -> bool:
        """Whether its supervisor is."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """The supervisor's."""
        assert self._process is not None
        return self._process.pid

    def configure(self, config: dict[str, Any]) -> None:
        """Write its config, for a reload or the next start."""
        (self._directory / "config.yaml").write_text(json.dumps(config))  # JSON is YAML

    async def reload(self) -> Answer:
        """Have it read its config again; return what it answers, once it is able to.

        Raises TimeoutError: it does not answer, or cannot do it.
        """
        path = socket_path(str(self._directory / "data"), "config")
        async with asyncio.timeout(_DEADLINE_S):
            while True:
                # Nobody listens yet; or new streams have to wait for what is on disk.
                with contextlib.suppress(IngestError):
                    answer = await asyncio.to_thread(ask, path, Reload(), _DEADLINE_S)
                    if answer.status != 1:
                        return answer
                await asyncio.sleep(_ASKED_AGAIN_S)

    def hang_up(self) -> None:
        """SIGHUP to the supervisor, which has answered before."""
        os.kill(self.pid, signal.SIGHUP)

    async def start(self) -> None:
        """Start it; returns at once."""
        self._process = await asyncio.create_subprocess_exec(
            *_dying_with_us(sys.executable, "-m", "ingest", "run", "config.yaml"),
            *("--log-format", "json"),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._directory,
            env=self._env,
            limit=16 * 1024 * 1024,
        )
        self._reading = asyncio.create_task(self._read(self._process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        with self.log.open("ab") as log:
            async for line in process.stderr:
                log.write(line)
                log.flush()
                try:
                    event = json.loads(line)
                except ValueError:
                    self.noise.append(line.decode(errors="replace"))
                    continue
                self._on_event(event)

    def _on_event(self, event: dict[str, Any]) -> None:
        self.logged += 1
        self.events.append(event)
        if event.get("event") == "worker: started":
            self.pids[event["worker"]] = event["pid"]
            self.all_pids.add(event["pid"])
        if event.get("level") == "critical" or "exception" in event:
            self.failures.append(str(event)[:2000])

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; return the exit status."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        async with asyncio.timeout(_DEADLINE_S):
            status = await self._process.wait()
        self.statuses.append(status)
        return status

    async def gone(self) -> None:
        """Return once no process of it is left."""
        async with asyncio.timeout(_DEADLINE_S):
            while any(is_running(pid) for pid in self.all_pids):
                await asyncio.sleep(_LOOK_S)
            if self._reading is not None:
                await self._reading
        self.all_pids.clear()

    def end(self) -> None:
        """Whatever state it is in; nothing is left behind."""
        pids = set(self.all_pids)
        if self.running:
            pids.add(self.pid)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def processes(self) -> dict[str, int]:
        """The processes that run now, by name."""
        return {"supervisor": self.pid, **{f"worker {n}": pid for n, pid in self.pids.items()}}

    # -- faults of a worker ---------------------------------------------------------

    def signal_worker(self, worker: int, number: int) -> int | None:
        """Send a signal; return the process it went to, if there is one."""
        pid = self.pids.get(worker)
        if pid is None or not is_running(pid):
            return None
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        return pid

    def limit_worker(self, worker: int, what: int, limit: int) -> tuple[int, int] | None:
        """Lower a limit of the process; return the process and what the limit was."""
        pid = self.pids.get(worker)
        if pid is None or not is_running(pid):
            return None
        try:
            soft, hard = resource.prlimit(pid, what)
            resource.prlimit(pid, what, (limit, hard))
        except ProcessLookupError:
            return None
        return pid, soft


def set_limit(pid: int, what: int, soft: int) -> None:
    """Set a limit of a process as it was; nothing happens if the process is gone."""
    with contextlib.suppress(ProcessLookupError):
        _, hard = resource.prlimit(pid, what)
        resource.prlimit(pid, what, (soft, hard))


def open_files(pid: int) -> int:
    """How many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def is_running(pid: int) -> bool:
    """Whether there is such a process; one that only waits to be reaped is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
