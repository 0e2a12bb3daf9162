"""The C receiver against the reference (reference.py), on random streams cut at random."""

import os
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ffi.reference import expect
from tests.servers.frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame, frame, parse_all
from wscore.connection import Connection, PumpBuffer, PumpStatus

# A few in every run; many by hand: WSCORE_EXAMPLES=20000
EXAMPLES = int(os.environ.get("WSCORE_EXAMPLES", "120"))
MAX_MESSAGE_SIZE = 300
BUFFER = PumpBuffer()


texts = st.one_of(
    st.text(max_size=40).map(str.encode),
    st.binary(max_size=6),
    st.integers(100, 160).map(lambda n: b"x" * n),
)
control = st.one_of(
    st.builds(frame, st.sampled_from([PING, PONG]), st.binary(max_size=125)),
    st.just(frame(PONG)),
)


@st.composite
def messages(draw: Callable[..., Any]) -> bytes:
    """One valid message in any number of fragments, with control frames between."""
    opcode = draw(st.sampled_from([TEXT, BINARY]))
    payload = draw(st.text(max_size=60).map(str.encode) if opcode == TEXT else texts)
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
    borders = [0, *cuts, len(payload)]
    stream = b""
    for index in range(len(borders) - 1):
        part = payload[borders[index] : borders[index + 1]]
        last = index == len(borders) - 2
        stream += frame(opcode if index == 0 else CONT, part, fin=last)
        stream += draw(st.one_of(st.just(b""), control))
    return stream


closes = st.builds(
    frame,
    st.just(CLOSE),
    st.one_of(
        st.just(b""),
        st.builds(
            lambda code, reason: code.to_bytes(2, "big") + reason,
            st.sampled_from([999, 1000, 1001, 1005, 1006, 1012, 1015, 2999, 3000, 4999, 5000]),
            st.one_of(st.text(max_size=20).map(str.encode), st.binary(max_size=4)),
        ),
        st.binary(max_size=3),
    ),
)
anything = st.builds(
    frame,
    st.integers(0, 15),
    texts,
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 0, 1, 2, 4]),
    key=st.sampled_from([None, None, None, None, b"\0abc"]),
)
valid_streams = st.lists(st.one_of(messages(), messages(), control), max_size=8).map(b"".join)
wild_streams = st.lists(
    st.one_of(messages(), messages(), control, closes, anything, st.binary(max_size=12)), max_size=6
).map(b"".join)


@st.composite
def damaged_streams(draw: Callable[..., Any]) -> bytes:
    """A valid stream with a few bytes changed, or cut off."""
    stream = bytearray(draw(valid_streams))
    for _ in range(draw(st.integers(0, 3))):
        if stream:
            stream[draw(st.integers(0, len(stream) - 1))] = draw(st.integers(0, 255))
    return bytes(stream[: draw(st.integers(0, len(stream)))])


def check(stream: bytes, cuts: list[int], read_chunk: int, limit: int) -> None:
    connection = Connection(None, max_message_size=MAX_MESSAGE_SIZE, validate_utf8=True)
    connection.limit(read_chunk=read_chunk)
    borders = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    found: list[tuple[int, bytes]] = []
    status = int(PumpStatus.AGAIN)
    for index in range(len(borders) - 1):
        connection.feed(stream[borders[index] : borders[index + 1]])
        status = int(PumpStatus.MORE)
        while status == PumpStatus.MORE:
            status, batch, _ = connection.pump(
                BUFFER, max_messages=limit, max_bytes=1 << 30, max_ns=10**10
            )
            if batch is not None:
                assert len(batch.messages) <= limit
                assert batch.reads[-1][0] == len(batch.messages)
                found += [(batch.kind_of(i), m) for i, m in enumerate(batch.messages)]
        if status != PumpStatus.AGAIN:
            break
    connection.flush()
    pongs = parse_all(connection.take())
    code = connection.failure[0] if status == PumpStatus.FAILED else 0
    connection.close()

    expected = expect(stream, max_message_size=MAX_MESSAGE_SIZE)
    assert (status, code, found) == (expected.status, expected.code, expected.messages)
    assert pongs == [Frame(PONG, payload, masked=True) for payload in expected.pongs]


cut_lists = st.lists(st.integers(0, 600), max_size=12)
chunk_sizes = st.sampled_from([0, 1, 2, 3, 7, 50])
batch_limits = st.sampled_from([1, 2, 3, 4096])


@given(stream=valid_streams, cuts=cut_lists, read_chunk=chunk_sizes, limit=batch_limits)
@settings(max_examples=EXAMPLES, deadline=None)
def test_valid_streams(stream: bytes, cuts: list[int], read_chunk: int, limit: int) -> None:
    """Every message comes out whole, once, in order; every PING is answered."""
    check(stream, cuts, read_chunk, limit)


@given(stream=damaged_streams(), cuts=cut_lists, read_chunk=chunk_sizes, limit=batch_limits)
@settings(max_examples=EXAMPLES, deadline=None)
def test_damaged_streams(stream: bytes, cuts: list[int], read_chunk: int, limit: int) -> None:
    """A violation is found at the same place with the same code, and nothing before is lost."""
    check(stream, cuts, read_chunk, limit)


@given(stream=wild_streams, cuts=cut_lists, read_chunk=chunk_sizes, limit=batch_limits)
@settings(max_examples=EXAMPLES, deadline=None)
def test_wild_streams(stream: bytes, cuts: list[int], read_chunk: int, limit: int) -> None:
    """Frames in any order with any flags, and noise."""
    check(stream, cuts, read_chunk, limit)
