"""Recordings as they lie on disk, read with nothing of the product: lines, frames, REST answers."""

import ast
import gzip
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_CRYPTOFEED = re.compile(rb"(\d+\.\d+): ")
_HFTBACKTEST = re.compile(rb"(\d{19}) ")
_REST = re.compile(rb"(https?://\S+) -> (\d+\.\d+): ")


@dataclass
class Line:
    """One line of a file; `payload` is inflated where the frame was."""

    raw: bytes
    kind: str = "other"  # frame, rest
    ns: int = 0
    payload: bytes = b""
    url: str = ""


@dataclass
class File:
    """One recording file, all its lines."""

    path: Path
    lines: list[Line] = field(default_factory=list)

    def frames(self) -> Iterator[Line]:
        return (line for line in self.lines if line.kind == "frame")


def read(path: Path) -> File:
    """Read a file of any of the formats in the set."""
    file = File(path)
    with gzip.open(path) as lines:
        for raw in lines:
            file.lines.append(_line(raw.rstrip(b"\n"), path))
    return file


def write(file: File, directory: Path) -> Path:
    """Write it under *directory*, which stands for the directory of all recordings."""
    path = directory.joinpath(*file.path.parts[-3:])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(b"".join(line.raw + b"\n" for line in file.lines), 1))
    return path


def sessions(root: Path) -> Iterator[tuple[str, Sequence[Path]]]:
    """What belongs together, by name: a session, or one of its redundant connections."""
    for directory in sorted(path for path in root.glob("*/*") if path.is_dir()):
        files = sorted(directory.glob("*.gz"))
        name = f"{directory.parent.name}/{directory.name}"
        if "redundant" not in name:
            yield name, files
            continue
        connections = [path for path in files if ".ws." in path.name]
        for path in connections:
            yield f"{name}/{path.name}", [*(f for f in files if f not in connections), path]


def _line(raw: bytes, path: Path) -> Line:
    if found := _REST.match(raw):
        return Line(raw, "rest", _ns(found[2]), raw[found.end() :], found[1].decode())
    if found := _CRYPTOFEED.match(raw):
        payload = raw[found.end() :]
        if payload[:2] in (b"b'", b'b"'):
            payload = gzip.decompress(ast.literal_eval(payload.decode()))
        return Line(raw, "frame", _ns(found[1]), payload)
    if found := _HFTBACKTEST.match(raw):
        payload, symbol = raw[found.end() :], path.name.split("_")[0].upper()
        if b'"stream"' in payload[:20]:
            return Line(raw, "frame", int(found[1]), payload)
        return Line(raw, "rest", int(found[1]), payload, f"depth?symbol={symbol}")
    if raw.startswith(b'{"topic":'):
        return Line(raw, "frame", 0, raw)
    return Line(raw)


def _ns(seconds: bytes) -> int:
    whole, _, part = seconds.partition(b".")
    return int(whole) * 10**9 + int(part.ljust(9, b"0")[:9])
