"""Autobahn's groups 1 to 5, 9 and 10: framing, pings, reserved bits, opcodes, fragments."""

import pytest

from tests.conformance.conftest import Play
from tests.servers.frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, frame

SIZES = [0, 125, 126, 127, 128, 65535, 65536]
HELLO = frame(TEXT, b"Hello")


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def fragmented(opcode: int, *parts: bytes) -> bytes:
    last = len(parts) - 1
    return b"".join(
        frame(CONT if i else opcode, part, fin=i == last) for i, part in enumerate(parts)
    )


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", SIZES)
async def test_1_messages_of_every_length_form(play: Play, opcode: int, size: int) -> None:
    """1.1.1 to 1.2.7: the same comes back, once, and the close is clean."""
    answer = await play(frame(opcode, b"*" * size))
    assert answer.messages == [(opcode, b"*" * size)]
    assert answer.close_code == 1000
    assert answer.ended


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("chop", [997, 20000])
async def test_1_chopped(play: Play, opcode: int, chop: int) -> None:
    """1.1.8, 1.2.8: segmentation changes nothing."""
    answer = await play(*in_pieces(frame(opcode, b"*" * 65536), chop))
    assert answer.messages == [(opcode, b"*" * 65536)]


@pytest.mark.parametrize(
    "payload", [b"", b"Hello", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125]
)
async def test_2_pings_are_answered(play: Play, payload: bytes) -> None:
    """2.1 to 2.4."""
    answer = await play(frame(PING, payload))
    assert answer.messages == [(PONG, payload)]
    assert answer.close_code == 1000


async def test_2_5_a_ping_that_is_too_long_fails(play: Play) -> None:
    answer = await play(frame(PING, b"\xfe" * 126), then_close=None)
    assert (answer.messages, answer.close_code, answer.ended) == ([], 1002, True)


async def test_2_6_a_ping_byte_by_byte(play: Play) -> None:
    answer = await play(*in_pieces(frame(PING, b"\xfe" * 125), 1))
    assert answer.messages == [(PONG, b"\xfe" * 125)]


async def test_2_7_to_9_unsolicited_pongs_are_ignored(play: Play) -> None:
    answer = await play(frame(PONG), frame(PONG, b"unsolicited"), frame(PING, b"p"))
    assert answer.messages == [(PONG, b"p")]


@pytest.mark.parametrize("chop", [1, 1000])
async def test_2_10_and_11_ten_pings_are_answered_in_order(play: Play, chop: int) -> None:
    payloads = [b"payload-%d" % n for n in range(10)]
    stream = b"".join(frame(PING, payload) for payload in payloads)
    answer = await play(*in_pieces(stream, chop), expect=10)
    assert answer.messages == [(PONG, payload) for payload in payloads]


@pytest.mark.parametrize("chop", [1, 1000])
@pytest.mark.parametrize("rsv", [1, 2, 3, 4, 5, 6, 7])
async def test_3_reserved_bits_fail(play: Play, rsv: int, chop: int) -> None:
    """3.1 to 3.7: what came before is echoed, nothing behind it is."""
    stream = HELLO + frame(TEXT, b"bad", rsv=rsv) + frame(PING)
    answer = await play(*in_pieces(stream, chop), then_close=None)
    assert answer.messages == [(TEXT, b"Hello")]
    assert answer.close_code == 1002
    assert answer.ended


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"reserved opcode payload"])
@pytest.mark.parametrize("before", [b"", HELLO])
async def test_4_unknown_opcodes_fail(
    play: Play, opcode: int, payload: bytes, before: bytes
) -> None:
    """What came before, even in the same segment, is echoed; nothing behind it is."""
    answer = await play(before + frame(opcode, payload) + frame(PING), then_close=None)
    assert answer.messages == ([(TEXT, b"Hello")] if before else [])
    assert (answer.close_code, answer.ended) == (1002, True)


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
async def test_5_1_and_2_fragmented_controls_fail(play: Play, opcode: int) -> None:
    stream = frame(opcode, b"fr", fin=False) + frame(CONT, b"ag")
    answer = await play(stream, then_close=None)
    assert (answer.messages, answer.close_code) == ([], 1002)


@pytest.mark.parametrize("chop", [1, 7, 1000])
async def test_5_3_to_8_fragments_with_a_ping_between(play: Play, chop: int) -> None:
    stream = frame(TEXT, b"frag", fin=False) + frame(PING, b"ping") + frame(CONT, b"ment")
    answer = await play(*in_pieces(stream, chop), expect=2)
    assert answer.messages == [(PONG, b"ping"), (TEXT, b"fragment")]
    assert answer.close_code == 1000


@pytest.mark.parametrize("chop", [1, 1000])
@pytest.mark.parametrize("fin", [True, False])
async def test_5_9_to_14_a_continuation_of_nothing_fails(play: Play, fin: bool, chop: int) -> None:
    stream = frame(CONT, b"non-continuation payload", fin=fin) + HELLO
    answer = await play(*in_pieces(stream, chop), then_close=None)
    assert (answer.messages, answer.close_code, answer.ended) == ([], 1002, True)


async def test_5_15_a_continuation_behind_a_whole_message_fails(play: Play) -> None:
    stream = fragmented(TEXT, b"frag", b"ment") + frame(CONT, b"x", fin=False) + HELLO
    answer = await play(stream, then_close=None)
    assert answer.messages == [(TEXT, b"fragment")]
    assert answer.close_code == 1002


async def test_5_18_a_new_message_inside_another_fails(play: Play) -> None:
    answer = await play(frame(TEXT, b"a", fin=False), frame(TEXT, b"b"), then_close=None)
    assert (answer.messages, answer.close_code) == ([], 1002)


async def test_5_19_and_20_pings_are_answered_while_a_message_is_under_way(play: Play) -> None:
    parts = [b"fragment1", b"fragment2", b"fragment3", b"fragment4", b"fragment5"]
    stream = frame(TEXT, parts[0], fin=False) + frame(CONT, parts[1], fin=False)
    stream += frame(PING, b"pongme 1!") + frame(CONT, parts[2], fin=False)
    stream += frame(CONT, parts[3], fin=False) + frame(PING, b"pongme 2!") + frame(CONT, parts[4])
    answer = await play(*in_pieces(stream, 5), expect=3)
    assert answer.messages == [
        *((PONG, b"pongme 1!"), (PONG, b"pongme 2!")),
        (TEXT, b"".join(parts)),
    ]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [1 << 18, 1 << 20, 1 << 22])
async def test_9_1_and_2_large_messages(play: Play, opcode: int, size: int) -> None:
    answer = await play(frame(opcode, b"*" * size))
    assert answer.messages == [(opcode, b"*" * size)]


@pytest.mark.parametrize("part", [64, 256, 4096, 65536])
async def test_9_3_and_4_large_messages_in_fragments(play: Play, part: int) -> None:
    data = bytes(range(256)) * 1024
    answer = await play(fragmented(BINARY, *in_pieces(data, part)))
    assert answer.messages == [(BINARY, data)]


async def test_9_7_many_small_messages_keep_their_order(play: Play) -> None:
    payloads = [b"%08d" % n for n in range(1000)]
    answer = await play(b"".join(frame(BINARY, payload) for payload in payloads), expect=1000)
    assert answer.messages == [(BINARY, payload) for payload in payloads]


async def test_10_1_1_a_message_of_65536_bytes_in_fragments_of_1300(play: Play) -> None:
    data = b"*" * 65536
    answer = await play(fragmented(TEXT, *in_pieces(data, 1300)))
    assert answer.messages == [(TEXT, data)]
