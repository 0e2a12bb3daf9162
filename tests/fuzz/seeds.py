"""Writes the fuzzer's seeds: `python -m tests.fuzz.seeds FOLDER`.

Each is one byte of options, one of chunk size (see fuzz.h), and what a server sends.
"""

import sys
import zlib
from pathlib import Path

from tests.servers.frames import BINARY, CONT, PING, PONG, TEXT, close_frame, frame

PLAIN, DEFLATE = 0b0000_0001, 0b0011_1111  # UTF-8 checked; deflate with takeover, 15 bits


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


STREAMS: list[tuple[int, bytes]] = [
    (PLAIN, frame(TEXT, b"hello") + frame(BINARY, b"\x00\xff" * 40) + close_frame(1000, b"bye")),
    (PLAIN, frame(TEXT, b"x" * 126) + frame(BINARY, b"y" * 300) + frame(PONG)),
    (PLAIN, frame(TEXT, b"a", fin=False) + frame(PING, b"p") + frame(CONT, "κόσμε".encode())),
    (PLAIN, frame(TEXT, "κόσμε\U0010ffff".encode()) + frame(PING, b"q" * 125)),
    (PLAIN, frame(TEXT, b"\xed\xa0\x80") + frame(TEXT, b"\xf4\x90\x80\x80")),
    (PLAIN, frame(BINARY, b"", fin=False) + frame(CONT, b"", fin=False) + frame(CONT, b"")),
    (PLAIN, frame(BINARY, b"z", size=1 << 20)),
    (PLAIN, bytes([0x82, 127]) + (1 << 63).to_bytes(8, "big")),
    (PLAIN, frame(TEXT, b"m", key=b"abcd") + close_frame(1005)),
    (DEFLATE, frame(TEXT, deflated(b"hello " * 50), rsv=4) + frame(TEXT, b"plain")),
    (DEFLATE, frame(BINARY, deflated(bytes(60000)), rsv=4) * 2),
    (DEFLATE, frame(BINARY, deflated(bytes(200_000)), rsv=4)),
    (DEFLATE, frame(TEXT, b"\xf2\x48\xcd", fin=False, rsv=4) + frame(CONT, b"\xc9\xc9\x07\x00")),
    (DEFLATE, frame(TEXT, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", rsv=4) * 2),  # a final block
    (DEFLATE, frame(TEXT, b"\x00", rsv=4) + frame(TEXT, b"", rsv=4) + frame(PING, b"", rsv=4)),
]


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for number, (options, stream) in enumerate(STREAMS):
        (folder / f"{number:02}").write_bytes(bytes([options, number * 7 + 1]) + stream)


if __name__ == "__main__":
    main()
