"""Recordings written while they happen: a directory a venue, files of one connection each.

    DIR/binance/binance-1-20261121T141935Z.000.jsonl.gz

Every connection has files of its own because their order is the order received, which
of several connections together nobody knows better than the times say. A file grows by
whole gzip members (which together are one gzip file), so what a crash costs is what was
not yet written, a few seconds, and never a file.
"""

import asyncio
import gzip
from datetime import UTC, datetime
from pathlib import Path

from ingest.recordings.errors import RecordingError
from ingest.recordings.native import format_header, format_record
from ingest.recordings.records import Record

_FLUSH_S = 2.0
_CHUNK_BYTES = 1 << 20  # of one connection, uncompressed: written before the time is up
_LEVEL = 4  # about a tenth larger than 9, at a third of the time


class RecordingFiles:
    """All files of one run. Memory is bounded for callers that heed `full`.

    From *high_bytes* not yet written on `full` is true, until half of it is; who does
    not wait loses nothing, but memory grows. Owned by one event loop; what is slow
    (compressing, the disk) happens in a thread.
    """

    def __init__(
        self,
        directory: Path,
        started_ns: int,
        *,
        rotate_bytes: int,
        limit_bytes: int | None = None,
        high_bytes: int = 64 << 20,
    ) -> None:
        """*rotate_bytes*: of a file, compressed, after which the next begins.

        *limit_bytes*: of all files together, after which `limit_reached` is set. Both
        are exceeded by at most what one flush writes.
        """
        self.limit_reached = asyncio.Event()
        self.written_bytes = 0  # compressed
        self.full = False
        self._directory = directory
        self._stamp = f"{datetime.fromtimestamp(started_ns / 1e9, UTC):%Y%m%dT%H%M%SZ}"
        self._rotate_bytes = rotate_bytes
        self._limit_bytes = limit_bytes
        self._high_bytes = high_bytes
        self._pending_bytes = 0
        self._tracks: list[ConnectionFiles] = []
        self._stir = asyncio.Event()
        self._writable = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> "asyncio.Task[None]":
        """Begin to write in the background. The task ends at `close`, or raises.

        Raises, in the task:
            RecordingError: the disk is full, or the directory cannot be written.
        """
        self._task = asyncio.create_task(self._run(), name="recording-files")
        return self._task

    def connection(self, venue: str, name: str) -> "ConnectionFiles":
        """Return where the records of one connection go; nothing is made before the first."""
        track = ConnectionFiles(self, self._directory, venue, f"{name}-{self._stamp}")
        self._tracks.append(track)
        return track

    @property
    def paths(self) -> list[Path]:
        """Every file written so far."""
        return [path for track in self._tracks for path in track.paths]

    async def wait_writable(self) -> None:
        """Return once it is no longer full, or nothing is written any more."""
        while self.full and self._task is not None and not self._task.done():
            self._writable.clear()
            await self._writable.wait()

    async def close(self) -> None:
        """Write everything handed over; raises as the task."""
        self._closing = True
        self._stir.set()
        if self._task is not None:
            await self._task

    def count(self, size: int, *, chunk_full: bool) -> None:
        """Take note of one more line that is to be written."""
        self._pending_bytes += size
        if self._pending_bytes >= self._high_bytes:
            self.full = True
        if chunk_full or self.full:
            self._stir.set()

    async def _run(self) -> None:
        try:
            while not self._closing:
                try:
                    async with asyncio.timeout(_FLUSH_S):
                        await self._stir.wait()
                except TimeoutError:
                    pass
                self._stir.clear()
                await self._flush()
            await self._flush()
        except OSError as exc:
            raise RecordingError(f"{self._directory}: {exc.strerror or exc}") from exc
        finally:
            self._writable.set()

    async def _flush(self) -> None:
        for track in self._tracks:
            lines = track.take()
            if not lines:
                continue
            data = b"".join(lines)
            self.written_bytes += await asyncio.to_thread(track.write, data, self._rotate_bytes)
            self._pending_bytes -= len(data)
            if self.full and self._pending_bytes < self._high_bytes // 2:
                self.full = False
                self._writable.set()
        if self._limit_bytes is not None and self.written_bytes >= self._limit_bytes:
            self.limit_reached.set()


class ConnectionFiles:
    """The files of one connection. `add` is the loop's, `write` the writing thread's."""

    def __init__(self, owner: RecordingFiles, directory: Path, venue: str, stem: str) -> None:
        self.paths: list[Path] = []
        self._owner = owner
        self._directory = directory / venue
        self._header = format_header(venue) + b"\n"
        self._stem = stem
        self._lines: list[bytes] = []
        self._bytes = 0
        self._number = 0
        self._room = 0  # of the current file, in bytes

    def add(self, record: Record) -> None:
        """Hand over one record; never waits."""
        line = format_record(record) + b"\n"
        self._lines.append(line)
        self._bytes += len(line)
        self._owner.count(len(line), chunk_full=self._bytes >= _CHUNK_BYTES)

    def take(self) -> list[bytes]:
        """Return what is to be written, and forget it."""
        lines, self._lines, self._bytes = self._lines, [], 0
        return lines

    def write(self, data: bytes, rotate_bytes: int) -> int:
        """Append whole lines; return how many bytes that took on disk. Blocks."""
        begun = self._room > 0
        member = gzip.compress(data if begun else self._header + data, _LEVEL, mtime=0)
        if not begun:
            self._begin()
            self._room = rotate_bytes
        with self.paths[-1].open("ab") as file:
            file.write(member)
        self._room -= len(member)
        return len(member)

    def _begin(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        while True:
            path = self._directory / f"{self._stem}.{self._number:03}.jsonl.gz"
            self._number += 1
            try:
                path.touch(exist_ok=False)
            except FileExistsError:  # of a run that began in the same second
                continue
            self.paths.append(path)
            return
