"""When entries go to the disk, when they are written out, and what stays there at the end."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable

import structlog

from ingest.sinks.buffer import Entry, PendingBuffer, StreamWriter
from ingest.sinks.counters import SinkCounters
from ingest.sinks.entry_id import EntryId, IdsExhausted
from ingest.sinks.overflow import Overflow
from ingest.sinks.publisher import Publisher
from ingest.sinks.settings import SinkSettings
from ingest.spool import Spool, SpooledEntry, SpoolSettings, sync

_LOOK_EVERY_S = 0.1

_log = structlog.get_logger(__name__)


class Spooling:
    """Joins a sink's buffer and publisher to a spool; runs as a task of its own."""

    def __init__(
        self,
        spool: SpoolSettings,
        settings: SinkSettings,
        counters: SinkCounters,
        buffer: PendingBuffer,
        publisher: Publisher,
        *,
        stream_of: Callable[[str, int | None], StreamWriter],
        streams: Callable[[], Iterable[StreamWriter]],
    ) -> None:
        """Raises SpoolError if the spool's directory cannot be used."""
        self._spool = Spool(spool)
        self._fsync_s = spool.fsync_s
        self._settings = settings
        self._counters = counters
        self._buffer = buffer
        self._publisher = publisher
        self._streams = streams
        self._overflow = Overflow(
            self._spool,
            counters,
            settings,
            stream_of=stream_of,
            drop=publisher.drop,
            on_damage=self._on_damage,
        )
        self._writing: asyncio.Handle | None = None
        counters.spooled_bytes = self._spool.size
        if self._spool.unread:
            _log.warning("spool: an earlier process left entries", bytes=self._spool.size)
        buffer.divert_to(self._overflow)
        publisher.continue_with(self._overflow)

    def _write_soon(self) -> None:
        """Write out, once in this turn of the loop."""
        if self._writing is None:
            self._writing = asyncio.get_running_loop().call_soon(self._write)

    def _write(self) -> None:
        self._writing = None
        self._spool.flush()

    def _on_damage(self) -> list[StreamWriter]:
        """Nobody knows whose entries were there."""
        self._counters.drop("spool_damaged")
        streams = list(self._streams())
        for stream in streams:
            stream.dropped += 1
        return streams

    async def run(self) -> None:
        """See to what has its time: an outage that lasts, files that are to be synced."""
        self._overflow.on_unwritten = self._write_soon
        self._spool.flush()  # prefaces of streams that were opened before there was a loop
        batches, progress_s = self._counters.batches, time.monotonic()
        flowing_s = progress_s  # when nobody had to wait for room
        synced_s = time.monotonic()
        diverting = self._buffer.diverting
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            now_s, counters = time.monotonic(), self._counters
            if counters.batches != batches or not counters.pending_entries:
                batches, progress_s = counters.batches, now_s
            if not self._buffer.full:
                flowing_s = now_s
            if not self._buffer.diverting and (
                now_s - progress_s > self._settings.spool_after_s
                or now_s - flowing_s > self._settings.spool_full_after_s
            ):
                self._buffer.divert()
            if self._buffer.diverting != diverting:
                diverting = self._buffer.diverting
                _log.warning(
                    "spool: entries go to disk" if diverting else "spool: all entries are sent",
                    spooled=counters.spooled_entries,
                    total=counters.spooled_total,
                )
            counters.spooled_bytes = self._spool.size
            self._spool.flush()  # what the disk refused before
            if self._fsync_s is not None and now_s - synced_s >= self._fsync_s:
                synced_s = now_s
                await self._sync()

    async def _sync(self) -> None:
        for descriptor in self._spool.unsynced():
            try:
                await asyncio.to_thread(sync, descriptor)
            except OSError as exc:
                _log.error("spool: not synced to the disk", error=str(exc))

    def close(self) -> int:
        """Leave to the next process what could not be sent; return how many that lost."""
        unsent = self._publisher.unsent()
        entries = [*_spooled(unsent), *_with_ids(self._buffer.take_all())]
        # Those of conflated streams are newer than what is on the disk of them.
        for entry in self._overflow.newest():
            for spooled in _with_ids([entry]):
                if not self._spool.append(*spooled):
                    self._publisher.drop(entry, "spool_full", "the newest of a conflated stream")
        kept = True
        if entries:
            kept = self._spool.put_first(entries)
        self._spool.close()
        counters = self._counters
        if kept:
            counters.spooled_entries += counters.pending_entries
            counters.pending_entries = counters.pending_bytes = 0
        if counters.spooled_entries:
            _log.warning(
                "spool: entries are left for the next start", entries=counters.spooled_entries
            )
        return counters.pending_entries


def _spooled(entries: Iterable[tuple[Entry, EntryId]]) -> list[SpooledEntry]:
    return [
        SpooledEntry(stream.key, stream.maxlen, ms, n, rx_ns, words, encoded)
        for (stream, rx_ns, words, encoded), (ms, n) in entries
    ]


def _with_ids(entries: Iterable[Entry]) -> list[SpooledEntry]:
    given: list[tuple[Entry, EntryId]] = []
    for entry in entries:
        with contextlib.suppress(IdsExhausted):
            given.append((entry, entry[0].ids.next(entry[1])))
    return _spooled(given)
