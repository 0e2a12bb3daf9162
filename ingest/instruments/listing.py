"""A venue's instruments at one time, by our names and by its symbols. Pure."""

from collections.abc import Iterable

from ingest.venues.base import Instrument


class Listing:
    """What one venue listed at `fetched_ns` (Unix ns).

    `by_name` has each of our names once: of two entries that would have one name the
    first is taken, unless only the second can be traded. A symbol may stand for several
    instruments, where a venue calls a spot pair and its perpetual the same.
    """

    def __init__(self, venue: str, fetched_ns: int, instruments: Iterable[Instrument]) -> None:
        self.venue = venue
        self.fetched_ns = fetched_ns
        self.by_name: dict[str, Instrument] = {}
        for instrument in instruments:
            known = self.by_name.get(instrument.name)
            if known is None or (instrument.trading and not known.trading):
                self.by_name[instrument.name] = instrument
        self.by_symbol: dict[str, tuple[Instrument, ...]] = {}
        for instrument in self.by_name.values():
            same = self.by_symbol.get(instrument.symbol, ())
            self.by_symbol[instrument.symbol] = (*same, instrument)

    def __len__(self) -> int:
        return len(self.by_name)

    def age_s(self, now_ns: int) -> float:
        """Return how old it is, in seconds."""
        return (now_ns - self.fetched_ns) / 1e9
