"""Writes the fuzzer's seeds: `python -m tests.fuzz.seeds FOLDER`.

Each begins with the options that tests/fuzz/receiving.c or sending.c describes.
"""

import random
import sys
import zlib
from pathlib import Path

from tests.servers.frames import BINARY, CONT, PING, PONG, TEXT, close_frame, frame

# Byte 0 of receiving.c.
UTF8, DEFLATE, TAKEOVER, ANSWER = 1, 2, 4, 64
PLAIN = UTF8 | ANSWER
# Its max_message_size, by place in the table.
OF_300, OF_4096, OF_64K, OF_1M = 7, 9, 11, 12
# fuzz_take_way: pieces of 1, 2 and 7 bytes, batches of 3; pieces of 5 in place, batches of 4096.
SMALL, IN_PLACE = bytes([0x23, 0, 1, 6]), bytes([0xF9, 4])
# Calls of sending.c: text, binary, ping, pong, close; more fragments follow; write some.
SEND, SEND_DEFLATE, SEND_TAKEOVER = 0x80, 0x81, 0x83
AS_TEXT, AS_BINARY, AS_PING, AS_PONG, AS_CLOSE, MORE, WRITE = 0, 1, 5, 6, 7, 8, 16


def bits(count: int) -> int:
    """The window's size, in byte 0 of receiving.c."""
    return (count - 8) << 3


def sending_bits(count: int) -> int:
    return (count - 8) << 2


def deflated(data: bytes, wbits: int = 15, level: int = -1) -> bytes:
    packer = zlib.compressobj(level, wbits=-wbits)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def stored(data: bytes) -> bytes:
    """A block that is not compressed; LEN and NLEN by RFC 1951, section 3.2.4."""
    size = len(data).to_bytes(2, "little")
    return b"\x00" + size + bytes(byte ^ 255 for byte in size) + data + b"\x00"


HELLO = b"\xf2\x48\xcd\xc9\xc9\x07\x00"
TOO_FAR = deflated(random.Random(1).randbytes(600) * 2, 15)  # for a window of 9 bits
PACKED = DEFLATE | TAKEOVER | UTF8 | bits(15)
CLEARED = DEFLATE | UTF8

