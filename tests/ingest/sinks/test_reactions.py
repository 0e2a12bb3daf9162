"""Each error reply and what follows from it."""

import pytest

from ingest.sinks.reactions import Reaction, error_code, reaction_to

EQUAL_OR_SMALLER = (
    "ERR The ID specified in XADD is equal or smaller than the target stream top item"
)


@pytest.mark.parametrize(
    ("error", "reaction"),
    [
        (EQUAL_OR_SMALLER, Reaction.REFUSED),
        ("LOADING Redis is loading the dataset in memory", Reaction.WAIT),
        ("BUSY Redis is busy running a script.", Reaction.WAIT),
        ("OOM command not allowed when used memory > 'maxmemory'.", Reaction.WAIT),
        ("TRYAGAIN Multiple keys request during rehashing of slot", Reaction.WAIT),
        ("CLUSTERDOWN The cluster is down", Reaction.WAIT),
        ("NOREPLICAS Not enough good replicas to write.", Reaction.WAIT),
        ("MISCONF Errors writing to the AOF file: No space left on device", Reaction.WAIT),
        ("READONLY You can't write against a read only replica.", Reaction.RECONNECT),
        ("MASTERDOWN Link with MASTER is down", Reaction.RECONNECT),
        ("ERR max number of clients reached", Reaction.RECONNECT),
        ("NOAUTH Authentication required.", Reaction.OPERATOR),
        ("WRONGPASS invalid username-password pair", Reaction.OPERATOR),
        ("NOPERM User x has no permissions to run the 'xadd' command", Reaction.OPERATOR),
        ("DENIED Redis is running in protected mode", Reaction.OPERATOR),
        ("MOVED 3999 127.0.0.1:6381", Reaction.OPERATOR),
        ("ERR unknown command 'XADD', with args beginning with:", Reaction.OPERATOR),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", Reaction.DROP),
        ("ERR wrong number of arguments for 'xadd' command", Reaction.DROP),
        ("ERR Invalid stream ID specified as stream command argument", Reaction.DROP),
        ("SOMETHINGNEW", Reaction.DROP),
        ("", Reaction.DROP),
    ],
)
def test_reaction(error: str, reaction: Reaction) -> None:
    """The table of the module, also where EXEC quotes the reason."""
    assert reaction_to(error) is reaction
    assert reaction_to(f"EXECABORT Transaction discarded because of: {error}") is reaction


def test_the_reason_is_short_enough_for_a_label() -> None:
    """Whatever a server says, the metric's label is one bounded word."""
    assert error_code("WRONGTYPE Operation against") == "WRONGTYPE"
    assert len(error_code("X" * 1000)) == 32
