"""How one venue talks, seen from the venue's side: data and pure functions.

A dialect is written from the venue's documentation and the recordings, and shares
no code with `ingest.venues`: the replay checks the adapters, so a misreading in
one of the two has to show.
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct


class Reply(Struct, frozen=True):
    """Send this message to the client that asked."""

    payload: bytes


class Subscribe(Struct, frozen=True):
    """Start these topics for the client, together. Unrecorded ones stay silent."""

    topics: tuple[str, ...]


class Unsubscribe(Struct, frozen=True):
    """Stop these topics for the client."""

    topics: tuple[str, ...]


class SetForm(Struct, frozen=True):
    """From now on encode data for the client in this form; see `Dialect.encode`."""

    form: str


# A topic, and the message that it gets.
Part = tuple[str, bytes]
Action = Reply | Subscribe | Unsubscribe | SetForm


class Session(Struct, frozen=True):
    """What a dialect may know of the connection a request came in on."""

    connection_id: str  # as the venue writes it, where it does
    form: str
    subscribed: Sequence[str]  # in the order subscribed
    serves: Callable[[str], bool]  # whether a topic is on offer


class Dialect(Struct, frozen=True, kw_only=True):
    """One venue.

    Topic names are the venue's own, one string each. Every function is pure, and
    none raises on what a client sends: the venue's error is among the actions.
    """

    name: str
    # Which recordings are this venue's: hosts in recorded URLs, or, in formats
    # that keep no URLs, the directory the file is in.
    hosts: frozenset[str]
    folders: frozenset[str]
    # Path prefixes, WebSocket and REST, that clients of this venue use.
    paths: tuple[str, ...]
    ws_path: str  # the usual one
    # (path, query) of a new connection → how it starts.
    opened: Callable[[str, str], Sequence[Action]]
    # What a client sent → what the venue does, in this order.
    request: Callable[[bytes, Session], Sequence[Action]]
    # A recorded message → its topic; None for what is not data (acks, errors).
    topic: Callable[[bytes], str | None] = lambda _: None
    # Instead of `topic` where only an earlier message says whose a message is: made
    # anew for each recorded connection.
    new_topic: Callable[[], Callable[[bytes], str | None]] | None = None
    # Instead of `topic` where a message may be of several: each topic's own, in the same
    # envelope. Of one topic alone it is the message itself; of none, what is not data.
    parts: Callable[[bytes], Sequence[Part]] | None = None
    # (recorded payload, topic, form) → what is sent.
    encode: Callable[[bytes, str, str], bytes]
    # (path, query) of a recorded URL or of a request → the key under which the two
    # meet; None where the venue has no such thing.
    rest_key: Callable[[str, str], str | None]
    rest_missing: Callable[[str | None], bytes]  # key → the venue's JSON error
    # By key: what is answered though nobody recorded it, as it decides nothing.
    rest_made: Mapping[str, bytes] = {}
    # Key → prefix of the topics whose position decides which of several recorded
    # answers is due; None: the newest answer.
    rest_topic: Callable[[str], str | None] = lambda _: None
    # Where the messages of a connection are numbered in a row: (what is sent, number) →
    # the same with that number, counted from 0; None for one that has none.
    numbered: Callable[[bytes, int], bytes | None] | None = None
    # Every message, data and answers, is a binary frame.
    binary: bool = False
    # A topic not recorded → a recorded one whose messages serve for it.
    stand_in: Callable[[str], str | None] = lambda _: None
