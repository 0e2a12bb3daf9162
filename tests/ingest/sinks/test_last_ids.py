"""Reading XINFO STREAM in both protocol versions."""

import pytest
from hiredis import ReplyError

from ingest.errors import SinkError
from ingest.sinks.errors import Unavailable
from ingest.sinks.last_ids import last_id, last_id_command
from ingest.sinks.reactions import Reaction


@pytest.mark.parametrize(
    "reply",
    [
        {b"length": 3, b"last-generated-id": b"17-4"},
        [b"length", 3, b"last-generated-id", b"17-4", b"first-entry", None],
    ],
)
def test_both_protocol_versions(reply: object) -> None:
    """RESP3 has a map, RESP2 a flat list."""
    assert last_id(reply) == (17, 4)


@pytest.mark.parametrize("error", ["ERR no such key", "WRONGTYPE Operation against a key"])
def test_no_stream_there(error: str) -> None:
    """Nothing to continue from."""
    assert last_id(ReplyError(error)) == (0, 0)


@pytest.mark.parametrize(
    ("error", "reaction"),
    [
        ("LOADING wait", Reaction.WAIT),
        ("MASTERDOWN x", Reaction.RECONNECT),
        ("NOPERM x", Reaction.OPERATOR),
        ("ERR what", Reaction.OPERATOR),
    ],
)
def test_no_answer_for_now(error: str, reaction: Reaction) -> None:
    """Without the last id nothing is sent: an id might be used twice."""
    with pytest.raises(Unavailable) as caught:
        last_id(ReplyError(error))
    assert caught.value.reaction is reaction


@pytest.mark.parametrize("reply", [None, 1, [], {}, {b"last-generated-id": b"x"}, [b"a"]])
def test_nonsense(reply: object) -> None:
    """SinkError, nothing else."""
    with pytest.raises(SinkError):
        last_id(reply)
    assert last_id_command("ü") == "*3\r\n$5\r\nXINFO\r\n$6\r\nSTREAM\r\n$2\r\nü\r\n".encode()
