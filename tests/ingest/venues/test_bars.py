from ingest.model import Candle
from ingest.venues.bars import Bars


def bar(start: int, close: str = "1", rx: int = 1) -> Candle:
    return Candle(
        rx=rx, start=start, open="1", high="2", low="1", close=close, volume="3", closed=False
    )


def told(candles: list[Candle]) -> list[tuple[int, str, bool]]:
    return [(candle.start, candle.close, candle.closed) for candle in candles]


def test_the_next_bar_closes_the_one_before() -> None:
    """A bar is open until a later one comes; then it is repeated once, as closed."""
    bars = Bars()
    assert told(bars.mark([bar(10, "1")])) == [(10, "1", False)]
    assert told(bars.mark([bar(10, "2")])) == [(10, "2", False)]
    assert told(bars.mark([bar(20, "5")])) == [(10, "2", True), (20, "5", False)]
    assert told(bars.mark([bar(20, "6")])) == [(20, "6", False)]


def test_what_is_repeated_has_the_time_of_its_frame() -> None:
    """The repeated bar is received when the frame is that closed it."""
    bars = Bars()
    bars.mark([bar(10, rx=1)])
    assert [candle.rx for candle in bars.mark([bar(20, rx=7)])] == [7, 7]


def test_a_frame_of_several_bars() -> None:
    """All but the latest are over; one that the frame itself repeats is not repeated again."""
    bars = Bars()
    bars.mark([bar(10, "1")])
    assert told(bars.mark([bar(20, "5"), bar(10, "2")])) == [(10, "2", True), (20, "5", False)]
    assert bars.mark([]) == []


def test_a_late_bar_does_not_open_again() -> None:
    """A correction of an earlier bar leaves the latest one as it is."""
    bars = Bars()
    bars.mark([bar(20)])
    bars.mark([bar(10)])
    assert told(bars.mark([bar(30)])) == [(20, "1", True), (30, "1", False)]
