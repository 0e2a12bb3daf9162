"""What the server did and saw, line by line, for exact comparison in tests.

JSON lines. `ns` is our wall clock (Unix ns), `connection` counts from 1. Events:

| event                     | also carries        |                                  |
|---------------------------|---------------------|----------------------------------|
| `open`                    | `path`              | handshake done                   |
| `request`, `reply`        | `payload`           | what the client sent, the answer |
| `subscribe` `unsubscribe` | `topic`             | took effect                      |
| `sent`                    | `topic`, `payload`  | data, as written to the socket   |
| `ping` `pong`             | `payload` (hex)     | frame received from the client   |
| `close`                   | `code`              | received from the client; 1006   |
|                           |                     | without one; none: we closed     |
"""

from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from msgspec import Struct

from ingest.replay.errors import ReplayError


class JournalLine(Struct, omit_defaults=True):
    """One line of a journal."""

    ns: int
    connection: int
    event: str
    venue: str = ""
    topic: str = ""
    payload: str | None = None
    path: str = ""
    code: int | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(JournalLine).decode


class Journal:
    """Appends lines to a file. Buffered; `flush` makes them readable."""

    def __init__(self, path: Path) -> None:
        """Open *path* for appending.

        Raises:
            ReplayError: that is not possible.
        """
        try:
            self._file = path.open("ab")
        except OSError as exc:
            raise ReplayError(f"cannot write the journal {path}: {exc.strerror}") from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def write(self, line: JournalLine) -> None:
        """Append one line."""
        self._file.write(_encode(line) + b"\n")

    def flush(self) -> None:
        """Hand everything written to the operating system."""
        self._file.flush()


def read_journal(path: Path) -> list[JournalLine]:
    """Return the lines of a journal."""
    return [_decode(line) for line in path.read_bytes().splitlines()]
