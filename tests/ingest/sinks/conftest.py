"""Real servers on unix sockets, a proxy that misbehaves on demand, and small helpers."""

import asyncio
import contextlib
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from ingest.embedded import server_binary
from ingest.sinks.buffer import StreamWriter
from ingest.sinks.redis_streams import RedisStreamsSink
from ingest.sinks.resp import bulk
from ingest.sinks.settings import BackoffSettings, SinkSettings

DEADLINE_S = 10.0
QUICK = BackoffSettings(0.01, 0.05)


class Server:
    """A valkey-server process of the test's own; started again on the same data."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.path = directory / "s"
        self.url = f"unix://{self.path}"
        self._options = options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        """Start and return once it answers PING."""
        self.process = subprocess.Popen(
            [
                server_binary(),
                *("--port", "0", "--save", "", "--dir", str(self.directory)),
                *("--unixsocket", str(self.path)),
                *self._options,
                *more,
            ],
            stdout=subprocess.DEVNULL,
        )
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            with contextlib.suppress(redis.RedisError), self.client() as client:
                try:
                    client.ping()
                except redis.AuthenticationError:
                    return
                return
            time.sleep(0.005)
        raise AssertionError("valkey-server did not start")

    def client(self, **options: Any) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.path), **options)

    def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(DEADLINE_S)

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def entries(self, key: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """All entries of a stream, in order."""
        with self.client() as client:
            return [(i, f) for i, f in client.xrange(key)]

    def length(self, key: str) -> int:
        """How many entries a stream has."""
        with self.client() as client:
            return int(client.xlen(key))

    def values(self, key: str) -> list[int]:
        """The `v` field of every entry of a stream, in order."""
        return [int(f[b"v"]) for _, f in self.entries(key)]


def new_server(*options: str) -> Iterator[Server]:
    # Not pytest's tmp_path: a unix socket's path must be short.
    directory = Path(tempfile.mkdtemp(prefix="ing"))
    server = Server(directory, *options)
    try:
        server.start()
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    yield from new_server()


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    """An empty server; not to be killed, stopped or reconfigured for good."""
    with shared_server.client() as client:
        client.flushall()
    return shared_server


@pytest.fixture
def durable_server() -> Iterator[Server]:
    """A server of this test alone, which writes everything to disk before it answers."""
    yield from new_server("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def forgetful_server() -> Iterator[Server]:
    """A server of this test alone, which keeps nothing over a restart."""
    yield from new_server()


class Proxy:
    """Passes bytes on, and cuts or holds them back as told."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name("p")
        self.url = f"unix://{self.path}"
        self.connections = 0
        self.delay_s = 0.0  # of every reply
        self._target = target
        self._replies = asyncio.Event()
        self._replies.set()
        self._held_requests: asyncio.Event | None = None
        self.held_bytes = 0  # of requests
        self.ended = 0  # connections of which the server has heard the end
        self._cut_after: int | None = None
        self._refusing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        self.path.unlink(missing_ok=True)

    def cut(self) -> None:
        """Drop every connection, whatever is under way."""
        for writer in self._writers:
            writer.transport.abort()

    def lead_to(self, target: Path) -> None:
        """Drop every connection; the next ones go to another server."""
        self._target = target
        self.cut()

    def cut_after(self, request_bytes: int) -> None:
        """Pass on this many bytes of what the client says next, then cut."""
        self._cut_after = request_bytes

    def refuse(self, refusing: bool) -> None:
        """Accept new connections only to drop them, or properly again."""
        self._refusing = refusing

    def hold_replies(self) -> None:
        """Let requests pass, but no replies."""
        self._replies.clear()

    def pass_replies(self) -> None:
        self._replies.set()

    def hold_requests(self) -> None:
        """Keep what clients say next, as a network or a stopped server does."""
        self._held_requests = asyncio.Event()

    def pass_requests(self) -> None:
        """Let it go on its way, also that of clients who have died."""
        assert self._held_requests is not None
        self._held_requests.set()
        self._held_requests = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._refusing:
            writer.transport.abort()
            return
        self._writers.add(writer)
        try:
            up_reader, up_writer = await asyncio.open_unix_connection(self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(up_writer)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._requests(reader, up_writer, writer))
            group.create_task(self._pump_replies(up_reader, writer, up_writer))
        self.ended += 1

    async def _requests(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if self._cut_after is not None:
                    data, self._cut_after = (
                        data[: self._cut_after],
                        self._cut_after - len(data),
                    )
                    sink.write(data)
                    if self._cut_after <= 0:
                        self._cut_after = None
                        await sink.drain()
                        break
                    continue
                if self._held_requests is not None:
                    self.held_bytes += len(data)
                    await self._held_requests.wait()
                sink.write(data)
                await sink.drain()
        sink.close()
        back.transport.abort()

    async def _pump_replies(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                await self._replies.wait()
                await asyncio.sleep(self.delay_s)
                sink.write(data)
                await sink.drain()
        sink.transport.abort()
        back.close()


@pytest.fixture
async def proxy(server: Server) -> AsyncIterator[Proxy]:
    proxy = Proxy(server.path)
    await proxy.start()
    yield proxy
    proxy.pass_replies()
    await proxy.stop()


@pytest.fixture
async def proxy_of() -> AsyncIterator[Callable[[Server], Awaitable[Proxy]]]:
    """Starts a proxy before a server."""
    started: list[Proxy] = []

    async def start(server: Server) -> Proxy:
        proxy = Proxy(server.path)
        await proxy.start()
        started.append(proxy)
        return proxy

    yield start
    for proxy in started:
        proxy.pass_replies()
        await proxy.stop()


class Writing:
    """How many values each stream was given so far, from 0 on."""

    values = 0


class Kit:
    """What tests build and wait with. A fixture, since test modules import no conftest."""

    @staticmethod
    def settings(**changes: Any) -> SinkSettings:
        """Settings that do not make a test wait."""
        quick: dict[str, Any] = {
            "maxlen": None,
            "reply_timeout_s": 2.0,
            "reconnect": QUICK,
            "wait": QUICK,
            "operator": QUICK,
        }
        return SinkSettings(**{**quick, **changes})

    @contextlib.asynccontextmanager
    async def running(self, url: str, **changes: Any) -> AsyncIterator[RedisStreamsSink]:
        """A started sink, closed without patience at the end."""
        sink = RedisStreamsSink(url, self.settings(**changes))
        sink.start()
        try:
            yield sink
        finally:
            await sink.close(0)

    @staticmethod
    def encoded(value: int, padding: int = 0) -> tuple[int, bytes]:
        """One entry with the field `v`, as a codec would pack it."""
        words = [b"v", b"%d" % value]
        if padding:
            words += [b"p", b"x" * padding]
        return len(words), b"".join(map(bulk, words))

    def fill(self, writer: StreamWriter, values: Iterable[int], padding: int = 0) -> None:
        """Add one entry per value, received now."""
        for value in values:
            assert writer.add(time.time_ns(), *self.encoded(value, padding))

    @contextlib.asynccontextmanager
    async def writing(
        self, sink: RedisStreamsSink, keys: Iterable[str]
    ) -> AsyncIterator["Writing"]:
        """Hand over entries to all streams meanwhile."""
        writing = Writing()
        writers = [sink.open_stream(key) for key in keys]

        async def write() -> None:
            while True:
                for writer in writers:
                    self.fill(writer, range(writing.values, writing.values + 20))
                writing.values += 20
                await sink.wait_writable()
                await asyncio.sleep(0.002)

        task = asyncio.create_task(write())
        try:
            yield writing
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def acked_more(self, sink: RedisStreamsSink) -> None:
        """Wait until the sink gets on."""
        before = sink.counters.acked_entries
        await self.until(lambda: sink.counters.acked_entries > before + 100)

    @staticmethod
    async def until(condition: Callable[[], bool]) -> None:
        """Wait for something that no event tells of."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                await asyncio.sleep(0.002)


@pytest.fixture
def kit() -> Kit:
    return Kit()


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """What is logged meanwhile, as structlog's event dictionaries."""
    with capture_logs() as captured:
        yield captured
