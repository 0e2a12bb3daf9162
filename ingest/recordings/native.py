"""Our own recording format: JSON lines, one record each, after a header line.

    {"format":"ingest-recording","version":1,"venue":"binance"}
    {"ns":1723161253937085768,"kind":"opened","connection":"binance-0","url":"wss://…"}
    {"ns":…,"kind":"sent","connection":"binance-0","text":"…"}
    {"ns":…,"kind":"message","connection":"binance-0","text":"…"}
    {"ns":…,"kind":"message","connection":"htx-0","base64":"H4sI…"}
    {"ns":…,"kind":"closed","connection":"binance-0","code":1001,"text":"…"}
    {"ns":…,"kind":"rest","url":"https://…","text":"…"}

`ns` is Unix nanoseconds, `venue` may be left out. A payload that is not UTF-8 text is in `base64`.
"""

from base64 import b64decode, b64encode
from typing import Literal

import msgspec
from msgspec import Struct

from ingest.recordings.records import (
    Record,
    RestAnswer,
    VenueNamed,
    WsClosed,
    WsMessage,
    WsOpened,
    WsSent,
)


class _Header(Struct):
    format: Literal["ingest-recording"]
    version: int
    venue: str = ""


class _Line(Struct, omit_defaults=True):
    ns: int
    kind: Literal["opened", "sent", "message", "closed", "rest"]
    connection: str = ""
    url: str = ""
    code: int = 1006
    text: str | None = None
    base64: str | None = None


_decode_header = msgspec.json.Decoder(_Header).decode
_decode_line = msgspec.json.Decoder(_Line).decode
_encode = msgspec.json.Encoder().encode


def format_header(venue: str) -> bytes:
    """Return the first line of a file, without a line end."""
    return _encode(_Header("ingest-recording", 1, venue))


def recognise(line: bytes) -> bool:
    """Tell whether *line*, the first of a file, is this format's header.

    Raises:
        ValueError: it is, of a version this program does not know.
    """
    try:
        header = _decode_header(line)
    except msgspec.DecodeError:
        return False
    if header.version != 1:
        raise ValueError(f"recording format version {header.version}; this program reads 1")
    return True


def parse_line(line: bytes, connection: str) -> Record | None:
    """Parse one line without its line end; None for empty lines, and a header without a venue.

    Raises:
        ValueError: not a line of this format.
    """
    if not line:
        return None
    if recognise(line):
        header = _decode_header(line)
        return VenueNamed(header.venue) if header.venue else None
    try:
        wire = _decode_line(line)
    except msgspec.DecodeError as exc:
        raise ValueError(f"not a record: {exc}") from exc
    name = wire.connection or connection
    if wire.kind == "opened":
        return WsOpened(wire.ns, name, wire.url)
    if wire.kind == "closed":
        return WsClosed(wire.ns, name, wire.code, wire.text or "")
    payload = _payload(wire)
    if wire.kind == "sent":
        return WsSent(wire.ns, name, payload)
    if wire.kind == "message":
        return WsMessage(wire.ns, name, payload, binary=wire.base64 is not None)
    return RestAnswer(wire.ns, wire.url, payload)


def format_record(record: Record) -> bytes:
    """Return the line of one record, without a line end. `parse_line` undoes it."""
    match record:
        case VenueNamed(venue):
            return format_header(venue)
        case WsOpened(ns, connection, url):
            return _encode(_Line(ns, "opened", connection, url))
        case WsSent(ns, connection, payload):
            return _encode(_Line(ns, "sent", connection, text=payload.decode()))
        case WsMessage(ns, connection, payload, binary):
            if binary:
                encoded = b64encode(payload).decode("ascii")
                return _encode(_Line(ns, "message", connection, base64=encoded))
            return _encode(_Line(ns, "message", connection, text=payload.decode()))
        case WsClosed(ns, connection, code, reason):
            return _encode(_Line(ns, "closed", connection, code=code, text=reason or None))
        case RestAnswer(ns, url, body):
            try:
                return _encode(_Line(ns, "rest", url=url, text=body.decode()))
            except UnicodeDecodeError:
                encoded = b64encode(body).decode("ascii")
                return _encode(_Line(ns, "rest", url=url, base64=encoded))


def _payload(wire: _Line) -> bytes:
    if wire.text is not None:
        return wire.text.encode()
    if wire.base64 is None:
        raise ValueError(f"a {wire.kind} record needs `text` or `base64`")
    return b64decode(wire.base64, validate=True)
