"""A queue on disk.

      settled    ┊    read    ┊    unread    ┊   unwritten (in memory)
              cursor       position                            end

What is appended is written out once per turn of the event loop, so the death of the
process costs what came in one turn; what is read stays until it is settled, and so is
read again after such a death.
"""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

import structlog

from ingest.errors import SpoolError
from ingest.spool.cursor import Cursor
from ingest.spool.format import Damaged, Position, SpooledEntry, Torn
from ingest.spool.head import Head
from ingest.spool.segments import FIRST_SEGMENT, found_in, path_of
from ingest.spool.settings import SpoolSettings
from ingest.spool.tail import Tail

_ROOM_CHECKED_EVERY = 64 * 1024  # bytes
# A turn of the loop that brings more than this does not wait for its end.
_WRITTEN_AT_ONCE = 1024 * 1024
_NOWHERE = Position(0, 0)
# Errors that say nothing of what is on the disk.
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)

_log = structlog.get_logger(__name__)


class Spool:
    """First in, first out; used from one thread, by one process.

    Only `append` and `read` are on anybody's hot path. What the disk refuses is
    logged and counted, never raised: entries stay in memory up to a bound, and
    `append` says False beyond it.
    """

    def __init__(self, settings: SpoolSettings) -> None:
        """Raises SpoolError if the directory cannot be used."""
        self._settings = settings
        self._directory = Path(settings.directory)
        self.damaged = 0  # times that something could not be read, and was left out
        self._room = 0  # bytes that may be appended before the size is looked at again
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sizes = found_in(self._directory)  # of what earlier processes wrote
            self._cursor = Cursor(self._directory / "settled")
            settled = self._cursor.load()
        except OSError as exc:
            raise SpoolError(
                f"the spool's directory {self._directory} cannot be used: {exc}"
            ) from exc
        settled = settled or _NOWHERE
        left = [segment for segment in self._sizes if segment >= settled.segment]
        own = max(self._sizes, default=FIRST_SEGMENT - 1) + 1
        self._own = own  # the first segment of this process
        self._tail = Tail(self._directory, settings, own)
        if settled.segment not in left:
            settled = Position(min(left, default=own), 0)
        self._settled = settled
        self._head = Head(self._read_bytes, settled)
        self._forget()

    @property
    def unread(self) -> bool:
        """Whether there may be anything to read: `read` knows."""
        return self.position < self._tail.end

    @property
    def position(self) -> Position:
        """Where the next entry is read."""
        return self._head.position

    @property
    def recovering(self) -> bool:
        """Whether what is read next was appended by an earlier process."""
        return self._head.position.segment < self._own

    @property
    def size(self) -> int:
        """Bytes on disk, or meant for it; a file counts until all in it is settled."""
        tail = self._tail
        return sum(self._sizes.values()) + tail.written + tail.unwritten_bytes

    @property
    def disk_errors(self) -> int:
        """How often the disk refused to write."""
        return self._tail.errors

    # -- the end ---------------------------------------------------------------

    def append(
        self, key: str, maxlen: int | None, ms: int, n: int, rx_ns: int, count: int, encoded: bytes
    ) -> bool:
        """Add one entry; False if there is no room for it. `flush` writes it out."""
        self._room -= len(encoded) + len(key) + 64
        if self._room < 0 and not self._has_room(len(encoded)):
            return False
        self._tail.append(key, maxlen, ms, n, rx_ns, count, encoded)
        return True

    def fits(self, size: int) -> bool:
        """Tell whether there is room for that many bytes, and the disk does not refuse."""
        tail, settings = self._tail, self._settings
        return tail.willing and self.size + size * 2 <= settings.max_bytes

    def _has_room(self, size: int) -> bool:
        tail, settings = self._tail, self._settings
        if tail.unwritten_bytes > _WRITTEN_AT_ONCE:
            self.flush()
        free = min(
            settings.max_bytes - self.size - size,
            settings.max_unwritten_bytes - tail.unwritten_bytes - size,
        )
        self._room = min(free, _ROOM_CHECKED_EVERY)
        return free >= 0

    def flush(self) -> None:
        """Write out what was appended; what the disk refuses is kept and tried again."""
        tail = self._tail
        segment, end, began = tail.segment, tail.end.offset, tail.written == 0
        if not tail.flush():
            return
        if tail.segment != segment:
            self._sizes[segment] = end
        if began and end:
            self._forget()  # what of it is settled already, read before it was written

    def unsynced(self) -> list[int]:
        """Return descriptors for `ingest.spool.tail.sync`, which another thread may do."""
        return self._tail.unsynced()

    # -- the front -------------------------------------------------------------

    def read(self, max_entries: int, max_bytes: int) -> list[SpooledEntry]:
        """Return the next entries; none only if there are none.

        All are of this process, or all of an earlier one.

        Raises:
            SpoolError: for want of files or memory they cannot be read now, but later.
        """
        while self.unread:
            segment = self.position.segment
            end = self._tail.end.offset if segment == self._tail.segment else self._sizes[segment]
            try:
                entries = self._head.read(end, max_entries, max_bytes)
            except Damaged as exc:
                self._leave_out(segment, exc)
                continue
            if self.position == Position(segment, end):
                self._next_segment(segment)
            if entries:
                return entries
        return []

    def written_ahead(self, size: int) -> bool:
        """Tell whether more than *size* unread bytes of this process are in the file read next."""
        segment, offset = self.position
        end = self._tail.written if segment == self._tail.segment else self._sizes[segment]
        return segment >= self._own and end - offset > size

    def pass_over(self) -> Position:
        """Leave what was appended so far to another process, should this one die.

        Return where it ends: `settle` that once it is of no use any more.
        """
        end = self._tail.end
        self._head.go_to(end)
        return end

    def _next_segment(self, segment: int) -> None:
        if segment != self._tail.segment:
            after = min(s for s in (*self._sizes, self._tail.segment) if s > segment)
            self._head.go_to(Position(after, 0))
        else:
            # All is read, but not settled: what the disk takes of it outlives us.
            self.flush()
            if segment == self._tail.segment:
                # Half of what the disk refused may be in a file all the same.
                if self._tail.has_file:
                    self._sizes[segment] = self._tail.written
                self._tail.seal()
            self._head.go_to(self._tail.end)

    def _leave_out(self, segment: int, error: Damaged) -> None:
        """What is damaged, and all behind it in that file, cannot be read."""
        offset = self.position.offset
        path = path_of(self._directory, segment)
        details = {"file": path.name, "offset": offset, "error": str(error)}
        if isinstance(error, Torn) and segment == self._own - 1:
            _log.warning("spool: an entry was not written as a whole before a crash", **details)
        else:
            self.damaged += 1
            _log.error("spool: damaged; the rest of the file is left out", **details)
            self._keep_aside(path)
        self._next_segment(segment)

    def _keep_aside(self, path: Path) -> None:
        """For whoever wants to look into it, under a name that is not read again."""
        try:
            os.link(path, path.with_suffix(".damaged"))
        except OSError as exc:
            _log.error("spool: the damaged file is not kept", file=path.name, error=str(exc))

    def _read_bytes(self, segment: int, offset: int, size: int) -> bytes:
        tail = self._tail
        if segment == tail.segment and offset >= tail.written:
            return tail.read_unwritten(offset, size)
        if segment == tail.segment:
            size = min(size, tail.written - offset)
        try:
            with path_of(self._directory, segment).open("rb", buffering=0) as file:
                return os.pread(file.fileno(), size, offset)
        except OSError as exc:
            if exc.errno in _PASSING:
                raise SpoolError(f"the spool cannot be read now: {exc}") from exc
            raise Damaged(f"cannot be read: {exc}") from exc

    def settle(self, position: Position) -> None:
        """All entries read before *position* need not be read again."""
        self._settled = position
        self._forget()

    def _forget(self) -> None:
        """Note what is settled, and delete the files that are settled as wholes."""
        gone = [segment for segment in self._sizes if segment < self._settled.segment]
        try:
            if self._sizes or self._tail.written:
                self._cursor.store(self._settled)
            for segment in gone:
                path_of(self._directory, segment).unlink(missing_ok=True)
                del self._sizes[segment]
            if not self._sizes and not self._tail.written:
                # The numbers begin anew at the next start: it must not speak of those.
                self._cursor.store(_NOWHERE)
        except OSError as exc:
            _log.error("spool: what is settled cannot be noted", error=str(exc))

    # -- the end of it all -----------------------------------------------------

    def put_first(self, entries: Iterable[SpooledEntry]) -> bool:
        """Add entries before all others that are not settled; False if the disk refuses.

        The last thing before `close`: what is to be read next is for another process.
        """
        if not self._sizes and self._tail.end.offset == 0:
            for entry in entries:
                self._tail.append(*entry)
            self._tail.retry_now()
            self.flush()
            return self._tail.unwritten_bytes == 0
        first = Tail(self._directory, self._settings, self._settled.segment - 1)
        for entry in entries:
            first.append(*entry)
        first.append_goto(self._settled)
        if not first.flush():
            return False
        self._sizes[self._settled.segment - 1] = first.written
        first.close()
        self.settle(Position(self._settled.segment - 1, 0))
        return True

    def close(self) -> None:
        """Write out what is not written, sync it, let go of the files."""
        self._tail.retry_now()
        self.flush()
        self._tail.close()
        self._cursor.close()
