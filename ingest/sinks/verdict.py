"""What the replies to one batch mean."""

from collections.abc import Sequence
from typing import Any

from hiredis import ReplyError
from msgspec import Struct, field

from ingest.errors import SinkError
from ingest.sinks.reactions import Reaction, reaction_to

_URGENCY = (Reaction.OPERATOR, Reaction.RECONNECT, Reaction.WAIT)


class Verdict(Struct, frozen=True):
    """The outcome of one transaction.

    `stored` tells whether it was executed. If not, `reaction` says what to do
    before it is sent again (None: at once, without the `dropped` entries).
    Entries are named by their index in the batch.
    """

    stored: bool
    reaction: Reaction | None = None
    error: str = ""  # the reply behind `reaction`
    dropped: list[tuple[int, str]] = field(default_factory=list)  # with the error reply
    refused: list[int] = field(default_factory=list)  # equal or smaller id
    again: list[tuple[int, str]] = field(default_factory=list)  # refused for now, in EXEC


def judge(replies: Sequence[Any], entries: int) -> Verdict:
    """Read the replies to MULTI, *entries* times XADD, EXEC.

    Raises:
        SinkError: no sense can be made of them; whether anything was stored is
            unknown, and the connection must not be used any further.
    """
    begin, queued, result = replies[0], replies[1 : entries + 1], replies[entries + 1]
    if type(result) is list and len(result) == entries and not isinstance(begin, ReplyError):
        return _executed(result)
    if not isinstance(result, ReplyError):
        raise SinkError(f"expected {entries} replies from EXEC, found {_short(result)}")
    errors = [(i, str(reply)) for i, reply in enumerate(queued) if isinstance(reply, ReplyError)]
    if isinstance(begin, ReplyError):
        # Without MULTI the commands were executed one by one: unless every one
        # was refused too, some may be stored.
        if len(errors) < entries:
            raise SinkError(f"MULTI was refused ({begin}) but not the commands after it")
        return Verdict(stored=False, reaction=_keeping(str(begin)), error=str(begin))
    return _discarded(errors, str(result))


def _executed(result: list[Any]) -> Verdict:
    verdict = Verdict(stored=True)
    for index, reply in enumerate(result):
        if type(reply) is bytes:
            continue
        error = str(reply)
        reaction = reaction_to(error) if isinstance(reply, ReplyError) else Reaction.DROP
        if reaction is Reaction.REFUSED:
            verdict.refused.append(index)
        elif reaction is Reaction.DROP:
            verdict.dropped.append((index, error))
        else:
            verdict.again.append((index, error))
    return verdict


def _discarded(errors: list[tuple[int, str]], result: str) -> Verdict:
    kept = [text for _, text in errors if reaction_to(text) is not Reaction.DROP]
    if errors and not kept:
        return Verdict(stored=False, dropped=errors)
    # The reaction that takes longest: trying earlier would only be refused again.
    candidates = {_keeping(text): text for text in kept or [result]}
    reaction = next(reaction for reaction in _URGENCY if reaction in candidates)
    return Verdict(stored=False, reaction=reaction, error=candidates[reaction])


def _keeping(error: str) -> Reaction:
    """Return the reaction to an error that concerns the whole batch: never to drop it."""
    reaction = reaction_to(error)
    return reaction if reaction in _URGENCY else Reaction.OPERATOR


def _short(reply: Any) -> str:
    text = f"a list of {len(reply)}" if isinstance(reply, list) else repr(reply)
    return text[:200]
