"""How one venue talks, from its side."""

import json
import time
from collections.abc import Mapping
from typing import Any, Protocol

from tests.servers.strict.rules import Rules


class Client(Protocol):
    """One connection, as a family sees it."""

    path: str
    query: dict[str, str]
    topics: list[str]
    memory: dict[str, Any]  # the family's own

    def say(self, message: Any) -> None:
        """Send text, or a value as JSON."""

    def take(self, topics: list[str]) -> bool:
        """Subscribe, if the rules allow it; else the family's `breach` has been called."""

    def leave(self, topics: list[str]) -> bool:
        """Unsubscribe; as `take`."""

    def begins(self, topic: str) -> bool:
        """Whether what is sent now is the first of this subscription."""

    def pinged(self) -> None:
        """An application-level ping of ours went out: the answer is due."""

    def answered(self) -> None:
        """It was answered."""

    def kept_alive(self) -> None:
        """The client sent the ping that `Rules.client_ping` wants."""

    def breach(self, rule: str, detail: str) -> bool:
        """Report a breach that only the family can see; then its `breach` is called. False."""

    def close(self, code: int, reason: str = "") -> None:
        """Disconnect."""


class Family:
    """One venue; methods are called in the order things happen."""

    rules: Rules  # the venue's
    control_pings = True  # ours are PING frames
    posts: frozenset[str] = frozenset()  # paths of REST that take a POST, and no GET
    beat_s: float | None = None  # `beat` is called so often
    used_header = ""  # of REST answers: how much of the limit is used

    def opened(self, client: Client) -> None:
        """The handshake is done."""

    def received(self, client: Client, text: str) -> None:
        """The client sent this, and no rule forbids it."""
        raise NotImplementedError

    def breach(self, client: Client, rule: str) -> None:
        """A rule was broken; do what the venue does."""
        client.close(1008, rule)

    def ping(self, client: Client) -> None:
        """Send our application-level ping, where the venue has one."""

    def beat(self, client: Client) -> None:
        """Send what the venue sends though nothing happens; nobody has to answer."""

    def pack(self, text: str) -> str | bytes:
        """Make a frame of a message; bytes: it is a binary one."""
        return text

    def ask_to_leave(self, client: Client) -> None:
        """Tell the client that its connection will go away, where the venue does."""

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        """The nth data messages of a topic; n counts from 1 over all connections."""
        raise NotImplementedError

    def rest(
        self, path: str, query: dict[str, str], sent: Mapping[str, int]
    ) -> tuple[int, Any] | None:
        """Weight and answer of a request; None: there is no such thing.

        *sent*: of each topic, which data message was the last.
        """
        return None


# Bases of what is listed over REST.
LISTED = [f"C{n:04}" for n in range(1000)]

Levels = list[tuple[str, str]]  # prices and sizes of one side, best first


def book(n: int) -> tuple[Levels, Levels]:
    """Bids and asks after the nth update.

    An update changes one of two levels, by turns: a book that lacks the one before has
    sizes that are not next to each other. The last bid never changes: only a snapshot
    has it. So whoever has the book can tell whether it is whole: `is_whole`.
    """
    even, odd = n - n % 2 + 2, n + n % 2 + 1
    return [("100.00", str(even)), ("99.00", str(odd)), ("90.00", "7")], [("300.00", "1")]


def change(n: int) -> tuple[str, str]:
    """The bid that the nth update changes, and its size."""
    return book(n)[0][n % 2]


def is_whole(bids: Mapping[str, str]) -> bool:
    """Whether these bids, sizes by price, are those of a `book`."""
    sizes = {float(price): int(float(size)) for price, size in bids.items()}
    return (
        sizes.keys() == {100.0, 99.0, 90.0}
        and sizes[90.0] == 7
        and abs(sizes[100.0] - sizes[99.0]) == 1
    )


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def price(n: int) -> str:
    """A price that differs from one message to the next, with two decimals."""
    return f"{100 + n % 100}.{n % 90 + 10}"


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def iso(ms: int) -> str:
    """As `2026-11-21T14:19:35.123Z`."""
    seconds, rest = divmod(ms, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:03}Z"
