"""Lines of JSON, with and without an envelope."""

import pytest

from ingest.recordings.jsonlines import (
    new_frame_parser,
    parse_envelope,
    recognise_envelope,
    recognise_frame,
)
from ingest.recordings.records import WsMessage, WsSent

NS = 1723161253937085768


@pytest.mark.parametrize(
    "line",
    [
        b'{"ns":1723161253937085768,"msg":"{\\"p\\":1.50}"}',
        b'{"ts":1723161253,"received_ns":1723161253937085768,"payload":{"p":1.50}}',
        b'{"t":"1723161253937085768","dir":"rx","venue":"x","raw":{"p":1.50}}',
        b'{"time":"2024-08-08T23:54:13.937085768Z","frame":"{\\"p\\":1.50}"}',
    ],
)
def test_envelope(line: bytes) -> None:
    """A frame inside is a text, or JSON as it stands there."""
    assert recognise_envelope(line)
    assert parse_envelope(line, "x") == WsMessage(NS, "x", b'{"p":1.50}')


@pytest.mark.parametrize("direction", ["out", "tx", "sent"])
def test_what_the_client_sent(direction: str) -> None:
    """It is told from what came by its direction."""
    line = f'{{"ns":{NS},"dir":"{direction}","raw":"ping"}}'

    assert parse_envelope(line.encode(), "x") == WsSent(NS, "x", b"ping")


@pytest.mark.parametrize("line", [b"", b'{"note":"began"}'])
def test_lines_without_a_message(line: bytes) -> None:
    """What a recorder says of itself records nothing."""
    assert parse_envelope(line, "x") is None


@pytest.mark.parametrize("line", [b"hello", b"[]", b'{"msg":{}}', b'{"ts":true,"msg":{}}'])
def test_a_damaged_envelope(line: bytes) -> None:
    """An error says what was expected."""
    with pytest.raises(ValueError, match="expected"):
        parse_envelope(line, "x")


@pytest.mark.parametrize(
    "frame",
    [
        b'{"topic":"publicTrade.X","ts":1733011200691,"type":"snapshot","data":[]}',
        b'{"ch":"market.btcusdt.bbo","ts":1733011200691,"tick":{}}',
        b'{"event":"notice","code":"64008","msg":"soon"}',
        b'{"time":1733011200,"time_ms":1733011200691,"channel":"spot.trades","result":{}}',
        b'{"type":"error","message":"no","time":"2024"}',
        b'[0,{},"book-1000","XBT/USD"]',
    ],
)
def test_frames_are_no_envelopes(frame: bytes) -> None:
    """What venues send is not taken for a recorder's envelope."""
    assert not recognise_envelope(frame)
    assert recognise_frame(frame)


def test_times_of_frames_alone() -> None:
    """The venue's clock where there is one; else they follow a millisecond apart."""
    parse = new_frame_parser()
    lines = [b"{}", b'{"ts":1733011200691}', b"pong", b'{"ts":"x"}', b""]
    records = [parse(line, "x") for line in lines]

    base = 1733011200691000000
    assert [record and record.ns for record in records] == [
        1_000_000,
        base,
        base + 1_000_000,
        base + 2_000_000,
        None,
    ]
