"""One line of a cryptofeed capture.

| line                             | record                                  |
|----------------------------------|-----------------------------------------|
| `<wss url> <-> <time>`           | `WsOpened`                              |
| `<wss url> <- <time>: <text>`    | `WsSent`                                |
| `<time>: <payload>`              | `WsMessage`                             |
| `<http url> -> <time>: <body>`   | `RestAnswer`; ` header: {…}` is dropped |
| `configuration: {…}`, empty line | none                                    |

Times are Unix seconds. The old layout has all of it in one file per connection,
the new one has files of their own for REST answers; the lines are the same.

Source: cryptofeed, `cryptofeed/util/async_file.py`, and its `sample_data/`.
"""

import ast
import re

import msgspec

from ingest.recordings.records import Record, RestAnswer, WsMessage, WsOpened, WsSent
from ingest.recordings.times import seconds_to_ns

_SECONDS = re.compile(rb"\d{1,10}(?:\.\d+)?").fullmatch


def recognise(line: bytes) -> bool:
    """Tell whether *line*, the first of a file, begins a cryptofeed capture."""
    if line.startswith((b"configuration: ", b"wss://", b"ws://", b"https://", b"http://")):
        return True
    head, separator, _ = line.partition(b": ")
    return bool(separator) and _SECONDS(head) is not None


def parse_line(line: bytes, connection: str) -> Record | None:
    """Parse one line without its line end; None for a line that records nothing.

    Raises:
        ValueError: the line is of none of the kinds above.
    """
    if not line or line.startswith(b"configuration: "):
        return None
    if line[:1].isdigit():
        time, payload = _split(line, b": ")
        ns = seconds_to_ns(time)
        if payload.startswith((b"b'", b'b"')):
            # A binary frame, which the recorder kept as Python's repr of the bytes.
            return WsMessage(ns, connection, _literal_bytes(payload), binary=True)
        return WsMessage(ns, connection, payload)
    if line.startswith((b"wss://", b"ws://")):
        url, separator, time = line.partition(b" <-> ")
        if separator:
            return WsOpened(seconds_to_ns(time), connection, url.decode())
        _, rest = _split(line, b" <- ")
        time, text = _split(rest, b": ")
        return WsSent(seconds_to_ns(time), connection, text)
    if line.startswith((b"https://", b"http://")):
        url, rest = _split(line, b" -> ")
        time, body = _split(rest, b": ")
        return RestAnswer(seconds_to_ns(time), url.decode(), _without_header(body))
    raise ValueError(
        "expected `<time>: <payload>`, `<url> <-> <time>`, `<url> <- <time>: <text>` or "
        f"`<url> -> <time>: <body>`, found {line[:60]!r}"
    )


def _split(text: bytes, separator: bytes) -> tuple[bytes, bytes]:
    before, found, after = text.partition(separator)
    if not found:
        raise ValueError(f"expected {separator.decode()!r}, found {text[:60]!r}")
    return before, after


def _literal_bytes(text: bytes) -> bytes:
    try:
        value = ast.literal_eval(text.decode("ascii"))
    except (SyntaxError, UnicodeDecodeError) as exc:
        raise ValueError(f"expected a Python bytes literal, found {text[:60]!r}") from exc
    if not isinstance(value, bytes):
        raise ValueError(f"expected a Python bytes literal, found {text[:60]!r}")
    return value


def _without_header(body: bytes) -> bytes:
    head, found, _ = body.rpartition(b" header: {")
    if not found:
        return body
    # The words may also be inside a string of the body: then what precedes them is
    # not a JSON document.
    try:
        msgspec.json.decode(head)
    except msgspec.DecodeError:
        return body
    return head
