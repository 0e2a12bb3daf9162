"""Why the sink cannot go on for now."""

from collections.abc import Sequence

from ingest.errors import SinkError
from ingest.sinks.reactions import Reaction


class Unavailable(SinkError):
    """The server is out of reach, or refuses everything; nothing was given up.

    `reaction` (`WAIT`, `RECONNECT` or `OPERATOR`) says what to do before trying again.
    """

    def __init__(self, message: str, reaction: Reaction = Reaction.RECONNECT) -> None:
        super().__init__(message)
        self.reaction = reaction


class Moved(Unavailable):
    """Another node of the cluster has the stream now; see `Transport.locate`."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Reaction.WAIT)


def most_urgent(failures: Sequence[SinkError]) -> SinkError:
    """Return the failure whose reaction serves the others too: a new connection first of all."""
    return min(failures, key=_urgency)


def _urgency(error: SinkError) -> int:
    if not isinstance(error, Unavailable):
        return 0  # the replies made no sense: a new connection
    return (Reaction.RECONNECT, Reaction.OPERATOR, Reaction.WAIT).index(error.reaction)
