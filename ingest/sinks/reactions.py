"""What an error reply means for the entries it concerns.

| reply begins with                                      | reaction    |
|--------------------------------------------------------|-------------|
| `ERR The ID specified in XADD is equal or smaller`     | `REFUSED`   |
| `LOADING`, `BUSY`, `OOM`, `TRYAGAIN`, `CLUSTERDOWN`,   | `WAIT`      |
|   `NOREPLICAS`, `MISCONF`                              |             |
| `READONLY`, `MASTERDOWN`, `UNBLOCKED`,                 | `RECONNECT` |
|   `ERR max number of clients`                          |             |
| `NOAUTH`, `WRONGPASS`, `NOPERM`, `DENIED`, `ERR AUTH`, | `OPERATOR`  |
|   `MOVED`, `ASK`, `CROSSSLOT`, `ERR unknown command`   |             |
| `WRONGTYPE` and everything else                        | `DROP`      |

Only `DROP` loses anything, and only the one entry; it is counted by reason.

Source: server replies of Redis 7 and Valkey 9; error prefixes are listed at
https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
"""

from enum import Enum


class Reaction(Enum):
    """What to do after an error reply."""

    REFUSED = "refused"  # the stream has an equal or higher id: see `ingest.sinks.refused`
    WAIT = "wait"  # the server's state will pass: keep, try again on this connection
    RECONNECT = "reconnect"  # another server may be the writable one by now: keep, connect anew
    OPERATOR = "operator"  # somebody has to change something: keep, log an error, retry rarely
    DROP = "drop"  # this entry can never be stored


_BY_CODE = {
    "LOADING": Reaction.WAIT,
    "BUSY": Reaction.WAIT,
    "OOM": Reaction.WAIT,
    "TRYAGAIN": Reaction.WAIT,
    "CLUSTERDOWN": Reaction.WAIT,
    "NOREPLICAS": Reaction.WAIT,
    "MISCONF": Reaction.WAIT,
    "READONLY": Reaction.RECONNECT,
    "MASTERDOWN": Reaction.RECONNECT,
    "UNBLOCKED": Reaction.RECONNECT,
    "NOAUTH": Reaction.OPERATOR,
    "WRONGPASS": Reaction.OPERATOR,
    "NOPERM": Reaction.OPERATOR,
    "DENIED": Reaction.OPERATOR,
    # A node of a cluster, and a URL that names it as a server of its own: no reason to
    # throw entries away. With redis+cluster:// the first two do not get here.
    "MOVED": Reaction.OPERATOR,
    "ASK": Reaction.OPERATOR,
    "CROSSSLOT": Reaction.OPERATOR,
}

_BY_TEXT = (
    ("ERR The ID specified in XADD is equal or smaller", Reaction.REFUSED),
    ("ERR max number of clients", Reaction.RECONNECT),
    ("ERR unknown command", Reaction.OPERATOR),
    ("ERR AUTH", Reaction.OPERATOR),
)

_ABORTED_BECAUSE = "EXECABORT Transaction discarded because of: "


def reaction_to(error: str) -> Reaction:
    """Return the reaction to an error reply, given without its leading `-`."""
    error = error.removeprefix(_ABORTED_BECAUSE)
    by_code = _BY_CODE.get(error_code(error))
    if by_code is not None:
        return by_code
    for start, reaction in _BY_TEXT:
        if error.startswith(start):
            return reaction
    return Reaction.DROP


def error_code(error: str) -> str:
    """Return the first word of an error reply: short enough for a metric's label."""
    return error.removeprefix(_ABORTED_BECAUSE).split(" ", 1)[0][:32]
