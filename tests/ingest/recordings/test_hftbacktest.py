"""Lines of hftbacktest captures."""

import pytest

from ingest.recordings.hftbacktest import parse_line
from ingest.recordings.records import RestAnswer, WsMessage

NAME = "btcusdt_20240808.gz"


def test_message() -> None:
    """The number is the time in ns, the rest is the payload, untouched."""
    payload = b'{"stream":"btcusdt@trade","data":{"e":"trade"}}'

    assert parse_line(b"1723161253937085768 " + payload, NAME) == WsMessage(
        1723161253937085768, NAME, payload
    )


@pytest.mark.parametrize(
    "payload",
    [
        b'{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1}',
        b'{"e":"depthUpdate","lastUpdateId":1}',
        b"[0,{}]",
        b"pong",
    ],
)
def test_messages_of_other_venues(payload: bytes) -> None:
    """The collector has other venues, too, whose frames are not in Binance's envelope."""
    assert parse_line(b"1723161253937085768 " + payload, NAME) == WsMessage(
        1723161253937085768, NAME, payload
    )


def test_the_older_collector() -> None:
    """It wrote microseconds, and other names."""
    line = b'1677628799996789 {"lastUpdateId":5,"bids":[],"asks":[]}'

    assert parse_line(line, "btcusdt_20230228.dat.gz") == RestAnswer(
        1677628799996789000, "depth?symbol=BTCUSDT", line.partition(b" ")[2]
    )


def test_snapshot_of_a_dated_future() -> None:
    """Symbols of futures have an underscore in them."""
    line = b'1723161254206652067 {"lastUpdateId":5,"bids":[],"asks":[]}'

    record = parse_line(line, "btcusd_perp_20240808.gz")

    assert isinstance(record, RestAnswer)
    assert record.url == "depth?symbol=BTCUSD_PERP"


def test_snapshot_in_the_stream() -> None:
    """A payload without a stream is the REST depth answer for the file's symbol."""
    payload = b'{"lastUpdateId":50093239218,"bids":[],"asks":[]}'

    assert parse_line(b"1723161254206652067 " + payload, NAME) == RestAnswer(
        1723161254206652067, "depth?symbol=BTCUSDT", payload
    )


def test_snapshot_of_an_unknown_symbol() -> None:
    """Without a symbol in the file's name a snapshot cannot be placed, and the error says so."""
    with pytest.raises(ValueError, match="<symbol>_<yyyymmdd>"):
        parse_line(b'1723161254206652067 {"lastUpdateId":1}', "capture.gz")


@pytest.mark.parametrize(
    "line",
    [
        b"hello",
        b"123 {}",
        b"1723161253937085768",
        b"1723161253937085768 {",
    ],
)
def test_a_malformed_line_is_refused(line: bytes) -> None:
    """Anything else raises."""
    with pytest.raises(ValueError, match="expected"):
        parse_line(line, NAME)


def test_empty_line() -> None:
    """An empty line records nothing."""
    assert parse_line(b"", NAME) is None
