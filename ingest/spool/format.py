"""The bytes of a segment file.

    magic  record  record  …

    record   = length u32, crc32 u32 of the payload, payload
    payload  = kind u8, then
      NAME   number u32, maxlen u64 (0: none), key in UTF-8: what `number` stands for
             from here to the end of the file
      ENTRY  number u32, id ms u64, id n u64, receive time i64 (Unix ns),
             count u32, the entry as its codec packed it
      GOTO   segment u64, offset u64: read on there

All numbers are little-endian. A file can be read from its start without any other;
what follows a torn or damaged record cannot be told from noise, and is not read.
"""

from collections.abc import Mapping
from struct import Struct as Layout
from typing import NamedTuple
from zlib import crc32

MAGIC = b"ingest spool 1\n\0"

_HEAD = Layout("<II")
_NAME = Layout("<BIQ")
_ENTRY = Layout("<BIQQqI")
_GOTO = Layout("<BQQ")
_WHOLE_ENTRY = Layout("<IIBIQQqI")  # _HEAD and _ENTRY in one
_HEAD_BYTES, _ENTRY_BYTES = _HEAD.size, _WHOLE_ENTRY.size
_KIND_NAME, _KIND_ENTRY, _KIND_GOTO = 1, 2, 3

# The sink takes no entry above 16 MiB; whatever claims to be much more is damage.
MAX_PAYLOAD = 64 * 1024 * 1024


class Name(NamedTuple):
    """From here on *number* stands for this stream."""

    number: int
    maxlen: int | None
    key: str


# The number that stands for the stream; id ms, id n, receive time (Unix ns), words, the
# entry as packed. A plain tuple: one is made per entry, and it is the cheapest thing.
Entry = tuple[int, int, int, int, int, bytes]


class SpooledEntry(NamedTuple):
    """One entry of a stream, with the id under which it is to be stored."""

    key: str
    maxlen: int | None
    ms: int
    n: int
    rx_ns: int
    words: int
    encoded: bytes


# Half of what the constructor takes; one is made per entry.
_new = tuple.__new__


class Position(NamedTuple):
    """A place in the spool. Also a record: the reader goes on there."""

    segment: int
    offset: int


class Damaged(Exception):
    """The bytes are no record: they were changed, or never written."""


class Torn(Damaged):
    """The bytes end within a record."""


def pack_name(name: Name) -> bytes:
    """Return the record of *name*."""
    return _record(_NAME.pack(_KIND_NAME, name.number, name.maxlen or 0) + name.key.encode())


def pack_entry(number: int, ms: int, n: int, rx_ns: int, count: int, encoded: bytes) -> bytes:
    """Return the record of one entry."""
    head = _ENTRY.pack(_KIND_ENTRY, number, ms, n, rx_ns, count)
    checksum = crc32(encoded, crc32(head))
    return b"".join((_HEAD.pack(len(head) + len(encoded), checksum), head, encoded))


def pack_goto(position: Position) -> bytes:
    """Return the record that sends the reader elsewhere."""
    return _record(_GOTO.pack(_KIND_GOTO, *position))


def _record(payload: bytes) -> bytes:
    return _HEAD.pack(len(payload), crc32(payload)) + payload


def read_entries(
    data: bytes, at: int, names: Mapping[int, Name], max_entries: int, max_bytes: int
) -> tuple[list[SpooledEntry], int]:
    """Return the entries whose records follow one another from data[at:] on, and where they end.

    Whatever is not the whole record of an entry with a name ends them, and `read_record`
    says what it is. A backlog is millions of entries: hence one loop that calls little.
    """
    entries: list[SpooledEntry] = []
    append, unpack = entries.append, _WHOLE_ENTRY.unpack_from
    size = len(data)
    # The last place where one can begin, with its head as a whole, and within the bounds.
    last = min(size - _ENTRY_BYTES, at + max_bytes - 1)
    while at <= last and max_entries:
        length, checksum, kind, number, ms, n, rx_ns, words = unpack(data, at)
        body = at + _HEAD_BYTES
        end = body + length
        if (
            kind != _KIND_ENTRY
            or not at + _ENTRY_BYTES <= end <= size
            or crc32(data[body:end]) != checksum
            or (name := names.get(number)) is None
        ):
            break
        _, maxlen, key = name
        encoded = data[at + _ENTRY_BYTES : end]
        append(_new(SpooledEntry, (key, maxlen, ms, n, rx_ns, words, encoded)))
        at = end
        max_entries -= 1
    return entries, at


def read_record(data: bytes, at: int) -> tuple[Entry | Name | Position, int]:
    """Return the record at data[at:], and where the next one begins.

    Raises:
        Torn: the data end before the record does; more of them may help.
        Damaged: this is no record.
    """
    body = at + _HEAD.size
    if body > len(data):
        raise Torn("a record's head is cut off")
    length, checksum = _HEAD.unpack_from(data, at)
    if not 0 < length <= MAX_PAYLOAD:
        raise Damaged(f"expected a record of at most {MAX_PAYLOAD} bytes, found {length}")
    end = body + length
    if end > len(data):
        raise Torn(f"a record of {length} bytes is cut off")
    payload = data[body:end]
    if crc32(payload) != checksum:
        raise Damaged("a record's checksum does not fit")
    kind = payload[0]
    if kind == _KIND_ENTRY and length >= _ENTRY.size:
        _, number, ms, n, rx_ns, count = _ENTRY.unpack_from(payload)
        return (number, ms, n, rx_ns, count, payload[_ENTRY.size :]), end
    if kind == _KIND_NAME and length >= _NAME.size:
        _, number, maxlen = _NAME.unpack_from(data, body)
        return Name(number, maxlen or None, str(data[body + _NAME.size : end], "utf-8")), end
    if kind == _KIND_GOTO and length == _GOTO.size:
        return Position(*_GOTO.unpack_from(data, body)[1:]), end
    raise Damaged(f"a record of unknown kind {kind}, or too short for it")
