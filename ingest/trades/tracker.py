"""Whether the trades of one stream are complete: consecutive ids, each once.

Where ids jump, the range between is marked and asked for over REST, and the trades
behind it are held back until it has come: so a reader finds them in order. Held back
for so long only (`release`), and so many only; then they go out, the range comes
later if it comes, and each of its trades says that it does (`backfill`). A venue whose
REST interface has failed is not waited for until it has answered again.

What is returned is what is to be published, in that order, markers included.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import structs

from ingest.model import Marker, Trade
from ingest.trades.holes import Hole

# Held back in one stream; in all of a connection's together it is `Room`.
_MOST_HELD = 5_000
# Asked for in a row for one range; of a longer one, only the newest part is.
_MOST_REQUESTS = 10
# Ranges that are remembered; of an older one, what comes late is left out as a repetition.
_MOST_HOLES = 64
# A trade that the venue dates so much later than a newer number: it counts anew.
_ANEW_NS = 1_000_000_000
# And so many in a row that were here already are no repetition, but another count.
_MOST_REPEATS = 10_000

Events = Sequence[Trade | Marker]


class Room:
    """How many trades may be held back by all who share it."""

    def __init__(self, most: int) -> None:
        self.left = most


class TradeTracker:
    """One stream's trades, for as long as the process feeds it, whatever the connections do."""

    def __init__(self, most: int, room: Room, *, recalling: bool = False) -> None:
        """*most*: ids in one request; 0: nothing can be asked for.

        *recalling*: `recall` will say what an earlier process published last; nothing
        goes out before.
        """
        self.repeats = 0  # trades that were here already, and were left out; the caller's to reset
        self.holds = 0  # how often trades were held back: names the hold of the moment
        self._most = most
        self._room = room
        self._recalling = recalling
        self._early: list[Trade] = []  # while recalling
        self._next: int | None = None  # all below are published, or marked as missing
        self._top = 0  # one beyond the highest seen
        self._ts: int | None = None  # the highest's
        self._held: dict[int, Trade] = {}
        self._holes: list[Hole] = []  # ascending
        self._waits = False  # at the first hole above `_next`
        self._hopeful = most > 0
        self._repeats_in_a_row = 0

    @property
    def holding(self) -> bool:
        """Trades wait for those before them."""
        return self._next is not None and self._next < self._top

    @property
    def recalling(self) -> bool:
        """It is not known yet where the stream stands."""
        return self._recalling

    @property
    def due(self) -> int | None:
        """The id that follows the highest seen; None: it is not known where the stream is."""
        return None if self._recalling or self._next is None else self._top

    def misses(self, number: int) -> bool:
        """Tell whether the trade of this id was passed over, and not here since."""
        hole = self._hole(number, number)
        return hole is not None and hole.misses(number)

    def step(self, trades: Sequence[Trade], rx: int) -> Events:
        """Take trades of the stream in; *trades* itself where they simply follow."""
        number = self._top
        if self._next == number and trades:
            try:
                for trade in trades:
                    if (int(trade.id or "") if trade.seq is None else trade.seq) != number:
                        break
                    number += 1
                else:
                    self._next = self._top = number
                    self._ts = trades[-1].ts
                    self._repeats_in_a_row = 0
                    return trades
            except ValueError:
                pass  # no number: below
        out: list[Trade | Marker] = []
        for trade in trades:
            self._take(trade, out, rx)
        return out

    def recall(self, last: int | None, ts: int | None, rx: int) -> Events:
        """Go on behind the trade *last*, dated *ts*; None: nothing is known of one."""
        if not self._recalling:
            return ()
        self._recalling = False
        if last is not None:
            self._next = self._top = last + 1
            self._ts = ts
        early, self._early = self._early, []
        self._room.left += len(early)
        return self.step(early, rx)

    def release(self, rx: int) -> Events:
        """Let go what is held back: the connection is lost, or at its end."""
        out: list[Trade | Marker] = []
        if self._early:
            out += self.recall(None, None, rx)
        self._let_go(out, rx)
        return out

    def expire(self, rx: int) -> Events:
        """Let go what is held back: it has waited long enough."""
        self._hopeful = self._hopeful and not self.holding
        return self.release(rx)

    # -- what is missing ----------------------------------------------------------

    def ask(self) -> tuple[int, int] | None:
        """Return the first and last id to ask for now; None if there is nothing to ask for.

        What others wait for comes first.
        """
        below = self._next or 0
        for hole in sorted(self._holes, key=lambda hole: hole.last < below):
            asked = hole.ask(self._most)
            if asked is not None:
                return asked
        return None

    def answered(self, asked: tuple[int, int], trades: Sequence[Trade], rx: int) -> Events:
        """Take an answer in, more or less than was asked for, ascending."""
        out: list[Trade | Marker] = []
        newest: int | None = None
        hole = self._hole(asked[0], asked[1])
        for trade in trades:
            number = number_of(trade)
            if number is None:
                continue
            newest = number if newest is None else max(newest, number)
            self._fill(number, _as_backfill(trade), out, rx)
        if hole is not None:
            self._hopeful = hole.answered(asked, newest)
        self._advance(out, rx)
        return out

    def failed(self, asked: tuple[int, int], rx: int) -> Events:
        """Note that these ids could not be had."""
        self._hopeful = False
        hole = self._hole(asked[0], asked[1])
        if hole is not None:
            hole.failed()
        out: list[Trade | Marker] = []
        self._advance(out, rx)
        return out

    # -- the rules ----------------------------------------------------------------

    def _take(self, trade: Trade, out: list[Trade | Marker], rx: int) -> None:
        if self._recalling:
            self._early.append(trade)
            self._room.left -= 1
            if len(self._early) >= _MOST_HELD or self._room.left <= 0:
                out += self.recall(None, None, rx)
            return
        number = number_of(trade)
        if number is None:
            out.append(trade)  # against the venue's word; there is no order to keep
            return
        if self._next is None:
            self._next = self._top = number
        if number < self._top:
            self._take_old(number, trade, out, rx)
            return
        if number > self._top:
            self._open(self._top, number - 1)
        self._top, self._ts = number + 1, trade.ts
        self._repeats_in_a_row = 0
        self._hold(number, trade)
        self._advance(out, rx)
        if len(self._held) >= _MOST_HELD or (self._held and self._room.left <= 0):
            self._let_go(out, rx)

    def _take_old(self, number: int, trade: Trade, out: list[Trade | Marker], rx: int) -> None:
        if self._counts_anew(trade):
            self._let_go(out, rx)
            out.append(Marker(type="gap", reason="sequence", rx=rx))
            self._holes.clear()
            self._repeats_in_a_row = 0
            self._next, self._top, self._ts = number + 1, number + 1, trade.ts
            out.append(trade)
            return
        if self._fill(number, trade, out, rx):
            self._repeats_in_a_row = 0
            self._advance(out, rx)
        else:
            self.repeats += 1
            self._repeats_in_a_row += 1

    def _counts_anew(self, trade: Trade) -> bool:
        if trade.ts is not None and self._ts is not None and trade.ts > self._ts + _ANEW_NS:
            return True
        return self._repeats_in_a_row >= _MOST_REPEATS

    def _open(self, first: int, last: int) -> None:
        """Note a missing range; of a long one, the part that will be asked for by itself."""
        reach = self._most * _MOST_REQUESTS
        if not self.holding:
            self._waits = self._hopeful
            self.holds += self._waits
        asked = max(first, last - reach + 1)
        if first < asked:
            self._holes.append(Hole(first, asked - 1, given_up=True))
        if asked <= last:
            self._holes.append(Hole(asked, last, given_up=False))

    def _fill(self, number: int, trade: Trade, out: list[Trade | Marker], rx: int) -> bool:
        """Take in a missing one; False if it is not missing."""
        hole = self._hole(number, number)
        if hole is None or not hole.take(number):
            return False
        assert self._next is not None
        if number >= self._next:
            self._hold(number, trade)
        else:
            out.append(_as_backfill(trade))
            self._close(hole, out, rx)
        return True

    def _advance(self, out: list[Trade | Marker], rx: int) -> None:
        """Publish what follows, as far as nothing is to be waited for."""
        number = self._next
        if number is None:
            return
        while number < self._top:
            trade = self._held.pop(number, None)
            if trade is not None:
                self._room.left += 1
                out.append(trade)
                number += 1
            else:
                hole = self._hole(number, number)
                assert hole is not None
                piece = hole.piece(number)
                assert piece is not None
                if not hole.marked:
                    hole.marked = True
                    out.append(_marker("gap", "sequence", hole, rx))
                behind = piece[1] + 1
                if self._waits and not hole.given_up:
                    behind = min(behind, hole.cursor)
                    if behind <= number:
                        break
                number = behind
            self._next = number
            if self._holes:
                ended = self._hole(number - 1, number - 1)
                if ended is not None and ended.last < number:
                    self._close(ended, out, rx)
        self._next = number
        for hole in self._holes:
            hole.forget(number)
        surplus = len(self._holes) - _MOST_HOLES
        if surplus > 0:
            self._holes = [h for i, h in enumerate(self._holes) if i >= surplus or h.last >= number]

    def _close(self, hole: Hole, out: list[Trade | Marker], rx: int) -> None:
        """Forget a range that is whole; say so where it was marked."""
        assert self._next is not None
        if hole.empty and hole.last < self._next:
            self._holes.remove(hole)
            if hole.marked and not hole.forgot:
                out.append(_marker("resume", "backfill", hole, rx))

    def _let_go(self, out: list[Trade | Marker], rx: int) -> None:
        self._waits = False
        self._advance(out, rx)

    def _hold(self, number: int, trade: Trade) -> None:
        self._held[number] = trade
        self._room.left -= 1

    def _hole(self, first: int, last: int) -> Hole | None:
        for hole in reversed(self._holes):
            if hole.first <= last and first <= hole.last:
                return hole
        return None


def number_of(trade: Trade) -> int | None:
    """Return the number by which a venue's trades follow each other; None: it has none."""
    if trade.seq is not None:
        return trade.seq
    try:
        return int(trade.id or "")
    except ValueError:
        return None


def _as_backfill(trade: Trade) -> Trade:
    return trade if trade.backfill else structs.replace(trade, backfill=True)


def _marker(kind: Literal["gap", "resume"], reason: str, hole: Hole, rx: int) -> Marker:
    return Marker(type=kind, reason=reason, rx=rx, from_seq=hole.first, to_seq=hole.last)
