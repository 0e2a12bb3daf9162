"""`ingest run`, a replay, a scripted venue and a Redis of the tests' own, as processes."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import IO, Any

import pytest
import redis

from ingest.embedded import server_binary

DEADLINE_S = 30.0
ROOT = Path(__file__).parents[2]
SCRIPTED_VENUE = ROOT / "tests/servers/scripted_venue.py"
SHARED_MARKET = ROOT / "tests/servers/shared_market.py"
OKX_BOOKS = ROOT / "tests/servers/okx_books.py"


class Program:
    """A child process whose output is lines of JSON, kept and waited for."""

    def __init__(
        self, *command: str, output: str, env: dict[str, str] | None = None, **popen: Any
    ) -> None:
        """*output*: `stdout` or `stderr`, the one that is read. *env* is added."""
        self.process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            **{output: subprocess.PIPE},
            env={
                **{**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
                **(env or {}),
            },
            **popen,
        )
        self.lines: list[dict[str, Any]] = []
        self.other: list[str] = []  # what is not JSON
        self._changed = threading.Condition()
        self._ended = False
        threading.Thread(
            target=self._read, args=[getattr(self.process, output)], daemon=True
        ).start()

    def _read(self, pipe: IO[bytes]) -> None:
        for line in pipe:
            with self._changed:
                try:
                    self.lines.append(json.loads(line))
                except ValueError:
                    self.other.append(line.decode())
                self._changed.notify_all()
        pipe.close()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def all(self, event: str, **values: Any) -> list[dict[str, Any]]:
        """Every line of that event so far with these values."""
        return [
            line
            for line in list(self.lines)
            if line.get("event") == event and all(line.get(k) == v for k, v in values.items())
        ]

    def wait(
        self, event: str, *, times: int = 1, timeout_s: float = DEADLINE_S, **values: Any
    ) -> dict[str, Any]:
        """Return the line of that event with these values, once it has come that often."""
        end = time.monotonic() + timeout_s
        with self._changed:
            while len(found := self.all(event, **values)) < times:
                left_s = end - time.monotonic()
                if left_s <= 0 or self._ended:
                    raise AssertionError(f"no {event!r} {values} within time; {self.text()}")
                self._changed.wait(left_s)
        return found[times - 1]

    def text(self) -> str:
        """The end of what was written, for the message of a failed test."""
        return "\n".join([*map(str, self.lines[-30:]), *self.other[-30:]])

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def exit_status(self, timeout_s: float = DEADLINE_S) -> int:
        """Wait for the end, of the output too."""
        status = self.process.wait(timeout_s)
        with self._changed:
            assert self._changed.wait_for(lambda: self._ended, DEADLINE_S)
        return status

    def end(self) -> None:
        """Whatever state it is in; nothing is left behind."""
        with contextlib.suppress(BrokenPipeError):
            if self.process.stdin is not None:
                self.process.stdin.close()
        if self.process.poll() is None:
            self.process.kill()
        self.exit_status()


class Service(Program):
    """`ingest run` with JSON logs. Its workers die with it, by themselves."""

    def __init__(
        self,
        config: dict[str, Any],
        directory: Path,
        *,
        program: tuple[str, ...] = ("-m", "ingest"),
        **popen: Any,
    ) -> None:
        path = directory / "config.yaml"
        path.write_text(json.dumps(config))  # JSON is YAML
        super().__init__(
            *(*program, "run", str(path), "--log-format", "json"),
            output="stderr",
            cwd=directory,
            **popen,
        )

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = DEADLINE_S) -> dict[str, Any]:
        """Stop gracefully; return the totals that are logged at the end."""
        self.signal(number)
        assert self.exit_status(timeout_s) == 0, self.text()
        assert self.other == []
        return self.wait("service: workers stopped")

    def workers(self) -> dict[int, int]:
        """Process ids by worker, the latest."""
        return {line["worker"]: line["pid"] for line in self.all("worker: started")}


class Venue(Program):
    """One of our own; see tests/servers."""

    def __init__(self, *command: str) -> None:
        super().__init__(*command, output="stdout")
        self.port: int = self.wait("listening")["port"]
        self.url = f"ws://127.0.0.1:{self.port}"


class StrictVenue(Program):
    """See tests/servers/strict."""

    def __init__(self, family: str, port: int = 0, **options: Any) -> None:
        """*options*: `rate`, and `rules` that replace the family's."""
        super().__init__(
            *("-m", "tests.servers.strict", "--family", family, "--port", str(port)),
            *("--rate", str(options.get("rate", 1.0))),
            *("--rules", json.dumps(options.get("rules", {}))),
            output="stdout",
        )
        self.port: int = self.wait("listening")["port"]
        self.url = f"ws://127.0.0.1:{self.port}"
        self._reports = 0

    def report(self) -> dict[str, Any]:
        """What has happened so far."""
        self.tell("report")
        self._reports += 1
        return self.wait("report", times=self._reports)

    def until(
        self, condition: Callable[[dict[str, Any]], bool], timeout_s: float = DEADLINE_S
    ) -> dict[str, Any]:
        """Ask for reports until one satisfies *condition*."""
        end = time.monotonic() + timeout_s
        while not condition(report := self.report()):
            assert time.monotonic() < end, report
            time.sleep(0.1)
        return report


