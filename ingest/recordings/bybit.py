"""One line of Bybit's own order-book archive: a WebSocket message of its API v5, nothing else.

There is no time of receipt; the message's `ts`, the venue's clock, stands for it.

Source: https://www.bybit.com/derivatives/en/history-data
"""

import msgspec

from ingest.recordings.records import Record, WsMessage

_NS_PER_MS = 1_000_000


class _Message(msgspec.Struct):
    topic: str
    ts: int


_decode = msgspec.json.Decoder(_Message).decode


def recognise(line: bytes) -> bool:
    """Tell whether *line*, the first of a file, begins such an archive."""
    return line.startswith(b'{"topic":"orderbook.') and b'"ts":' in line


def parse_line(line: bytes, connection: str) -> Record | None:
    """Parse one line without its line end; None for an empty one.

    Raises:
        ValueError: not a line of this format.
    """
    if not line:
        return None
    try:
        message = _decode(line)
    except msgspec.DecodeError as exc:
        raise ValueError(f"expected a message with `topic` and `ts`: {exc}") from exc
    return WsMessage(message.ts * _NS_PER_MS, connection, line)
