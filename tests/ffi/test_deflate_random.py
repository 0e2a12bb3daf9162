"""permessage-deflate against Python's zlib, on random messages and on noise."""

import os
import random
import zlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ffi.conftest import Core
from tests.ffi.reference import TAIL, Inflater, expect
from tests.servers.frames import BINARY, CONT, PING, PONG, TEXT, Frame, frame, parse_all
from wscore.connection import Opcode, PumpStatus
from wscore.extensions import DeflateParameters

# A few in every run; many by hand: WSCORE_EXAMPLES=20000
EXAMPLES = int(os.environ.get("WSCORE_EXAMPLES", "15"))
MAX_NOISE = 300
every_window = pytest.mark.parametrize("bits", range(8, 16))
either_takeover = pytest.mark.parametrize("takeover", [True, False], ids=["takeover", "cleared"])


def agreed(bits: int, takeover: bool, level: int = -1) -> DeflateParameters:
    """The same for both directions."""
    return DeflateParameters(
        server_bits=bits,
        client_bits=bits,
        server_takeover=takeover,
        client_takeover=takeover,
        level=level,
    )


class Packer:
    """What a server compresses with."""

    def __init__(self, bits: int, takeover: bool) -> None:
        # zlib refuses a raw stream of 8 bits. With 9 it looks back 250 bytes at most
        # (MAX_DIST in its deflate.h), which fits 8 bits as well.
        self._bits, self._takeover = max(bits, 9), takeover
        self._packer = self._new()

    def _new(self) -> "zlib._Compress":
        return zlib.compressobj(9, wbits=-self._bits)

    def pack(self, data: bytes) -> bytes:
        if not self._takeover:
            self._packer = self._new()
        packed = self._packer.compress(data) + self._packer.flush(zlib.Z_SYNC_FLUSH)
        return packed.removesuffix(TAIL) or b"\x00"  # 7.2.3.6


# From what a window of 256 bytes holds to what one of 32 KiB does not, and repeats.
contents = st.builds(
    lambda seed, size, times: random.Random(seed).randbytes(size) * times,
    st.integers(0, 3),
    st.sampled_from([0, 1, 100, 255, 257, 600, 5000]),
    st.sampled_from([1, 2, 9]),
)
texts = st.builds(str.__mul__, st.text(max_size=20), st.sampled_from([1, 50])).map(str.encode)
controls = st.lists(
    st.builds(frame, st.sampled_from([PING, PONG]), st.binary(max_size=9)), max_size=1
)
messages = st.one_of(
    st.tuples(st.just(TEXT), texts), st.tuples(st.just(BINARY), st.one_of(contents, texts))
)


@st.composite
def in_fragments(draw: Callable[..., Any], opcode: int, payload: bytes, rsv: int) -> bytes:
    """One message's frames, with control frames between."""
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
    borders = [0, *cuts, len(payload)]
    stream = b""
    for i, (start, end) in enumerate(pairwise(borders)):
        last = i == len(borders) - 2
        part = payload[start:end]
        stream += frame(opcode if i == 0 else CONT, part, fin=last, rsv=0 if i else rsv)
        stream += b"".join(draw(controls))
    return stream


def receive(core: Core, stream: bytes, read_chunk: int, limit: int) -> tuple[int, list[Any]]:
    """In reads and batches of these sizes. Return the last status and all (kind, payload)."""
    core.connection.limit(read_chunk=read_chunk)
    core.connection.feed(stream)
    found: list[tuple[int, bytes]] = []
    status = int(PumpStatus.MORE)
    while status == PumpStatus.MORE:
        status, batch, _ = core.pump(max_messages=limit)
        if batch is not None:
            assert len(batch.messages) <= limit
            found += [(batch.kind_of(i), m) for i, m in enumerate(batch.messages)]
    return status, found


chunk_sizes = st.sampled_from([0, 1, 2, 3, 7, 50, 1000])
batch_limits = st.sampled_from([1, 2, 4096])


@every_window
@either_takeover
@given(data=st.data(), read_chunk=chunk_sizes, limit=batch_limits)
@settings(max_examples=EXAMPLES, deadline=None)
def test_what_zlib_packs_is_received(
    bits: int, takeover: bool, data: st.DataObject, read_chunk: int, limit: int
) -> None:
    """Compressed or not, in any fragments, with control frames between, cut anywhere."""
    packer, stream, sent = Packer(bits, takeover), b"", []
    for opcode, payload in data.draw(st.lists(messages, max_size=4)):
        packed = data.draw(st.booleans())
        wire = packer.pack(payload) if packed else payload
        stream += data.draw(in_fragments(opcode, wire, 4 * packed))
        sent.append((opcode, payload))
    core = Core(deflate=agreed(bits, takeover))
    status, found = receive(core, stream, read_chunk, limit)
    core.connection.close()
    assert status == PumpStatus.AGAIN
    assert [message for message in found if message[0] <= 2] == sent
    assert [(kind, body) for kind, body in found if kind > 2] == [
        (16 if f.opcode == PING else 64, f.payload) for f in parse_all(stream) if f.opcode > 8
    ]


