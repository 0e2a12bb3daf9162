"""permessage-deflate over the memory transport, byte by byte (RFC 7692, section 7)."""

import random
import time
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers.frames import BINARY, CONT, PING, TEXT, frame, parse_all
from wscore.connection import Connection, Opcode, PumpBuffer, PumpStatus
from wscore.extensions import DeflateParameters
from wscore.provider import ensure_loaded

MOST = 1 << 16
# RFC 7692, section 7.2.3: "Hello" in one block, in two, stored, in a final block.
ONE_BLOCK = bytes.fromhex("f248cdc9c90700")
TWO_BLOCKS = bytes.fromhex("f248050000 00ffffcac9c90700")
STORED = bytes.fromhex("000500faff48656c6c6f00")
FINAL = bytes.fromhex("f348cdc9c9070000")
AGAIN = bytes.fromhex("f200110000")  # 7.2.3.2: the second "Hello", found in the window


class Deflated:
    """A connection with permessage-deflate."""

    def __init__(self, *, max_message_size: int = MOST, **parameters: Any) -> None:
        ensure_loaded()
        agreed = {"server_takeover": True, "client_takeover": True, "server_bits": 15}
        agreed |= {"client_bits": 15, "level": -1}
        self.connection = Connection(
            None,
            max_message_size=max_message_size,
            validate_utf8=True,
            deflate=DeflateParameters(**{**agreed, **parameters}),
        )
        self._buffer = PumpBuffer()

    def receive(self, *chunks: bytes) -> tuple[int, list[bytes]]:
        messages: list[bytes] = []
        status = int(PumpStatus.AGAIN)
        for chunk in chunks:
            self.connection.feed(chunk)
            while True:
                status, batch, _ = self.connection.pump(
                    self._buffer, max_messages=4096, max_bytes=1 << 30, max_ns=10**10
                )
                messages += batch.messages if batch else []
                if status != PumpStatus.MORE:
                    break
            if status != PumpStatus.AGAIN:
                break
        return status, messages


@pytest.fixture
def make() -> Iterator[Any]:
    made: list[Deflated] = []

    def new(**parameters: Any) -> Deflated:
        made.append(Deflated(**parameters))
        return made[-1]

    yield new
    for one in made:
        one.connection.close()


def packed(data: bytes, wbits: int = 15) -> bytes:
    packer = zlib.compressobj(9, wbits=-wbits)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


@pytest.mark.parametrize("payload", [ONE_BLOCK, TWO_BLOCKS, STORED, FINAL])
def test_the_rfcs_examples(make: Any, payload: bytes) -> None:
    assert make().receive(frame(TEXT, payload, rsv=4)) == (PumpStatus.AGAIN, [b"Hello"])


@pytest.mark.parametrize("payload", [ONE_BLOCK, FINAL])
def test_the_window_lives_on_also_behind_a_final_block(make: Any, payload: bytes) -> None:
    stream = frame(TEXT, payload, rsv=4) + frame(TEXT, AGAIN, rsv=4)
    assert make().receive(stream)[1] == [b"Hello", b"Hello"]


def test_without_takeover_looking_back_into_the_last_message_fails(make: Any) -> None:
    core = make(server_takeover=False)
    stream = frame(TEXT, ONE_BLOCK, rsv=4) + frame(TEXT, AGAIN, rsv=4)
    assert core.receive(stream) == (PumpStatus.FAILED, [b"Hello"])
    assert core.connection.failure[0] == 1007


@pytest.mark.parametrize("payload", [ONE_BLOCK, TWO_BLOCKS, STORED, FINAL, packed(bytes(500))])
def test_every_cut_and_every_fragmentation_gives_the_same(make: Any, payload: bytes) -> None:
    whole = make().receive(frame(BINARY, payload, rsv=4))
    for at in range(len(payload) + 1):
        stream = frame(BINARY, payload[:at], fin=False, rsv=4) + frame(PING, b"p")
        stream += frame(CONT, payload[at:])
        assert make().receive(stream)[1] == [b"p", *whole[1]]
        one_by_one = (stream[i : i + 1] for i in range(len(stream)))
        assert make().receive(*one_by_one)[1] == [b"p", *whole[1]]


def test_an_empty_message(make: Any) -> None:
    """One byte, by 7.2.3.6; an empty payload is taken as one, too."""
    stream = frame(TEXT, b"\x00", rsv=4) + frame(TEXT, b"", rsv=4) + frame(TEXT, b"")
    assert make().receive(stream) == (PumpStatus.AGAIN, [b"", b"", b""])


@pytest.mark.parametrize("size", [MOST - 1, MOST, MOST + 1, 100 * MOST])
def test_max_message_size_counts_what_is_inflated(make: Any, size: int) -> None:
    core = make()
    status, messages = core.receive(frame(BINARY, packed(bytes(size)), rsv=4))
    if size <= MOST:
        assert (status, messages) == (PumpStatus.AGAIN, [bytes(size)])
    else:
        assert (status, messages) == (PumpStatus.FAILED, [])
        assert core.connection.failure[0] == 1009


