"""Files and directories of recordings, as records.

The format is recognised by a file's first line, compression by its first bytes;
names do not matter, except that an hftbacktest name says the symbol.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import structlog

from ingest.recordings import (
    bybit,
    cryptofeed,
    hftbacktest,
    jsonlines,
    native,
    pcap,
    table,
    timestamped,
)
from ingest.recordings.compression import DAMAGED, open_plain
from ingest.recordings.errors import RecordingError
from ingest.recordings.records import ParseLine, Record, WsMessage

_log = structlog.get_logger(__name__)

_BOM = b"\xef\xbb\xbf"
# What lies beside recordings in a directory and is none.
_NOT_RECORDINGS = frozenset({".md", ".txt", ".yaml", ".json"})

# Tells from a file's first line whether it is this format; makes the parser of its lines.
# Of those that fit, the first is taken: the narrow ones before the wide ones.
_FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[], ParseLine]], ...] = (
    (native.recognise, lambda: native.parse_line),
    (hftbacktest.recognise, lambda: hftbacktest.parse_line),
    (bybit.recognise, lambda: bybit.parse_line),
    (cryptofeed.recognise, lambda: cryptofeed.parse_line),
    (timestamped.recognise, lambda: timestamped.parse_line),
    (jsonlines.recognise_envelope, lambda: jsonlines.parse_envelope),
    (jsonlines.recognise_frame, jsonlines.new_frame_parser),
    (table.recognise, table.new_parser),
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

    A last line without its end that is no whole record, as a recorder leaves it that was
    killed, is logged and left out.

    Raises:
        RecordingError: unreadable, damaged, of unknown format, or a malformed
            line; the text says which line.
    """
    parse: ParseLine | None = None
    number = 0
    try:
        with open_plain(path) as file:
            if pcap.recognise(file.peek(4)[:4]):
                yield from _packets(path, file)
                return
            for raw in file:
                number += 1
                line = raw.removesuffix(b"\n").removesuffix(b"\r")
                if number == 1:
                    line = line.removeprefix(_BOM)
                if parse is None:
                    if not line:
                        continue
                    parse = _recognise(line)
                try:
                    record = parse(line, path.name)
                    if not raw.endswith(b"\n"):
                        _check_whole(record)
                except ValueError:
                    if raw.endswith(b"\n"):
                        raise
                    _log.warning("recording: the last line is cut off", file=str(path), line=number)
                    continue
                if record is not None:
                    yield record
    except ValueError as exc:
        raise RecordingError(f"{path}:{number}: {exc}") from exc
    except DAMAGED as exc:
        raise RecordingError(
            f"{path}: damaged compressed data after line {number} ({exc}); fetch the file again"
        ) from exc
    except OSError as exc:
        raise RecordingError(f"{path}: {exc.strerror or exc}") from exc


def _packets(path: Path, file: BinaryIO) -> Iterator[Record]:
    try:
        yield from pcap.read(file, path.name)
    except EOFError:
        _log.warning("recording: the last packet is cut off", file=str(path))


def _check_whole(record: Record | None) -> None:
    if isinstance(record, WsMessage) and record.payload.startswith((b"{", b"[")):
        msgspec.json.decode(record.payload, type=msgspec.Raw)


def _is_recording(file: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
    return file.is_file() and not hidden and file.suffix not in _NOT_RECORDINGS


def _recognise(line: bytes) -> ParseLine:
    for recognise, new_parser in _FORMATS:
        if recognise(line):
            return new_parser()
    raise ValueError(
        "unknown format; known are cryptofeed and hftbacktest captures, lines of "
        "`<time> <payload>`, JSON lines, CSV with a header, Bybit's archive of order books "
        f"and our own (ingest-recording); the file begins {line[:60]!r}"
    )
