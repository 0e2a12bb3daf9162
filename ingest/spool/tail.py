"""The end of the spool: where entries are appended."""

import os
import time
from pathlib import Path

import structlog

from ingest.logging import worth_a_line
from ingest.spool.format import MAGIC, Name, Position, pack_entry, pack_goto, pack_name
from ingest.spool.segments import SegmentFile, open_directory
from ingest.spool.settings import SpoolSettings

_RETRY_S = 0.5  # after the disk refused

_log = structlog.get_logger(__name__)


class Tail:
    """Collects records in memory, and writes them out when told to.

    What the disk refuses stays in memory, is tried again, and can be read from there.
    """

    def __init__(self, directory: Path, settings: SpoolSettings, segment: int) -> None:
        self.errors = 0  # of the disk
        self.segment = segment
        self.unwritten_bytes = 0
        self._directory = directory
        self._settings = settings
        self._file: SegmentFile | None = None
        self._unwritten: list[bytes] = []
        self._numbers: dict[str, int] = {}
        self._retry_at = 0.0  # monotonic s
        self._unsynced = False
        self._created = False  # a file whose name is not synced
        self._sealed_unsynced: list[int] = []  # descriptors

    @property
    def written(self) -> int:
        """Bytes of the present segment that are in its file."""
        return 0 if self._file is None else self._file.size

    @property
    def has_file(self) -> bool:
        """Whether the present segment has one; what is in it may be torn, see `written`."""
        return self._file is not None

    @property
    def end(self) -> Position:
        """Where the next record will be."""
        return Position(self.segment, self.written + self.unwritten_bytes)

    def append(
        self, key: str, maxlen: int | None, ms: int, n: int, rx_ns: int, count: int, encoded: bytes
    ) -> None:
        """Add one entry."""
        number = self._numbers.get(key)
        if number is None:
            if not self._numbers:
                self._add(MAGIC)
            number = self._numbers[key] = len(self._numbers)
            self._add(pack_name(Name(number, maxlen, key)))
        self._add(pack_entry(number, ms, n, rx_ns, count, encoded))

    def append_goto(self, position: Position) -> None:
        """Send the reader elsewhere from here."""
        self._add(pack_goto(position))

    def _add(self, record: bytes) -> None:
        self._unwritten.append(record)
        self.unwritten_bytes += len(record)

    def flush(self) -> bool:
        """Write out what is not written; False if the disk refuses, or has just refused."""
        if not self._unwritten:
            return True
        if time.monotonic() < self._retry_at:
            return False
        try:
            if self._file is None:
                self._file = SegmentFile(self._directory, self.segment)
                self._created = True
            self._file.write(b"".join(self._unwritten))
        except OSError as exc:
            self.errors += 1
            self._retry_at = time.monotonic() + _RETRY_S
            if worth_a_line(self.errors):
                _log.error(
                    "spool: the disk refuses; kept in memory, trying again",
                    error=str(exc),
                    bytes=self.unwritten_bytes,
                    attempt=self.errors,
                )
            return False
        self._retry_at = 0.0
        self._unwritten.clear()
        self.unwritten_bytes = 0
        self._unsynced = True
        if self._settings.fsync_s == 0:
            self._sync(self._file)
        if self._file.size >= self._settings.segment_bytes:
            self.seal()
        return True

    def _sync(self, file: SegmentFile) -> None:
        # What fails here is with the file all the same, and never to be written again.
        try:
            file.sync()
            self._unsynced = False
            if self._created:
                sync(open_directory(self._directory))
                self._created = False
        except OSError as exc:
            self.errors += 1
            if worth_a_line(self.errors):
                _log.error("spool: not synced to the disk", error=str(exc), attempt=self.errors)

    @property
    def willing(self) -> bool:
        """Whether the disk took what it was given last."""
        return self._retry_at == 0.0

    def retry_now(self) -> None:
        """Let the next `flush` try, whatever came of the last one."""
        self._retry_at = 0.0

    def seal(self) -> None:
        """What comes next goes into another file; what is not written by now never is."""
        if self._file is not None:
            if self._unsynced:
                self._sealed_unsynced.append(self._file.release())
                self._unsynced = False
            else:
                self._file.close()
            self._file = None
        self._unwritten.clear()
        self.unwritten_bytes = 0
        self._numbers.clear()
        self.segment += 1

    def read_unwritten(self, offset: int, size: int) -> bytes:
        """Return at most *size* bytes from *offset* of the segment, which are in memory only."""
        start = offset - self.written
        return b"".join(self._unwritten)[start : start + size]

    def unsynced(self) -> list[int]:
        """Return descriptors to sync in another thread; the caller closes them."""
        descriptors, self._sealed_unsynced = self._sealed_unsynced, []
        try:
            if self._unsynced and self._file is not None:
                descriptors.append(self._file.duplicate())
                self._unsynced = False
            if self._created and descriptors:
                descriptors.append(open_directory(self._directory))
                self._created = False
        except OSError as exc:  # the next round will find it unsynced still
            _log.error("spool: not synced to the disk", error=str(exc))
        return descriptors

    def close(self) -> None:
        """Sync and close; what is not written is lost."""
        try:
            for descriptor in self.unsynced():
                sync(descriptor)
        except OSError as exc:
            self.errors += 1
            _log.error("spool: not synced to the disk", error=str(exc))
        self.seal()


def sync(descriptor: int) -> None:
    """Wait until the disk has the file, and close *descriptor*. Raises OSError."""
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
