"""How one venue talks, from its side."""

import json
import time
from typing import Any, Protocol


class Client(Protocol):
    """One connection, as a family sees it."""

    path: str
    topics: list[str]
    memory: dict[str, Any]  # the family's own

    def say(self, message: Any) -> None:
        """Send text, or a value as JSON."""

    def take(self, topics: list[str]) -> bool:
        """Subscribe, if the rules allow it; else the family's `breach` has been called."""

    def leave(self, topics: list[str]) -> None:
        """Unsubscribe."""

    def pinged(self) -> None:
        """An application-level ping of ours went out: the answer is due."""

    def answered(self) -> None:
        """It was answered."""

    def close(self, code: int, reason: str = "") -> None:
        """Disconnect."""


class Family:
    """One venue; methods are called in the order things happen."""

    control_pings = True  # ours are PING frames

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

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        """The nth data messages of a topic; n counts from 1 over all connections."""
        raise NotImplementedError

    def rest(self, path: str, query: dict[str, str]) -> tuple[int, Any] | None:
        """Weight and answer of a request; None: there is no such thing."""
        return None


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
