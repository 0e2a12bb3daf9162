"""Candles of venues that do not say when a bar is over: the next one says it."""

from collections.abc import Sequence

from msgspec import structs

from ingest.model import Candle


class Bars:
    """Marks the bars of one topic as closed, given its candles as they come.

    A bar that is followed by a later one is over. The one that was latest is
    repeated as closed, with the values it had, when a later one comes without it.
    """

    def __init__(self) -> None:
        self._latest: Candle | None = None

    def mark(self, candles: Sequence[Candle]) -> list[Candle]:
        """Return one frame's candles by their start, all but the latest closed."""
        if not candles:
            return []
        ordered = sorted(candles, key=lambda candle: candle.start)
        latest, before = ordered[-1], self._latest
        events = [structs.replace(candle, closed=candle.start < latest.start) for candle in ordered]
        if before is not None and before.start < ordered[0].start:
            repeated = structs.replace(before, closed=True, rx=latest.rx, ts=latest.ts)
            events.insert(0, repeated)
        if before is None or latest.start >= before.start:
            self._latest = latest
        return events
