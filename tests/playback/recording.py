"""Recordings as they lie on disk: lines, frames, REST answers."""

import ast
import base64
import gzip
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ingest.recordings import native
from ingest.recordings.reader import read_file

_CRYPTOFEED = re.compile(rb"(\d+\.\d+): ")
_HFTBACKTEST = re.compile(rb"(\d{19}) ")
_REST = re.compile(rb"(https?://\S+) -> (\d+\.\d+): ")
_KNOWN = re.compile(
    rb'\{"(ns|format|topic)":|\d+\.\d+: |\d{19} |https?://\S+ -> |wss?://\S+ <-|configuration: '
)
_NATIVE = re.compile(rb'\{"(ns|format)":')
# What `ingest record` calls a file: connection, when it was started, which of its files.
_OWN_NAME = re.compile(r".*-(\d{8}T\d{6}Z)\.\d{3}\.jsonl\.gz")
_DOCUMENTS = {".md", ".txt", ".yaml", ".json"}


@dataclass
class Line:
    """One line of a file; `payload` is inflated where the frame was."""

    raw: bytes
    kind: Literal["frame", "rest", "opened", "other"] = "other"
    ns: int = 0
    payload: bytes = b""
    url: str = ""
    head: bytes = b""  # what comes before the payload; of our own format the connection

    def frame(self, payload: bytes) -> bytes:
        """The line of a frame with another payload, of the same time."""
        if _NATIVE.match(self.raw):
            line = {"ns": self.ns, "kind": "message", "connection": self.head.decode()}
            return json.dumps({**line, "text": payload.decode()}).encode()
        return self.head + payload

    def answer(self, url: str, body: bytes) -> bytes:
        """The line of a REST answer of the same time."""
        if _NATIVE.match(self.raw):
            line = {"ns": self.ns, "kind": "rest", "url": url, "text": body.decode()}
            return json.dumps(line).encode()
        if self.head.endswith(b": "):
            return url.encode() + b" -> " + self.head + body
        return self.head + body


@dataclass
class File:
    """One recording file, all its lines."""

    path: Path
    lines: list[Line] = field(default_factory=list)

    def frames(self) -> Iterator[Line]:
        return (line for line in self.lines if line.kind == "frame")


def read(path: Path) -> File:
    """Read a file of any of the formats in docs/recordings.md.

    Of those that the set does not have, lines, not frames, are read by the product.
    """
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if data.strip() and not _KNOWN.match(data.lstrip()):
        lines = [native.format_record(record) for record in read_file(path)]
        return File(path, [Line(native.format_header("")), *map(_native, lines)])
    return File(path, [_line(raw, path) for raw in data.removesuffix(b"\n").split(b"\n")])


def write(file: File, directory: Path) -> Path:
    """Write it under *directory*, which stands for the directory of all recordings."""
    path = directory.joinpath(*file.path.parts[-3:])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(b"".join(line.raw + b"\n" for line in file.lines), 1))
    return path


def sessions(root: Path) -> Iterator[tuple[str, Sequence[Path]]]:
    """What belongs together, by name: a session, or one of its redundant connections.

    `<venue>/<session>/<file>`; or, of `ingest record`, `<venue>/<file>`, where a session is
    what was started together.
    """
    for venue in sorted(path for path in root.iterdir() if path.is_dir()):
        started: dict[str, list[Path]] = {}
        for path in _files(venue):
            own = _OWN_NAME.fullmatch(path.name)
            started.setdefault(own[1] if own else "files", []).append(path)
        for name, paths in started.items():
            yield f"{venue.name}/{name}", paths
        for directory in sorted(path for path in venue.iterdir() if path.is_dir()):
            files = _files(directory)
            name = f"{venue.name}/{directory.name}"
            if "redundant" not in name:
                yield name, files
                continue
            connections = [path for path in files if ".ws." in path.name]
            for path in connections:
                yield f"{name}/{path.name}", [*(f for f in files if f not in connections), path]


def _files(directory: Path) -> list[Path]:
    return sorted(
        path
        for path in directory.iterdir()
        if path.is_file() and path.suffix not in _DOCUMENTS and not path.name.startswith(".")
    )


def _line(raw: bytes, path: Path) -> Line:
    if _NATIVE.match(raw):
        return _native(raw)
    if found := _REST.match(raw):
        return Line(raw, "rest", _ns(found[2]), raw[found.end() :], found[1].decode())
    if found := _CRYPTOFEED.match(raw):
        payload = raw[found.end() :]
        if payload[:2] in (b"b'", b'b"'):
            payload = gzip.decompress(ast.literal_eval(payload.decode()))
        return Line(raw, "frame", _ns(found[1]), payload, head=found[0])
    if found := _HFTBACKTEST.match(raw):
        payload, symbol = raw[found.end() :], path.name.split("_")[0].upper()
        if b'"stream"' in payload[:20]:
            return Line(raw, "frame", int(found[1]), payload, head=found[0])
        return Line(raw, "rest", int(found[1]), payload, f"depth?symbol={symbol}", head=found[0])
    if raw.startswith(b'{"topic":'):
        return Line(raw, "frame", 0, raw)
    return Line(raw)


def _native(raw: bytes) -> Line:
    line = json.loads(raw)
    head = line.get("connection", "").encode()
    payload: bytes = line.get("text", "").encode()
    if "base64" in line:
        payload = base64.b64decode(line["base64"])
        if payload[:2] == b"\x1f\x8b":
            payload = gzip.decompress(payload)
    match line.get("kind"):
        case "message":
            return Line(raw, "frame", line["ns"], payload, head=head)
        case "rest":
            return Line(raw, "rest", line["ns"], payload, line["url"])
        case "opened":
            return Line(raw, "opened", line["ns"], head=head)
    return Line(raw)


def _ns(seconds: bytes) -> int:
    whole, _, part = seconds.partition(b".")
    return int(whole) * 10**9 + int(part.ljust(9, b"0")[:9])
