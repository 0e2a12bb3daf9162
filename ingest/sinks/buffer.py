"""The entries that wait to be sent, bounded by number and bytes."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import structlog

from ingest.logging import worth_a_line
from ingest.sinks.counters import SinkCounters
from ingest.sinks.entry_id import EntryId, EntryIds, FollowingIds, ids_below
from ingest.sinks.resp import XaddHeads
from ingest.sinks.settings import SinkSettings

if TYPE_CHECKING:
    from ingest.sinks.overflow import Overflow

_log = structlog.get_logger(__name__)


class StreamWriter:
    """One stream: where its entries are handed over, and all that is known of it."""

    __slots__ = (
        *("_append", "conflated", "dropped", "follows", "ids", "key", "lost", "maxlen"),
        *("out_of_reach", "packed", "plain", "preface", "skipped", "trimming"),
    )

    def __init__(
        self,
        key: str,
        maxlen: int | None,
        append: Callable[["Entry"], bool],
        follows: "StreamWriter | None" = None,
        conflated: "Markers | None" = None,
    ) -> None:
        """*follows*: the stream whose ids this one's entries have; see `FollowingIds`.

        *conflated*: while the server is slow only the newest entry is kept; returns
        what goes before it, given its receive time, if it replaced others.
        """
        self.key = key
        self.maxlen = maxlen
        self.plain = XaddHeads(key, None)
        self.trimming = XaddHeads(key, maxlen)
        self.follows = follows
        self.ids: EntryIds | FollowingIds
        if follows is None:
            self.ids = EntryIds()
        else:
            assert isinstance(follows.ids, EntryIds)
            self.ids = FollowingIds(follows.ids)
        # What goes to the server from the spool has to be above this id.
        self.packed: EntryId = (0, 0)
        self.conflated = conflated
        # Returns, by a receive time, what is to stand where entries before it were lost.
        self.lost: Markers | None = None
        self.skipped = 0  # entries that newer ones replaced, and nothing says so yet
        self.preface: Preface | None = None  # until it is known whether it is wanted
        # The newest acknowledged entry that is not kept any more: see `ingest.sinks.recent`.
        self.out_of_reach: bytes | None = None
        # Entries that were lost since its owner opened it, who marks the gap; with those of
        # an earlier owner, unless the preface tells of them.
        self.dropped = 0
        self._append = append

    def add(self, rx_ns: int, count: int, encoded: bytes) -> bool:
        """Hand over one entry; never waits.

        *encoded* are *count* bulk strings in RESP, field and value in turn;
        *rx_ns* is the receive time (Unix ns) that the entry's id is made of.
        Return False if the entry was dropped, which is counted: too large, or the
        buffer is at its limit because the caller did not heed `wait_writable`.
        """
        return self._append((self, rx_ns, count, encoded))

    def marks_of_loss(
        self, rx_ns: int, *, before: EntryId, after: EntryId
    ) -> list[tuple["Entry", EntryId]]:
        """Return what is to stand where entries are lost, and its ids, which are free.

        It is not all of it, or nothing, where there are fewer ids between the two.
        """
        marks = () if self.lost is None else self.lost(rx_ns)
        return list(zip(marks, ids_below(before, after, len(marks)), strict=False))


# A plain tuple: one is made per entry, and it is the cheapest thing that holds four values.
Entry = tuple[StreamWriter, int, int, bytes]  # stream, rx_ns, count, encoded

Markers = Callable[[int], Sequence[Entry]]


class Preface:
    """An entry that is wanted, once, if any of the streams that have it held entries before."""

    __slots__ = ("entry",)

    def __init__(self, entry: Entry) -> None:
        self.entry: Entry | None = entry


class PendingBuffer:
    """First in, first out. Counts an entry until it is released, taken or not.

    `full` turns true at the high watermark, and `on_writable` is called once it has
    drained to the low one. At the limit entries are dropped and counted; or, with
    somewhere to go beyond memory, everything goes there, what waits first, until
    whoever takes it says that entries can wait here again.
    """

    def __init__(self, settings: SinkSettings, counters: SinkCounters) -> None:
        self.full = False
        self.diverting = False  # entries go to the overflow
        self.on_append: Callable[[], None] = _nothing  # called when `idle`, which it ends
        self.on_writable: Callable[[], None] = _nothing
        self.on_empty: Callable[[], None] = _nothing
        self.idle = False
        self._queue: deque[Entry] = deque()
        self._counters = counters
        self._settings = settings
        self._overflow: Overflow | None = None
        self._high_entries = settings.max_pending_entries * 3 // 4
        self._high_bytes = settings.max_pending_bytes * 3 // 4

    def divert_to(self, overflow: "Overflow") -> None:
        """Send there, from now on, what is too much for memory."""
        self._overflow = overflow
        self.diverting = overflow.spool.unread

    def __len__(self) -> int:
        """Entries waiting, those taken not counted."""
        return len(self._queue)

    def append(self, entry: Entry) -> bool:
        """Queue *entry*, or drop it, count it and return False."""
        if self.diverting:
            return self._divert(entry)
        counters = self._counters
        size = len(entry[3])
        entries = counters.pending_entries + 1
        pending_bytes = counters.pending_bytes + size
        if entries > self._high_entries or pending_bytes > self._high_bytes:
            self.full = True
            if (
                entries > self._settings.max_pending_entries
                or pending_bytes > self._settings.max_pending_bytes
            ):
                return self._divert(entry) if self.divert() else self._drop(entry, "sink_full")
        if size > self._settings.max_entry_bytes:
            return self._drop(entry, "too_large")
        counters.pending_entries = entries
        counters.pending_bytes = pending_bytes
        counters.added_entries += 1
        counters.added_bytes += size
        self._queue.append(entry)
        if self.idle:
            self.idle = False
            self.on_append()
        return True

    def divert(self) -> bool:
        """Let everything that waits and will come go to the overflow; False if it cannot."""
        overflow, counters = self._overflow, self._counters
        if overflow is None or not overflow.spool.fits(counters.pending_bytes):
            return False
        if self.diverting:
            return True
        self.diverting = True
        overflow.on_begin()
        queue, self._queue = self._queue, deque()
        for entry in queue:
            counters.pending_entries -= 1
            counters.pending_bytes -= len(entry[3])
            if reason := overflow.put(entry):
                self._count_drop(entry, reason)
        if self.full:
            self.full = False
            self.on_writable()
        return True

    def put_preface(self, preface: Preface) -> None:
        """Let a stream's preface go where its entries go, if that is not here."""
        if self.diverting and self._overflow is not None:
            self._overflow.put_preface(preface)

    def _divert(self, entry: Entry) -> bool:
        assert self._overflow is not None
        size = len(entry[3])
        reason = "too_large" if size > self._settings.max_entry_bytes else self._overflow.put(entry)
        if reason:
            return self._drop(entry, reason)
        self._counters.added_entries += 1
        self._counters.added_bytes += size
        return True

    def stop_diverting(self) -> None:
        """The overflow is empty: entries wait here again."""
        self.diverting = False
        self.on_writable()
        if not self._counters.pending_entries:
            self.on_empty()

    def prepend(self, entry: Entry) -> None:
        """Queue *entry* in front of all others; there is always room for it."""
        self._counters.admit(len(entry[3]))
        self.put_back([entry])

    def extend(self, entries: Iterable[Entry]) -> None:
        """Queue entries that are counted already, behind what waits in memory."""
        self._queue.extend(entries)

    def take(self) -> list[Entry]:
        """Take one batch's worth from the front: at least one entry if there is any."""
        queue = self._queue
        room = self._settings.max_batch_bytes
        entries = []
        for _ in range(min(len(queue), self._settings.max_batch_entries)):
            entry = queue.popleft()
            entries.append(entry)
            room -= len(entry[3])
            if room <= 0:
                break
        return entries

    def take_all(self) -> list[Entry]:
        """Take everything that waits in memory."""
        queue, self._queue = self._queue, deque()
        return list(queue)

    def put_back(self, entries: Sequence[Entry]) -> None:
        """Return taken entries to the front, in their order."""
        if self.diverting:
            # They get new ids, above all that were given: what is spooled comes after.
            for stream, *_ in entries:
                stream.packed = max(stream.packed, stream.ids.last)
        self._queue = deque(chain(entries, self._queue))

    def reclaim(self, entries: Iterable[Entry]) -> None:
        """Count entries again that were released: they have to be stored once more."""
        counters = self._counters
        for entry in entries:
            counters.pending_entries += 1
            counters.pending_bytes += len(entry[3])

    def release(self, entries: Iterable[Entry]) -> int:
        """Forget taken entries: each is stored, or dropped and counted. Return their bytes."""
        counters = self._counters
        number = size = 0
        for entry in entries:
            number += 1
            size += len(entry[3])
        counters.pending_entries -= number
        counters.pending_bytes -= size
        if (
            self.full
            and counters.pending_entries <= self._high_entries * 2 // 3
            and counters.pending_bytes <= self._high_bytes * 2 // 3
        ):
            self.full = False
            self.on_writable()
        if not counters.pending_entries:
            self.on_empty()
        return size

    def _drop(self, entry: Entry, reason: str) -> bool:
        self._counters.added_entries += 1
        self._counters.added_bytes += len(entry[3])
        self._count_drop(entry, reason)
        return False

    def _count_drop(self, entry: Entry, reason: str) -> None:
        stream, size = entry[0], len(entry[3])
        stream.dropped += 1
        total = self._counters.drop(reason)
        if worth_a_line(total):
            _log.error(
                "sink: entry dropped", reason=reason, stream=stream.key, bytes=size, total=total
            )


def _nothing() -> None:
    pass
