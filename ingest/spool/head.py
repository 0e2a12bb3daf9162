"""The front of the spool: where entries are read."""

from collections.abc import Callable

from ingest.errors import SpoolError
from ingest.spool.format import (
    MAGIC,
    Damaged,
    Entry,
    Name,
    Position,
    SpooledEntry,
    Torn,
    read_entries,
    read_record,
)

# Returns at most that many bytes of a segment from an offset on; fewer only at its end.
ReadBytes = Callable[[int, int, int], bytes]

_READ_BYTES = 1024 * 1024


class Head:
    """Reads one segment after the other; where the bytes come from is the caller's matter."""

    def __init__(self, read_bytes: ReadBytes, position: Position) -> None:
        self._read_bytes = read_bytes
        self._names: dict[int, Name] = {}
        self._chunk = b""
        self._chunk_at = 0  # the file's offset of `_chunk[0]`
        self.position = Position(position.segment, 0)
        self._skip_to = position.offset

    def go_to(self, position: Position) -> None:
        """Read on elsewhere. The names are learned from the segment's start on."""
        self._names = {}
        self._chunk, self._chunk_at = b"", 0
        self.position = Position(position.segment, 0)
        self._skip_to = position.offset

    def read(self, end: int, max_entries: int, max_bytes: int) -> list[SpooledEntry]:
        """Return the next entries, all of the present segment, up to its offset *end*.

        Fewer than asked for: the segment ends there, or goes on elsewhere.

        Raises:
            Damaged: of the first record. Those before it were returned.
            SpoolError: it cannot be read now, but later. Likewise.
        """
        entries: list[SpooledEntry] = []
        room = max_bytes
        while len(entries) < max_entries and room > 0 and self.position.offset < end:
            segment, offset = self.position
            if offset >= self._skip_to:
                at = offset - self._chunk_at
                found, after = read_entries(
                    self._chunk, at, self._names, max_entries - len(entries), room
                )
                if found:
                    entries += found
                    room -= after - at
                    self.position = Position(segment, offset + after - at)
                    continue
            try:
                record, size = self._next(end)
            except (Damaged, SpoolError):
                if entries:
                    break
                raise
            self.position = Position(segment, offset + size)
            if isinstance(record, Name):
                self._names[record.number] = record
            elif isinstance(record, Position):
                self.go_to(record)
                break
            elif record is not None and offset >= self._skip_to:
                entries.append(self._named(record))
                room -= size
        return entries

    def _named(self, entry: Entry) -> SpooledEntry:
        number, ms, n, rx_ns, words, encoded = entry
        name = self._names.get(number)
        if name is None:
            raise Damaged(f"an entry of stream {number}, which has no name")
        return SpooledEntry(name.key, name.maxlen, ms, n, rx_ns, words, encoded)

    def _next(self, end: int) -> tuple[Entry | Name | Position | None, int]:
        """Return the record at the position, and its size; a file's magic is None."""
        while True:
            at = self.position.offset - self._chunk_at
            try:
                if self.position.offset == 0:
                    return None, _read_magic(self._chunk)
                record, after = read_record(self._chunk, at)
                return record, after - at
            except Torn:
                if not self._more(end, len(self._chunk) - at):
                    raise

    def _more(self, end: int, have: int) -> bool:
        """Get the bytes at the position, more of them than we *have*; False: there are none."""
        segment, offset = self.position
        wanted = min(max(_READ_BYTES, 2 * have), end - offset)
        if wanted <= have:
            return False
        data = self._read_bytes(segment, offset, wanted)
        self._chunk, self._chunk_at = data, offset
        return len(data) > have


def _read_magic(data: bytes) -> int:
    if len(data) < len(MAGIC):
        raise Torn("a segment's first bytes are cut off")
    if not data.startswith(MAGIC):
        raise Damaged(f"expected a segment of this format, found one that begins {data[:16]!r}")
    return len(MAGIC)