@pytest.mark.parametrize("fragments", [1, 2, 5])
def test_what_does_not_compress_may_be_just_as_large_as_allowed(make: Any, fragments: int) -> None:
    """Stored blocks are longer than what they hold; the frames' lengths do not count."""
    data = random.Random(1).randbytes(MOST)
    payload = packed(data)
    assert len(payload) > MOST
    part = len(payload) // fragments + 1
    stream = b"".join(
        frame(
            CONT if at else BINARY,
            payload[at : at + part],
            fin=at + part >= len(payload),
            rsv=0 if at else 4,
        )
        for at in range(0, len(payload), part)
    )
    assert make().receive(stream) == (PumpStatus.AGAIN, [data])


@pytest.mark.parametrize("cut", [1, 5, 14, 20, 100])
def test_text_that_is_wrong_before_it_is_too_large(make: Any, cut: int) -> None:
    """The failure is the one that comes first in the text, also if one read brings both."""
    stream = frame(TEXT, packed(b"x" * 290 + b"\xff" * 20), rsv=4)
    core = make(max_message_size=300)
    core.receive(stream[:cut], stream[cut:])
    assert core.connection.failure[0] == 1007


@pytest.mark.parametrize("most", [(1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_no_limit_that_a_number_can_say_is_too_large(make: Any, most: int) -> None:
    core = make(max_message_size=most)
    assert core.receive(frame(TEXT, ONE_BLOCK, rsv=4)) == (PumpStatus.AGAIN, [b"Hello"])


def test_a_truncated_block_does_not_become_a_message_of_other_content(make: Any) -> None:
    """Its missing bytes are not made up: the end marker is read as data, or fails."""
    data = bytes(range(256)) * 8
    payload = packed(data)
    for cut in range(1, len(payload), 97):
        status, messages = make().receive(frame(BINARY, payload[:cut], rsv=4))
        assert status in (PumpStatus.FAILED, PumpStatus.AGAIN)
        assert not messages or messages[0] != data


def test_a_million_final_blocks_cost_little(make: Any) -> None:
    """Two bytes each: no window is copied for them. 30 ms here; with copies, seconds."""
    core = make()
    core.receive(frame(BINARY, packed(bytes(range(256)) * 200), rsv=4))
    fragment = frame(CONT, b"\x03\x00" * (MOST // 2), fin=False)
    stream = frame(BINARY, b"", fin=False, rsv=4) + fragment * 16 + frame(CONT, ONE_BLOCK)
    began = time.process_time()
    assert core.receive(stream) == (PumpStatus.AGAIN, [b"Hello"])
    assert time.process_time() - began < 1.0


def test_utf8_is_checked_inside(make: Any) -> None:
    core = make()
    assert core.receive(frame(TEXT, packed(b"\xc3\x28"), rsv=4))[0] == PumpStatus.FAILED
    assert core.connection.failure[0] == 1007


@pytest.mark.parametrize("bits", range(9, 16))
@pytest.mark.parametrize("takeover", [True, False])
def test_what_we_send_fits_the_window_we_agreed_on(make: Any, bits: int, takeover: bool) -> None:
    core = make(client_bits=bits, client_takeover=takeover)
    data = (bytes(range(256)) * 20) + b"x" * 5000
    for _ in range(3):
        core.connection.send(Opcode.BINARY, data)
    core.connection.flush()
    unpacker = zlib.decompressobj(wbits=-bits)
    for sent in parse_all(core.connection.take()):
        assert sent.rsv == 4
        if not takeover:
            unpacker = zlib.decompressobj(wbits=-bits)
        assert unpacker.decompress(sent.payload + b"\x00\x00\xff\xff") == data


def test_with_a_window_of_8_bits_we_send_uncompressed(make: Any) -> None:
    core = make(client_bits=8)
    core.connection.send(Opcode.TEXT, b"plain")
    core.connection.flush()
    (sent,) = parse_all(core.connection.take())
    assert (sent.rsv, sent.payload) == (0, b"plain")


def test_fragments_that_we_send(make: Any) -> None:
    """RSV1 on the first; a control frame between them is not compressed."""
    core = make()
    core.connection.send(Opcode.TEXT, b"one ", False)
    core.connection.send(Opcode.PING, b"p")
    core.connection.send(Opcode.TEXT, b"", False)
    core.connection.send(Opcode.TEXT, b"two", True)
    core.connection.flush()
    sent = parse_all(core.connection.take())
    assert [(f.opcode, f.rsv, f.fin) for f in sent] == [
        *((TEXT, 4, False), (PING, 0, True)),
        *((CONT, 0, False), (CONT, 0, True)),
    ]
    data = b"".join(f.payload for f in sent if f.opcode != PING) + b"\x00\x00\xff\xff"
    assert zlib.decompressobj(wbits=-15).decompress(data) == b"one two"
