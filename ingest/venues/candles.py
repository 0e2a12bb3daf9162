"""Which bar is over, for venues that do not say it."""

from collections.abc import Callable, Sequence

from msgspec import structs

from ingest.model import Candle
from ingest.venues.base import Data, Decode


def closing(decode: Callable[[Data, int], Candle]) -> Callable[[], Decode]:
    """Build a `new_decoder` of bars: one is over once a later one begins.

    *decode* returns each bar as open. When a later one begins, the one before is
    sent once more, as closed, ahead of it; what still comes of it then is closed too.
    """

    def new_decoder() -> Decode:
        latest: Candle | None = None

        def decode_and_close(data: Data, rx: int) -> Sequence[Candle]:
            nonlocal latest
            candle = decode(data, rx)
            before = latest
            if before is not None and candle.start < before.start:
                return (structs.replace(candle, closed=True),)
            latest = candle
            if before is None or candle.start == before.start:
                return (candle,)
            return structs.replace(before, rx=rx, ts=candle.ts, closed=True), candle

        return decode_and_close

    return new_decoder
