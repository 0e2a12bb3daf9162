"""Files and directories of recordings, as records.

The format is recognised by a file's first line, compression by its first bytes;
names do not matter, except that an hftbacktest name says the symbol.
"""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from ingest.recordings import bybit, cryptofeed, hftbacktest, native
from ingest.recordings.errors import RecordingError
from ingest.recordings.records import Record

_GZIP_MAGIC = b"\x1f\x8b"
# What lies beside recordings in a directory and is none.
_NOT_RECORDINGS = frozenset({".md", ".txt", ".yaml", ".json"})

ParseLine = Callable[[bytes, str], Record | None]
# (tells from a file's first line whether it is this format, parses a line of it)
_FORMATS: tuple[tuple[Callable[[bytes], bool], ParseLine], ...] = (
    (native.recognise, native.parse_line),
    (hftbacktest.recognise, hftbacktest.parse_line),
    (bybit.recognise, bybit.parse_line),
    (cryptofeed.recognise, cryptofeed.parse_line),
)


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Return the recording files among *paths*, directories searched recursively.

    A file named itself is always taken; in directories, hidden files and
    documents (.md, .txt, .yaml, .json) are passed over. Sorted within a directory, and
    each file once even if reached twice.

    Raises:
        RecordingError: a path does not exist, or nothing was found.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise RecordingError(f"{path}: no such file or directory")
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        files = [file for file in inside if file == path or _is_recording(file, path)]
        if not files:
            raise RecordingError(f"{path}: no recordings in this directory")
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def read_file(path: Path) -> Iterator[Record]:
    """Yield the records of one file in the order recorded. An empty file yields none.

    Raises:
        RecordingError: unreadable, damaged, of unknown format, or a malformed
            line; the text says which line.
    """
    with _open(path) as lines:
        parse: ParseLine | None = None
        number = 0
        try:
            for raw in lines:
                number += 1
                line = raw.removesuffix(b"\n")
                if parse is None:
                    if not line:
                        continue
                    parse = _recognise(line)
                record = parse(line, path.name)
                if record is not None:
                    yield record
        except ValueError as exc:
            raise RecordingError(f"{path}:{number}: {exc}") from exc
        except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
            raise RecordingError(
                f"{path}: damaged gzip data after line {number} ({exc}); fetch the file again"
            ) from exc


def _is_recording(file: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
    return file.is_file() and not hidden and file.suffix not in _NOT_RECORDINGS


def _recognise(line: bytes) -> ParseLine:
    for recognise, parse_line in _FORMATS:
        if recognise(line):
            return parse_line
    raise ValueError(
        "unknown format; known are cryptofeed and hftbacktest captures, Bybit's archive of "
        f"order books and our own (ingest-recording); the file begins {line[:60]!r}"
    )


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            if compressed:
                with gzip.open(file, "rb") as plain:
                    yield cast(BinaryIO, plain)
            else:
                yield file
    except OSError as exc:
        # BadGzipFile is an OSError too; the reader of the lines has dealt with it.
        raise RecordingError(f"{path}: {exc.strerror or exc}") from exc
