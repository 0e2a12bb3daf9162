"""Why the sink cannot go on for now."""

from ingest.errors import SinkError
from ingest.sinks.reactions import Reaction


class Unavailable(SinkError):
    """The server is out of reach, or refuses everything; nothing was given up.

    `reaction` (`WAIT`, `RECONNECT` or `OPERATOR`) says what to do before trying again.
    """

    def __init__(self, message: str, reaction: Reaction = Reaction.RECONNECT) -> None:
        super().__init__(message)
        self.reaction = reaction
