"""Which node of a cluster has which keys, as the nodes themselves say. Pure.

Source: https://redis.io/docs/latest/commands/cluster-slots/ and
https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

from collections.abc import Sequence
from typing import Any

from hiredis import ReplyError
from msgspec import Struct
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from ingest.config.redis_url import Address
from ingest.errors import SinkError
from ingest.sinks.errors import Unavailable
from ingest.sinks.reactions import Reaction, error_code, reaction_to
from ingest.sinks.resp import command

VIEW = command(b"CLUSTER", b"INFO") + command(b"CLUSTER", b"SLOTS")
VIEW_REPLIES = 2


class View(Struct, frozen=True):
    """The cluster as one node sees it."""

    healthy: bool  # it would serve writes
    epoch: int  # the higher, the newer what it knows
    masters: list[Address | None]  # by slot; None: nobody has it
    nodes: tuple[Address, ...]  # masters and replicas

    def master_of(self, key: str) -> Address | None:
        """Return who has *key*."""
        return self.masters[key_slot(key.encode())]

    def moved(self, key: str, master: Address) -> None:
        """Note that somebody else has the slot of *key*."""
        self.masters[key_slot(key.encode())] = master


def read_view(replies: Sequence[Any], asked: Address) -> View:
    """Read what a node replies to `VIEW`.

    Raises:
        Unavailable: it does not say, or is no node of a cluster.
        SinkError: the replies make no sense.
    """
    info, slots = replies
    for reply in replies:
        if isinstance(reply, ReplyError):
            waiting = reaction_to(str(reply)) in (Reaction.WAIT, Reaction.RECONNECT)
            # "This instance has cluster support disabled" is somebody's mistake.
            raise Unavailable(str(reply), Reaction.RECONNECT if waiting else Reaction.OPERATOR)
    state = dict(line.partition(":")[::2] for line in _text(info).splitlines())
    masters: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
    nodes: dict[Address, None] = {}
    try:
        for first, last, *servers in slots:
            addresses = [_address(server[0], server[1], asked) for server in servers]
            nodes.update(dict.fromkeys(addresses))
            masters[first : last + 1] = [addresses[0]] * (last + 1 - first)
        epoch = int(state.get("cluster_current_epoch", 0))
    except (TypeError, ValueError, IndexError) as exc:
        raise SinkError(f"CLUSTER SLOTS: expected ranges, found {str(slots)[:200]}") from exc
    return View(state.get("cluster_state") == "ok", epoch, masters, tuple(nodes))


class Redirection(Struct, frozen=True):
    """`MOVED` or `ASK`: somebody else has the key."""

    for_good: bool  # MOVED; after ASK only this once
    address: Address
    text: str


def redirection(replies: Sequence[Any], asked: Address) -> Redirection | None:
    """Return where replies point to instead of having done what was asked."""
    if not isinstance(replies[-1], ReplyError):
        return None
    for reply in replies:
        if isinstance(reply, ReplyError) and error_code(str(reply)) in ("MOVED", "ASK"):
            code, _, place = str(reply).split(" ")[-3:]
            host, _, port = place.rpartition(":")
            return Redirection(code == "MOVED", _address(host, int(port), asked), str(reply))
    return None


def _address(host: Any, port: int, asked: Address) -> Address:
    # A node that does not know its own name leaves it out: it is the one we asked.
    text = "" if host is None else _text(host)
    return (asked[0] if text in ("", "?") else text), port


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
