"""Lines of Bybit's order-book archive."""

import pytest

from ingest.recordings.bybit import parse_line, recognise
from ingest.recordings.records import WsMessage

LINE = b'{"topic":"orderbook.500.XRPUSDT","type":"delta","ts":1733011200693,"data":{"u":1}}'


def test_message() -> None:
    """A line is the payload, untouched; its time is the venue's."""
    assert recognise(LINE)
    assert parse_line(LINE, "x") == WsMessage(1733011200693000000, "x", LINE)
    assert parse_line(b"", "x") is None


@pytest.mark.parametrize("line", [b"hello", b"{}", b'{"topic":"orderbook.500.X"}', b"[]"])
def test_damaged_line(line: bytes) -> None:
    """Anything else is an error that says what was expected."""
    with pytest.raises(ValueError, match="`topic` and `ts`"):
        parse_line(line, "x")
