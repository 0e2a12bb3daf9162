"""Recorded messages arranged per topic, and the REST answer due at a moment. Pure.

Files of one venue whose recorded times overlap belong together and share a
*stretch* of recorded time; between stretches (hours or years) no time passes in a
replay. A topic's *axis* counts nanoseconds from the beginning of the first stretch
the topic occurs in, over all such stretches, without the others.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from msgspec import Struct

from ingest.recordings.records import RestAnswer


class Entry(Struct, frozen=True, gc=False):
    """One data message of a recording."""

    ns: int  # recorder's clock, Unix ns
    topic: str
    payload: bytes


class Stretch(Struct, frozen=True, gc=False):
    """A span of recorded time, both ends included, Unix ns."""

    start_ns: int
    end_ns: int

    @property
    def length_ns(self) -> int:
        return self.end_ns - self.start_ns


class Track(Struct):
    """All messages of one topic in the order recorded; the four lists run in parallel."""

    topic: str
    axis_ns: list[int] = []
    recorded_ns: list[int] = []
    # Place among all messages of the venue: decides between equal times.
    order: list[int] = []
    payloads: list[bytes] = []
    length_ns: int = 0  # of the axis: the sum of its stretches

    def __len__(self) -> int:
        return len(self.payloads)


def arrange(files: Iterable[Sequence[Entry]]) -> tuple[dict[str, Track], list[Stretch]]:
    """Build the tracks of one venue from the data messages of its files.

    Within a file the order is kept, even where its clock went back; between files
    of one stretch, time decides.
    """
    parts = sorted((_never_back(file) for file in files if file), key=lambda part: part[0].ns)
    tracks: dict[str, Track] = {}
    stretches: list[Stretch] = []
    order = 0
    for group in _overlapping(parts):
        entries = sorted((entry for part in group for entry in part), key=lambda entry: entry.ns)
        stretch = Stretch(entries[0].ns, entries[-1].ns)
        stretches.append(stretch)
        base: dict[str, int] = {}
        for entry in entries:
            track = tracks.get(entry.topic)
            if track is None:
                track = tracks[entry.topic] = Track(entry.topic)
            if entry.topic not in base:
                base[entry.topic] = track.length_ns
                track.length_ns += stretch.length_ns
            track.axis_ns.append(base[entry.topic] + entry.ns - stretch.start_ns)
            track.recorded_ns.append(entry.ns)
            track.order.append(order)
            track.payloads.append(entry.payload)
            order += 1
    return tracks, stretches


def due_answer(
    answers: Sequence[RestAnswer], stretches: Sequence[Stretch], now_ns: int | None
) -> RestAnswer:
    """Choose among the recorded answers to one request, sorted by time, at least one.

    *now_ns* is the recorded time the topic in question has reached; None where no
    topic decides, which gives the newest answer. Of the answers belonging to the
    stretch of *now_ns*, the newest not from the future; if all are, the first: a
    recorder asks for a snapshot after it has subscribed, and a client that asks at
    the very beginning needs just that one.
    """
    if now_ns is None:
        return answers[-1]
    index = bisect_left(stretches, now_ns, key=lambda stretch: stretch.end_ns)
    after = stretches[index - 1].end_ns if index > 0 else -1
    until = stretches[index].end_ns if index < len(stretches) else now_ns
    here = [answer for answer in answers if after < answer.ns <= until] or answers
    past = [answer for answer in here if answer.ns <= now_ns]
    return past[-1] if past else here[0]


def _never_back(entries: Sequence[Entry]) -> list[Entry]:
    """Raise times that are before their predecessor's to it."""
    level: list[Entry] = []
    latest = 0
    for entry in entries:
        latest = max(latest, entry.ns)
        level.append(entry if entry.ns == latest else Entry(latest, entry.topic, entry.payload))
    return level


def _overlapping(parts: Sequence[Sequence[Entry]]) -> list[list[Sequence[Entry]]]:
    """Group files, sorted by their beginning, whose times overlap."""
    groups: list[list[Sequence[Entry]]] = []
    end_ns = -1
    for part in parts:
        if groups and part[0].ns <= end_ns:
            groups[-1].append(part)
        else:
            groups.append([part])
        end_ns = max(end_ns, part[-1].ns)
    return groups
