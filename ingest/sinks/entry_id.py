"""Explicit ids for the entries of one stream: `<receive ms>-<n>`.

The one writer of a stream chooses its ids, so that a write which is sent again
carries the same id and is recognised by the server instead of being stored twice.

Source: https://redis.io/docs/latest/develop/data-types/streams/#entry-ids
(both halves are unsigned 64-bit integers).
"""

from collections.abc import Iterable

EntryId = tuple[int, int]  # milliseconds, counter within them; orders as Redis does

_U64_MAX = 2**64 - 1
_SMALL = tuple(b"%d\r\n" % n for n in range(10))


class IdsExhausted(Exception):
    """The stream already holds an id above which there is none left for the entry."""


class EntryIds:
    """The ids of one stream, strictly increasing whatever the clock does.

    A clock that stands still or steps back keeps the last millisecond and counts
    on. Pure: receive times come from the caller.
    """

    __slots__ = ("_ms", "_n")

    def __init__(self) -> None:
        self._ms = 0
        self._n = 0

    @property
    def last(self) -> EntryId:
        """The highest id given out or seen; (0, 0) where there is none."""
        return self._ms, self._n

    def next(self, rx_ns: int) -> EntryId:
        """Return the id for an entry received at *rx_ns* (Unix ns).

        Raises:
            IdsExhausted: the last id was the highest possible one.
        """
        ms = rx_ns // 1_000_000
        # The upper bound keeps one absurd time stamp from using up every id.
        if self._ms < ms < _U64_MAX:
            self._ms = ms
            self._n = 0
            return ms, 0
        if self._n < _U64_MAX:
            self._n += 1
        elif self._ms < _U64_MAX:
            self._ms += 1
            self._n = 0
        else:
            raise IdsExhausted
        return self._ms, self._n

    def raise_to(self, last: EntryId) -> None:
        """Continue above *last*, the highest id the stream has ever held.

        Never goes back: a server that lost its newest entries, or an empty one,
        must not make us use an id twice.
        """
        if last > (self._ms, self._n):
            self._ms, self._n = last


class FollowingIds:
    """The ids of a stream that sums up another one: each entry has the other's last id.

    It says so up to where the other stream goes into it. Given out when an entry is
    packed, as all ids are, so it is that of the other's last entry packed before.
    """

    __slots__ = ("_followed", "_last")

    def __init__(self, followed: EntryIds) -> None:
        self._followed = followed
        self._last: EntryId = (0, 0)

    @property
    def last(self) -> EntryId:
        """As `EntryIds.last`."""
        return self._last

    def next(self, rx_ns: int) -> EntryId:  # noqa: ARG002
        """Return the other stream's last id.

        Raises:
            IdsExhausted: this stream has that id, or a higher one, already.
        """
        last = self._followed.last
        if last <= self._last:
            raise IdsExhausted
        self._last = last
        return last

    def raise_to(self, last: EntryId) -> None:
        """As `EntryIds.raise_to`; the other stream is not disturbed by what this one holds."""
        self._last = max(self._last, last)


def ids_below(entry_id: EntryId, after: EntryId, number: int) -> list[EntryId]:
    """Return the highest ids below *entry_id* and above *after*, ascending, at most *number*."""
    found: list[EntryId] = []
    while len(found) < number:
        ms, n = entry_id
        entry_id = (ms, n - 1) if n else (ms - 1, _U64_MAX)
        if entry_id <= after:
            break
        found.append(entry_id)
    return found[::-1]


def parse_entry_id(text: bytes) -> EntryId:
    """Read `<ms>-<n>` as servers write it.

    Raises:
        ValueError: not an entry id.
    """
    ms, dash, n = text.partition(b"-")
    if not dash:
        raise ValueError(f"expected an entry id <ms>-<n>, found {text[:50]!r}")
    return int(ms), int(n)


def pack_ids(ids: Iterable[EntryId]) -> list[bytes]:
    """Return ids as batches hold them: RESP bulk strings."""
    packed: list[bytes] = []
    known_ms = -1
    id_start = bulk_start = b""
    for ms, n in ids:
        if ms != known_ms:
            # Neighbours mostly share their millisecond: format it once.
            known_ms = ms
            id_start = b"%d-" % ms
            bulk_start = b"$%d\r\n%b" % (len(id_start) + 1, id_start)
        if n < 10:
            packed.append(bulk_start + _SMALL[n])
        else:
            tail = b"%d" % n
            packed.append(b"$%d\r\n%b%b\r\n" % (len(id_start) + len(tail), id_start, tail))
    return packed


def parse_bulk_id(id_bulk: bytes) -> EntryId:
    """Read an id as batches hold it: a RESP bulk string."""
    return parse_entry_id(id_bulk.split(b"\r\n")[1])
