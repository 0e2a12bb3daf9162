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


class Withdraw(Struct, frozen=True, tag="withdraw"):
    """No longer wanted. The `Go` may be on its way already."""

    id: int


class Tell(Struct, frozen=True, kw_only=True, tag="tell"):
    """What an answer of the venue's said about its limits."""

    lane: Lane
    used: int | None = None  # weight, by the venue's own count
    stay_away_s: float | None = None  # nothing may go to that host before


class Go(Struct, frozen=True, tag="go"):
    """It is your turn, now; the use is booked."""

    id: int


class Answered(Struct, frozen=True, tag="answered"):
    """What it was our turn for is over: the venue has counted it, at some time until now."""

    id: int


FromGate = Ask | Withdraw | Tell | Answered


def lane(kind: Kind, venue: str, url: str) -> Lane:
    """Return the lane of a URL."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    return Lane(kind, venue, f"{host}:{parts.port or _PORTS.get(parts.scheme, 0)}")
