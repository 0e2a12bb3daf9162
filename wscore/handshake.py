"""The opening handshake's rules. Pure. Source: RFC 6455, sections 4.1 and 4.2.2.

libcurl sends the request and insists on a 101, but it does not check that the
answer is to *our* request: that is done here.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from wscore.errors import HandshakeError
from wscore.extensions import Deflate, DeflateParameters, NegotiationError, negotiate

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the two sides agreed on."""

    subprotocol: str | None
    deflate: DeflateParameters | None


def make_key(random: bytes) -> str:
    """Return the Sec-WebSocket-Key for 16 random bytes."""
    return base64.b64encode(random).decode()


def accept_for(key: str) -> str:
    """Return the Sec-WebSocket-Accept that proves that *key* was read."""
    return base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()


def check_response(
    status: int,
    headers: Headers,
    key: str,
    *,
    subprotocols: Sequence[str] = (),
    deflate: Deflate | None = None,
) -> Agreement:
    """Return what the server chose of the *subprotocols* and of *deflate* that we offered.

    Raises:
        HandshakeError: the reply is not a 101 that answers our request, or it
            chooses a subprotocol or an extension that we did not offer.
    """

    def fail(expected: str, found: str) -> HandshakeError:
        return HandshakeError(
            f"invalid handshake: expected {expected}, found {found}", status, headers
        )

    def all_of(name: str) -> list[str]:
        return [value.strip() for key_, value in headers if key_.lower() == name]

    def one(name: str) -> str | None:
        values = all_of(name)
        if len(values) > 1:
            raise fail(f"one {name} header", f"{len(values)}")
        return values[0] if values else None

    def tokens(name: str) -> list[str]:
        return [token.strip().lower() for token in ",".join(all_of(name)).split(",")]

    if status != 101:
        raise fail("status 101", str(status))
    if "websocket" not in tokens("upgrade"):
        raise fail("Upgrade: websocket", repr(one("upgrade")))
    if "upgrade" not in tokens("connection"):
        raise fail("Connection: Upgrade", repr(tokens("connection")))
    accept = one("sec-websocket-accept")
    if accept != accept_for(key):
        raise fail(f"Sec-WebSocket-Accept {accept_for(key)!r}", repr(accept))
    chosen = one("sec-websocket-protocol")
    if chosen is not None and chosen not in subprotocols:
        raise fail(f"a subprotocol out of {list(subprotocols)}", repr(chosen))
    try:
        agreed = negotiate(all_of("sec-websocket-extensions"), deflate)
    except NegotiationError as exc:
        raise HandshakeError(f"invalid handshake: {exc}", status, headers) from exc
    return Agreement(chosen, agreed)
