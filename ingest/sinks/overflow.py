"""Where entries go while the server takes nothing, or too little.

On disk, in order, behind what is already there; of streams that are conflated only the
newest one is kept, in memory. From the moment it begins until it has been emptied
nothing new waits in memory, so nothing overtakes what is here.

Ids are given before an entry goes to disk, so that it is recognised if it turns out to
be stored already when another process reads it. They are final, but for two cases: the
server's last id may turn out to be above them (the clock was set back), and an entry
that goes before them may need a new one. Then they get new ones, in order.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence

from ingest.errors import SpoolError
from ingest.sinks.batch import Batch
from ingest.sinks.buffer import Entry, Preface, StreamWriter
from ingest.sinks.counters import SinkCounters
from ingest.sinks.entry_id import EntryId, IdsExhausted, ids_below, pack_ids
from ingest.sinks.errors import Unavailable
from ingest.sinks.last_ids import NO_ID
from ingest.sinks.reactions import Reaction
from ingest.sinks.settings import SinkSettings
from ingest.spool import Position, Spool, SpooledEntry

# Among an entry's number of words: it is wanted only if the stream holds something before it.
_ONLY_BEHIND = 1 << 31

# Returns the writer of a key; for a key that nobody has opened, one with that maxlen.
StreamOf = Callable[[str, int | None], StreamWriter]
# Counts an entry that is pending as dropped, for a reason, with an explanation.
Drop = Callable[[Entry, str, str], None]


class Overflow:
    """The spool, and the newest entries of conflated streams."""

    def __init__(
        self,
        spool: Spool,
        counters: SinkCounters,
        settings: SinkSettings,
        *,
        stream_of: StreamOf,
        drop: Drop,
        on_damage: Callable[[], Iterable[StreamWriter]],
    ) -> None:
        """*on_damage*: entries on the disk cannot be read; returns of which streams, perhaps."""
        self.spool = spool
        self.on_unwritten: Callable[[], None] = _nothing  # there is something to write out
        self.on_begin: Callable[[], None] = _nothing  # from here on everything comes here
        self._counters = counters
        self._settings = settings
        self._stream_of = stream_of
        self._drop = drop
        self._on_damage = on_damage
        self._newest: dict[StreamWriter, Entry] = {}
        self._ahead: tuple[list[SpooledEntry], Position] | None = None
        self._damaged = 0
        self._holes: set[StreamWriter] = set()  # the next entry has others before it that are lost

    # -- in --------------------------------------------------------------------

    def put(self, entry: Entry) -> str:
        """Take one entry; say why not, if there is no place for it."""
        stream, rx_ns, words, encoded = entry
        if stream.conflated is not None:
            self._conflate(stream, entry)
            return ""
        try:
            ms, n = stream.ids.next(rx_ns)
        except IdsExhausted:
            return "ids_exhausted"
        if not self.spool.append(stream.key, stream.maxlen, ms, n, rx_ns, words, encoded):
            return "spool_full"
        self._counters.spooled_entries += 1
        self._counters.spooled_total += 1
        self.on_unwritten()
        return ""

    def put_preface(self, preface: Preface) -> None:
        """Take what goes before a stream's entries; if it is wanted is found out at its turn."""
        entry = preface.entry
        if entry is None or entry[0].conflated is not None:
            return
        stream, rx_ns, words, encoded = entry
        if not self.put((stream, rx_ns, words | _ONLY_BEHIND, encoded)):
            self._counters.added_entries += 1
            self._counters.added_bytes += len(encoded)
            preface.entry = None

    def keep(self, entries: Iterable[tuple[Entry, EntryId]]) -> Position | None:
        """Put what is under way on disk, for another process, should this one die.

        It is not read by this one. Return up to where it is settled when it is stored;
        None if there is no room.
        """
        fits = all(
            self.spool.append(stream.key, stream.maxlen, ms, n, rx_ns, words, encoded)
            for (stream, rx_ns, words, encoded), (ms, n) in entries
        )
        self.on_unwritten()
        behind = self.spool.pass_over()
        return behind if fits else None

    def _conflate(self, stream: StreamWriter, entry: Entry) -> None:
        counters = self._counters
        old = self._newest.pop(stream, None)  # so that it goes to the end
        if old is None:
            counters.pending_entries += 1
        else:
            stream.skipped += 1
            counters.conflated += 1
            counters.pending_bytes -= len(old[3])
        counters.pending_bytes += len(entry[3])
        self._newest[stream] = entry

    # -- out -------------------------------------------------------------------

    def newest(self) -> list[Entry]:
        """Take the newest entries of conflated streams, each behind word of what it replaced."""
        counters = self._counters
        entries: list[Entry] = []
        for stream, entry in self._newest.items():
            if stream.skipped:
                assert stream.conflated is not None
                for marker in stream.conflated(entry[1]):
                    counters.added_entries += 1
                    counters.pending_entries += 1
                    counters.pending_bytes += len(marker[3])
                    entries.append(marker)
                stream.skipped = 0
            entries.append(entry)
        self._newest.clear()
        return entries

    def read_ahead(self) -> None:
        """Read what is next, while the server is busy with the batch before it.

        Not yet more: what becomes of that batch decides on the ids. And only what is in
        files, so that no more than one batch is in memory alone.
        """
        if self._ahead is None and self.spool.written_ahead(self._settings.max_batch_bytes):
            with contextlib.suppress(SpoolError):  # it will be met again in its turn
                self._ahead = self._read()

    def _read(self) -> tuple[list[SpooledEntry], Position]:
        settings = self._settings
        records = self.spool.read(settings.max_batch_entries, settings.max_batch_bytes)
        return records, self.spool.position

    def next_batch(self) -> Batch:
        """Return a batch of what comes next from the disk. It may be empty.

        Raises Unavailable: the disk cannot be read now.
        """
        spool = self.spool
        recovered = spool.recovering and self._ahead is None
        try:
            records, behind = self._ahead or self._read()
        except SpoolError as exc:
            raise Unavailable(str(exc), Reaction.WAIT) from exc
        self._ahead = None
        if spool.damaged > self._damaged:  # before the first of these
            self._damaged = spool.damaged
            self._holes.update(self._on_damage())
        batch = self._batch_of(records, recovered=recovered)
        batch.settles = behind
        batch.uncertain = recovered
        if not spool.unread:
            self._holes.clear()  # what comes next is behind what their owners say of them
        return batch

    def _batch_of(self, records: Sequence[SpooledEntry], *, recovered: bool) -> Batch:
        """Return the records as a batch, under ids that the server will take."""
        self._count_taken(records, recovered=recovered)
        max_age_s = self._settings.max_spool_age_s
        oldest_ns = 0 if max_age_s is None else time.time_ns() - int(max_age_s * 1e9)
        streams: dict[str, StreamWriter] = {}
        entries: list[Entry] = []
        ids: list[EntryId] = []
        for key, maxlen, ms, n, rx_ns, words, encoded in records:
            stream = streams.get(key)
            if stream is None:
                stream = streams[key] = self._stream_of(key, maxlen)
            if words & _ONLY_BEHIND:
                words &= ~_ONLY_BEHIND
                if stream.packed == NO_ID:  # where nothing was, nothing is missing
                    self._uncount(encoded, recovered=recovered)
                    continue
            entry = (stream, rx_ns, words, encoded)
            if rx_ns < oldest_ns:
                self._drop(entry, "spool_expired", f"older than {max_age_s:g} s")
                self._holes.add(stream)
                continue
            given = (ms, n)
            if stream in self._holes:
                for mark, place in self._marks_before(stream, given, rx_ns):
                    entries.append(mark)
                    ids.append(place)
            if recovered or stream.follows is not None or given <= stream.packed:
                final = self._final_id(stream, given, rx_ns, recovered=recovered)
                if final is None:
                    self._drop(entry, "ids_exhausted", "no id is left above those the stream holds")
                    continue
                given = final
            else:
                stream.packed = given  # nearly always; it is one of `stream.ids` anyway
            entries.append(entry)
            ids.append(given)
        return Batch(entries, pack_ids(ids))

    def _count_taken(self, records: Sequence[SpooledEntry], *, recovered: bool) -> None:
        counters = self._counters
        counters.pending_entries += len(records)
        counters.pending_bytes += sum([len(record[6]) for record in records])
        if recovered:
            counters.added_entries += len(records)
            counters.recovered_entries += len(records)
        else:
            counters.spooled_entries -= len(records)

    def _uncount(self, encoded: bytes, *, recovered: bool) -> None:
        """One that was taken is not wanted: it was never there."""
        counters = self._counters
        counters.pending_entries -= 1
        counters.pending_bytes -= len(encoded)
        counters.added_entries -= 1
        counters.recovered_entries -= recovered

    def _marks_before(
        self, stream: StreamWriter, entry_id: EntryId, rx_ns: int
    ) -> list[tuple[Entry, EntryId]]:
        """Return what says that something is lost before the entry of this id."""
        if not ids_below(entry_id, stream.packed, 1):
            return []  # stored before, or right behind what was
        self._holes.discard(stream)
        marks = stream.marks_of_loss(rx_ns, before=entry_id, after=stream.packed)
        for entry, place in marks:
            self._counters.admit(len(entry[3]))
            stream.packed = place
        return marks

    def _final_id(
        self, stream: StreamWriter, given: EntryId, rx_ns: int, *, recovered: bool
    ) -> EntryId | None:
        """Return the id for a spooled entry that was *given* one; None if there is none."""
        if stream.follows is not None:
            # That of the other stream's last entry before it, whatever became of its own.
            given = max(given, stream.follows.packed)
            if given <= stream.packed and not recovered:
                return None
        elif given <= stream.packed and not recovered:
            try:
                given = stream.ids.next(rx_ns)
            except IdsExhausted:
                return None
        stream.packed = max(given, stream.packed)
        stream.ids.raise_to(given)
        return given


def _nothing() -> None:
    pass
