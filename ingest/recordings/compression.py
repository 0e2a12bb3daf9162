"""Files opened by what their first bytes say: compressed in one of five ways, or not.

zstd and lz4 are read by the commands of these names; Python has neither.
"""

import bz2
import gzip
import lzma
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from ingest.recordings.errors import RecordingError

_MODULES: dict[bytes, Callable[[BinaryIO], object]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_COMMANDS = {b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"}
_OTHERS = {
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"\x0a\x0d\x0d\x0a": "a capture of packets (pcapng)",
    b"PAR1": "a Parquet file",
}
_MOST_MAGIC = 6
# What reading a damaged file raises, beside OSError.
DAMAGED = (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error)


@contextmanager
def open_plain(path: Path) -> Iterator[BufferedReader]:
    """Open *path* for reading, unpacked. What is given reads and peeks like a `BufferedReader`.

    Raises:
        RecordingError: of a kind that is no recording, or the command that is needed is
            missing or fails.
        OSError: unreadable. The reader of the lines meets `DAMAGED`.
    """
    with path.open("rb") as file:
        magic = file.read(_MOST_MAGIC)
        file.seek(0)
        for start, what in _OTHERS.items():
            if magic.startswith(start):
                raise RecordingError(f"{path}: {what}, which is no recording")
        for start, command in _COMMANDS.items():
            if magic.startswith(start):
                with _command(path, command) as plain:
                    yield plain
                return
        for start, opened in _MODULES.items():
            if magic.startswith(start):
                with cast(BufferedReader, opened(file)) as plain:
                    yield plain
                return
        yield file


@contextmanager
def _command(path: Path, name: str) -> Iterator[BufferedReader]:
    command = shutil.which(name)
    if command is None:
        raise RecordingError(
            f"{path}: compressed with {name}; install the command {name}, or unpack the file first"
        )
    with tempfile.TemporaryFile() as errors:  # not a pipe, which could fill up unread
        process = subprocess.Popen(
            [command, "-dcq", path.resolve()], stdout=subprocess.PIPE, stderr=errors
        )
        assert process.stdout is not None
        with process, process.stdout as plain:
            yield cast(BufferedReader, plain)
        if process.returncode:
            errors.seek(0)
            said = errors.read(500).decode(errors="replace").strip()
            raise RecordingError(f"{path}: {name} says: {said or process.returncode}")
