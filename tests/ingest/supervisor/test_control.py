"""The control socket: who may ask, and what becomes of those who ask wrongly."""

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ingest.errors import IngestError
from ingest.supervisor.control import Answer, Reload, ask, serving, socket_path

DEADLINE_S = 10.0


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
        for said in (b"\n", b"reload\n", b'{"type": "other"}\n', b"x" * 100_000, b""):
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
