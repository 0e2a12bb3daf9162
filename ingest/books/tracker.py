"""Whether the updates of one book follow each other without a loss.

Every update is looked at. What is published is not held back for it: updates go
out as they come, a marker stands before the first one after a loss, and the book is
whole again from the next snapshot on. The snapshot of a venue that has it over REST
is brought up to the updates that were published meanwhile, so that it stands in the
stream exactly between the last of them and the next.
"""

from collections import deque
from decimal import Decimal
from typing import Literal

from msgspec import Struct, structs

from ingest.books.ladder import Ladder, SortedLadder
from ingest.model import Book, Level
from ingest.venues.base import BookRule

# Updates that are recognised when they come a second time.
_REMEMBERED = 64

# oversize: nothing is missing, but a book of that many levels is not to be believed.
GapReason = Literal["sequence", "checksum", "oversize"]


class Gap(Struct, frozen=True):
    """Updates are missing, those of `from_seq` to `to_seq` if the venue's numbers say so."""

    reason: GapReason
    from_seq: int | None = None
    to_seq: int | None = None


class Step(Struct, frozen=True):
    """What one update means for its stream."""

    publish: bool = True  # False: it was here already, or the snapshot that is knows it
    gap: Gap | None = None  # to be marked before it
    resumed: bool = False  # to be marked before it: the book is whole again


_FOLLOWS = Step()
_RESUMES = Step(resumed=True)
_REPEATED = Step(publish=False)


class BookTracker:
    """One instrument's book on one connection: waiting for a snapshot, or synchronised."""

    def __init__(self, rule: BookRule, *, keep: bool = False) -> None:
        """*keep*: the whole book is wanted, as `ladder`; it is kept for a checksum, too."""
        self._rule = rule
        self.ladder: Ladder | None = None
        if rule.checksum is not None or (keep and rule.depth is not None):
            self.ladder = SortedLadder(rule.depth)
        elif keep:
            self.ladder = Ladder()
        self.synchronised = False
        self._in_gap = False
        self._last: int | None = None  # `seq` of the last update
        self._base: int | None = None  # `seq` of a snapshot that no update has followed yet
        self._recent: deque[int] = deque(maxlen=_REMEMBERED)
        self._pending: _Pending | None = None

    @property
    def rule(self) -> BookRule:
        """How this book is joined."""
        return self._rule

    @property
    def comes_in_stream(self) -> bool:
        """Whether its snapshots do; otherwise they are fetched."""
        return self._rule.rest is None

    @property
    def whole(self) -> bool:
        """`ladder`, if it is kept, is the book as of the last update.

        Not so where a snapshot is ahead of the updates, until they get to where it is.
        """
        return self.synchronised and self._base is None

    @property
    def last(self) -> int | None:
        """`seq` of what was published last; None: of the book as it is now, nothing was."""
        return self._base if self._last is None else self._last

    @property
    def in_gap(self) -> bool:
        """A loss is marked, and the book is not whole again."""
        return self._in_gap

    def reset(self, *, in_gap: bool) -> None:
        """The connection was lost; *in_gap*: its stream has the mark of it."""
        self.synchronised = False
        self._in_gap = in_gap
        self._last = self._base = self._pending = None
        self._recent.clear()

    def step(self, book: Book) -> Step:
        """Take one update of the stream in."""
        if book.type == "snapshot":
            return self._on_snapshot(book)
        gap = self._missing_before(book)
        if gap is None and (self._repeats(book) or self._is_known(book)):
            return _REPEATED
        self._note(book)
        if gap is not None:
            return self._lose(gap, book)
        if self._pending is not None and not self._pending.add(book):
            self._pending = None
        if self.ladder is not None and self.whole:
            self.ladder.apply(book)
            if len(self.ladder) > _MOST_LEVELS:
                self.ladder.clear()
                return self._lose(Gap("oversize"), None)
            if not self._checksum_fits(book):
                return self._lose(Gap("checksum", book.seq, book.seq), None)
        return _FOLLOWS

    # -- snapshots over REST ---------------------------------------------------

    @property
    def expecting(self) -> bool:
        """What comes is kept for a snapshot."""
        return self._pending is not None

    def expect_snapshot(self) -> None:
        """A snapshot is wanted: what comes from now on is kept for it."""
        self._pending = _Pending()

    def join(self, snapshot: Book) -> Book | None:
        """Return the book to publish now, made of *snapshot* and the updates since.

        None: it is older than what was kept, or nothing was: the book was lost since
        `expect_snapshot`; ask again.
        """
        pending, seq = self._pending, snapshot.seq
        if pending is None:
            return None
        first = pending.first
        if first is not None and not self._joins(seq, first):
            return None
        if first is None and seq is not None and self._last is not None and seq < self._last:
            return None  # updates went out before it was asked for that it does not know
        self._pending = None
        whole = pending.on_top_of(snapshot)
        if self.ladder is not None:
            self.ladder.replace(whole)
        self.synchronised = True
        self._in_gap = False
        if first is None or (seq is not None and self._last is not None and self._last <= seq):
            self._last, self._base = None, seq
        return whole

    # -- the rules ---------------------------------------------------------------

    def _joins(self, seq: int | None, delta: Book) -> bool:
        """Whether nothing is missing between a snapshot and the first update kept for it."""
        if seq is None or delta.seq is None or delta.seq <= seq:
            return True
        return self._rule.joins is None or self._rule.joins(seq, delta)

    def _missing_before(self, book: Book) -> Gap | None:
        seq, last, base = book.seq, self._last, self._base
        if base is not None:
            if self._joins(base, book):
                return None
            return _gap(base + 1, (book.first_seq or book.prev_seq or 0) - 1)
        if seq is None or last is None or seq in self._recent:
            return None
        match self._rule.continuity:
            case "prev_seq":
                if book.prev_seq != last and not _spans(book.prev_seq, last, seq):
                    return _gap(last + 1, book.prev_seq)
            case "first_seq":
                before = None if book.first_seq is None else book.first_seq - 1
                if before != last and not _spans(before, last, seq):
                    return _gap(last + 1, None if book.first_seq is None else book.first_seq - 1)
            case "plus_one":
                if seq != last + 1:
                    return _gap(last + 1, seq - 1)
            case "none":
                pass
        return None

    def _repeats(self, book: Book) -> bool:
        # A keep-alive has the number of the update before it, and says so.
        return (
            self._rule.continuity != "none"
            and book.seq in self._recent
            and not (book.prev_seq == book.seq == self._last)
        )

    def _is_known(self, book: Book) -> bool:
        """Whether the snapshot knows it: in the stream it would take the book back."""
        return self._base is not None and book.seq is not None and book.seq <= self._base

    def _note(self, book: Book) -> None:
        seq = book.seq
        if seq is None:
            return
        self._base = None
        self._last = seq
        self._recent.append(seq)

    def _on_snapshot(self, book: Book) -> Step:
        resumed, self._in_gap = self._in_gap, False
        self.synchronised = True
        self._pending = self._base = None
        self._recent.clear()
        self._last = book.seq
        if self.ladder is not None:
            self.ladder.replace(book)
            if not self._checksum_fits(book):
                return self._lose(Gap("checksum", book.seq, book.seq), None)
        return _RESUMES if resumed else _FOLLOWS

    def _checksum_fits(self, book: Book) -> bool:
        checksum, ladder = self._rule.checksum, self.ladder
        if checksum is None or book.checksum is None:
            return True
        assert ladder is not None
        return checksum(ladder.bids(_CHECKED), ladder.asks(_CHECKED)) == book.checksum

    def _lose(self, gap: Gap, book: Book | None) -> Step:
        self.synchronised = False
        if self._pending is not None:
            self._pending = _Pending()  # what was kept is not whole
            if book is not None:
                self._pending.add(book)
        marked, self._in_gap = self._in_gap, True
        return _FOLLOWS if marked else Step(gap=gap)