# Options, max_message_size, way, what the server sends.
RECEIVED: list[tuple[int, int, bytes, bytes]] = [
    (PLAIN, OF_300, SMALL, frame(TEXT, b"hello") + frame(BINARY, b"\0\xff" * 40)),
    (PLAIN, OF_300, SMALL, frame(PING, b"p") + close_frame(1000, b"bye") + frame(TEXT, b"late")),
    (PLAIN, OF_300, IN_PLACE, frame(TEXT, b"x" * 126) + frame(BINARY, b"y" * 300) + frame(PONG)),
    (PLAIN, OF_300, SMALL, frame(TEXT, b"a", fin=False) + frame(PING) + frame(CONT, b"\xc3\xa9")),
    (PLAIN, OF_300, SMALL, frame(TEXT, "κόσμε\U0010ffff".encode()) + frame(PING, b"q" * 125)),
    (PLAIN, OF_300, SMALL, frame(TEXT, b"\xed\xa0\x80") + frame(TEXT, b"\xf4\x90\x80\x80")),
    (0, OF_300, SMALL, frame(TEXT, b"\xed\xa0\x80") + frame(TEXT, b"\xf4\x90\x80\x80")),
    (PLAIN, 2, SMALL, frame(BINARY, fin=False) + frame(CONT, b"12", fin=False) + frame(CONT)),
    (PLAIN, 0, SMALL, frame(BINARY) + frame(TEXT, b"x")),
    (PLAIN, OF_64K, IN_PLACE, frame(BINARY, b"z", size=1 << 20)),
    (PLAIN, 14, SMALL, frame(BINARY, b"z", size=(1 << 63) - 1)),
    (PLAIN, OF_300, SMALL, bytes([0x82, 127]) + (1 << 63).to_bytes(8, "big")),
    (PLAIN, OF_300, SMALL, frame(TEXT, b"m", key=b"abcd") + close_frame(1005)),
    (PLAIN, OF_4096, IN_PLACE, frame(BINARY, bytes(range(256)) * 6) * 2),
    (PACKED, OF_64K, SMALL, frame(TEXT, deflated(b"hello " * 50), rsv=4) + frame(TEXT, b"plain")),
    (PACKED, OF_64K, SMALL, frame(BINARY, deflated(bytes(60000)), rsv=4) * 2),
    (PACKED, OF_1M, SMALL, frame(BINARY, deflated(bytes(2_000_000)), rsv=4)),
    (PACKED, OF_64K, SMALL, frame(TEXT, HELLO[:3], fin=False, rsv=4) + frame(CONT, HELLO[3:])),
    (PACKED, OF_64K, SMALL, frame(TEXT, b"\xf3" + HELLO[1:] + b"\0", rsv=4) * 2),  # a final block
    (PACKED, OF_64K, SMALL, frame(TEXT, HELLO, rsv=4) + frame(TEXT, b"\xf2\0\x11\0\0", rsv=4)),
    (PACKED, OF_64K, SMALL, frame(TEXT, b"\0", rsv=4) + frame(TEXT, rsv=4) + frame(PING, rsv=4)),
    (PACKED, OF_300, SMALL, frame(TEXT, deflated(b"x" * 290 + b"\xff" * 20), rsv=4)),
    (PACKED, OF_300, SMALL, frame(BINARY, stored(bytes(range(250))), rsv=4)),
    (CLEARED | bits(8), OF_300, SMALL, frame(BINARY, deflated(b"12345678" * 9, 9), rsv=4) * 2),
    (CLEARED | bits(9), OF_4096, SMALL, frame(BINARY, deflated(b"123456789" * 99, 9), rsv=4) * 2),
    (CLEARED | bits(9), OF_4096, SMALL, frame(BINARY, TOO_FAR, rsv=4) * 2),
    (CLEARED | bits(15), 15, SMALL, frame(TEXT, HELLO, rsv=4)),  # a limit of 2**64 - 1
    (CLEARED | bits(12), OF_4096, SMALL, frame(TEXT, deflated(b"1234" * 99, 12, 1), rsv=4) * 2),
]

# Options, way, calls: what, how much, with which content.
SENT: list[tuple[int, bytes, list[tuple[int, int, int]]]] = [
    (SEND, SMALL, [(AS_TEXT, 5, 65), (AS_BINARY, 125, 200), (AS_PING, 125, 7), (AS_CLOSE, 9, 65)]),
    (SEND, IN_PLACE, [(AS_TEXT | WRITE, 137, 80), (AS_BINARY, 150, 130), (AS_BINARY, 151, 1)]),
    (SEND, SMALL, [(AS_TEXT | MORE, 20, 65), (AS_PONG, 3, 9), (AS_TEXT | MORE, 0, 0), (0, 9, 9)]),
    *(
        (kind | sending_bits(count), SMALL, [(AS_TEXT, 120, 90), (AS_BINARY, 145, 150), (0, 0, 0)])
        for kind in (SEND_DEFLATE, SEND_TAKEOVER)
        for count in range(8, 16)
    ),
    (SEND_TAKEOVER | sending_bits(15), IN_PLACE, [(MORE, 99, 65), (AS_PING, 1, 1), (0, 99, 65)]),
    (SEND_TAKEOVER | sending_bits(15), SMALL, [(0, 0, 0), (MORE, 0, 0), (MORE, 0, 0), (0, 0, 0)]),
]


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for number, (options, most, way, stream) in enumerate(RECEIVED):
        (folder / f"receiving-{number:02}").write_bytes(bytes([options, most]) + way + stream)
    for number, (options, way, calls) in enumerate(SENT):
        (folder / f"sending-{number:02}").write_bytes(
            bytes([options, 7]) + way + b"".join(map(bytes, calls))
        )


if __name__ == "__main__":
    main()
