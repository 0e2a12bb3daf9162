"""What a recording consists of, whichever program wrote it.

`ns` is the recorder's wall clock in Unix nanoseconds. `connection` names the
recorded connection; formats that keep one connection per file use the file name.
"""

from collections.abc import Callable

from msgspec import Struct


class VenueNamed(Struct, frozen=True, gc=False):
    """The file says itself which venue it is of."""

    venue: str


class WsOpened(Struct, frozen=True, gc=False):
    """A WebSocket was opened; on some venues the URL carries the subscription."""

    ns: int
    connection: str
    url: str


class WsSent(Struct, frozen=True, gc=False):
    """The recording client sent a text message."""

    ns: int
    connection: str
    payload: bytes


class WsMessage(Struct, frozen=True, gc=False):
    """One message received: the payload, exactly as it came out of its frame(s)."""

    ns: int
    connection: str
    payload: bytes
    binary: bool = False


class WsClosed(Struct, frozen=True, gc=False):
    """A WebSocket is over: the close code and the reason given, 1006 where there was no CLOSE."""

    ns: int
    connection: str
    code: int
    reason: str = ""


class RestAnswer(Struct, frozen=True, gc=False):
    """The body of an HTTP answer. A format without URLs gives `path?query` only."""

    ns: int
    url: str
    body: bytes


Record = VenueNamed | WsOpened | WsSent | WsMessage | WsClosed | RestAnswer
# A line without its end, the file's name → its record, if it is one; raises ValueError.
ParseLine = Callable[[bytes, str], Record | None]