class Replay(Program):
    """`ingest replay` of the recordings that come with ingest, with a journal."""

    def __init__(self, directory: Path, *options: str) -> None:
        self._journal = directory / "journal"
        super().__init__(
            *("-m", "ingest.replay", "--journal", str(self._journal), *options),
            output="stdout",
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + DEADLINE_S
        while not self.lines:
            assert time.monotonic() < end
            time.sleep(0.01)
        self.urls: dict[str, str] = self.lines[0]["urls"]
        self._status_url = f"http://{self.lines[0]['listen']}/_replay/status"

    def status(self) -> dict[str, Any]:
        with urllib.request.urlopen(self._status_url, timeout=DEADLINE_S) as answer:
            status: dict[str, Any] = json.load(answer)
        return status

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask for the status until it satisfies *condition*."""
        end = time.monotonic() + DEADLINE_S
        while not condition(status := self.status()):
            assert time.monotonic() < end, status
            time.sleep(0.02)
        return status

    def journal(self) -> list[dict[str, Any]]:
        """Everything so far; asking for the status writes it out."""
        if self.process.poll() is None:
            self.status()
        return [json.loads(line) for line in self._journal.read_bytes().splitlines()]


class Streams:
    """One database of a Redis on a unix socket."""

    def __init__(self, path: Path, database: int = 0) -> None:
        self.url = f"unix://{path}?db={database}"
        self.client = redis.Redis(unix_socket_path=str(path), db=database, decode_responses=True)

    def keys(self) -> set[str]:
        """Every key there is."""
        return set(self.client.keys())

    def entries(self, key: str) -> list[dict[str, str]]:
        """All entries in order."""
        return [fields for _, fields in self.client.xrange(key)]

    def data(self, key: str) -> list[dict[str, str]]:
        """All entries but markers."""
        return [e for e in self.entries(key) if e.get("type") not in ("gap", "reset", "resume")]

    def wait(self, key: str, wanted: Callable[[dict[str, str]], bool], after: str = "0-0") -> str:
        """Return the id of the first such entry behind *after*, once it is there."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            for _, entries in self.client.xread({key: after}, block=500, count=1000) or []:
                for after, fields in entries:
                    if wanted(fields):
                        return after
        raise AssertionError(f"no such entry in {key} within time: {self.entries(key)[-20:]}")

    def newest(self, key: str) -> str:
        """The id of the newest entry."""
        found = self.client.xrevrange(key, count=1)
        return found[0][0] if found else "0-0"


@pytest.fixture(scope="session")
def redis_socket() -> Iterator[Path]:
    """The socket of a server for all tests, each of which takes a database of its own."""
    # Not pytest's tmp_path: a unix socket's path must be short.
    directory = Path(tempfile.mkdtemp(prefix="ing"))
    path = directory / "s"
    process = subprocess.Popen(
        [
            server_binary(),
            *("--port", "0", "--save", "", "--databases", "256"),
            *("--unixsocket", str(path), "--dir", str(directory)),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + DEADLINE_S
        while True:
            with contextlib.suppress(redis.RedisError):
                redis.Redis(unix_socket_path=str(path)).ping()
                break
            assert time.monotonic() < end
            time.sleep(0.01)
        yield path
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(directory)


class RedisServer:
    """A server of one test's own, on a unix socket, to be killed and started again."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.path = directory / "s"
        self.url = f"unix://{self.path}"
        self._command = [
            server_binary(),
            *("--port", "0", "--save", "", "--dir", str(directory)),
            *("--unixsocket", str(self.path), *options),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return once it answers."""
        self.path.unlink(missing_ok=True)
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + DEADLINE_S
        while True:
            with contextlib.suppress(redis.RedisError):
                redis.Redis(unix_socket_path=str(self.path)).ping()
                return
            assert time.monotonic() < end
            time.sleep(0.01)

    def signal(self, number: int) -> None:
        """SIGSTOP and SIGCONT, to have it hang."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """Started by the test. Its file is synced every second, as most people have it."""
    # Not pytest's tmp_path: a unix socket's path must be short.
    directory = Path(tempfile.mkdtemp(prefix="ing"))
    server = RedisServer(directory, "--appendonly", "yes")
    yield server
    server.kill()
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def module_redis() -> Iterator[Streams]:
    """A whole server of its own, users included, for a run that several tests look at."""
    directory = Path(tempfile.mkdtemp(prefix="ing"))
    server = RedisServer(directory)
    server.start()
    streams = Streams(server.path)
    yield streams
    streams.client.close()
    server.kill()
    shutil.rmtree(directory)


_databases = count()


@pytest.fixture(scope="module")
def streams(redis_socket: Path) -> Iterator[Streams]:
    """An empty database for each file of tests; keys of single tests differ by instrument."""
    streams = Streams(redis_socket, next(_databases))
    yield streams
    streams.client.close()


@pytest.fixture
def own_streams(redis_socket: Path) -> Iterator[Streams]:
    """An empty database for one test."""
    streams = Streams(redis_socket, next(_databases))
    yield streams
    streams.client.close()


@pytest.fixture
def streams_at() -> Iterator[Callable[[Path], Streams]]:
    """Read a server that is not the tests' own."""
    opened: list[Streams] = []

    def open_at(path: Path) -> Streams:
        opened.append(Streams(path))
        return opened[-1]

    yield open_at
    for streams in opened:
        streams.client.close()


class Kit:
    """Starts the programs and ends them."""

    Service, Venue, Replay = Service, Venue, Replay

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._started: list[Program] = []

    def venue(self, *script: list[list[Any]], port: int = 0) -> Venue:
        options = ("--script", json.dumps(script), "--port", str(port))
        return self._keep(Venue(str(SCRIPTED_VENUE), *options))

    def okx_books(self) -> Venue:
        return self._keep(Venue(str(OKX_BOOKS)))

    def market(self, seed: int, faults: str) -> Venue:
        return self._keep(Venue(str(SHARED_MARKET), "--seed", str(seed), "--faults", faults))

    def strict(self, family: str, **options: Any) -> StrictVenue:
        return self._keep(StrictVenue(family, **options))

    def replay(self, *options: str) -> Replay:
        return self._keep(Replay(self.directory, *options))

    def program(self, *command: str, output: str, **popen: Any) -> Program:
        return self._keep(Program(*command, output=output, **popen))

    def service(
        self, redis_url: str | None, *feeds: Any, popen: Any = None, **more: Any
    ) -> Service:
        """Start with quick delays; *more* is merged into the config."""
        config: dict[str, Any] = {
            "reconnect": {"base_s": 0.02, "cap_s": 0.2, "healthy_after_s": 60},
            "shutdown": {"grace_s": 8},
            "log": {"level": "debug"},
            "feeds": list(feeds),
            **more,
        }
        if redis_url is not None:
            config["redis"] = {**config.get("redis", {}), "url": redis_url}
        return self._keep(Service(config, self.directory, **(popen or {})))

    def end(self) -> None:
        for program in reversed(self._started):
            program.end()

    def _keep(self, program: Any) -> Any:
        self._started.append(program)
        return program


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    kit = Kit(tmp_path)
    yield kit
    kit.end()


@pytest.fixture(scope="module")
def module_kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """For a run that several tests look at."""
    kit = Kit(tmp_path_factory.mktemp("service"))
    yield kit
    kit.end()
