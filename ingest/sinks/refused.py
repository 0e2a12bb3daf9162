"""Entries refused because their stream already has an equal or higher id.

After a lost reply the same batch is sent again, and the server refuses what it has
stored already: that is how nothing is doubled. But the words of the refusal are the
same when another program writes into our stream and its ids are ahead of ours; to
take that for "already there" would lose the entry. So an entry that may have been
stored before is looked up, and counts as a duplicate only if the stream holds our
very entry. Everything else refused is a foreign writer's doing: the entry gets a
new id above the stream's last one, and is sent again.
"""

from collections.abc import Sequence
from typing import Any

from hiredis import ReplyError

from ingest.errors import SinkError
from ingest.sinks.batch import Batch
from ingest.sinks.buffer import StreamWriter
from ingest.sinks.entry_id import EntryId, parse_bulk_id
from ingest.sinks.errors import Unavailable
from ingest.sinks.last_ids import last_id, last_id_command
from ingest.sinks.reactions import Reaction, reaction_to
from ingest.sinks.resp import bulk, command
from ingest.sinks.transport import Question


class RefusedEntries:
    """The refused entries of one batch, and the questions that settle each case.

    Pure: `questions` is what to ask the server, `settle` reads its replies.
    """

    def __init__(self, batch: Batch, indexes: Sequence[int]) -> None:
        self._batch = batch
        self._indexes = indexes
        self._streams = list(dict.fromkeys(batch.entries[i][0] for i in indexes))
        self._last_of: dict[StreamWriter, EntryId] = {}

    def questions(self) -> list[Question]:
        """Return what to ask."""
        asked = [Question(s.key, last_id_command(s.key)) for s in self._streams]
        if self._batch.uncertain:
            for i in self._indexes:
                key, id_bulk = self._batch.entries[i][0].key, self._batch.ids[i]
                asked.append(
                    Question(key, b"*4\r\n" + bulk(b"XRANGE") + bulk(key.encode()) + id_bulk * 2)
                )
        return asked

    def said_again(self) -> list[Question]:
        """Return writes that change nothing, for replicas to be waited for.

        What an earlier connection stored is not covered by this one's WAIT; a write that
        comes after it is. After `settle`.
        """
        return [
            Question(s.key, command(b"XSETID", s.key.encode(), b"%d-%d" % last))
            for s, last in self._last_of.items()
        ]

    def settle(self, replies: Sequence[Any]) -> tuple[list[int], list[int]]:
        """Return the indexes of duplicates and of those to be stored under a new id.

        Raises the streams' ids to where they have got to, so that a new id is
        accepted.

        Raises:
            Unavailable: the server does not answer for now.
            SinkError: a reply makes no sense.
        """
        last_ids = [last_id(reply) for reply in replies[: len(self._streams)]]
        last_of = self._last_of = dict(zip(self._streams, last_ids, strict=True))
        for stream, last in last_of.items():
            stream.ids.raise_to(last)
        if not self._batch.uncertain:
            return [], list(self._indexes)
        found = dict(zip(self._indexes, map(_entries, replies[len(self._streams) :]), strict=True))
        duplicates: list[int] = []
        foreign: list[int] = []
        known: set[StreamWriter] = set()  # streams that hold one of ours
        for index in reversed(self._indexes):
            stream = self._batch.entries[index][0]
            # Entries of a stream are stored in their order: where one is there, those
            # before it are, or were until they were trimmed.
            if stream in known or self._was_stored(index, found[index], last_of[stream]):
                known.add(stream)
                duplicates.append(index)
            else:
                foreign.append(index)
        return duplicates[::-1], foreign[::-1]

    def _was_stored(self, index: int, found: list[Any], last: EntryId) -> bool:
        """Tell whether XRANGE *found* an entry with exactly our fields, or it is gone since.

        Where the stream's *last* id ever is this entry's, and nothing stands there any
        more, it was stored, and then trimmed or deleted.
        """
        if not found:
            return last == parse_bulk_id(self._batch.ids[index])
        fields = found[0][1]
        return fields is not None and b"".join(map(bulk, fields)) == self._batch.entries[index][3]


def _entries(reply: Any) -> list[Any]:
    """Return what XRANGE found under one id.

    Raises:
        Unavailable: it did not look. That is no proof that nothing is there.
        SinkError: the reply makes no sense.
    """
    if isinstance(reply, ReplyError):
        reaction = reaction_to(str(reply))
        if reaction in (Reaction.DROP, Reaction.REFUSED):
            reaction = Reaction.OPERATOR
        raise Unavailable(f"XRANGE: {reply}", reaction)
    if not isinstance(reply, list):
        raise SinkError(f"XRANGE: expected entries, found {str(reply)[:200]}")
    return reply
