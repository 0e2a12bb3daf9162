"""The control socket: who may ask, and what becomes of those who ask wrongly."""

import asyncio
import contextlib
import os
import socket
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ingest.errors import IngestError
from ingest.supervisor import control
from ingest.supervisor.control import Answer, Reload, ask, serving, socket_path

DEADLINE_S = 10.0


NONSENSE = (
    *(b"\n", b"\0\xff\xfe\n", b"reload\n", b'{"type": "other"}\n', b'{"type": NaN}\n'),
    *(b"[" * 60_000 + b"\n", b'{"type": "reload", "x": ' + b"[" * 60_000 + b"\n"),
)


async def answer(_: Reload) -> Answer:
    return Answer(0, ("done", "änderung"))


async def asking(path: Path) -> Answer:
    return await asyncio.to_thread(ask, path, Reload(), DEADLINE_S)


async def test_asked_and_answered(tmp_path: Path) -> None:
    """Also where the path is longer than an address of a unix socket may be."""
    for directory in (tmp_path, tmp_path / ("long" * 30)):
        path = socket_path(str(directory), "name")
        async with serving(path, answer):
            assert await asking(path) == Answer(0, ("done", "änderung"))
            assert await asking(path) == Answer(0, ("done", "änderung"))
        with pytest.raises(IngestError, match="no service of this config is running"):
            await asking(path)


async def test_nonsense_is_not_answered(tmp_path: Path) -> None:
    """The next one is."""
    path = socket_path(str(tmp_path), "name")
    async with serving(path, answer):
        for said in (*NONSENSE, b"x" * 100_000, b""):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(said)
            writer.write_eof()
            async with asyncio.timeout(DEADLINE_S):
                with contextlib.suppress(ConnectionResetError):  # it had not read all of that
                    assert await reader.read() == b""
            writer.close()
        assert (await asking(path)).status == 0


async def test_one_listens(tmp_path: Path) -> None:
    """A second service of that name goes without; what a dead one left is no hindrance."""
    path = socket_path(str(tmp_path), "name")
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with serving(path, answer):
        with capture_logs() as lines:
            async with serving(path, answer):
                pass
        assert [line["event"] for line in lines] == ["control: not listening"]
        assert (await asking(path)).status == 0


async def test_a_service_that_dies_meanwhile(tmp_path: Path) -> None:
    """No answer is an error, not a wait."""
    path = socket_path(str(tmp_path), "name")
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def die() -> None:
            listening.accept()[0].close()

        dying = asyncio.create_task(asyncio.to_thread(die))
        with pytest.raises(IngestError, match="gave no answer"):
            await asking(path)
        await dying


async def test_only_for_its_owner(tmp_path: Path) -> None:
    """Whatever the umask, and whatever the directory was before."""
    path = socket_path(str(tmp_path), "name")
    path.parent.mkdir(mode=0o777)
    path.parent.chmod(0o777)
    before = os.umask(0)
    try:
        async with serving(path, answer):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        os.umask(before)


async def test_endless_bytes_are_not_kept(tmp_path: Path) -> None:
    """A request without an end is hung up on long before it costs memory."""
    path = socket_path(str(tmp_path), "name")
    sent = 0
    async with serving(path, answer), asyncio.timeout(DEADLINE_S):
        _reader, writer = await asyncio.open_unix_connection(path)
        with pytest.raises(OSError):
            while sent < 2**30:
                writer.write(b"x" * 65_536)
                sent += 65_536
                await writer.drain()
        writer.close()
        assert (await asking(path)).status == 0
    assert sent < 2**24


async def test_many_who_say_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many are waited for, for so long; then others have their turn."""
    monkeypatch.setattr(control, "_REQUEST_S", 1.0)
    path = socket_path(str(tmp_path), "name")
    with capture_logs() as lines:
        async with serving(path, answer), asyncio.timeout(DEADLINE_S):
            clients = [await asyncio.open_unix_connection(path) for _ in range(100)]
            for reader, _ in clients:
                with contextlib.suppress(ConnectionResetError):
                    assert await reader.read() == b""
            assert (await asking(path)).status == 0
            for _, writer in clients:
                writer.close()
    events = [line["event"] for line in lines]
    assert events.count("control: too many ask at once") >= 1
    assert events.count("control: not a request, or its answer not taken") >= 16


async def test_an_answer_that_nobody_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is dropped, and its connection."""
    monkeypatch.setattr(control, "_REQUEST_S", 0.2)
    path = socket_path(str(tmp_path), "name")

    async def long_answer(_: Reload) -> Answer:
        return Answer(2, ("x" * 4_000_000,))

    with capture_logs() as lines:
        async with serving(path, long_answer), asyncio.timeout(DEADLINE_S):
            client = socket.socket(socket.AF_UNIX)
            with client:
                client.connect(str(path))
                client.sendall(b'{"type": "reload"}\n')
                while not lines:
                    await asyncio.sleep(0.01)
                client.setblocking(True)
                taken = 0
                while data := client.recv(2**20):
                    taken += len(data)
    assert taken < 4_000_000


async def test_an_answer_holds_no_secret(tmp_path: Path) -> None:
    """Who asks has another environment: what is secret is known here."""
    path = socket_path(str(tmp_path), "name")

    async def telling(_: Reload) -> Answer:
        return Answer(1, ("cannot reach redis://u:hunter2@h",))

    async with serving(path, telling):
        assert (await asking(path)).lines == ("cannot reach redis://u:***@h",)
