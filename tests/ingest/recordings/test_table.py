"""Lines of CSV."""

import pytest

from ingest.recordings.records import WsMessage
from ingest.recordings.table import new_parser, recognise


def test_rows() -> None:
    """The header says which columns count; quotes are undone."""
    parse = new_parser()
    lines = [b"seq,timestamp,message", b"", b'7,1723161253937085,"{""a"":[1,2]}"']

    assert recognise(lines[0])
    assert [parse(line, "x") for line in lines] == [
        None,
        None,
        WsMessage(1723161253937085000, "x", b'{"a":[1,2]}'),
    ]


@pytest.mark.parametrize("line", [b"hello", b"a,b", b"time,price", b'"x', b""])
def test_other_headers(line: bytes) -> None:
    """A table without both columns is none of recorded frames."""
    assert not recognise(line)


@pytest.mark.parametrize("line", [b"7", b"x,{}", b'1723161253937,"{'])
def test_damaged_rows(line: bytes) -> None:
    """An error says what was expected."""
    parse = new_parser()
    parse(b"time,message", "x")

    with pytest.raises(ValueError, match="expected"):
        parse(line, "x")
