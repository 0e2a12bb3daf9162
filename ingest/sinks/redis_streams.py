"""The Redis Streams sink: what a worker sees.

Entries are handed over without waiting, kept until the server has acknowledged them,
and sent over one connection that is reopened for as long as it takes. What is promised
and what is not: docs/delivery.md.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence

import structlog

from ingest.errors import SinkError
from ingest.logging import worth_a_line
from ingest.sinks import tasks
from ingest.sinks.buffer import Markers, PendingBuffer, Preface, StreamWriter
from ingest.sinks.counters import SinkCounters
from ingest.sinks.errors import Unavailable
from ingest.sinks.newest import StoredEntry, newest, newest_command
from ingest.sinks.publisher import Publisher
from ingest.sinks.reactions import Reaction
from ingest.sinks.settings import SinkSettings
from ingest.sinks.spooling import Spooling
from ingest.sinks.target import make_target
from ingest.sinks.transport import Question

_DEFAULTS = SinkSettings()
_FLUSH_SPOOLING_S = 2.0  # without a batch stored

_log = structlog.get_logger(__name__)


class RedisStreamsSink:
    """Publishes entries to Redis Streams, each once and in order per stream.

    One per worker, used from its event loop only. Memory is bounded by
    `max_pending_entries` and `max_pending_bytes`: from three quarters on `full` is
    true and readers should `await wait_writable()` before they read on, which pushes
    back on the venue's TCP connection; at the limit entries are dropped and counted.
    """

    def __init__(
        self,
        url: str,
        settings: SinkSettings = _DEFAULTS,
        *,
        client_name: str | None = None,
    ) -> None:
        """Prepare; nothing is opened before `start`.

        Raises:
            ConfigError: *url* is not a usable Redis URL.
            SpoolError: the spool's directory cannot be used.
        """
        self.counters = SinkCounters()
        self._settings = settings
        self._target = make_target(
            url, settings, self.counters, client_name or f"ingest-{os.getpid()}"
        )
        self._buffer = PendingBuffer(settings, self.counters)
        self._publisher = Publisher(self._buffer, self.counters, settings)
        self._streams: dict[str, StreamWriter] = {}
        self._reconnect = settings.reconnect.backoff()
        self._operator = settings.operator.backoff()
        self._outage_began: float | None = None  # monotonic seconds
        self._writable = asyncio.Event()
        self._empty = asyncio.Event()
        self._buffer.on_writable = self._writable.set
        self._buffer.on_empty = self._empty.set
        self._task: asyncio.Task[None] | None = None
        self._spooling: Spooling | None = None
        if settings.spool is not None:
            self._spooling = Spooling(
                settings.spool,
                settings,
                self.counters,
                self._buffer,
                self._publisher,
                stream_of=self._stream_of,
                streams=self._streams.values,
            )
        self._tending: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect and publish, in the background; never fails."""
        if self._spooling is not None:
            self._tending = asyncio.create_task(self._spooling.run(), name="redis-sink-spool")
            self._tending.add_done_callback(self._on_done)
        self._task = asyncio.create_task(self._run(), name="redis-sink")
        self._task.add_done_callback(self._on_done)

    def open_stream(
        self,
        key: str,
        *,
        maxlen: int | None = None,
        preface: tuple[int, int, bytes] | None = None,
        beside: StreamWriter | None = None,
        follows: StreamWriter | None = None,
        conflated: Markers | None = None,
        lost: Markers | None = None,
    ) -> StreamWriter:
        """Return the handle to write to stream *key*; the same one for the same key.

        *maxlen* is the stream's own approximate length, instead of the settings'.
        *preface* is an entry (as in `StreamWriter.add`) that goes before all others,
        but only if the stream turns out to hold entries of an earlier run, or was
        opened before by somebody who has given it up. With
        *beside*, a stream opened just before, it goes there, if either of the two does.
        *follows* is a stream that this one sums up: an entry gets the id of the last
        entry that was handed over to the other before it. There is at most one for
        each id; another, or one that is refused, is dropped and counted.
        *conflated*: while the server is slow only the newest entry is kept, in memory;
        see `StreamWriter`. Without a spool that is not done.
        *lost* returns, by a receive time, the entry that is to stand where entries were
        lost that had been taken; they count as dropped all the same.
        """
        stream = self._streams.get(key)
        if stream is None:
            stream = StreamWriter(
                key, maxlen or self._settings.maxlen, self._buffer.append, follows, conflated
            )
            if preface is not None:
                stream.preface = Preface((beside or stream, *preface))
                if beside is not None:
                    beside.preface = stream.preface
                self._buffer.put_preface(stream.preface)
            self._streams[key] = stream
            self._publisher.learn(stream)
        elif preface is not None:  # of a writer that was given up
            first = beside or stream
            if first.add(*preface):  # it tells of all that was lost before it
                first.dropped = stream.dropped = 0
        stream.lost = lost or stream.lost
        return stream

    def _stream_of(self, key: str, maxlen: int | None) -> StreamWriter:
        """Return the handle of a stream that an earlier process may have written."""
        return self._streams.get(key) or self.open_stream(key, maxlen=maxlen)

    @property
    def failed(self) -> bool:
        """Whether it has come to an end by an error of ours: nothing is published any more."""
        return any(
            task is not None and task.done() and not task.cancelled()
            for task in (self._task, self._tending)
        )

    @property
    def recovering(self) -> bool:
        """Whether there is something on disk that an earlier process left."""
        return not self._publisher.recovered.is_set()

    @property
    def full(self) -> bool:
        """Whether the high watermark was passed and the low one not reached since."""
        return self._buffer.full

    @property
    def slow(self) -> bool:
        """Whether entries go to the disk, or are conflated, until the server has caught up."""
        return self._buffer.diverting

    async def wait_writable(self, *, caught_up: bool = False) -> None:
        """Return once the sink is below its high watermark; at once if it is.

        With *caught_up*, not before the server has caught up, either.

        Raises:
            SinkError: the sink has failed and will not write any more.
        """
        while self._buffer.full or (caught_up and self._buffer.diverting):
            self._writable.clear()
            await self._wait_for(self._writable)

    async def newest(self, keys: Sequence[str], count: int) -> list[list[StoredEntry]]:
        """Return the newest entries that each stream holds, at most *count*, newest first.

        Asked over a connection of its own. Streams that do not exist, and keys that
        are no streams, have none. What an earlier process left on disk is stored first,
        and so is what was handed over by now, prefaces of streams included: their ids are
        above those of what an earlier process that has died may still have on its way,
        which thus came before, or is refused.

        Raises:
            SinkError: there is no connection, or no answer that makes sense.
        """
        try:
            async with asyncio.timeout(self._settings.reply_timeout_s):
                await self._publisher.recovered.wait()
                await self._stored_by_now()
        except TimeoutError as exc:
            raise SinkError("what is to come before is not stored yet") from exc
        link = await self._target.open(on_lost=lambda: None)
        try:
            questions = [Question(key, newest_command(key, count)) for key in keys]
            return [newest(reply) for reply in await link.ask(questions)]
        finally:
            await link.close()

    async def flush(self, timeout_s: float) -> int:
        """Wait until everything handed over is settled, at most *timeout_s*.

        Return the number of entries that are not. A wait for the server's recovery
        is cut short once, so that a server which is back gets them. What is on the
        disk, or can be left there, is safe: it is waited for only while the server
        takes something.

        Raises:
            SinkError: the sink has failed and will not write any more.
        """
        self._publisher.hurry.set()
        counters, loop = self.counters, asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while counters.pending_entries or self._buffer.diverting:
            left_s, batches = deadline - loop.time(), counters.batches
            away = self._outage_began is not None
            if self._buffer.diverting or (away and self._spooling is not None):
                left_s = min(left_s, _FLUSH_SPOOLING_S)
            try:
                async with asyncio.timeout(left_s):
                    await self._emptied()
            except TimeoutError:
                if counters.batches == batches or loop.time() >= deadline:
                    break
        return self.counters.pending_entries + self.counters.spooled_entries

    async def close(self, timeout_s: float) -> int:
        """Flush, then stop and close the connection; never raises.

        With a spool, what is not acknowledged by then is left there for the next start.
        Return the number of entries that are lost, or were not acknowledged. Some of
        them may be stored: those of the batch whose replies did not come in time.
        """
        task = self._task
        if task is None:
            return self.counters.pending_entries
        with contextlib.suppress(SinkError):  # logged when it happened
            await self.flush(timeout_s)
        self._task = None
        await tasks.end(task)
        if self._spooling is None:
            left = self.counters.pending_entries
        else:
            assert self._tending is not None
            await tasks.end(self._tending)
            left = self._spooling.close()
        if left:
            _log.error("sink: closed with entries not published", entries=left)
        return left

    async def _emptied(self) -> None:
        while self.counters.pending_entries or self._buffer.diverting:
            self._empty.clear()
            await self._wait_for(self._empty)

    async def _stored_by_now(self) -> None:
        """Wait until all that was handed over is settled; what comes meanwhile is not waited for.

        Raises SinkError: there is no connection.
        """
        publisher, counters, wanted = self._publisher, self.counters, None
        while True:
            publisher.progress.clear()
            if not publisher.learning:  # prefaces that are wanted are handed over by then
                wanted = counters.added_entries if wanted is None else wanted
                left = counters.pending_entries + counters.spooled_entries
                if not left or counters.added_entries - left >= wanted:
                    return
            if self._outage_began is not None:
                raise SinkError("there is no connection")
            await self._wait_for(publisher.progress)

    async def _wait_for(self, event: asyncio.Event) -> None:
        task = self._task
        if task is None:
            raise SinkError("the sink was not started")
        waiting = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait([waiting, task], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if task.done():
            raise SinkError("the sink has stopped; its log says why")

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("sink: failed, nothing is published any more", exc_info=error)

    async def _run(self) -> None:
        while True:
            began = time.monotonic()
            batches = self.counters.batches
            try:
                await self._session()
            except SinkError as exc:
                # Only a connection that did its work, or stood for a while, starts the
                # delays over: one that is accepted and lost again at once does not.
                if (
                    self.counters.batches > batches
                    or time.monotonic() - began > self._settings.reconnect.cap_s
                ):
                    self._reconnect.reset()
                await self._back_off(exc)

    async def _session(self) -> None:
        """Connect and publish until that fails."""
        publisher = self._publisher
        link = await self._target.open(on_lost=publisher.wake.set)
        try:
            self.counters.connects += 1
            self._connected()
            # Again for all: it may be another server, or one that lost its data.
            publisher.learn_anew(self._streams.values())
            await publisher.run(link)
        finally:
            await link.close()

    def _connected(self) -> None:
        self._operator.reset()
        if self._outage_began is None:
            _log.info("sink: connected", target=str(self._target))
            return
        away_s = time.monotonic() - self._outage_began
        self._outage_began = None
        self.counters.outage_s += away_s
        _log.warning(
            "sink: connected again",
            target=str(self._target),
            away_s=round(away_s, 3),
            pending=self.counters.pending_entries,
        )

    async def _back_off(self, error: SinkError) -> None:
        if self._outage_began is None:
            self._outage_began = time.monotonic()
        self._publisher.progress.set()  # there is none
        self.counters.reconnects += 1
        for_operator = isinstance(error, Unavailable) and error.reaction is Reaction.OPERATOR
        backoff = self._operator if for_operator else self._reconnect
        delay_s = backoff.next_delay_s()
        if worth_a_line(backoff.failures):
            log = _log.error if for_operator else _log.warning
            log(
                "sink: no connection; entries are kept, trying again",
                target=str(self._target),
                error=str(error),
                attempt=backoff.failures,
                retry_in_s=round(delay_s, 3),
                pending=self.counters.pending_entries,
            )
        await self._publisher.sleep(delay_s)
