"""Captures of packets, made here as cryptofeed makes them."""

import gzip
import struct
from pathlib import Path

import pytest
import structlog

from ingest.recordings.errors import RecordingError
from ingest.recordings.reader import read_file
from ingest.recordings.records import RestAnswer, WsClosed, WsMessage, WsOpened, WsSent

START = b"\x4d\x3c\xb2\xa1" + struct.pack("<HHiIII", 2, 4, 0, 0, 262144, 1)
CLIENT, SERVER = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
SYN, FIN, DATA = 0x02, 0x11, 0x18
BIG = b'{"b":"' + b"9" * 70_000 + b'"}'


def packet(
    ns: int, payload: bytes = b"", *, flags: int = DATA, up: bool = True, port: int = 40_000
) -> bytes:
    ends = [(CLIENT, port), (SERVER, 80)] if up else [(SERVER, 80), (CLIENT, port)]
    (source, from_port), (target, to_port) = ends
    tcp = struct.pack("!HHIIBBHHH", from_port, to_port, 0, 0, 5 << 4, flags, 65535, 0, 0) + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, source, target)
    frame = bytes(12) + b"\x08\x00" + ip + tcp
    return struct.pack("<IIII", ns // 10**9, ns % 10**9, len(frame), len(frame)) + frame


def frame(payload: bytes, opcode: int = 1, mask: bytes = b"") -> bytes:
    size, bit = len(payload), 0x80 if mask else 0
    head = bytes([0x80 | opcode, bit | size]) if size < 126 else b""
    if 126 <= size < 65536:
        head = bytes([0x80 | opcode, bit | 126]) + struct.pack("!H", size)
    elif size >= 65536:
        head = bytes([0x80 | opcode, bit | 127]) + struct.pack("!Q", size)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)) if mask else payload
    return head + mask + masked


def head(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


UPGRADE = head(
    "GET /stream?streams=btcusdt@trade HTTP/1.1",
    "Host: stream.binance.com:9443",
    "Upgrade: websocket",
    "X-Cryptofeed-Conn-Id: BINANCE.ws.1",
    "X-Cryptofeed-Address: wss://stream.binance.com:9443/stream?streams=btcusdt@trade",
    "X-Cryptofeed-Connect-Ordinal: 2",
)
SWITCHING = head("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket")
ASKING = head("GET /api/v3/depth?symbol=A HTTP/1.1", "Host: a", "X-Cryptofeed-Url: https://a/d?s=A")
ANSWER = head("HTTP/1.1 200 OK", "Content-Length: 2") + b"{}"
N = 1723161253000000001
NAME = "BINANCE.ws.1.2"
CAPTURE = START + b"".join(
    [
        packet(N, flags=SYN),
        packet(N, UPGRADE),
        packet(N, SWITCHING, up=False),
        packet(N + 1, frame(b'{"op":1}', mask=b"abcd")),
        packet(N + 2, flags=SYN, port=40_001),
        packet(N + 2, ASKING, port=40_001),
        packet(N + 3, frame(b'{"a":1.50}') + frame(b"x" * 200, 2), up=False),
        packet(N + 4, ANSWER, up=False, port=40_001),
        packet(N + 5, frame(BIG)[:60_000], up=False),
        packet(N + 6, frame(BIG)[60_000:], up=False),
        packet(N + 7, frame(b"", 9), up=False),
        packet(N + 8, flags=FIN),
        packet(N + 8, flags=FIN, up=False),
    ]
)
RECORDS = [
    WsOpened(N, NAME, "wss://stream.binance.com:9443/stream?streams=btcusdt@trade"),
    WsSent(N + 1, NAME, b'{"op":1}'),
    WsMessage(N + 3, NAME, b'{"a":1.50}'),
    WsMessage(N + 3, NAME, b"x" * 200, binary=True),
    RestAnswer(N + 4, "https://a/d?s=A", b"{}"),
    WsMessage(N + 6, NAME, BIG),
    WsClosed(N + 8, NAME, 1006),
]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_conversations(tmp_path: Path, pack: object) -> None:
    """Frames and answers come out in the order of the packets, however they are cut."""
    assert callable(pack)
    (tmp_path / "x.pcap").write_bytes(pack(CAPTURE))

    assert list(read_file(tmp_path / "x.pcap")) == RECORDS


def test_microseconds(tmp_path: Path) -> None:
    """The other magic number says that times are in microseconds."""
    capture = b"\xd4\xc3\xb2\xa1" + CAPTURE[4:]
    (tmp_path / "x").write_bytes(capture)

    first = next(iter(read_file(tmp_path / "x")))
    assert isinstance(first, WsOpened)
    assert first.ns == 1723161253000001000


@pytest.mark.parametrize("cut", [1, 30, 500])
def test_a_capture_that_is_cut_off(tmp_path: Path, cut: int) -> None:
    """What is whole counts; the rest is left out, with a warning."""
    (tmp_path / "x").write_bytes(CAPTURE[:-cut])

    with structlog.testing.capture_logs() as logs:
        records = list(read_file(tmp_path / "x"))

    assert records == RECORDS[: len(records)]
    assert len(records) >= 5
    assert [entry["event"] for entry in logs] == ["recording: the last packet is cut off"]


def test_without_headers_of_cryptofeed(tmp_path: Path) -> None:
    """The request says where it was going, and the file's name is the connection's."""
    upgrade = head("GET /ws HTTP/1.1", "Host: example.com", "Upgrade: WebSocket")
    (tmp_path / "x").write_bytes(START + packet(N, flags=SYN) + packet(N, upgrade))

    assert list(read_file(tmp_path / "x")) == [WsOpened(N, "x", "ws://example.com/ws")]


@pytest.mark.parametrize(
    ("capture", "what"),
    [
        (START[:20] + struct.pack("<I", 101), "link type 101"),
        (
            START + packet(N, flags=SYN) + packet(N, b"\x16\x03\x01\x02"),
            "packet 2: expected HTTP",
        ),
        (
            START + packet(N, flags=SYN) + packet(N, b"SSH-2.0\r\n\r\n"),
            "packet 2: expected HTTP",
        ),
        (
            START + packet(N, flags=SYN) + packet(N, UPGRADE) + packet(N, b"\xc1\x00"),
            "packet 3: a WebSocket frame that is compressed",
        ),
        (
            START + packet(N, flags=SYN) + packet(N, UPGRADE) + packet(N, frame(b"", 3)),
            "packet 3: a WebSocket frame of opcode 3",
        ),
    ],
)
def test_other_captures(tmp_path: Path, capture: bytes, what: str) -> None:
    """Encrypted or otherwise unreadable traffic is an error that says so."""
    (tmp_path / "x").write_bytes(capture)

    with pytest.raises(RecordingError, match=what):
        list(read_file(tmp_path / "x"))


def test_what_else_is_on_the_wire(tmp_path: Path) -> None:
    """Packets that are not TCP, or of conversations begun before, are passed over."""
    udp = bytearray(packet(N))
    udp[16 + 23] = 17
    (tmp_path / "x").write_bytes(START + bytes(udp) + packet(N, b"??", port=41_000))

    assert list(read_file(tmp_path / "x")) == []
