"""The newest entries of a stream, asked of the server.

Source: https://redis.io/docs/latest/commands/xrevrange/
"""

from typing import Any

from hiredis import ReplyError

from ingest.errors import SinkError
from ingest.sinks.errors import Unavailable
from ingest.sinks.reactions import reaction_to
from ingest.sinks.resp import command

StoredEntry = dict[bytes, bytes]  # fields and values; what is stored twice counts once


def newest_command(key: str, count: int) -> bytes:
    """Return the command whose reply `newest` reads."""
    return command(b"XREVRANGE", key.encode(), b"+", b"-", b"COUNT", b"%d" % count)


def newest(reply: Any) -> list[StoredEntry]:
    """Return the entries, newest first; none of a key that is no stream.

    Raises:
        Unavailable: the server does not answer such questions for now.
        SinkError: the reply makes no sense.
    """
    if isinstance(reply, ReplyError):
        error = str(reply)
        if error.startswith("WRONGTYPE"):
            return []
        raise Unavailable(f"XREVRANGE: {error}", reaction_to(error))
    try:
        return [dict(zip(words[::2], words[1::2], strict=True)) for _, words in reply]
    except (TypeError, ValueError) as exc:
        raise SinkError(f"XREVRANGE: expected entries, found {str(reply)[:200]}") from exc
