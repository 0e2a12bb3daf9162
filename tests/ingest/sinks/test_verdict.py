"""What replies to a transaction mean, the odd ones included."""

import pytest
from hiredis import ReplyError

from ingest.errors import SinkError
from ingest.sinks.reactions import Reaction
from ingest.sinks.verdict import Verdict, judge

OOM = ReplyError("OOM command not allowed")
NOPERM = ReplyError("NOPERM no")
SMALLER = ReplyError("ERR The ID specified in XADD is equal or smaller than the target")
WRONGTYPE = ReplyError("WRONGTYPE no")
BAD = ReplyError("ERR syntax error")
ABORT = ReplyError("EXECABORT Transaction discarded because of previous errors.")
OK, QUEUED = b"OK", b"QUEUED"


def test_all_stored() -> None:
    """Nothing left to do."""
    assert judge([OK, QUEUED, QUEUED, [b"1-0", b"1-1"]], 2) == Verdict(stored=True)


def test_each_entry_has_its_own_outcome_once_executed() -> None:
    """Refused ids, hopeless entries and passing refusals are told apart."""
    verdict = judge([OK, *[QUEUED] * 4, [b"1-0", SMALLER, WRONGTYPE, OOM]], 4)
    assert verdict.stored
    assert verdict.refused == [1]
    assert verdict.dropped == [(2, "WRONGTYPE no")]
    assert verdict.again == [(3, "OOM command not allowed")]


def test_refused_while_queueing_keeps_everything() -> None:
    """One OOM discards the transaction: all of it is sent again, nothing is dropped."""
    verdict = judge([OK, QUEUED, OOM, BAD, ABORT], 3)
    assert (verdict.stored, verdict.reaction, verdict.dropped) == (False, Reaction.WAIT, [])
    assert verdict.error.startswith("OOM")


def test_the_longest_wait_wins() -> None:
    """What needs an operator is not helped by trying soon."""
    assert judge([OK, OOM, NOPERM, ABORT], 2).reaction is Reaction.OPERATOR


def test_hopeless_while_queueing_is_dropped_alone() -> None:
    """The others of the discarded transaction are sent again at once."""
    verdict = judge([OK, QUEUED, BAD, ABORT], 2)
    assert (verdict.stored, verdict.reaction) == (False, None)
    assert verdict.dropped == [(1, "ERR syntax error")]


@pytest.mark.parametrize(
    ("error", "reaction"),
    [
        ("EXECABORT Transaction discarded because of: OOM command not allowed", Reaction.WAIT),
        ("READONLY You can't write", Reaction.RECONNECT),
        ("EXECABORT Transaction discarded because of: something new", Reaction.OPERATOR),
    ],
)
def test_refused_at_exec(error: str, reaction: Reaction) -> None:
    """Whatever the reason, a batch as a whole is never dropped."""
    assert judge([OK, QUEUED, ReplyError(error)], 1) == Verdict(
        stored=False, reaction=reaction, error=error
    )


def test_multi_refused_with_everything_after_it() -> None:
    """Nothing was stored: kept, by the reason that MULTI was given."""
    without = ReplyError("ERR EXEC without MULTI")
    verdict = judge([NOPERM, NOPERM, NOPERM, without], 2)
    assert (verdict.stored, verdict.reaction) == (False, Reaction.OPERATOR)


@pytest.mark.parametrize(
    "replies",
    [
        [NOPERM, b"1-0", NOPERM, ReplyError("ERR EXEC without MULTI")],
        [OK, QUEUED, QUEUED, None],
        [OK, QUEUED, QUEUED, [b"1-0"]],
        [OK, QUEUED, QUEUED, b"1-0"],
        [NOPERM, b"1-0", b"1-1", [b"1-0", b"1-1"]],
    ],
)
def test_replies_that_make_no_sense(replies: list[object]) -> None:
    """Unknown whether anything is stored: the connection is given up."""
    with pytest.raises(SinkError):
        judge(replies, 2)