# Levels of a book that is kept: several times what the deepest ones have (Bitfinex, Coinbase).
_MOST_LEVELS = 500_000
# No venue's checksum covers more levels of a side.
_CHECKED = 25
# Levels kept for a snapshot that does not come: more than what ten minutes change of the
# busiest books recorded.
_MOST_PENDING = 30_000


class _Pending:
    """The updates since a snapshot is wanted: of each level, the last word."""

    def __init__(self) -> None:
        self.first: Book | None = None
        self._last: Book | None = None
        self._bids: dict[Decimal, tuple[int | None, Level]] = {}  # with the update's `seq`
        self._asks: dict[Decimal, tuple[int | None, Level]] = {}

    def add(self, book: Book) -> bool:
        """Keep one update; False if these are too many to wait any longer."""
        if self.first is None:
            self.first = book
        self._last = book
        seq = book.seq
        # Not by the text: the same price may come with more or fewer zeros at its end.
        self._bids.update((Decimal(level[0]), (seq, level)) for level in book.bids)
        self._asks.update((Decimal(level[0]), (seq, level)) for level in book.asks)
        return len(self._bids) + len(self._asks) <= _MOST_PENDING

    def on_top_of(self, snapshot: Book) -> Book:
        """Return the snapshot as of the last update, or as it is where it is ahead of them.

        Updates that it knows are passed over, as venues say: it may have a later word on
        their levels, and leaves out those far from the best.
        """
        ladder, last, at = Ladder(), self._last, snapshot.seq
        ladder.replace(snapshot)
        if last is None or (at is not None and last.seq is not None and last.seq <= at):
            return structs.replace(
                snapshot,
                rx=snapshot.rx if last is None else max(snapshot.rx, last.rx),
                bids=ladder.bids(),
                asks=ladder.asks(),
            )
        bids, asks = (
            [level for seq, level in side.values() if seq is None or at is None or seq > at]
            for side in (self._bids, self._asks)
        )
        ladder.apply(structs.replace(snapshot, bids=bids, asks=asks))
        return structs.replace(
            snapshot,
            rx=max(snapshot.rx, last.rx),
            ts=last.ts,
            bids=ladder.bids(),
            asks=ladder.asks(),
            seq=last.seq,
        )


def _spans(before: int | None, last: int, seq: int) -> bool:
    """Whether an update behind *before* covers also what is between *last* and itself.

    So it is where another of the venue's servers cuts the same changes elsewhere. As the
    sizes are absolute, nothing is missing.
    """
    return before is not None and before < last < seq


def _gap(from_seq: int, to_seq: int | None) -> Gap:
    if to_seq is None or to_seq < from_seq:
        return Gap("sequence")
    return Gap("sequence", from_seq, to_seq)
