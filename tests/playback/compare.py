"""Streams against what they must be; books against their independent reconstruction."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.playback.book import PlainBook
from tests.playback.expected import Expected, Snapshot, Stream
from tests.playback.play import Entry, Outcome, is_marker

CHECK_EVERY = 7


@dataclass
class Checked:
    """How often one book was compared, and found equal."""

    checkpoints: int = 0
    checksums: int = 0  # of them, those where the venue's own checksum agrees
    levels: int = 0  # at the end
    snapshots: int = 0


def compare_entries(stream: Stream, found: Sequence[Entry], wanted: Sequence[Entry]) -> None:
    """Every entry in order, every field, character for character."""
    for number, (ours, theirs) in enumerate(zip(found, wanted, strict=False)):
        assert ours == theirs, (stream, number)
    assert len(found) == len(wanted), stream


def known_to_snapshots(found: Sequence[Entry], wanted: Sequence[Entry]) -> list[Entry]:
    """The updates that stand behind a fetched snapshot and that it knows: they are left out."""
    known: list[Entry] = []
    deltas = iter(wanted)
    following: Entry | None = next(deltas, None)
    for entry in found:
        if entry["type"] != "snapshot":
            following = next(deltas, None)
            continue
        while following is not None and int(following["seq"]) <= int(entry["seq"]):
            known.append(following)
            following = next(deltas, None)
    return known


class _Truth:
    """The book as the recording has it, from its first snapshot on."""

    def __init__(self, snapshots: Sequence[Snapshot], depth: int | None) -> None:
        self.book = PlainBook(depth)
        self.begun = False
        self._over_rest = snapshots[0] if snapshots else None
        if self._over_rest is not None:
            self.book.replace(self._over_rest.bids, self._over_rest.asks)
            self.begun = True

    def take(self, entry: Entry) -> None:
        if entry["type"] == "snapshot":
            self.book.replace(entry["bids"], entry["asks"])
            self.begun = True
        elif self._over_rest is None or int(entry["seq"]) > self._over_rest.seq:
            self.book.apply(entry["bids"], entry["asks"])


class Reader:
    """Follows one book's stream as docs/streams.md tells to."""

    def __init__(self, depth: int | None) -> None:
        self.book = PlainBook(depth)
        self.begun = False
        self.seq = 0  # of the snapshot

    def take(self, entry: Entry) -> None:
        if is_marker(entry):
            if entry["type"] != "resume":
                self.begun = False
        elif entry["type"] == "snapshot":
            self.book.replace(entry["bids"], entry["asks"])
            self.begun, self.seq = True, int(entry.get("seq", 0))
        elif "seq" not in entry or int(entry["seq"]) > self.seq:
            self.book.apply(entry["bids"], entry["asks"])


def compare_book(expected: Expected, name: str, found: Sequence[Entry], stream: Stream) -> Checked:
    """Walk both in step; the snapshots fetched over REST are ours alone."""
    wanted = expected.streams[stream]
    snapshots = expected.snapshots[name]
    known = known_to_snapshots(found, wanted) if snapshots else []
    truth, reader = _Truth(snapshots, expected.rules.depth), Reader(expected.rules.depth)
    blind = PlainBook(expected.rules.depth)
    checked, rest = Checked(), iter(wanted)
    for number, entry in enumerate(found):
        is_ours = bool(snapshots) and entry["type"] == "snapshot"
        if not is_ours:
            taken = next(rest)
            while taken in known:
                truth.take(taken)
                taken = next(rest)
            truth.take(taken)
        reader.take(entry)
        if entry["type"] == "snapshot":
            checked.snapshots += 1
            blind.replace(entry["bids"], entry["asks"])
        else:
            blind.apply(entry["bids"], entry["asks"])
        last = number == len(found) - 1
        if reader.begun and truth.begun and (is_ours or last or number % CHECK_EVERY == 0):
            assert reader.book.sides == truth.book.sides, (stream, number)
            checked.checkpoints += 1
            if expected.rules.checksum is not None and "checksum" in entry:
                assert expected.rules.checksum(truth.book) == entry["checksum"], (stream, number)
                checked.checksums += 1
            if last:
                assert blind.sides == truth.book.sides, stream
                checked.levels = sum(map(len, truth.book.sides))
    return checked


def compare(expected: Expected, outcome: Outcome) -> dict[Stream, Checked]:
    """An undisturbed play: nothing missing, nothing invented, nothing marked."""
    wanted = expected.streams
    books, left_out = {}, 0
    for stream, entries in wanted.items():
        found = outcome.streams.get(stream, [])
        assert not any(map(is_marker, found)), (stream, list(filter(is_marker, found)))
        over_rest = stream[0] == expected.book and bool(expected.snapshots[stream[1]])
        if over_rest:
            known = known_to_snapshots(found, entries)
            left_out += len(known)
            entries = [entry for entry in entries if entry not in known]
        own = [e for e in found if not (over_rest and e["type"] == "snapshot")]
        compare_entries(stream, own, entries)
        if stream[0] == expected.book or stream[0] in expected.copies:
            books[stream] = compare_book(expected, stream[1], found, stream)
    assert set(outcome.streams) <= set(wanted), set(outcome.streams) - set(wanted)
    totals = outcome.totals
    for trouble in ("disconnects", "decode_errors", "dropped", "book_gaps"):
        assert not totals[trouble], (trouble, totals[trouble])
    assert totals["unknown_topic"] == 0
    assert totals["book_repeats"] == left_out
    assert totals["frames"] == totals["data"] + totals["control"]
    # Every frame of the recording was sent, once to each stream made of it, and each of
    # them is accounted for: as data, or by name.
    kept = sum(outcome.unsent.values())
    assert kept == sum(expected.unread.values()), outcome.unsent
    if not expected.rules.splits:
        frames = expected.data + sum(expected.other.values()) + kept
        assert outcome.recorded == frames
    passed_over = totals["passed_over"]
    for reason, number in expected.other.items():
        assert passed_over.get(reason) == number, (reason, passed_over)
    assert passed_over.get("nothing new", 0) >= expected.nothing, passed_over
    assert outcome.deliveries == totals["data"] + sum(expected.other.values())
    return books
