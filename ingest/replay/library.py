"""Recordings loaded for replay: which venue each file is of, its topics, its answers.

Everything is held in memory: about the size of the uncompressed files.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from ingest.recordings.errors import RecordingError
from ingest.recordings.reader import find_files, read_file
from ingest.recordings.records import (
    Record,
    RestAnswer,
    VenueNamed,
    WsClosed,
    WsMessage,
    WsOpened,
    WsSent,
)
from ingest.replay.dialects import DIALECTS
from ingest.replay.dialects.base import Dialect, Part
from ingest.replay.tracks import Entry, Stretch, Track, arrange


class VenueRecording(Struct):
    """What was recorded of one venue."""

    dialect: Dialect
    tracks: dict[str, Track]  # by topic
    stretches: list[Stretch]
    answers: dict[str, list[RestAnswer]]  # by the dialect's key, oldest first
    not_data: int  # recorded messages that the replay makes itself (acks, errors)

    @property
    def messages(self) -> int:
        return sum(len(track) for track in self.tracks.values())


class Library(Struct):
    """The recordings of every venue served, by venue name."""

    venues: dict[str, VenueRecording]
    # Files found in directories that no dialect can replay: folder → number.
    passed_over: dict[str, int]

    @property
    def seconds(self) -> float:
        """How long the longest topic is, as recorded."""
        tracks = (track for venue in self.venues.values() for track in venue.tracks.values())
        return max((track.length_ns for track in tracks), default=0) / 1e9


def load(sources: Iterable[str]) -> Library:
    """Load *sources*: files or directories, each optionally as `venue=path`.

    Raises:
        RecordingError: a path does not exist, a file cannot be read, a file is of
            a venue that cannot be replayed, or there is no message in any of them.
    """
    contents: defaultdict[str, list[list[Record]]] = defaultdict(list)
    passed_over: defaultdict[str, int] = defaultdict(int)
    for source in sources:
        named, path = split_source(source)
        for file in find_files([path]):
            records = list(read_file(file))
            dialect = named or _dialect_of(file, records)
            if dialect is not None:
                contents[dialect.name].append(records)
            elif path.is_dir():
                passed_over[file.parent.as_posix()] += 1
            elif records:
                raise RecordingError(
                    f"{file}: neither it nor its directory says a venue that can be replayed; "
                    f"write VENUE={file}, with one of {', '.join(DIALECTS)}"
                )
    venues = {name: build(DIALECTS[name], files) for name, files in sorted(contents.items())}
    venues = {name: venue for name, venue in venues.items() if venue.messages or venue.answers}
    if not venues:
        raise RecordingError("nothing to replay: the recordings hold no message of a known venue")
    return Library(venues, dict(passed_over))


def split_source(source: str) -> tuple[Dialect | None, Path]:
    """Split `venue=path`; a name before `=` that is no venue belongs to the path."""
    name, equals, path = source.partition("=")
    if equals and name in DIALECTS:
        return DIALECTS[name], Path(path)
    return None, Path(source)


def build(dialect: Dialect, files: Sequence[Sequence[Record]]) -> VenueRecording:
    """Sort the records of one venue's files into topics and answers."""
    entries: list[list[Entry]] = []
    answers: defaultdict[str, list[RestAnswer]] = defaultdict(list)
    not_data = 0
    for records in files:
        entries.append([])
        parts_of: dict[str, Callable[[bytes], Sequence[Part]]] = {}  # by connection
        for record in records:
            match record:
                case WsMessage(ns, connection, payload):
                    if connection not in parts_of:
                        parts_of[connection] = _new_parts(dialect)
                    parts = parts_of[connection](payload)
                    not_data += not parts
                    entries[-1] += [Entry(ns, topic, part) for topic, part in parts]
                case RestAnswer(_, url, _):
                    address = urlsplit(url)
                    key = dialect.rest_key(address.path, address.query)
                    if key is not None:
                        answers[key].append(record)
                case VenueNamed() | WsOpened() | WsSent() | WsClosed():
                    pass  # what the recording client did does not bind today's
    tracks, stretches = arrange(entries)
    for recorded in answers.values():
        recorded.sort(key=lambda answer: answer.ns)
    return VenueRecording(dialect, tracks, stretches, dict(answers), not_data)


def _new_parts(dialect: Dialect) -> Callable[[bytes], Sequence[Part]]:
    """Return what takes apart the messages of one connection."""
    if dialect.parts is not None:
        return dialect.parts
    topic_of = dialect.new_topic() if dialect.new_topic else dialect.topic

    def parts(payload: bytes) -> Sequence[Part]:
        topic = topic_of(payload)
        return [] if topic is None else [(topic, payload)]

    return parts


def _dialect_of(file: Path, records: Sequence[Record]) -> Dialect | None:
    for record in records:
        if isinstance(record, VenueNamed):
            return DIALECTS.get(record.venue)
        if isinstance(record, WsOpened | RestAnswer):
            parts = urlsplit(record.url)
            same = [d for d in DIALECTS.values() if parts.hostname in d.hosts]
            # Venues that share a host are told apart by their paths.
            by_path = [d for d in same if any(parts.path.startswith(p) for p in d.paths)]
            if same:
                return next(iter(by_path or same))
            if parts.hostname is not None:
                break  # a proxy, a replay, or somebody we do not know: the directory says who
    # <venue>/<session>/<file> or <venue>/<file>
    for folder in (file.parent.name, file.parent.parent.name):
        for dialect in DIALECTS.values():
            if folder in dialect.folders:
                return dialect
    return None
