"""Up to where the spool's entries are settled, kept in a small file.

It is written in place after each batch. Where it is missing or damaged, everything
there is counts as unsettled: entries that are stored already are recognised by their ids.
"""

import os
from pathlib import Path
from struct import Struct as Layout
from struct import error as LayoutError
from zlib import crc32

from ingest.spool.format import Position

_PLACE = Layout("<QQ")
_CHECK = Layout("<I")


class Cursor:
    """The file; open as long as this is."""

    def __init__(self, path: Path) -> None:
        """Raises OSError if the file can neither be opened nor made."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def load(self) -> Position | None:
        """Return what it says, None if that makes no sense."""
        data = os.pread(self._fd, _PLACE.size + _CHECK.size, 0)
        try:
            (checksum,) = _CHECK.unpack_from(data, _PLACE.size)
        except LayoutError:
            return None
        place = data[: _PLACE.size]
        return Position(*_PLACE.unpack(place)) if crc32(place) == checksum else None

    def store(self, position: Position) -> None:
        """Say where the first unsettled entry is. Raises OSError."""
        place = _PLACE.pack(*position)
        os.pwrite(self._fd, place + _CHECK.pack(crc32(place)), 0)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)
