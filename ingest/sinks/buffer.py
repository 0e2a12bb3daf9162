"""The entries that wait to be sent, bounded by number and bytes."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import chain

import structlog

from ingest.logging import worth_a_line
from ingest.sinks.counters import SinkCounters
from ingest.sinks.entry_id import EntryIds, FollowingIds
from ingest.sinks.resp import XaddPrefix
from ingest.sinks.settings import SinkSettings

_log = structlog.get_logger(__name__)


class StreamWriter:
    """One stream: where its entries are handed over, and all that is known of it."""

    __slots__ = (
        *("_append", "dropped", "follows", "ids", "key"),
        *("out_of_reach", "preface", "prefix"),
    )

    def __init__(
        self,
        key: str,
        maxlen: int | None,
        append: Callable[["Entry"], bool],
        follows: "StreamWriter | None" = None,
    ) -> None:
        """*follows*: the stream whose ids this one's entries have; see `FollowingIds`."""
        self.key = key
        self.prefix = XaddPrefix(key, maxlen)
        self.follows = follows
        self.ids: EntryIds | FollowingIds
        if follows is None:
            self.ids = EntryIds()
        else:
            assert isinstance(follows.ids, EntryIds)
            self.ids = FollowingIds(follows.ids)
        self.preface: Preface | None = None  # until it is known whether it is wanted
        # The newest acknowledged entry that is not kept any more: see `ingest.sinks.recent`.
        self.out_of_reach: bytes | None = None
        self.dropped = 0  # entries of this stream that were lost: its owner marks the gap
        self._append = append

    def add(self, rx_ns: int, count: int, encoded: bytes) -> bool:
        """Hand over one entry; never waits.

        *encoded* are *count* bulk strings in RESP, field and value in turn;
        *rx_ns* is the receive time (Unix ns) that the entry's id is made of.
        Return False if the entry was dropped, which is counted: too large, or the
        buffer is at its limit because the caller did not heed `wait_writable`.
        """
        return self._append((self, rx_ns, count, encoded))


# A plain tuple: one is made per entry, and it is the cheapest thing that holds four values.
Entry = tuple[StreamWriter, int, int, bytes]  # stream, rx_ns, count, encoded


class Preface:
    """An entry that is wanted, once, if any of the streams that have it held entries before."""

    __slots__ = ("entry",)

    def __init__(self, entry: Entry) -> None:
        self.entry: Entry | None = entry


class PendingBuffer:
    """First in, first out. Counts an entry until it is released, taken or not.

    At the high watermark `full` turns true, and `on_writable` is called once it
    has drained to the low one; at the limit entries are dropped and counted.
    """

    def __init__(self, settings: SinkSettings, counters: SinkCounters) -> None:
        self.full = False
        self.on_append: Callable[[], None] = _nothing  # called when `idle`, which it ends
        self.on_writable: Callable[[], None] = _nothing
        self.on_empty: Callable[[], None] = _nothing
        self.idle = False
        self._queue: deque[Entry] = deque()
        self._counters = counters
        self._settings = settings
        self._high_entries = settings.max_pending_entries * 3 // 4
        self._high_bytes = settings.max_pending_bytes * 3 // 4

    def __len__(self) -> int:
        """Entries waiting, those taken not counted."""
        return len(self._queue)

    def append(self, entry: Entry) -> bool:
        """Queue *entry*, or drop it, count it and return False."""
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
                return self._drop(entry, "sink_full")
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

    def prepend(self, entry: Entry) -> None:
        """Queue *entry* in front of all others; there is always room for it."""
        size = len(entry[3])
        counters = self._counters
        counters.pending_entries += 1
        counters.pending_bytes += size
        counters.added_entries += 1
        counters.added_bytes += size
        self._queue.appendleft(entry)

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

    def put_back(self, entries: Sequence[Entry]) -> None:
        """Return taken entries to the front, in their order."""
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
        stream, size = entry[0], len(entry[3])
        stream.dropped += 1
        self._counters.added_entries += 1
        self._counters.added_bytes += size
        total = self._counters.drop(reason)
        if worth_a_line(total):
            _log.error(
                "sink: entry dropped", reason=reason, stream=stream.key, bytes=size, total=total
            )
        return False


def _nothing() -> None:
    pass
