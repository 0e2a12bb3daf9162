"""Messages to masked frames, partial writes, and the answers to PINGs."""

from typing import Any

import pytest

from ffi import lib
from tests.servers.frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame, frame, parse_all
from wscore.connection import Opcode


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 200_000])
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
def test_a_frame_of_every_length_form(core: Any, opcode: Opcode, size: int) -> None:
    payload = bytes(i % 251 for i in range(size))
    core.connection.send(opcode, payload)
    assert core.connection.flush() == lib.WS_IO_OK
    assert parse_all(core.connection.take()) == [Frame(opcode, payload, masked=True)]


def test_lengths_are_in_the_shortest_form(core: Any) -> None:
    for size, header in [(125, 2), (126, 4), (65535, 4), (65536, 10)]:
        core.connection.send(Opcode.BINARY, bytes(size))
        core.connection.flush()
        assert len(core.connection.take()) == header + 4 + size


def test_bytes_bytearray_and_memoryview_alike_and_fragments(core: Any) -> None:
    core.connection.send(Opcode.TEXT, b"one", fin=False)
    core.connection.send(Opcode.CONT, bytearray(b"two"), fin=False)
    core.connection.send(Opcode.CONT, memoryview(b"three"))
    core.connection.flush()
    assert parse_all(core.connection.take()) == [
        Frame(TEXT, b"one", fin=False, masked=True),
        Frame(CONT, b"two", fin=False, masked=True),
        Frame(CONT, b"three", masked=True),
    ]


def test_every_frame_has_a_key_of_its_own(core: Any) -> None:
    """64 keys are fetched at a time: more than two fetches."""
    for _ in range(200):
        core.connection.send(Opcode.BINARY, b"")
    core.connection.flush()
    wire = core.connection.take()
    keys = {wire[i + 2 : i + 6] for i in range(0, len(wire), 6)}
    assert len(keys) == 200


def test_partial_writes_keep_every_byte_in_order(core: Any) -> None:
    """However little the socket takes, and whatever is queued in between."""
    expected, wire = [], b""
    for i in range(200):
        payload = bytes([i]) * (i * 5)
        core.connection.send(Opcode.BINARY, payload)
        expected.append(Frame(BINARY, payload, masked=True))
        core.connection.limit(write_capacity=i * 3)
        core.connection.flush()
        wire += core.connection.take()
    assert core.connection.unsent > 0
    core.connection.limit()
    assert core.connection.flush() == lib.WS_IO_OK
    assert core.connection.unsent == 0
    assert parse_all(wire + core.connection.take()) == expected


def test_a_socket_that_takes_nothing(core: Any) -> None:
    core.connection.limit(write_capacity=0)
    core.connection.send(Opcode.TEXT, b"wait")
    assert core.connection.flush() == lib.WS_IO_AGAIN
    assert core.connection.unsent == 10
    assert core.connection.take() == b""


def test_nothing_is_sent_after_a_close(core: Any) -> None:
    core.connection.send(Opcode.CLOSE, b"\x03\xe8")
    assert core.connection.close_sent
    core.connection.send(Opcode.TEXT, b"late")
    core.receive(frame(PING, b"late, too"))
    core.connection.flush()
    assert parse_all(core.connection.take()) == [Frame(CLOSE, b"\x03\xe8", masked=True)]
    counters = core.connection.counters()
    assert (counters.frames_out, counters.pongs_out, counters.pings_in) == (1, 0, 1)


@pytest.mark.parametrize("size", [0, 1, 125])
def test_a_ping_is_answered_with_its_payload(core: Any, size: int) -> None:
    payload = bytes(range(size))
    core.receive(frame(PING, payload))
    core.connection.flush()
    assert parse_all(core.connection.take()) == [Frame(PONG, payload, masked=True)]


def test_every_ping_is_answered_in_order_also_inside_a_message(core: Any) -> None:
    core.receive(
        frame(PING, b"1") + frame(TEXT, b"a", fin=False) + frame(PING, b"2") + frame(CONT, b"b")
    )
    core.connection.flush()
    assert [f.payload for f in parse_all(core.connection.take())] == [b"1", b"2"]


def test_a_flood_of_pings_that_nobody_reads_costs_bounded_memory(core: Any) -> None:
    """What does not fit is skipped and counted; later PINGs are answered again."""
    core.connection.limit(write_capacity=0)
    core.receive(frame(PING, bytes(125)) * 10_000)
    core.connection.flush()
    counters = core.connection.counters()
    assert core.connection.unsent < 70_000
    assert counters.pongs_out + counters.pongs_skipped == 10_000
    assert counters.pongs_skipped > 9000
    core.connection.limit()
    core.connection.flush()
    assert len(parse_all(core.connection.take())) == counters.pongs_out
    core.receive(frame(PING, b"again"))
    core.connection.flush()
    assert parse_all(core.connection.take())[0].payload == b"again"


def test_counters(core: Any) -> None:
    core.connection.send(Opcode.TEXT, b"abc")
    core.receive(frame(PING, b"p"))
    core.connection.flush()
    counters = core.connection.counters()
    assert (counters.frames_out, counters.pongs_out) == (2, 1)
    assert counters.wire_bytes_out == len(core.connection.take())
