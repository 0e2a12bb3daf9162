"""Moves entries from the buffer into the streams, one batch at a time."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog
from hiredis import ReplyError

from ingest.errors import SinkError
from ingest.logging import worth_a_line
from ingest.sinks.batch import Batch, build_batch, joined
from ingest.sinks.buffer import Entry, PendingBuffer, Preface, StreamWriter
from ingest.sinks.counters import SinkCounters
from ingest.sinks.entry_id import EntryId, pack_ids, parse_bulk_id
from ingest.sinks.errors import Moved, Unavailable, most_urgent
from ingest.sinks.last_ids import NO_ID, last_id, last_id_command
from ingest.sinks.overflow import Overflow
from ingest.sinks.reactions import Reaction, error_code, reaction_to
from ingest.sinks.recent import RecentBatches, beyond_reach
from ingest.sinks.refused import RefusedEntries
from ingest.sinks.resp import command
from ingest.sinks.settings import SinkSettings
from ingest.sinks.transport import Question, Sent, Transport
from ingest.sinks.trimming import Trimming
from ingest.sinks.verdict import Verdict, judge

_STREAMS_PER_QUESTION = 64  # XINFO also returns two whole entries, which may be large books
_SAMPLE_BYTES = 200

_log = structlog.get_logger(__name__)


class Publisher:
    """Keeps the batch in flight until it is settled, over any number of connections."""

    def __init__(
        self, buffer: PendingBuffer, counters: SinkCounters, settings: SinkSettings
    ) -> None:
        self.wake = asyncio.Event()  # something happened: entries, a lost link, the end
        self.hurry = asyncio.Event()  # cut the present wait short, once
        self.progress = asyncio.Event()  # last ids are learned, or a batch is settled
        self._buffer = buffer
        self._counters = counters
        self._batches: deque[Batch] = deque()  # those that have their ids, the next one first
        self._settings = settings
        self._recent = RecentBatches(settings)
        self._unlearned: list[StreamWriter] = []
        self._overflow: Overflow | None = None
        self.recovered = asyncio.Event()  # what an earlier process left on disk is stored
        self.recovered.set()
        self._conflated_next = False  # before anything else from the overflow
        self._held: list[tuple[StreamWriter, Preface, bool]] = []  # and whether they are wanted
        self._trimming: Trimming | None = None
        if settings.max_age_s is not None:
            self._trimming = Trimming(settings.max_age_s, time.monotonic(), time.time())
        self._trim_failures = 0
        self._wait = settings.wait.backoff()
        self._operator = settings.operator.backoff()
        buffer.on_append = self.wake.set

    def continue_with(self, overflow: Overflow) -> None:
        """Take from there what is not in memory."""
        self._overflow = overflow
        overflow.on_begin = self._keep_first
        if overflow.spool.recovering:
            self.recovered.clear()

    def _keep_first(self) -> None:
        """Entries go to the disk from here on: what goes before them must not die with us."""
        overflow = self._overflow
        assert overflow is not None
        # Of what was on the disk already, nothing can be kept before it.
        if all(batch.settles is None for batch in self._batches):
            for batch in self._batches:
                batch.settles = overflow.keep(_with_ids(batch))
        for stream in self._unlearned:
            if stream.preface is not None:
                overflow.put_preface(stream.preface)

    def unsent(self) -> list[tuple[Entry, EntryId]]:
        """Return what has its ids and is not settled; but for what is on the disk anyway."""
        return [
            each for batch in self._batches if batch.settles is None for each in _with_ids(batch)
        ]

    def learn(self, stream: StreamWriter) -> None:
        """Ask for the last id of *stream* before anything is sent to it."""
        self._unlearned.append(stream)
        self.wake.set()
        if self._trimming is not None:
            self._trimming.add(stream.key)

    @property
    def learning(self) -> bool:
        """Whether the last ids of some streams are still to be asked for."""
        return bool(self._unlearned)

    def learn_anew(self, streams: Iterable[StreamWriter]) -> None:
        """Ask for the last ids of all *streams*: this may be another server."""
        self._unlearned = list(streams)

    async def run(self, link: Transport) -> None:
        """Publish over *link* until it is lost.

        Raises:
            Unavailable: the connection is lost, or another should be opened.
            SinkError: the server's replies made no sense; likewise.
        """
        while True:
            try:
                await self._learn(link)
                await self._trim(link)
                batch = self._batches[0] if self._batches else self._next_batch()
                if batch is None:
                    await self._idle(link)
                else:
                    await self._send(link, batch)
            except Unavailable as exc:
                if exc.reaction is Reaction.RECONNECT:
                    raise
                await self._pause(exc.reaction, str(exc))

    async def _learn(self, link: Transport) -> None:
        while self._unlearned:
            streams = self._unlearned[:_STREAMS_PER_QUESTION]
            replies = await link.locate(
                [Question(stream.key, last_id_command(stream.key)) for stream in streams]
            )
            last_ids = dict(zip(streams, map(last_id, replies), strict=True))
            self._send_again(last_ids)
            for stream, found in last_ids.items():
                stream.ids.raise_to(found)
                stream.packed = max(stream.packed, found)
                preface, stream.preface = stream.preface, None
                if preface is not None:
                    self._held.append((stream, preface, found != NO_ID))
            if not self._recovering:
                self._put_prefaces()
            del self._unlearned[: len(streams)]
            self.progress.set()

    @property
    def _recovering(self) -> bool:
        """Whether what an earlier process left on the disk is still to be sent."""
        return self._overflow is not None and self._overflow.spool.recovering

    def _put_prefaces(self) -> None:
        """Nothing of ours was sent to their streams before: the front is their front."""
        for stream, preface, wanted in self._held:
            # By now there may be something to come after, of what was recovered.
            if preface.entry is not None and (wanted or stream.packed != NO_ID):
                self._buffer.prepend(preface.entry)
                preface.entry = None
        self._held.clear()

    def _send_again(self, last_ids: Mapping[StreamWriter, EntryId]) -> None:
        """See to what the server acknowledged and does not have any more."""
        counters = self._counters
        lost = self._recent.take_lost(last_ids)
        entries = [entry for batch in lost for entry in batch.entries]
        if entries:
            for batch in lost:
                # Another server may have them: the one before this one.
                batch.uncertain = True
            # Before all others, or their streams' ids would have passed them.
            self._batches.extendleft(reversed(lost))
            self._buffer.reclaim(entries)
            counters.acked_entries -= len(entries)
            counters.forgotten_entries += len(entries)
            _log.warning(
                "sink: the server has lost what it had acknowledged; sending it again",
                entries=len(entries),
                streams=len({entry[0] for entry in entries}),
            )
        marks = Batch([], [])
        for stream, last in last_ids.items():
            if gone := beyond_reach(stream, last):
                # In the place of the newest that are gone: before all that are left.
                behind = (gone[0], gone[1] + 1)
                found = stream.marks_of_loss(time.time_ns(), before=behind, after=last)
                for mark, place in found:
                    counters.admit(len(mark[3]))
                    marks.entries.append(mark)
                    marks.ids += pack_ids([place])
                stream.out_of_reach = None
                stream.dropped += 1
                if worth_a_line(counters.drop("forgotten")):
                    _log.error(
                        "sink: the server has lost more of a stream than is kept here",
                        stream=stream.key,
                        last_id="{}-{}".format(*last),
                    )
        if marks.entries:
            self._batches.appendleft(marks)

    def _next_batch(self) -> Batch | None:
        while True:
            if taken := self._buffer.take():
                batch = build_batch(taken, self._no_id_left)
            elif self._overflow is not None and self._buffer.diverting:
                batch = self._from_overflow(self._overflow)
            else:
                return None
            if batch.entries:
                self._batches.append(batch)
                return batch
            self._on_settled(batch)

    def _from_overflow(self, overflow: Overflow) -> Batch:
        """Return what comes next: of conflated streams, and of the others, by turns."""
        # Not before what an earlier process left of them.
        self._conflated_next = not self._conflated_next and not self._recovering
        if self._conflated_next:
            self._buffer.extend(overflow.newest())
            return build_batch(self._buffer.take(), self._no_id_left)
        recovering = self._recovering
        batch = overflow.next_batch()
        if recovering and not self._recovering:
            self._put_prefaces()
        if not overflow.spool.unread:
            # What comes from now on is taken after this batch.
            self._buffer.extend(overflow.newest())
            self._buffer.stop_diverting()
        return batch

    def _on_settled(self, batch: Batch) -> None:
        self.progress.set()
        if batch.settles is not None and self._overflow is not None:
            self._overflow.spool.settle(batch.settles)
            self._counters.spooled_bytes = self._overflow.spool.size
            if not self._recovering:
                self.recovered.set()

    def _no_id_left(self, entry: Entry) -> None:
        self.drop(entry, "ids_exhausted", "no id is left above those the stream holds")

    async def _trim(self, link: Transport) -> None:
        """Let go of what is too old in the streams whose turn it is; never holds up a batch."""
        if self._trimming is None:
            return
        keys = self._trimming.due(time.monotonic())
        if not keys:
            return
        oldest = b"%d" % self._trimming.oldest_ms(time.monotonic(), time.time())
        questions = [
            Question(key, command(b"XTRIM", key.encode(), b"MINID", b"~", oldest)) for key in keys
        ]
        for key, reply in zip(keys, await link.ask(questions), strict=True):
            if isinstance(reply, ReplyError):
                self._trim_failures += 1
                if worth_a_line(self._trim_failures):
                    _log.warning(
                        "sink: a stream is not trimmed by age; trying again with the next round",
                        stream=key,
                        error=str(reply),
                        total=self._trim_failures,
                    )

    async def _idle(self, link: Transport) -> None:
        self.wake.clear()
        if link.lost is not None:
            raise Unavailable(link.lost)
        if self._unlearned:  # opened while streams were trimmed
            return
        wait_s = None if self._trimming is None else self._trimming.wait_s(time.monotonic())
        self._buffer.idle = True
        try:
            async with asyncio.timeout(wait_s):
                await self.wake.wait()
        except TimeoutError:
            pass
        self._buffer.idle = False

    async def _send(self, link: Transport, batch: Batch) -> None:
        if batch.settles is not None and self._overflow is not None:
            # Once it is on its way: from then on this process has nothing else to do.
            asyncio.get_running_loop().call_soon(self._overflow.read_ahead)
        try:
            sent = await link.store(batch)
        except BaseException:
            batch.uncertain = True
            raise
        left: list[Batch] = []
        failures: list[SinkError] = []
        settled = 0
        try:
            for part in sent:
                rest, failure = await self._settle(link, part)
                settled += 1
                if rest is not None:
                    left.append(rest)
                if failure is not None:
                    failures.append(failure)
        finally:
            left += [part.batch for part in sent[settled:]]
            if left:
                self._batches[0] = joined(left)
                self._batches[0].settles = batch.settles
            else:
                self._batches.popleft()
                self._on_settled(batch)
        if failures:
            raise most_urgent(failures)

    async def _settle(self, link: Transport, sent: Sent) -> tuple[Batch | None, SinkError | None]:
        """Account for one transaction.

        Return what has to be sent again, if anything, and what there is to wait for first.
        """
        batch, outcome = sent
        duplicates: list[int] = []
        foreign: list[int] = []
        try:
            if isinstance(outcome, SinkError):
                raise outcome
            verdict = judge(outcome, len(batch.entries))
            if verdict.refused:
                refused = RefusedEntries(batch, verdict.refused)
                duplicates, foreign = refused.settle(await link.ask(refused.questions()))
                if duplicates and self._settings.wait_replicas:
                    _check(await link.write(refused.said_again()))
        except SinkError as exc:
            batch.uncertain = True
            if isinstance(exc, Moved):
                self._unlearned += dict.fromkeys(entry[0] for entry in batch.entries)
            return batch, exc
        except BaseException:
            batch.uncertain = True
            raise
        if verdict.stored:
            self._account(batch, verdict, duplicates, foreign)
            return None, Unavailable(verdict.again[0][1], Reaction.WAIT) if verdict.again else None
        self._counters.retried_entries += len(batch.entries) - len(verdict.dropped)
        if verdict.reaction is not None:
            return batch, Unavailable(verdict.error, verdict.reaction)
        self._drop_refused(batch, verdict)
        rest = batch.without([index for index, _ in verdict.dropped])
        return rest if rest.entries else None, None

    def _account(
        self, batch: Batch, verdict: Verdict, duplicates: list[int], foreign: list[int]
    ) -> None:
        """Settle every entry of a batch that was executed."""
        counters = self._counters
        self._wait.reset()
        self._operator.reset()
        refused = sorted([*foreign, *(index for index, _ in verdict.again)])
        # By now the followed stream may have got on: another id would not be true.
        late = [index for index in refused if batch.entries[index][0].follows is not None]
        again = [index for index in refused if index not in late]
        counters.batches += 1
        counters.acked_entries += (
            len(batch.entries) - len(duplicates) - len(verdict.dropped) - len(refused)
        )
        counters.duplicates += len(duplicates)
        counters.foreign_writer += len(foreign)
        counters.retried_entries += len(again)
        counters.last_ack_ns = time.time_ns()
        if foreign and worth_a_line(counters.foreign_writer - len(foreign) + 1):
            _log.error(
                "sink: another program writes into our stream; its entries and ours mix",
                stream=batch.entries[foreign[0]][0].key,
                total=counters.foreign_writer,
            )
        self._drop_refused(batch, verdict)
        for index in late:
            self.drop(batch.entries[index], "late", "refused under the only id it could have")
        if not refused and not verdict.dropped:
            self._recent.add(batch, self._buffer.release(batch.entries))
            return
        stored = batch.without([*refused, *(index for index, _ in verdict.dropped)])
        # First back, then release, or the buffer would seem empty in between.
        self._buffer.put_back([batch.entries[index] for index in again])
        self._recent.add(stored, self._buffer.release(stored.entries))

    def _drop_refused(self, batch: Batch, verdict: Verdict) -> None:
        for index, error in verdict.dropped:
            self.drop(batch.entries[index], error_code(error), error)

    def drop(self, entry: Entry, reason: str, error: str) -> None:
        """Count an entry that is pending as lost, for good."""
        stream, _, _, encoded = entry
        stream.dropped += 1
        total = self._counters.drop(reason)
        if worth_a_line(total):
            _log.error(
                "sink: entry dropped",
                reason=reason,
                stream=stream.key,
                error=error,
                sample=encoded[:_SAMPLE_BYTES],
                total=total,
            )
        self._buffer.release([entry])

    async def _pause(self, reaction: Reaction, error: str) -> None:
        """Wait before trying the same on the same connection."""
        backoff = self._operator if reaction is Reaction.OPERATOR else self._wait
        delay_s = backoff.next_delay_s()
        if worth_a_line(backoff.failures):
            log = _log.error if reaction is Reaction.OPERATOR else _log.warning
            log(
                "sink: the server refuses to write; nothing is lost, trying again",
                error=error,
                attempt=backoff.failures,
                retry_in_s=round(delay_s, 3),
            )
        await self.sleep(delay_s)

    async def sleep(self, delay_s: float) -> None:
        """Wait, unless somebody is in a hurry."""
        self.hurry.clear()
        try:
            async with asyncio.timeout(delay_s):
                await self.hurry.wait()
        except TimeoutError:
            pass


def _with_ids(batch: Batch) -> list[tuple[Entry, EntryId]]:
    return list(zip(batch.entries, map(parse_bulk_id, batch.ids), strict=True))


def _check(replies: Sequence[Any]) -> None:
    """Raise Unavailable if a command that cannot fail for good has failed."""
    for reply in replies:
        if isinstance(reply, ReplyError):
            reaction = reaction_to(str(reply))
            raise Unavailable(str(reply), Reaction.WAIT if reaction is Reaction.DROP else reaction)
