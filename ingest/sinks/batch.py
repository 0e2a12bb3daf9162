"""One batch: entries with their ids, packed as one transaction.

Why a transaction. In a plain pipeline the server may refuse one entry (out of
memory, a failover, a failing disk) and take a later one of the same stream. The
refused one can then not be stored in its place any more: its id is too small.
Between MULTI and EXEC a batch is stored as a whole or not at all, so it can be
sent again as it is. It also makes a lost reply harmless: whatever happened to the
batch happened to all of it. Only one batch is in flight, or a later one could be
stored while an earlier one is refused.

Source: https://redis.io/docs/latest/develop/interact/transactions/ (a command
refused while queueing makes EXEC discard the whole transaction).
"""

from collections.abc import Callable, Sequence

from ingest.sinks.buffer import Entry, StreamWriter
from ingest.sinks.entry_id import EntryId, IdsExhausted, pack_ids
from ingest.sinks.resp import EXEC, MULTI
from ingest.spool import Position


class Batch:
    """Entries that are sent, and if need be sent again, with ids that stay."""

    __slots__ = ("entries", "ids", "settles", "uncertain")

    def __init__(self, entries: list[Entry], ids: list[bytes]) -> None:
        self.entries = entries
        self.ids = ids  # per entry, as a RESP bulk string
        # Up to where the spool's entries are settled when this is; None: none are in it.
        self.settles: Position | None = None
        self.uncertain = False  # sent, and the answer never came: may be stored already

    def packed(self) -> bytes:
        """Return the transaction as it goes to the server."""
        # Trimming is a quarter of what an XADD costs the server, and each stream's last one
        # does it for all: at most 10,000 entries, more than there are in a batch.
        trimmed: set[StreamWriter] = set()
        pieces = [EXEC]  # from the end on, where the last ones are
        for (stream, _, count, encoded), id_bulk in zip(
            reversed(self.entries), reversed(self.ids), strict=True
        ):
            if stream in trimmed:
                pieces += (encoded, id_bulk, stream.plain[count])
            else:
                trimmed.add(stream)
                pieces += (encoded, id_bulk, stream.trimming[count])
        pieces.append(MULTI)
        pieces.reverse()
        return b"".join(pieces)

    def without(self, indexes: Sequence[int]) -> "Batch":
        """Return the batch without some entries, the others' ids unchanged."""
        gone = set(indexes)
        return self.only([i for i in range(len(self.entries)) if i not in gone])

    def only(self, indexes: Sequence[int]) -> "Batch":
        """Return the batch with some of the entries only, their ids unchanged."""
        part = Batch([self.entries[i] for i in indexes], [self.ids[i] for i in indexes])
        part.settles = self.settles
        part.uncertain = self.uncertain
        return part


def joined(parts: Sequence[Batch]) -> Batch:
    """Return parts of one batch as one batch; it is as uncertain as any of them."""
    if len(parts) == 1:
        return parts[0]
    whole = Batch(
        [entry for part in parts for entry in part.entries],
        [id_bulk for part in parts for id_bulk in part.ids],
    )
    whole.uncertain = any(part.uncertain for part in parts)
    return whole


def build_batch(taken: Sequence[Entry], on_exhausted: Callable[[Entry], None]) -> Batch:
    """Give every entry its id, once.

    Ids are chosen here rather than when an entry is handed over, because only now
    the stream's last id is sure to be known, and because an entry that had to be
    given a new id must still come before those behind it.
    *on_exhausted* gets the entries for which no id is left; they are not in the batch.
    """
    entries: list[Entry] = []
    ids: list[EntryId] = []
    for entry in taken:
        try:
            ids.append(entry[0].ids.next(entry[1]))
        except IdsExhausted:
            on_exhausted(entry)
            continue
        entries.append(entry)
    return Batch(entries, pack_ids(ids))