@every_window
@either_takeover
def test_a_small_stream_cut_at_every_offset(bits: int, takeover: bool) -> None:
    packer = Packer(bits, takeover)
    hello, again = packer.pack(b"hello, hello"), packer.pack(b"hello again, hello")
    stream = frame(TEXT, hello[:5], fin=False, rsv=4) + frame(PING, b"p") + frame(CONT, hello[5:])
    stream += frame(BINARY, b"plain") + frame(TEXT, again, rsv=4)
    expected = [(16, b"p"), (1, b"hello, hello"), (2, b"plain"), (1, b"hello again, hello")]
    for cut in range(len(stream) + 1):
        core = Core(deflate=agreed(bits, takeover))
        assert core.receive(stream[:cut], stream[cut:]) == (PumpStatus.AGAIN, expected), cut
        core.connection.close()


@st.composite
def damaged(draw: Callable[..., Any]) -> bytes:
    """DEFLATE, or what was DEFLATE before a few bytes changed; maybe with a final block."""
    packed = bytearray(Packer(15, False).pack(draw(st.one_of(texts, st.binary(max_size=40)))))
    for _ in range(draw(st.integers(0, 2))):
        packed[draw(st.integers(0, len(packed) - 1))] = draw(st.integers(0, 255))
    return bytes(packed[: draw(st.integers(0, len(packed)))] if draw(st.booleans()) else packed)


rfc_examples = st.sampled_from(  # RFC 7692, section 7.2.3
    [
        bytes.fromhex(data)
        for data in ("f248cdc9c90700", "f348cdc9c9070000", "f200110000", "0300", "00", "")
    ]
)
noise_in_frames = st.builds(
    lambda opcode, payload, fin, rsv: frame(opcode, payload, fin=fin, rsv=rsv),
    st.sampled_from([TEXT, TEXT, BINARY, CONT, CONT, PING]),
    st.one_of(damaged(), damaged(), rfc_examples, st.binary(max_size=9)),
    st.sampled_from([True, True, False]),
    st.sampled_from([4, 4, 4, 0]),
)
noise = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.one_of(
            noise_in_frames,
            st.one_of(damaged(), rfc_examples).flatmap(lambda p: in_fragments(TEXT, p, 4)),
            st.binary(max_size=5),
        ),
        max_size=5,
    ).map(b"".join),
)


@either_takeover
@given(stream=noise, read_chunk=chunk_sizes, limit=batch_limits)
@settings(max_examples=EXAMPLES * 8, deadline=None)
def test_noise(takeover: bool, stream: bytes, read_chunk: int, limit: int) -> None:
    """The same messages, the same failure, and the same answers as the reference gives."""
    core = Core(deflate=agreed(15, takeover), max_message_size=MAX_NOISE)
    status, found = receive(core, stream, read_chunk, limit)
    code = core.failure_code if status == PumpStatus.FAILED else 0
    core.connection.flush()
    pongs = parse_all(core.connection.take())
    core.connection.close()
    expected = expect(stream, max_message_size=MAX_NOISE, inflater=Inflater(15, takeover))
    assert (status, code, found) == (expected.status, expected.code, expected.messages)
    assert pongs == [Frame(PONG, payload, masked=True) for payload in expected.pongs]


@pytest.mark.parametrize("bits", range(9, 16))
@either_takeover
@given(
    sent=st.lists(st.tuples(messages, st.booleans()), max_size=5), level=st.sampled_from([-1, 0, 9])
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_what_is_sent_zlib_unpacks(
    bits: int, takeover: bool, sent: list[tuple[tuple[int, bytes], bool]], level: int
) -> None:
    """In one piece or in fragments, with a PING between; only first fragments have RSV1."""
    core = Core(deflate=agreed(bits, takeover, level))
    for (opcode, payload), in_two in sent:
        if in_two:
            core.connection.send(Opcode(opcode), payload[:7], False)
            core.connection.send(Opcode.PING, b"p")
            payload = payload[7:]
        core.connection.send(Opcode(opcode), payload)
    core.connection.flush()
    inflater = Inflater(bits, takeover)
    received, parts, packed, opcode = [], b"", False, CONT
    for one in parse_all(core.connection.take()):
        if one.opcode == PING:
            assert (one.payload, one.rsv) == (b"p", 0)
            continue
        assert (one.opcode == CONT) == bool(opcode) and one.rsv in ((0,) if opcode else (0, 4))
        opcode, packed = opcode or one.opcode, packed or one.rsv == 4
        parts += one.payload
        if one.fin:
            received.append((opcode, inflater.end(parts, 1 << 20) if packed else parts))
            parts, packed, opcode = b"", False, CONT
    core.connection.close()
    assert received == [message for message, _ in sent]
