"""The segment files of one spool: numbered, written at their end, deleted as wholes."""

import os
import re
from pathlib import Path

# Room below for what has to go before all others: see `Spool.put_first`.
FIRST_SEGMENT = 1_000_000

_NAME = re.compile(r"([0-9]{12})\.segment")


def path_of(directory: Path, segment: int) -> Path:
    """Return the file of a segment."""
    return directory / f"{segment:012}.segment"


def found_in(directory: Path) -> dict[int, int]:
    """Return the sizes of the segments that there are, in order of their numbers."""
    sizes = {
        int(match[1]): path.stat().st_size
        for path in directory.iterdir()
        if (match := _NAME.fullmatch(path.name))
    }
    return dict(sorted(sizes.items()))


def open_directory(directory: Path) -> int:
    """Return a descriptor, which the caller closes: a new file outlives a crash once it is synced.

    Raises OSError.
    """
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


class SegmentFile:
    """One file that is being written, at explicit offsets: a write that failed is repeated."""

    def __init__(self, directory: Path, segment: int) -> None:
        """Make the file. Raises OSError."""
        self.segment = segment
        self.size = 0  # of what was written as a whole
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._fd = os.open(path_of(directory, segment), flags, 0o600)

    def write(self, data: bytes) -> None:
        """Add *data*, as a whole or, as far as a reader can see, not at all.

        Raises:
            OSError: the disk is full, or worse. The same data have to come again.
        """
        view = memoryview(data)
        at = self.size
        while view:
            written = os.pwrite(self._fd, view, at)
            at += written
            view = view[written:]
        self.size = at

    def duplicate(self) -> int:
        """Return another descriptor of the file, for a thread to sync; the caller closes it.

        Raises OSError: there are too many open files.
        """
        return os.dup(self._fd)

    def release(self) -> int:
        """Let go of the file, but for its descriptor, which the caller closes."""
        descriptor, self._fd = self._fd, -1
        return descriptor

    def sync(self) -> None:
        """Wait until the disk has it. Raises OSError."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)
