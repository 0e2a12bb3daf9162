"""`FeedCounters`: of connections that are gone, all together."""

from ingest.feed.counters import FeedCounters


def test_added() -> None:
    """Numbers are summed, reasons each by itself; the last frame is the latest."""
    total = FeedCounters()
    total.add(FeedCounters(frames=2, disconnects={"refused": 1}))
    assert total.last_frame_ns is None
    total.add(FeedCounters(frames=3, disconnects={"refused": 1, "eof": 4}, last_frame_ns=7))
    total.add(FeedCounters(last_frame_ns=5))
    assert total == FeedCounters(frames=5, disconnects={"refused": 2, "eof": 4}, last_frame_ns=7)
