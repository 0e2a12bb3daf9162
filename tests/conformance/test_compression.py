"""Autobahn's groups 12 and 13: permessage-deflate with each set of parameters."""

import json
import zlib

import pytest

from tests.conformance.conftest import Play
from tests.servers.frames import BINARY, CONT, PING, PONG, TEXT, frame

SIZES = [16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072]
# server_no_context_takeover and window bits, as in 13.1 to 13.7
PARAMETERS = [(False, 15), (True, 15), (False, 9), (True, 9), (False, 8), (True, 8)]
PARAMETERS += [(False, 10), (True, 14)]


def text_of(size: int) -> bytes:
    entry = json.dumps({"e": "trade", "s": "BTCUSDT", "p": "67123.45", "q": "0.00123"})
    return "".join(f"{n}{entry}" for n in range(size // len(entry) + 1))[:size].encode()


def header(no_takeover: bool, bits: int) -> str:
    parts = ["permessage-deflate"]
    if no_takeover:
        parts += ["server_no_context_takeover", "client_no_context_takeover"]
    if bits != 15:
        parts += [f"server_max_window_bits={bits}", f"client_max_window_bits={bits}"]
    return "; ".join(parts)


class Packer:
    """The server's compressor, and the judge of what the client compressed."""

    def __init__(self, no_takeover: bool, bits: int) -> None:
        self._no_takeover = no_takeover
        self._bits = bits
        self._new()

    def _new(self) -> None:
        # zlib cannot deflate with 8: 9 for short messages never looks back further.
        self._deflate = zlib.compressobj(wbits=-max(9, self._bits))
        self._inflate = zlib.decompressobj(wbits=-max(9, self._bits))

    def pack(self, data: bytes) -> bytes:
        if self._no_takeover:
            self._deflate = zlib.compressobj(wbits=-max(9, self._bits))
        packed = self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return packed[:-4]

    def unpack(self, data: bytes) -> bytes:
        if self._no_takeover:
            self._inflate = zlib.decompressobj(wbits=-max(9, self._bits))
        return self._inflate.decompress(data + b"\x00\x00\xff\xff")


@pytest.mark.parametrize(("no_takeover", "bits"), PARAMETERS)
@pytest.mark.parametrize("size", SIZES)
async def test_12_and_13_messages_come_back(
    play: Play, no_takeover: bool, bits: int, size: int
) -> None:
    """Several in a row, so that the windows count."""
    packer = Packer(no_takeover, bits)
    data = text_of(min(size, 200) if bits == 8 else size)
    stream = b"".join(frame(TEXT, packer.pack(data), rsv=4) for _ in range(5))
    answer = await play(stream, expect=5, extension=header(no_takeover, bits))
    echoed = [packer.unpack(f.payload) if f.rsv == 4 else f.payload for f in answer.frames]
    assert echoed == [data] * 5
    assert answer.close_code == 1000


@pytest.mark.parametrize("part", [1, 7, 128])
async def test_fragments_of_a_compressed_message(play: Play, part: int) -> None:
    """RSV1 is on the first only; a ping may come between."""
    packer = Packer(False, 15)
    data = text_of(2000)
    packed = packer.pack(data)
    pieces = [packed[i : i + part] for i in range(0, len(packed), part)]
    stream = frame(BINARY, pieces[0], fin=False, rsv=4) + frame(PING, b"p")
    stream += b"".join(frame(CONT, piece, fin=False) for piece in pieces[1:]) + frame(CONT)
    answer = await play(stream, expect=2, extension=header(False, 15))
    assert answer.frames[0].opcode == PONG
    assert packer.unpack(answer.frames[1].payload) == data


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (frame(TEXT, b"x", fin=False) + frame(CONT, b"y", rsv=4), 1002),
        (frame(PING, b"x", rsv=4), 1002),
        (frame(TEXT, b"x", rsv=2), 1002),
        (frame(BINARY, b"\x07\x00\x00", rsv=4), 1007),  # no such block type
        (frame(TEXT, Packer(False, 15).pack(b"\xff"), rsv=4), 1007),  # not UTF-8 inside
    ],
)
async def test_misuse_fails(play: Play, stream: bytes, code: int) -> None:
    answer = await play(stream, then_close=None, extension=header(False, 15))
    assert (answer.messages, answer.close_code, answer.ended) == ([], code, True)


async def test_a_bomb_fails_with_1009(play: Play) -> None:
    """20 MiB from 20 KiB, with 16 MiB allowed."""
    bomb = frame(BINARY, Packer(False, 15).pack(bytes(20 << 20)), rsv=4)
    answer = await play(bomb, then_close=None, extension=header(False, 15))
    assert (answer.close_code, answer.ended) == (1009, True)
