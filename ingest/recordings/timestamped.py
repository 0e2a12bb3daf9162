"""One line of a capture that is `<time> <payload>`, as tardis.dev and many others write it.

    2019-08-01T00:00:08.8061234Z {"stream":"btcusdt@trade","data":{…}}

Between the two: a blank, a tab, a comma or a colon and a blank. A line without a payload
(tardis.dev's sign of a lost connection) records nothing. So does what tardis.dev adds
itself, `"generated":true`, but for snapshots of books, which are answers over REST.

Source: https://docs.tardis.dev/api/http, "data-feeds"; tardis-dev/tardis-node, `src/mappers/`
"""

import re

import msgspec
from msgspec import Raw, Struct

from ingest.recordings.records import Record, RestAnswer, WsMessage
from ingest.recordings.times import time_to_ns

_DATE = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[0-9.]*(?:Z|[+-]00:?00)?"
_LINE = re.compile(rb"(" + _DATE + rb"|\d{10,20}(?:\.\d+)?)(?:: |[ \t,])(.*)", re.DOTALL)
_GENERATED = b'"generated":true'


class _Generated(Struct):
    generated: bool = False
    stream: str = ""
    event: str = ""
    channel: str = ""
    data: Raw = Raw(b"null")


_decode = msgspec.json.Decoder(_Generated).decode


def recognise(line: bytes) -> bool:
    """Tell whether *line*, the first of a file, is of this format."""
    try:
        return parse_line(line, "") is not None
    except ValueError:
        return False


def parse_line(line: bytes, connection: str) -> Record | None:
    """Parse one line without its line end; None for one that records nothing.

    Raises:
        ValueError: not a line of this format.
    """
    if not line:
        return None
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"expected `<time> <payload>`, found {line[:60]!r}")
    time, payload = match.groups()
    ns = time_to_ns(time)
    if not payload:
        return None
    if _GENERATED in payload.replace(b" ", b""):
        return _generated(ns, payload)
    return WsMessage(ns, connection, payload)


def _generated(ns: int, payload: bytes) -> Record | None:
    try:
        wire = _decode(payload)
    except msgspec.DecodeError as exc:
        raise ValueError(f"expected what tardis.dev generates: {exc}") from exc
    symbol, found, _ = wire.stream.partition("@depthSnapshot")
    if found:
        return RestAnswer(ns, f"depth?symbol={symbol.upper()}", bytes(wire.data))
    _, found, symbol = wire.channel.partition("diff_order_book_")
    if found and wire.event == "snapshot":
        return RestAnswer(ns, f"/api/v2/order_book/{symbol}/", bytes(wire.data))
    return None
