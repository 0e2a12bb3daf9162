"""A range of ids that is missing from a stream, and what of it still is. Pure."""

from bisect import bisect_left

# Pieces into which the rest of one hole may fall before the oldest are forgotten.
_MOST_PIECES = 256
# Answers without anything new, one after the other, before nothing more is asked for.
_MOST_FAILURES = 8


class Hole:
    """The ids *first* to *last*, both included, were passed over by the venue's stream.

    Asked for from `cursor` on. What an answer passes over itself the venue does not
    have; it may still come late, so `left` keeps it.
    """

    __slots__ = (
        "_ends",
        "_failures",
        "_starts",
        "cursor",
        "first",
        "forgot",
        "given_up",
        "last",
        "marked",
    )

    def __init__(self, first: int, last: int, *, given_up: bool) -> None:
        self.first, self.last = first, last
        self.cursor = first
        self.given_up = given_up  # nothing more is asked for
        self.marked = False
        self.forgot = False  # part of what is missing: it will never be known to be whole
        self._failures = 0
        self._starts, self._ends = [first], [last]  # of the pieces left, ascending

    @property
    def empty(self) -> bool:
        """Nothing is missing any more."""
        return not self._starts

    def piece(self, number: int) -> tuple[int, int] | None:
        """Return the piece left, first and last id, that holds *number* or is the next above."""
        at = bisect_left(self._ends, number)
        return (self._starts[at], self._ends[at]) if at < len(self._ends) else None

    def misses(self, number: int) -> bool:
        """Tell whether this id is missing."""
        piece = self.piece(number)
        return piece is not None and piece[0] <= number

    def take(self, number: int) -> bool:
        """Take one id out; False if it is not missing."""
        at = bisect_left(self._ends, number)
        if at == len(self._ends) or self._starts[at] > number:
            return False
        start, end = self._starts[at], self._ends[at]
        if start == end:
            del self._starts[at], self._ends[at]
        elif number == start:
            self._starts[at] = number + 1
        elif number == end:
            self._ends[at] = number - 1
        else:
            self._starts.insert(at + 1, number + 1)
            self._ends.insert(at, number - 1)
        return True

    def forget(self, below: int) -> None:
        """Keep the pieces few: drop the lowest of those that end before *below*."""
        surplus = min(len(self._ends) - _MOST_PIECES, bisect_left(self._ends, below))
        if surplus > 0:
            del self._starts[:surplus], self._ends[:surplus]
            self.forgot = True

    def ask(self, most: int) -> tuple[int, int] | None:
        """Return the ids to ask for next, at most *most*; None if there are none."""
        piece = None if self.given_up else self.piece(self.cursor)
        if piece is None:
            self.given_up = True
            return None
        first = max(piece[0], self.cursor)
        return first, min(piece[1], first + most - 1)

    def answered(self, asked: tuple[int, int], newest: int | None) -> bool:
        """Note an answer whose highest id is *newest*; False if it brought us no further.

        A venue may know by its stream what its REST interface does not know yet: an
        answer that ends below what was asked for is asked for again.
        """
        first, last = asked
        if newest is None or newest < first:
            self.failed()
            return False
        self.cursor = max(self.cursor, min(last, newest) + 1)
        self._failures = 0
        return True

    def failed(self) -> None:
        """Note that there was no answer; after a few there will be none."""
        self._failures += 1
        self.given_up = self.given_up or self._failures >= _MOST_FAILURES
