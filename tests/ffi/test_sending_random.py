"""Frames that are sent, against a plain decoder: sizes around every border, masks, fragments."""

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from ffi import ffi, lib
from tests.ffi.conftest import Core
from tests.servers.frames import BINARY, CONT, PING, PONG, TEXT, Frame, masked, parse_all
from wscore.connection import Opcode

# A few in every run; many by hand: WSCORE_EXAMPLES=20000
EXAMPLES = int(os.environ.get("WSCORE_EXAMPLES", "60"))
BORDERS = [0, 125, 126, 127, 65535, 65536]

sizes = st.one_of(
    st.sampled_from(BORDERS).flatmap(lambda border: st.integers(max(0, border - 3), border + 3)),
    st.integers(0, 300),
)
data = st.builds(
    lambda size, first: (bytes(range(first, 256)) * (size // (256 - first) + 1))[:size],
    sizes,
    st.integers(0, 255),
)
controls = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125))
messages = st.tuples(
    st.sampled_from([TEXT, BINARY]),
    st.lists(data, min_size=1, max_size=3),
    st.lists(controls, max_size=2),
)


@given(sent=st.lists(messages, max_size=4), capacity=st.sampled_from([0, 1, 5, 100, 70_000]))
@settings(max_examples=EXAMPLES, deadline=None)
def test_what_is_sent_is_what_a_decoder_reads(
    sent: list[tuple[int, list[bytes], list[tuple[int, bytes]]]], capacity: int
) -> None:
    """Fragments, control frames between them, and a socket that takes a little at a time."""
    core, expected, wire = Core(), [], b""
    for opcode, parts, between in sent:
        for i, part in enumerate(parts):
            last = i == len(parts) - 1
            core.connection.send(Opcode(opcode), part, last)
            expected.append(Frame(CONT if i else opcode, part, fin=last, masked=True))
            for control, body in between:
                core.connection.send(Opcode(control), body)
                expected.append(Frame(control, body, masked=True))
        core.connection.limit(write_capacity=capacity)
        core.connection.flush()
        wire += core.connection.take()
    core.connection.limit()
    assert core.connection.flush() == lib.WS_IO_OK
    wire += core.connection.take()
    counters = core.connection.counters()
    core.connection.close()
    assert parse_all(wire) == expected
    assert (counters.frames_out, counters.wire_bytes_out) == (len(expected), len(wire))
    # Lengths are in the shortest form: 2, 4 or 10 bytes, and 4 of the key.
    assert len(wire) == sum(
        len(f.payload) + (6 if len(f.payload) < 126 else 8 if len(f.payload) < 65536 else 14)
        for f in expected
    )


@given(
    payload=st.binary(max_size=300),
    key=st.binary(min_size=4, max_size=4),
    offset=st.integers(0, 40),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_masking_with_any_key_at_any_alignment(payload: bytes, key: bytes, offset: int) -> None:
    memory = ffi.new("unsigned char[]", b"\xaa" * (offset + len(payload) + 40))
    lib.ws_mask(memory + offset, payload, len(payload), key)
    written = b"\xaa" * offset + masked(payload, key) + b"\xaa" * 40
    assert ffi.buffer(memory)[: len(written)] == written
