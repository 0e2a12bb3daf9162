"""Which bar is over, for venues that do not say it."""

from collections.abc import Callable, Sequence

from msgspec import structs

from ingest.model import Candle
from ingest.venues.base import Data, Decode


def closing(decode: Callable[[Data, int], Candle | Sequence[Candle]]) -> Callable[[], Decode]:
    """Build a `new_decoder` of bars: one is over once a later one begins.

    *decode* returns each bar as open. When a later one begins, the one before is
    sent once more, as closed, ahead of it; what still comes of it then is closed too.
    The last bar of a connection is not closed: what it became is not known.
    """

    def new_decoder() -> Decode:
        latest: Candle | None = None

        def decode_and_close(data: Data, rx: int) -> Sequence[Candle]:
            nonlocal latest
            found = decode(data, rx)
            before, events = latest, []
            for bar in (found,) if isinstance(found, Candle) else found:
                if before is not None and bar.start < before.start:
                    events.append(structs.replace(bar, closed=True))
                    continue
                if before is not None and bar.start > before.start:
                    events.append(structs.replace(before, rx=rx, ts=bar.ts, closed=True))
                before = bar
                events.append(bar)
            latest = before  # not sooner: one bad bar costs the whole frame
            return events

        return decode_and_close

    return new_decoder
