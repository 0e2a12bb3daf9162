"""Candles of venues that do not say when a bar is complete: the next bar's first update says it."""

from collections.abc import Callable, Sequence

from msgspec import structs

from ingest.model import Candle
from ingest.venues.base import Data, Decode


def closing(decode: Callable[[Data, int], Sequence[Candle]]) -> Callable[[], Decode]:
    """Make a `ChannelSpec.new_decoder` of *decode*, which returns bars not yet closed.

    Before the first update of a later bar comes the bar before it once more, as last
    sent, `closed`. An update of an earlier bar than the latest is passed on as it is.
    The last bar of a connection is not closed: what it became is not known.
    """

    def new_decoder() -> Decode:
        latest: Candle | None = None

        def decode_closing(data: Data, rx: int) -> Sequence[Candle]:
            nonlocal latest
            before, events = latest, []
            for bar in decode(data, rx):
                if before is not None and bar.start > before.start:
                    # `ts` was that of another update.
                    events.append(structs.replace(before, rx=rx, ts=None, closed=True))
                if before is None or bar.start >= before.start:
                    before = bar
                events.append(bar)
            latest = before  # not before: one bad bar in a frame costs the whole frame
            return events

        return decode_closing

    return new_decoder
