"""A venue's instruments at one time, by our names and by its symbols. Pure."""

import re
from collections.abc import Iterable

from ingest.venues.base import Instrument

# Names stand in keys, symbols in requests, both in patterns, logs and tables. Whatever a
# venue lists, nothing in them has a meaning there, and none is long.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SYMBOL = re.compile(r"[!-~]{1,64}")


class Listing:
    """What one venue listed at `fetched_ns` (Unix ns).

    `by_name` has each of our names once: of two entries that would have one name the
    first is taken, unless only the second can be traded. A symbol may stand for several
    instruments, where a venue calls a spot pair and its perpetual the same. What has no
    name that could stand in a key is left out.
    """

    def __init__(self, venue: str, fetched_ns: int, instruments: Iterable[Instrument]) -> None:
        self.venue = venue
        self.fetched_ns = fetched_ns
        self.by_name: dict[str, Instrument] = {}
        for instrument in instruments:
            if not (_NAME.fullmatch(instrument.name) and _SYMBOL.fullmatch(instrument.symbol)):
                continue
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
