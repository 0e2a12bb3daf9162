"""Files and directories of recordings."""

import gzip
from pathlib import Path

import pytest

from ingest.recordings import native
from ingest.recordings.bundled import bundled_recordings
from ingest.recordings.errors import RecordingError
from ingest.recordings.reader import find_files, read_file
from ingest.recordings.records import RestAnswer, WsMessage, WsOpened, WsSent

LINE = b'1723161253937085768 {"stream":"btcusdt@trade","data":{}}\n'


def count(path: Path) -> tuple[int, int, int, int]:
    records = list(read_file(path))
    kinds = (WsMessage, RestAnswer, WsOpened, WsSent)
    return tuple(sum(isinstance(record, kind) for record in records) for kind in kinds)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("binance/cf-20210404/BINANCE-ee25be.0.gz", (4716, 3, 1, 0)),
        ("binance/cf-20210404/BINANCE.symbols.0.gz", (0, 1, 0, 0)),
        ("binance/cf-20210417/BINANCE.0.gz", (0, 1, 0, 0)),
        ("binance/cf-20210417/BINANCE.http.0.0.gz", (0, 10, 0, 0)),
        ("binance/cf-20210417/BINANCE.ws.1.0.gz", (1228, 0, 1, 0)),
        ("binance/cf-20210814/BINANCE.http.0.0.gz", (0, 4, 0, 0)),
        ("binance/cf-20210814/BINANCE.ws.1.0.gz", (1003, 0, 1, 0)),
        ("binance/hbt-20240808/btcusdt_20240808.gz", (14999, 1, 0, 0)),
        ("okx/cf-20210722-redundant/OKEX.ws.1.0.gz", (1616, 0, 1, 1)),
        ("okx/cf-20220227/OKX.0.gz", (0, 5, 0, 0)),
        ("okx/cf-20220227/OKX.ws.1.0.gz", (3777, 0, 1, 3)),
    ],
)
def test_the_bundled_recordings(file: str, expected: tuple[int, int, int, int]) -> None:
    """Messages, answers, opens and sends are as many as the README's table says."""
    assert count(bundled_recordings() / file) == expected


def test_bundled_files_are_all_recordings() -> None:
    """A directory search finds the recordings and passes over README and licences."""
    files = find_files([bundled_recordings()])

    assert len(files) == 13
    assert all(file.suffix == ".gz" for file in files)


def test_plain_and_compressed_are_the_same(tmp_path: Path) -> None:
    """Compression is recognised by content, whatever the name says."""
    (tmp_path / "a").write_bytes(LINE)
    (tmp_path / "b").write_bytes(gzip.compress(LINE))

    assert [r.payload for r in read_file(tmp_path / "a") if isinstance(r, WsMessage)] == [
        r.payload for r in read_file(tmp_path / "b") if isinstance(r, WsMessage)
    ]


def test_own_format(tmp_path: Path) -> None:
    """A file with our header is read as our format."""
    record = WsMessage(1, "binance-0", b"{}")
    (tmp_path / "r.jsonl").write_bytes(
        native.format_header("") + b"\n" + native.format_record(record) + b"\n"
    )

    assert list(read_file(tmp_path / "r.jsonl")) == [record]


def test_empty_file_has_no_records(tmp_path: Path) -> None:
    """An empty recording is not an error: a connection may have received nothing."""
    (tmp_path / "empty").write_bytes(b"")

    assert list(read_file(tmp_path / "empty")) == []


def test_malformed_line_is_located(tmp_path: Path) -> None:
    """The error names file and line, and what was found there."""
    (tmp_path / "x").write_bytes(LINE + LINE + b"garbage\n" + LINE)

    with pytest.raises(RecordingError, match=r"/x:3: expected .* found b'garbage'"):
        list(read_file(tmp_path / "x"))


def test_unknown_format(tmp_path: Path) -> None:
    """A file of another kind is refused at once, with the kinds that are known."""
    (tmp_path / "x").write_bytes(b'{"topic":"orderbook.500.XRPUSDT"}\n')

    with pytest.raises(RecordingError, match=r"/x:1: unknown format; known are"):
        list(read_file(tmp_path / "x"))


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damaged_gzip(tmp_path: Path, damage: str) -> None:
    """A cut or corrupted archive says so, after the lines that were whole."""
    data = bytearray(gzip.compress(LINE * 50 + b"".join(bytes([n]) for n in range(11, 99))))
    if damage == "cut":
        del data[-20:]
    else:
        data[-6] ^= 0xFF
    (tmp_path / "x.gz").write_bytes(data)

    with pytest.raises(RecordingError, match=r"x\.gz"):
        list(read_file(tmp_path / "x.gz"))


def test_missing_and_empty_places(tmp_path: Path) -> None:
    """A path that is not there, or a directory without recordings, is an error."""
    with pytest.raises(RecordingError, match="no such file"):
        find_files([tmp_path / "nothing"])
    (tmp_path / "README.md").write_text("words")
    with pytest.raises(RecordingError, match="no recordings"):
        find_files([tmp_path])


def test_a_file_reached_twice_is_taken_once(tmp_path: Path) -> None:
    """Naming a directory and a file in it does not double the file's messages."""
    (tmp_path / "x").write_bytes(LINE)

    assert find_files([tmp_path, tmp_path / "x"]) == [tmp_path / "x"]
