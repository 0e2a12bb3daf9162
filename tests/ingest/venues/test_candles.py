from ingest.model import Candle
from ingest.venues.base import Data
from ingest.venues.candles import closing


def bar(data: Data, rx: int) -> Candle:
    start, close = bytes(data.payload).decode().split()
    return Candle(
        rx=rx, start=int(start), open="1", high="9", low="1", close=close, volume="5", closed=False
    )


def test_bars_close_when_a_later_one_begins() -> None:
    """The bar before is repeated as closed, with the time of what closed it."""
    decode = closing(bar)()
    sent = [b"60 2", b"60 3", b"120 4", b"60 5", b"180 6"]

    events = [decode(Data("bars", payload), rx) for rx, payload in enumerate(sent)]

    told = [[(one.rx, one.start, one.close, one.closed) for one in some] for some in events]
    assert told == [
        [(0, 60, "2", False)],
        [(1, 60, "3", False)],
        [(2, 60, "3", True), (2, 120, "4", False)],
        [(3, 60, "5", True)],  # late
        [(4, 120, "4", True), (4, 180, "6", False)],
    ]


def test_each_topic_has_its_own() -> None:
    """One decoder's bars do not close another's."""
    new_decoder = closing(bar)
    new_decoder()(Data("a", b"60 2"), 1)

    assert len(new_decoder()(Data("b", b"120 2"), 1)) == 1
