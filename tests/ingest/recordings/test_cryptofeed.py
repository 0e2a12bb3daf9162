"""Lines of cryptofeed captures."""

import pytest

from ingest.recordings.cryptofeed import parse_line
from ingest.recordings.records import Record, RestAnswer, WsMessage, WsOpened, WsSent

# Shortened lines of binance/cf-20210404, okx/cf-20220227; the HTX one has its shape.
LINES: list[tuple[bytes, Record | None]] = [
    (
        b"wss://stream.binance.com:9443/stream?streams=dotusdt@depth@100ms <-> 1617566590.378895",
        WsOpened(
            1617566590378895000,
            "f",
            "wss://stream.binance.com:9443/stream?streams=dotusdt@depth@100ms",
        ),
    ),
    (
        b'wss://ws.okx.com:8443/ws/v5/public <- 1646003667.39956: {"op":"subscribe","args":[]}',
        WsSent(1646003667399560000, "f", b'{"op":"subscribe","args":[]}'),
    ),
    (
        b'1617566591.326123: {"stream":"dotusdt@depth@100ms","data":{"e":"x: y"}}',
        WsMessage(
            1617566591326123000, "f", b'{"stream":"dotusdt@depth@100ms","data":{"e":"x: y"}}'
        ),
    ),
    (
        b"https://www.binance.com/api/v1/depth?symbol=DOTUSDT&limit=1000 -> 1617566592.1065369: "
        b'{"lastUpdateId":1513939277}',
        RestAnswer(
            1617566592106536900,
            "https://www.binance.com/api/v1/depth?symbol=DOTUSDT&limit=1000",
            b'{"lastUpdateId":1513939277}',
        ),
    ),
    (
        b'https://a/b -> 1.5: {"x":1} header: {"Date":"now"}',
        RestAnswer(1500000000, "https://a/b", b'{"x":1}'),
    ),
    (
        b'https://a/b -> 1.5: {"x":" header: {"}',
        RestAnswer(1500000000, "https://a/b", b'{"x":" header: {"}'),
    ),
    (b"1618677372.5: b'\\x1f\\x8b\\x00'", WsMessage(1618677372500000000, "f", b"\x1f\x8b\0", True)),
    (b'configuration: {"ticker":["BTC-USDT"]}', None),
    (b"", None),
]


@pytest.mark.parametrize(("line", "record"), LINES)
def test_each_kind_of_line(line: bytes, record: Record | None) -> None:
    """A line gives its record: exact time, exact payload."""
    assert parse_line(line, "f") == record


@pytest.mark.parametrize(
    "line",
    [
        b"hello",
        b"1617566591.326123 {}",
        b"12:34: {}",
        b"wss://x <-> soon",
        b"wss://x",
        b"https://x -> 1.0",
        b"1.0: b'\\xzz'",
        b"1.0: b'a', b'b'",
    ],
)
def test_a_malformed_line_is_refused(line: bytes) -> None:
    """What is none of the known kinds raises, rather than being taken for data."""
    with pytest.raises(ValueError, match="expected"):
        parse_line(line, "f")
