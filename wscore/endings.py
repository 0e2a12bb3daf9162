"""What a connection does about frames and endings, for both APIs. Pure.

The async and the sync side differ in how they wait. What they send, answer and
raise is decided here.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from wscore.codes import CurlECode, CurlWsFlag, WsCloseCode
from wscore.connection import Batch, Connection, Opcode, PumpStatus
from wscore.errors import WebSocketClosed, WebSocketError

# Once both sides are done, the server ends the TCP connection (RFC 6455, section
# 7.1.1); one that does not is not waited for any longer than this.
EOF_WAIT_S = 1.0

_MAX_CONTROL = 125  # bytes (RFC 6455, section 5.5)
# Reaching an enum's member and comparing with it costs more than receiving a
# message does; plain numbers where it is done for each.
_BINARY, _CONT, _CLOSE, _PONG = map(
    int, (CurlWsFlag.BINARY, CurlWsFlag.CONT, CurlWsFlag.CLOSE, CurlWsFlag.PONG)
)
_OP_CLOSE = int(Opcode.CLOSE)
_OPCODES = {
    int(CurlWsFlag.TEXT): int(Opcode.TEXT),
    int(CurlWsFlag.BINARY): int(Opcode.BINARY),
    int(CurlWsFlag.CLOSE): int(Opcode.CLOSE),
    int(CurlWsFlag.PING): int(Opcode.PING),
    int(CurlWsFlag.PONG): int(Opcode.PONG),
}


def frame_of(flags: int, size: int, continued: int | None) -> tuple[int, bool]:
    """Return the opcode and FIN of a payload of *size* bytes sent with *flags*.

    With `CONT` among the flags more of the message follows; `CONT` alone goes on with
    the message of which fragments were sent before: *continued* is its opcode.

    Raises:
        WebSocketError: no such frame can be sent.
    """
    kind = int(flags)
    fin = not kind & _CONT
    opcode = _OPCODES.get(kind & ~_CONT)
    if opcode is None:
        if kind != _CONT or continued is None:
            raise WebSocketError(
                f"flags must be TEXT, BINARY, CLOSE, PING or PONG, not {flags!r}",
                CurlECode.BAD_FUNCTION_ARGUMENT,
            )
        opcode = continued
    if opcode >= _OP_CLOSE and not (fin and size <= _MAX_CONTROL):
        raise WebSocketError(
            f"a control payload holds at most {_MAX_CONTROL} bytes in one frame, not {size}"
            + ("" if fin else " in a fragment"),
            CurlECode.TOO_LARGE,
        )
    return opcode, fin


class Controls(NamedTuple):
    """The control frames of a batch; `close` is the body of the peer's CLOSE."""

    data: Batch
    pongs: list[bytes]
    close: bytes | None


def sort_controls(batch: Batch) -> Controls:
    """Part the control frames from the data. PINGs were answered in C."""
    indices, pongs, close = [], [], None
    for index, payload in enumerate(batch.messages):
        kind = batch.kind_of(index)
        if kind <= _BINARY:
            continue
        indices.append(index)
        if kind == _PONG:
            pongs.append(payload)
        elif kind == _CLOSE:
            close = payload
    return Controls(batch.without(indices), pongs, close)


def close_message(body: bytes) -> Batch:
    """Return the peer's CLOSE as the message that receivers get."""
    return Batch([body], CurlWsFlag.CLOSE, b"", [(1, 0)])


def pump_error(status: int, connection: Connection) -> tuple[WebSocketError, int | None]:
    """Return what a pump's bad end means: the error, and the code the peer is owed, if any."""
    if status == PumpStatus.EOF:
        why = "the connection ended without a CLOSE frame"
        return WebSocketClosed(why, WsCloseCode.ABNORMAL_CLOSURE), None
    if status == PumpStatus.FAILED:
        code, text = connection.failure
        error = CurlECode.TOO_LARGE if code == WsCloseCode.MESSAGE_TOO_BIG else code
        return WebSocketError(text, error), code
    code = connection.curl_code
    return WebSocketError(f"receiving failed: libcurl error {code}", code), None


def write_error(curl_code: int) -> WebSocketError:
    """Return the error of a write that failed."""
    return WebSocketError(f"sending failed: libcurl error {curl_code}", curl_code)


def ping_timeout_error() -> WebSocketClosed:
    """Return the error of a peer that answers no PING; it is told 1011."""
    return WebSocketClosed("keepalive ping timeout", WsCloseCode.INTERNAL_ERROR)


def text_of(payload: bytes, flags: int) -> str:
    """Return a message that must be text.

    Raises:
        WebSocketError: 1007, it is not.
    """
    if not flags & CurlWsFlag.TEXT:
        raise WebSocketError("Not a valid text frame", WsCloseCode.INVALID_DATA)
    try:
        return payload.decode()
    except UnicodeDecodeError as exc:
        raise WebSocketError(f"invalid UTF-8: {exc}", WsCloseCode.INVALID_DATA) from exc


def json_of(text: str, loads: Callable[[str], Any]) -> Any:
    """Return what *text* says as JSON.

    Raises:
        WebSocketError: 1007, it is none.
    """
    if not text:
        raise WebSocketError("invalid JSON: the message is empty", WsCloseCode.INVALID_DATA)
    try:
        return loads(text)
    except ValueError as exc:
        raise WebSocketError(f"invalid JSON: {exc}", WsCloseCode.INVALID_DATA) from exc


def json_text(payload: Any, dumps: Callable[[Any], str | bytes] | None) -> str | bytes:
    """Return *payload* as JSON, compact unless *dumps* says otherwise."""
    return dumps(payload) if dumps else json.dumps(payload, separators=(",", ":"))
