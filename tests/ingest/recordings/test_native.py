"""Our own recording format."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.recordings import native
from ingest.recordings.records import (
    Record,
    RestAnswer,
    VenueNamed,
    WsClosed,
    WsMessage,
    WsOpened,
    WsSent,
)

_ns = st.integers(0, 2**63 - 1)
_name = st.text(min_size=1)
_text = st.text().map(str.encode)
_records = st.one_of(
    st.builds(WsOpened, _ns, _name, st.text()),
    st.builds(WsSent, _ns, _name, _text),
    st.builds(WsMessage, _ns, _name, _text, st.just(False)),
    st.builds(WsMessage, _ns, _name, st.binary(), st.just(True)),
    st.builds(RestAnswer, _ns, st.text(), st.binary()),
    st.builds(VenueNamed, _name),
)


@given(_records)
def test_round_trip(record: Record) -> None:
    """What was written is read back, in one line."""
    line = native.format_record(record)

    assert b"\n" not in line
    assert native.parse_line(line, "elsewhere") == record


def test_header_is_recognised_and_records_nothing() -> None:
    """The header makes the format known; of older files, it says nothing else."""
    header = b'{"format":"ingest-recording","version":1}'
    assert native.recognise(header)
    assert native.parse_line(header, "f") is None


def test_newer_version_is_refused() -> None:
    """A file of a version this program does not know is not guessed at."""
    with pytest.raises(ValueError, match="version 2"):
        native.recognise(b'{"format":"ingest-recording","version":2}')


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b'{"ns":1}',
        b'{"ns":1,"kind":"message"}',
        b'{"ns":1,"kind":"message","base64":"?"}',
    ],
)
def test_a_malformed_line_is_refused(line: bytes) -> None:
    """Anything else raises ValueError."""
    with pytest.raises(ValueError):
        native.parse_line(line, "f")


def test_the_documented_example() -> None:
    """The example in docs/recordings.md is a recording, with every kind of record."""
    text = (Path(__file__).parents[3] / "docs" / "recordings.md").read_text()
    found = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert found is not None
    header, *lines = found[1].encode().splitlines()
    records = [native.parse_line(line, "") for line in lines]

    assert native.recognise(header)
    assert native.parse_line(header, "") == VenueNamed("binance")
    assert [type(record) for record in records] == [
        WsOpened,
        WsSent,
        WsMessage,
        WsClosed,
        RestAnswer,
    ]
