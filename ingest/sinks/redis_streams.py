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
from ingest.sinks.adopt import Target
from ingest.sinks.buffer import PendingBuffer, Preface, StreamWriter
from ingest.sinks.counters import SinkCounters
from ingest.sinks.errors import Unavailable
from ingest.sinks.link import Link
from ingest.sinks.newest import StoredEntry, newest, newest_command
from ingest.sinks.publisher import Publisher
from ingest.sinks.reactions import Reaction
from ingest.sinks.settings import SinkSettings

_DEFAULTS = SinkSettings()
_CANCEL_AGAIN_S = 0.1

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
        """
        self.counters = SinkCounters()
        self._settings = settings
        self._target = Target(
            url,
            timeout_s=settings.connect_timeout_s,
            client_name=client_name or f"ingest-{os.getpid()}",
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

    def start(self) -> None:
        """Begin to connect and publish, in the background; never fails."""
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
        """
        stream = self._streams.get(key)
        if stream is None:
            stream = StreamWriter(
                key, maxlen or self._settings.maxlen, self._buffer.append, follows
            )
            if preface is not None:
                stream.preface = Preface((beside or stream, *preface))
                if beside is not None:
                    beside.preface = stream.preface
            self._streams[key] = stream
            self._publisher.learn(stream)
        elif preface is not None:  # of a writer that was given up
            (beside or stream).add(*preface)
        return stream

    @property
    def failed(self) -> bool:
        """Whether it has come to an end by an error of ours: nothing is published any more."""
        task = self._task
        return task is not None and task.done() and not task.cancelled()

    @property
    def full(self) -> bool:
        """Whether the high watermark was passed and the low one not reached since."""
        return self._buffer.full

    async def wait_writable(self) -> None:
        """Return once the sink is below its high watermark; at once if it is.

        Raises:
            SinkError: the sink has failed and will not write any more.
        """
        while self._buffer.full:
            self._writable.clear()
            await self._wait_for(self._writable)

    async def newest(self, keys: Sequence[str], count: int) -> list[list[StoredEntry]]:
        """Return the newest entries that each stream holds, at most *count*, newest first.

        Asked over a connection of its own. Streams that do not exist, and keys that
        are no streams, have none.

        Raises:
            SinkError: there is no connection, or no answer that makes sense.
        """
        reader, writer = await self._target.connect()
        link = Link(
            reader,
            writer,
            reply_timeout_s=self._settings.reply_timeout_s,
            on_lost=lambda: None,
        )
        try:
            commands = b"".join(newest_command(key, count) for key in keys)
            return [newest(reply) for reply in await link.call(commands, len(keys))]
        finally:
            await link.close()

    async def flush(self, timeout_s: float) -> int:
        """Wait until everything handed over is settled, at most *timeout_s*.

        Return the number of entries that are not. A wait for the server's recovery
        is cut short once, so that a server which is back gets them.

        Raises:
            SinkError: the sink has failed and will not write any more.
        """
        self._publisher.hurry.set()
        try:
            async with asyncio.timeout(timeout_s):
                while self.counters.pending_entries:
                    self._empty.clear()
                    await self._wait_for(self._empty)
        except TimeoutError:
            pass
        return self.counters.pending_entries

    async def close(self, timeout_s: float) -> int:
        """Flush, then stop and close the connection; never raises.

        Return the number of entries not acknowledged. Some of them may be stored:
        those of the batch whose replies did not come in time.
        """
        task = self._task
        if task is None:
            return self.counters.pending_entries
        with contextlib.suppress(SinkError):  # logged when it happened
            await self.flush(timeout_s)
        # Asked until it is heard: a cancellation that arrives while redis-py connects
        # can get lost in there.
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=_CANCEL_AGAIN_S)
        left = self.counters.pending_entries
        if left:
            _log.error("sink: closed with entries not published", entries=left)
        return left

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
        reader, writer = await self._target.connect()
        publisher = self._publisher
        link = Link(
            reader,
            writer,
            reply_timeout_s=self._settings.reply_timeout_s,
            on_lost=publisher.wake.set,
        )
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
