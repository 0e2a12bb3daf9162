"""One line of a CSV file with a header that names the columns of time and message.

    received_ns,venue,message
    1723161253937085768,binance,"{""stream"":""btcusdt@trade"",""data"":{}}"

Columns are called as in `ingest.recordings.jsonlines`; the others do not matter.
"""

import csv

from ingest.recordings.jsonlines import PAYLOADS, TIMES
from ingest.recordings.records import ParseLine, Record, WsMessage
from ingest.recordings.times import time_to_ns


def recognise(line: bytes) -> bool:
    """Tell whether *line*, the first of a file, names such columns."""
    return _columns(line) is not None


def new_parser() -> ParseLine:
    """Build the parser of one file."""
    columns: tuple[int, int] | None = None

    def parse_line(line: bytes, connection: str) -> Record | None:
        nonlocal columns
        if not line:
            return None
        if columns is None:
            columns = _columns(line)
            return None
        row = _row(line)
        if len(row) <= max(columns):
            raise ValueError(f"expected {max(columns) + 1} columns or more, found {line[:60]!r}")
        time, payload = (row[column] for column in columns)
        return WsMessage(time_to_ns(time.encode()), connection, payload.encode())

    return parse_line


def _columns(line: bytes) -> tuple[int, int] | None:
    try:
        names = [name.strip() for name in _row(line)]
    except ValueError:
        return None
    time = next((names.index(name) for name in TIMES if name in names), None)
    payload = next((names.index(name) for name in PAYLOADS if name in names), None)
    return None if time is None or payload is None else (time, payload)


def _row(line: bytes) -> list[str]:
    try:
        rows = list(csv.reader([line.decode()], strict=True))
    except csv.Error as exc:
        raise ValueError(f"expected comma-separated values: {exc}; found {line[:60]!r}") from exc
    return rows[0] if rows else []
