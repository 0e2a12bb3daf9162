"""An order book: levels in order of price."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import islice

from sortedcontainers import SortedDict

from ingest.model import Book, Level


class Ladder:
    """Both sides, every level as the venue sent it.

    *depth*: levels a side that are kept, for a venue that counts on the rest being
    forgotten; None: all.
    """

    __slots__ = ("_asks", "_bids", "_depth")

    def __init__(self, depth: int | None = None) -> None:
        self._depth = depth
        self._bids: SortedDict[Decimal, Level] = SortedDict()  # both in ascending order
        self._asks: SortedDict[Decimal, Level] = SortedDict()

    def replace(self, book: Book) -> None:
        """Become a snapshot."""
        self._bids.clear()
        self._asks.clear()
        self.apply(book)

    def apply(self, book: Book) -> None:
        """Change what a delta changes, its levels in the order sent: one may come twice."""
        _change(self._bids, book.bids)
        _change(self._asks, book.asks)
        if self._depth is not None:
            while len(self._bids) > self._depth:
                self._bids.popitem(0)
            while len(self._asks) > self._depth:
                self._asks.popitem()

    def bids(self, count: int | None = None) -> list[Level]:
        """Return the highest bids, best first; all without *count*."""
        return list(islice(reversed(self._bids.values()), count))

    def asks(self, count: int | None = None) -> list[Level]:
        """Return the lowest asks, best first; all without *count*."""
        return list(islice(self._asks.values(), count))


def is_zero(size: str) -> bool:
    """Tell whether a size says that the level is gone: `0`, `0.000`, `0e-8`."""
    return not size.lower().partition("e")[0].strip("0.")


def _change(side: "SortedDict[Decimal, Level]", levels: Sequence[Level]) -> None:
    for level in levels:
        # Not the text: the same price may come with more or fewer zeros at its end.
        price = Decimal(level[0])
        if is_zero(level[1]):
            side.pop(price, None)  # venues delete levels that were never told
        else:
            side[price] = (level[0], level[1])
