"""Lines of `<time> <payload>`."""

import pytest

from ingest.recordings.records import RestAnswer, WsMessage
from ingest.recordings.timestamped import parse_line, recognise

NS = 1564617608806123400


@pytest.mark.parametrize(
    "head",
    [
        b"2019-08-01T00:00:08.8061234Z ",
        b"2019-08-01 00:00:08.8061234+00:00,",
        b"1564617608.8061234\t",
        b"1564617608806.1234 ",
        b"1564617608806123.4: ",
        b"1564617608806123400 ",
    ],
)
@pytest.mark.parametrize("payload", [b'{"e":"x"}', b"[1,[]]", b"pong"])
def test_message(head: bytes, payload: bytes) -> None:
    """The time is exact in every unit, the payload untouched."""
    line = head + payload

    assert recognise(line)
    assert parse_line(line, "x") == WsMessage(NS, "x", payload)


@pytest.mark.parametrize("line", [b"", b"2019-08-01T00:00:08.8061234Z "])
def test_lost_connection(line: bytes) -> None:
    """A line without a message records nothing."""
    assert parse_line(line, "x") is None


@pytest.mark.parametrize(
    ("payload", "url", "body"),
    [
        (
            b'{"stream":"btcusd_perp@depthSnapshot","generated":true,"data":{"lastUpdateId":5}}',
            "depth?symbol=BTCUSD_PERP",
            b'{"lastUpdateId":5}',
        ),
        (
            b'{"event":"snapshot","channel":"diff_order_book_btcusd","generated": true,"data":{}}',
            "/api/v2/order_book/btcusd/",
            b"{}",
        ),
    ],
)
def test_snapshots_that_tardis_fetched(payload: bytes, url: str, body: bytes) -> None:
    """Though they look like frames, the venue never sent them: they came over REST."""
    assert parse_line(b"1564617608806123400 " + payload, "x") == RestAnswer(NS, url, body)


def test_what_else_tardis_fetched() -> None:
    """What has no place in a replay is left out."""
    line = b'1564617608806123400 {"stream":"btcusdt@openInterest","generated":true,"data":{}}'

    assert parse_line(line, "x") is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"hello", "expected `<time> <payload>`"),
        (b"{}", "expected `<time> <payload>`"),
        (b"12 {}", "expected `<time> <payload>`"),
        (b"15646176088 {}", "expected a Unix time"),
        (b"2019-13-01T00:00:08Z {}", "expected a Unix time"),
    ],
)
def test_anything_else_is_refused(line: bytes, reason: str) -> None:
    """Nothing is guessed: a time is one of four units, or a date that exists."""
    assert not recognise(line)
    with pytest.raises(ValueError, match=reason):
        parse_line(line, "x")
