"""What users pass in, turned into what goes on the wire. Pure."""

from wscore.codes import WsCloseCode
from wscore.errors import WebSocketError

Payload = str | bytes | bytearray | memoryview

_MAX_REASON = 123  # a control payload's 125 bytes less the code (RFC 6455, section 5.5.1)
_NEVER_SENT = {1004, 1005, 1006, 1015}


def to_bytes(payload: Payload) -> bytes | bytearray | memoryview:
    """Return contiguous bytes, one per item; text as UTF-8.

    Raises:
        TypeError: not one of the types above.
    """
    if isinstance(payload, str):
        return payload.encode()
    if isinstance(payload, memoryview):
        # Elsewhere len() must be the number of bytes.
        plain = payload.c_contiguous and payload.ndim == 1 and payload.itemsize == 1
        return payload if plain else payload.tobytes()
    if isinstance(payload, bytes | bytearray):
        return payload
    raise TypeError(f"payload must be str or bytes-like, not {type(payload).__name__}")


def close_body(code: int, reason: str | bytes) -> bytes:
    """Return a CLOSE frame's payload.

    A code that must not be on the wire becomes 1011; the reason is cut to 123
    bytes between two characters.

    Raises:
        WebSocketError: *reason* is not UTF-8.
    """
    if not (1000 <= code <= 1014 or 3000 <= code <= 4999) or code in _NEVER_SENT:
        code = WsCloseCode.INTERNAL_ERROR
    raw = reason.encode() if isinstance(reason, str) else bytes(reason)
    try:
        raw.decode()
    except UnicodeDecodeError as exc:
        raise WebSocketError(f"the close reason is not UTF-8: {exc}") from exc
    cut = raw[:_MAX_REASON].decode(errors="ignore").encode()
    return code.to_bytes(2, "big") + cut


def parse_close(body: bytes) -> tuple[int, str]:
    """Return code and reason of a received CLOSE that C has validated."""
    if not body:
        return WsCloseCode.NO_STATUS_RECEIVED, ""
    return int.from_bytes(body[:2], "big"), body[2:].decode()
