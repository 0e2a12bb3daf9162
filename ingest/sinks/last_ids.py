"""Where a stream's ids have got to, asked of the server.

Source: https://redis.io/docs/latest/commands/xinfo-stream/
"""

from typing import Any

from hiredis import ReplyError

from ingest.errors import SinkError
from ingest.sinks.entry_id import EntryId, parse_entry_id
from ingest.sinks.errors import Unavailable
from ingest.sinks.reactions import Reaction, reaction_to
from ingest.sinks.resp import command

NO_ID: EntryId = (0, 0)


def last_id_command(key: str) -> bytes:
    """Return the command whose reply `last_id` reads."""
    return command(b"XINFO", b"STREAM", key.encode())


def last_id(reply: Any) -> EntryId:
    """Return the highest id the stream has ever held, trimmed or deleted ones too.

    (0, 0) where there is no such stream yet, or where the key is no stream at all:
    then the writes themselves will be refused, each for its own reason.

    Raises:
        Unavailable: the server does not answer such questions for now.
        SinkError: the reply makes no sense.
    """
    if isinstance(reply, ReplyError):
        error = str(reply)
        if error.startswith(("ERR no such key", "WRONGTYPE")):
            return NO_ID
        reaction = reaction_to(error)
        if reaction in (Reaction.DROP, Reaction.REFUSED):
            reaction = Reaction.OPERATOR
        raise Unavailable(f"XINFO STREAM: {error}", reaction)
    if isinstance(reply, list):  # RESP2 has no maps: names and values in turn
        reply = dict(zip(reply[::2], reply[1::2], strict=False))
    found = reply.get(b"last-generated-id") if isinstance(reply, dict) else None
    if not isinstance(found, bytes):
        raise SinkError(f"XINFO STREAM: expected a last-generated-id, found {str(reply)[:200]}")
    try:
        return parse_entry_id(found)
    except ValueError as exc:
        raise SinkError(f"XINFO STREAM: {exc}") from exc
