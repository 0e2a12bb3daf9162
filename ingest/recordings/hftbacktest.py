"""One line of an hftbacktest capture: `<time> <payload>`.

The time is in ns since the epoch, of the older collector in µs. A file holds one symbol
and one UTC day, `<symbol>_<yyyymmdd>.gz`. The payload is a frame,
of Binance the combined-stream envelope; an object with `lastUpdateId` and neither `stream`
nor `e` is the answer to the collector's REST depth request, at the time it arrived.

Source: hftbacktest, `collector/`, and `examples/`.
"""

import re

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ingest.recordings.records import Record, RestAnswer, WsMessage
from ingest.recordings.times import time_to_ns

_LINE = re.compile(rb"(\d{16}|\d{19}) (.+)", re.DOTALL)
_NAME = re.compile(r"([A-Za-z0-9_]+)_\d{8}(?:\.\w+)*")


class _Envelope(msgspec.Struct):
    stream: Raw | UnsetType = UNSET
    e: Raw | UnsetType = UNSET
    lastUpdateId: Raw | UnsetType = UNSET


_decode = msgspec.json.Decoder(_Envelope).decode


def recognise(line: bytes) -> bool:
    """Tell whether *line*, the first of a file, begins an hftbacktest capture."""
    return _LINE.fullmatch(line) is not None


def parse_line(line: bytes, connection: str) -> Record | None:
    """Parse one line without its line end; None for an empty one.

    *connection* is the file's name: the REST answer does not say its symbol, the
    name does. Its URL was not recorded either, so `depth?symbol=…` stands for it.

    Raises:
        ValueError: not a line of this format.
    """
    if not line:
        return None
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"expected `<ns or µs since epoch> <payload>`, found {line[:60]!r}")
    ns, payload = time_to_ns(match[1]), match[2]
    if not payload.startswith(b"{"):
        return WsMessage(ns, connection, payload)
    try:
        envelope = _decode(payload)
    except msgspec.DecodeError as exc:
        raise ValueError(f"expected a message or a depth snapshot: {exc}") from exc
    if envelope.lastUpdateId is UNSET or envelope.stream is not UNSET or envelope.e is not UNSET:
        return WsMessage(ns, connection, payload)
    name = _NAME.fullmatch(connection)
    if name is None:
        raise ValueError(
            f"a depth snapshot, and the file name {connection!r} does not say of what; "
            "name the file <symbol>_<yyyymmdd>.gz"
        )
    return RestAnswer(ns, f"depth?symbol={name[1].upper()}", payload)
