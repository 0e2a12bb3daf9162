"""What goes between a gate and the broker: Structs, so that it can go through a pipe."""

from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}

Kind = Literal["connect", "rest", "message"]


class Lane(Struct, frozen=True):
    """What is limited: attempts to connect, requests, messages; of which venue, at which host."""

    kind: Kind
    venue: str
    host: str  # with its port


class Ask(Struct, frozen=True, tag="ask"):
    """May I? Answered by one `Go`, when it is its turn."""

    id: int  # one of a kind at its gate
    lane: Lane
    weight: int = 1
    who: str = ""  # the name of the connection that is to be opened


class Withdraw(Struct, frozen=True, tag="withdraw"):
    """No longer wanted, or given up after its `Go`, which may be on its way."""

    id: int


class Outcome(Struct, frozen=True, tag="outcome"):
    """How an attempt to connect ended."""

    id: int  # of the `Ask`
    reached: bool


class Tell(Struct, frozen=True, kw_only=True, tag="tell"):
    """What there is to know about a host, out of an answer of the venue's, or its silence."""

    lane: Lane
    used: int | None = None  # weight, by the venue's own count
    stay_away_s: float | None = None  # nothing may go to that host before
    lost: bool = False  # a connection that was open has ended, and not by our will


class Go(Struct, frozen=True, tag="go"):
    """It is your turn, now; the use is booked."""

    id: int


FromGate = Ask | Withdraw | Outcome | Tell


def lane(kind: Kind, venue: str, url: str) -> Lane:
    """Return the lane of a URL."""
    return Lane(kind, venue, host_of(url))


def host_of(url: str) -> str:
    """Return a URL's host and port."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    return f"{host}:{parts.port or _PORTS.get(parts.scheme, 0)}"
