"""What a recording must become: every stream, entry by entry, and every frame accounted for."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.playback.book import PlainBook
from tests.playback.recording import File
from tests.playback.wire import Entry, Rules, load

Stream = tuple[str, str]  # channel, instrument


@dataclass
class Snapshot:
    """A book that was fetched over REST."""

    ns: int
    bids: list[list[str]]
    asks: list[list[str]]
    seq: int


@dataclass
class Expected:
    """One session, as its venue's rules read it."""

    rules: Rules
    streams: defaultdict[Stream, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    snapshots: defaultdict[str, list[Snapshot]] = field(default_factory=lambda: defaultdict(list))
    data: int = 0  # frames with data, those that become no event included
    nothing: int = 0  # of these, frames that say nothing new
    reasons: Counter[str] = field(default_factory=Counter)  # why the others have none

    @property
    def book(self) -> str:
        """The channel that has the books: the one that the rules name, else the usual one."""
        channels = {channel for channel, _ in self.streams}
        return "book" if "book" in channels and self.rules.book not in channels else self.rules.book

    @property
    def books(self) -> dict[str, list[Entry]]:
        """The entries of each book by instrument."""
        book = self.book
        return {name: found for (channel, name), found in self.streams.items() if channel == book}

    @property
    def copies(self) -> set[str]:
        """Further channels with the same books."""
        return {copy for copy, original in self.rules.copies.items() if original == self.book}

    @property
    def other(self) -> dict[str, int]:
        """Frames that are data and become no event, by the product's reason for it."""
        return {
            reason: number
            for reason, number in self.reasons.items()
            if not reason.startswith(("control", "unread"))
        }

    @property
    def unread(self) -> dict[str, int]:
        """Frames that the rules do not know: they are not asked for, and not compared."""
        return {r: number for r, number in self.reasons.items() if r.startswith("unread")}

    def feeds(self) -> list[tuple[list[str], list[str]]]:
        """Channels and instruments, each stream once: those of the same instruments together."""
        instruments: defaultdict[str, list[str]] = defaultdict(list)
        for channel, instrument in self.streams:
            instruments[channel].append(instrument)
        together: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        for channel, names in instruments.items():
            together[tuple(sorted(names))].append(channel)
        return [(channels, list(names)) for names, channels in together.items()]


def read(rules: Rules, files: Sequence[File]) -> Expected:
    """Read a session's files in the order of their times."""
    expected = Expected(rules)
    starts = [(next((line.ns for line in file.frames()), 0), file) for file in files]
    for _, file in sorted(starts, key=lambda start: start[0]):
        of_frame = rules.new()
        for line in file.lines:
            if line.kind == "rest" and rules.snapshot is not None:
                found = rules.snapshot(line.url, load(line.payload))
                if found:
                    name, bids, asks, seq = found
                    expected.snapshots[name].append(Snapshot(line.ns, bids, asks, seq))
            if line.kind != "frame":
                continue
            events = of_frame(load(line.payload))
            if isinstance(events, str):
                expected.reasons[events] += 1
                continue
            reasons = {entry for _, _, entry in events if isinstance(entry, str)}
            expected.reasons.update(reasons)
            expected.data += not reasons
            expected.nothing += all(entry is None for _, _, entry in events)
            for channel, instrument, entry in events:
                stream = expected.streams[channel, instrument]
                if isinstance(entry, dict):
                    stream.append(entry)
    for copy, original in rules.copies.items():
        for channel, name in list(expected.streams):
            if channel == original:
                expected.streams[copy, name] = expected.streams[channel, name]
    return expected


def last_book(wanted: Expected, name: str) -> Any:
    """The book at the end, of the recording as it was."""
    book, snapshots = PlainBook(wanted.rules.depth), wanted.snapshots[name]
    if snapshots:
        book.replace(snapshots[0].bids, snapshots[0].asks)
    for entry in wanted.books[name]:
        if entry["type"] == "snapshot":
            book.replace(entry["bids"], entry["asks"])
        elif not snapshots or int(entry["seq"]) > snapshots[0].seq:
            book.apply(entry["bids"], entry["asks"])
    return book.sides
