"""Files and directories of recordings."""

import bz2
import gzip
import lzma
import shutil
import subprocess
from pathlib import Path

import pytest
import structlog

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


PACKERS = {
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: subprocess.check_output(["zstd", "-cq"], input=data),
    "lz4": lambda data: subprocess.check_output(["lz4", "-cq"], input=data),
}


def needed(kind: str) -> None:
    if kind in ("zstd", "lz4") and shutil.which(kind) is None:
        pytest.skip(f"no command {kind} here")


@pytest.mark.parametrize("kind", PACKERS)
def test_other_compressions(tmp_path: Path, kind: str) -> None:
    """They are recognised by content, too, and what is damaged says so."""
    needed(kind)
    packed = PACKERS[kind](LINE * 1000)
    (tmp_path / "whole").write_bytes(packed)
    (tmp_path / "cut").write_bytes(packed[:-30])

    assert count(tmp_path / "whole") == (1000, 0, 0, 0)
    with pytest.raises(RecordingError, match=r"/cut: (damaged|zstd says|lz4 says)"):
        list(read_file(tmp_path / "cut"))


@pytest.mark.parametrize("kind", ["zstd", "lz4"])
def test_a_packed_file_read_in_part(tmp_path: Path, kind: str) -> None:
    """Who stops reading early leaves nothing running, and meets no error."""
    needed(kind)
    (tmp_path / "x").write_bytes(PACKERS[kind](LINE * 100_000))

    records = read_file(tmp_path / "x")
    assert isinstance(next(records), WsMessage)
    records.close()  # type: ignore[attr-defined]  # a generator


def test_a_compression_without_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install, or to do instead."""
    (tmp_path / "x").write_bytes(b"\x28\xb5\x2f\xfd0000")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RecordingError, match="install the command zstd, or unpack"):
        list(read_file(tmp_path / "x"))


@pytest.mark.parametrize(
    ("data", "what"),
    [(b"PK\x03\x04..", "zip"), (b"\x0a\x0d\x0d\x0a..", "pcapng"), (b"PAR1....", "Parquet")],
)
def test_what_is_no_recording(tmp_path: Path, data: bytes, what: str) -> None:
    """Files of other kinds are called by their names."""
    (tmp_path / "x").write_bytes(data)

    with pytest.raises(RecordingError, match=rf"/x: .*{what}.*no recording"):
        list(read_file(tmp_path / "x"))


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("begin", [b"", b"\xef\xbb\xbf", b"\n\n"])
def test_line_ends_and_byte_order_marks(tmp_path: Path, begin: bytes, end: bytes) -> None:
    """What an editor or another system has added is not a part of any payload."""
    line = b'1618677510.028: {"e":1}'
    (tmp_path / "x").write_bytes(begin + line + end + end + line + end)

    found = [record.payload for record in read_file(tmp_path / "x") if type(record) is WsMessage]
    assert found == [b'{"e":1}', b'{"e":1}']


@pytest.mark.parametrize("last", [b'1618677510.03: {"e":', b"16186775", b"https://x -> "])
def test_a_last_line_that_is_cut_off(tmp_path: Path, last: bytes) -> None:
    """A recorder that was killed leaves half a line: it is left out, with a warning."""
    (tmp_path / "x").write_bytes(b'1618677510.02: {"e":1}\n' + last)

    with structlog.testing.capture_logs() as logs:
        records = list(read_file(tmp_path / "x"))

    assert [type(record) for record in records] == [WsMessage]
    assert [entry["event"] for entry in logs] == ["recording: the last line is cut off"]


def test_a_last_line_without_its_end(tmp_path: Path) -> None:
    """One that is whole counts, though no line end follows it."""
    (tmp_path / "x").write_bytes(b'1618677510.02: {"e":1}\n1618677510.03: {"e":2}')

    assert count(tmp_path / "x") == (2, 0, 0, 0)


LAYOUTS = {
    "tardis": b"2024-08-08T23:54:13.9370857Z FRAME\n\n2024-08-08T23:54:14.0000000Z FRAME\n",
    "milliseconds": b"1723161253937\tFRAME\n1723161254000\tFRAME\n",
    "microseconds": b"1723161253937085,FRAME\n1723161254000000,FRAME\n",
    "envelopes": b'{"ts":1723161253.937085,"msg":FRAME}\n{"ts":1723161254,"msg":FRAME}\n',
    "header and envelopes": b'{"venue":"binance"}\n{"rx_ns":1723161253937085768,"raw":FRAME}\n',
    "frames": b"FRAME\nFRAME\n",
    "csv": b'time,message\n1723161253937,"QUOTED"\n',
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path: Path, layout: str) -> None:
    """Whatever the layout, a frame is what the venue sent, to the last character."""
    frame = b'{"stream":"btcusdt@trade","data":{"p":"1.50", "q":1.0}}'
    lines = LAYOUTS[layout].replace(b"FRAME", frame)
    (tmp_path / "x").write_bytes(lines.replace(b"QUOTED", frame.replace(b'"', b'""')))

    records = [record for record in read_file(tmp_path / "x") if type(record) is WsMessage]

    assert records[-1].payload == frame
    assert records[0].payload in (frame, b'{"venue":"binance"}')
    assert layout in ("frames", "header and envelopes") or records[0].ns // 10**9 == 1723161253


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
    (tmp_path / "x").write_bytes(b"Dear diary,\n")

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
