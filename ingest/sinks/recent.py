"""The batches that were acknowledged last, for a server that forgets them.

An acknowledged entry can still be lost: a server that syncs its file every second
crashes, or a replica takes over that had not received it yet. The next connection
shows it, because the stream's last id there is below what was acknowledged. What is
still here by then is sent again, under the same ids, before anything newer.
"""

import time
from collections import deque
from collections.abc import Mapping

from ingest.sinks.batch import Batch
from ingest.sinks.buffer import StreamWriter
from ingest.sinks.entry_id import EntryId, parse_bulk_id
from ingest.sinks.settings import SinkSettings

# A longer silence between two acknowledgements is a stall.
_STALL_S = 1.0


class RecentBatches:
    """Acknowledged batches, none older than `resend_s`, all of them at most `max_resend_bytes`.

    A server that stalls passes nothing on to its replicas meanwhile: what it had
    acknowledged before does not age by it.
    """

    def __init__(self, settings: SinkSettings) -> None:
        self._keep_s = settings.resend_s
        self._room = settings.max_resend_bytes
        self._batches: deque[tuple[float, int, Batch]] = deque()  # at which age_s, bytes
        self._added_s = time.monotonic()
        self._age_s = 0.0  # the time that has passed so far, but for stalls

    def add(self, batch: Batch, size: int) -> None:
        """Keep what the server has just acknowledged, *size* bytes; forget what is too old."""
        now_s = time.monotonic()
        self._age_s += min(now_s - self._added_s, _STALL_S)
        self._added_s = now_s
        self._batches.append((self._age_s, size, batch))
        self._room -= size
        oldest_s = self._age_s - self._keep_s
        while self._batches and (self._room < 0 or self._batches[0][0] < oldest_s):
            _, size, oldest = self._batches.popleft()
            self._room += size
            for entry, id_bulk in zip(oldest.entries, oldest.ids, strict=True):
                entry[0].out_of_reach = id_bulk

    def take_lost(self, last_ids: Mapping[StreamWriter, EntryId]) -> list[Batch]:
        """Return, in order, what lies beyond the last ids that the server knows of.

        It is not kept any more. Streams that are not in *last_ids* are not looked at.
        """
        lost: list[Batch] = []
        kept: deque[tuple[float, int, Batch]] = deque()
        for acked_s, size, batch in self._batches:
            gone = [
                index
                for index, (entry, id_bulk) in enumerate(zip(batch.entries, batch.ids, strict=True))
                if (last := last_ids.get(entry[0])) is not None and parse_bulk_id(id_bulk) > last
            ]
            if not gone:
                kept.append((acked_s, size, batch))
                continue
            again, rest = batch.only(gone), batch.without(gone)
            again.settles = None
            lost.append(again)
            again_size = sum(len(entry[3]) for entry in again.entries)
            self._room += again_size
            if rest.entries:
                kept.append((acked_s, size - again_size, rest))
        self._batches = kept
        return lost


def beyond_reach(stream: StreamWriter, last: EntryId) -> EntryId | None:
    """Return the newest entry of *stream* that the server lost and that is no longer kept."""
    if stream.out_of_reach is None:
        return None
    newest = parse_bulk_id(stream.out_of_reach)
    return newest if newest > last else None
