"""One line of JSON lines: a frame in an envelope with its time, or nothing but the frame.

    {"ts":1723161253937,"msg":"{\\"stream\\":\\"btcusdt@trade\\",\\"data\\":{…}}"}
    {"time":"2024-08-08T23:54:13.937085Z","raw":{"stream":"btcusdt@trade","data":{…}}}
    {"stream":"btcusdt@trade","data":{…}}

An envelope has one of the times and one of the payloads below; what else it has does not
matter. A frame inside it is a string, or JSON as the venue sent it. What the client sent
is marked by a direction. A frame alone has no time of receipt: its `ts` stands for it, the
venue's clock, else the time of the line before and a millisecond.
"""

import msgspec
from msgspec import Raw

from ingest.recordings.records import ParseLine, Record, WsMessage, WsSent
from ingest.recordings.times import time_to_ns

# What programs that record call them; of several times the first is taken.
TIMES = (
    *("received_ns", "recv_ns", "rx_ns", "local_ts_ns", "ts_ns", "rx", "ns"),
    *("received_at", "received", "receive_time", "recv_time", "recv_ts", "recv"),
    *("local_timestamp", "localTimestamp", "local_time", "local_ts"),
    *("timestamp", "time", "ts", "t"),
)
PAYLOADS = ("raw", "frame", "payload", "message", "msg", "text", "body")
_DIRECTIONS = ("direction", "dir")
_SENT = frozenset({b"out", b"outgoing", b"tx", b"sent", b"send", b"client"})
_NS_PER_MS = 1_000_000

_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_any = msgspec.json.Decoder(Raw).decode
_decode_text = msgspec.json.Decoder(str).decode


def recognise_envelope(line: bytes) -> bool:
    """Tell whether *line* is an envelope: a time, and a message that looks like JSON."""
    try:
        fields = _decode_object(line)
    except msgspec.DecodeError:
        return False
    time, payload = _first(fields, TIMES), _first(fields, PAYLOADS)
    return time is not None and payload is not None and _frame(payload)[:1] in (b"{", b"[")


def parse_envelope(line: bytes, connection: str) -> Record | None:
    """Parse one line without its line end; None for one without a message.

    Raises:
        ValueError: no envelope.
    """
    if not line:
        return None
    try:
        fields = _decode_object(line)
    except msgspec.DecodeError as exc:
        raise ValueError(f"expected a time and a message: {exc}") from exc
    time, payload = _first(fields, TIMES), _first(fields, PAYLOADS)
    if payload is None:
        return None  # what the program says of itself
    if time is None:
        raise ValueError(f"expected a time beside the message, found {line[:60]!r}")
    ns, frame = time_to_ns(_unquoted(time)), _frame(payload)
    direction = _first(fields, _DIRECTIONS)
    if direction is not None and _unquoted(direction) in _SENT:
        return WsSent(ns, connection, frame)
    return WsMessage(ns, connection, frame)


def recognise_frame(line: bytes) -> bool:
    """Tell whether *line*, the first of a file, is a frame alone: a JSON object or array."""
    try:
        return line.startswith((b"{", b"[")) and bool(_decode_any(line))
    except msgspec.DecodeError:
        return False


def new_frame_parser() -> ParseLine:
    """Build the parser of one file of frames alone."""
    latest = 0
    in_envelopes = False

    def parse_line(line: bytes, connection: str) -> Record | None:
        nonlocal latest, in_envelopes
        if not line:
            return None
        if in_envelopes or recognise_envelope(line):
            # The first line was what the program says of the file.
            in_envelopes = True
            return parse_envelope(line, connection)
        latest = _time_of(line) or latest + _NS_PER_MS
        return WsMessage(latest, connection, line)

    return parse_line


def _first(fields: dict[str, Raw], names: tuple[str, ...]) -> Raw | None:
    return next((fields[name] for name in names if name in fields), None)


def _frame(payload: Raw) -> bytes:
    sent = bytes(payload)
    return _decode_text(sent).encode() if sent.startswith(b'"') else sent


def _unquoted(raw: Raw) -> bytes:
    return bytes(raw).strip(b'"')


def _time_of(line: bytes) -> int | None:
    try:
        return time_to_ns(_unquoted(_decode_object(line)["ts"]))
    except (KeyError, ValueError):  # none, or in another form: it only spaces the frames
        return None
