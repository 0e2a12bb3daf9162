"""Recordings as they are written: whole at any time, rotated, bounded."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingest.recordings.errors import RecordingError
from ingest.recordings.reader import find_files, read_file
from ingest.recordings.records import (
    Record,
    RestAnswer,
    VenueNamed,
    WsClosed,
    WsMessage,
    WsOpened,
    WsSent,
)
from ingest.recordings.writer import RecordingFiles

STARTED_NS = 1_795_271_149_000_000_000
RECORDS: list[Record] = [
    WsOpened(1, "x-1", "wss://example.com/"),
    WsSent(2, "x-1", b'{"op":"subscribe"}'),
    WsMessage(3, "x-1", '{"é":"\u2028"}'.encode()),
    WsMessage(4, "x-1", b"\x1f\x8b\xff", binary=True),
    WsMessage(5, "x-1", b""),
    RestAnswer(6, "https://example.com/depth?a=b", b"{}"),
    WsClosed(7, "x-1", 1001, "going"),
    WsClosed(8, "x-1", 1006),
]


def written(directory: Path) -> list[Record]:
    """Every record but for the line that each file begins with, which names its venue."""
    records = []
    for path in find_files([directory]):
        named, *rest = read_file(path)
        assert named == VenueNamed("x")
        records += rest
    return records


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., RecordingFiles]:
    def make_files(**options: Any) -> RecordingFiles:
        return RecordingFiles(tmp_path, STARTED_NS, **{"rotate_bytes": 1 << 30, **options})

    return make_files


async def test_everything_comes_back(make: Any, tmp_path: Path) -> None:
    """Each kind of record; the name says venue, connection and start."""
    files = make()
    connection = files.connection("x", "x-1")
    files.start()
    for record in RECORDS:
        connection.add(record)
    await files.close()

    assert written(tmp_path) == RECORDS
    assert [str(path.relative_to(tmp_path)) for path in files.paths] == [
        "x/x-1-20261121T142549Z.000.jsonl.gz"
    ]
    assert files.written_bytes == files.paths[0].stat().st_size


async def test_whole_after_every_flush(make: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """A process that dies costs what was not yet written; what was can be read."""
    monkeypatch.setattr("ingest.recordings.writer._FLUSH_S", 0.01)
    files = make()
    connection = files.connection("x", "x-1")
    files.start()
    for count, record in enumerate(RECORDS, start=1):
        connection.add(record)
        before = files.written_bytes
        async with asyncio.timeout(5):
            while files.written_bytes == before:
                await asyncio.sleep(0.005)
        assert written(tmp_path) == RECORDS[:count]
    await files.close()


async def test_rotation(make: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """Every file can be read by itself, together they are all."""
    monkeypatch.setattr("ingest.recordings.writer._CHUNK_BYTES", 1)
    files = make(rotate_bytes=1)
    connection = files.connection("x", "x-1")
    files.start()
    for count, record in enumerate(RECORDS, start=1):
        connection.add(record)
        async with asyncio.timeout(5):
            while len(files.paths) < count:
                await asyncio.sleep(0.005)
    await files.close()

    assert [list(read_file(path))[1:] for path in files.paths] == [[r] for r in RECORDS]


async def test_an_earlier_run_is_left_alone(make: Any, tmp_path: Path) -> None:
    """Even one that began in the same second."""
    for record in RECORDS[:2]:
        files = make()
        connection = files.connection("x", "x-1")
        files.start()
        connection.add(record)
        await files.close()

    assert written(tmp_path) == RECORDS[:2]


async def test_limit(make: Any) -> None:
    """It is said, and what came is written all the same."""
    files = make(limit_bytes=1)
    connection = files.connection("x", "x-1")
    files.start()
    connection.add(RECORDS[0])
    await files.close()

    assert files.limit_reached.is_set()


async def test_full_until_half_is_written(make: Any) -> None:
    """Who heeds `full` has bounded memory."""
    files = make(high_bytes=1000)
    connection = files.connection("x", "x-1")
    added = 0
    while not files.full:
        connection.add(RECORDS[2])
        added += 1
    assert added < 20
    files.start()
    async with asyncio.timeout(5):
        await files.wait_writable()
    assert not files.full
    await files.close()


async def test_a_disk_that_refuses(make: Any, tmp_path: Path) -> None:
    """An error that names the place; nobody waits for ever."""
    (tmp_path / "x").write_text("in the way")
    files = make(high_bytes=1)
    connection = files.connection("x", "x-1")
    files.start()
    connection.add(RECORDS[0])
    async with asyncio.timeout(5):
        await files.wait_writable()
    with pytest.raises(RecordingError, match="File exists"):
        await files.close()
