"""A book, the plain way: what the tests compare ours with."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

Levels = Sequence[Sequence[str]]


class PlainBook:
    """Both sides by price; the texts as they were sent."""

    def __init__(self, depth: int | None = None) -> None:
        self.sides: tuple[dict[Decimal, tuple[str, str]], ...] = ({}, {})
        self._depth = depth

    def replace(self, bids: Levels, asks: Levels) -> None:
        for side in self.sides:
            side.clear()
        self.apply(bids, asks)

    def apply(self, bids: Levels, asks: Levels) -> None:
        for side, levels in zip(self.sides, (bids, asks), strict=True):
            for price, size in levels:
                if Decimal(size) == 0:
                    side.pop(Decimal(price), None)
                else:
                    side[Decimal(price)] = (price, size)
        if self._depth is not None:
            for side, worst in zip(self.sides, (min, max), strict=True):
                while len(side) > self._depth:
                    del side[worst(side)]

    def copy(self) -> tuple[dict[Decimal, tuple[str, str]], ...]:
        return tuple(dict(side) for side in self.sides)

    def levels(self) -> tuple[list[list[str]], list[list[str]]]:
        """Bids and asks, best first."""
        bids, asks = self.sides
        return (
            [list(bids[price]) for price in sorted(bids, reverse=True)],
            [list(asks[price]) for price in sorted(asks)],
        )


def is_crossed(sides: Iterable[dict[Decimal, tuple[str, str]]]) -> bool:
    bids, asks = sides
    return bool(bids and asks) and max(bids) > min(asks)
