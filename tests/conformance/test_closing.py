"""Autobahn's group 7: the closing handshake."""

import pytest

from tests.conformance.conftest import Play
from tests.servers.frames import CLOSE, CONT, PING, TEXT, close_frame, frame

VALID = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]
VALID += [3000, 3999, 4000, 4999]
INVALID = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]


async def test_7_1_1_a_message_then_close(play: Play) -> None:
    answer = await play(frame(TEXT, b"Hello"))
    assert (answer.messages, answer.close_code) == ([(TEXT, b"Hello")], 1000)


@pytest.mark.parametrize(
    "behind", [close_frame(1000), frame(PING), frame(TEXT, b"late"), frame(CONT, b"late")]
)
async def test_7_1_2_to_5_nothing_counts_behind_a_close(play: Play, behind: bytes) -> None:
    started = frame(TEXT, b"unfinished", fin=False)
    answer = await play(started + close_frame(1000) + behind, then_close=None)
    assert (answer.messages, answer.close_code, answer.ended) == ([], 1000, True)


async def test_7_1_6_a_close_behind_a_large_message(play: Play) -> None:
    data = b"BAsd7&jh23" * 26 * 1024
    answer = await play(frame(TEXT, data) + close_frame(1000) + frame(PING), then_close=None)
    assert answer.close_code == 1000
    assert answer.ended


async def test_7_3_1_an_empty_close(play: Play) -> None:
    """Is answered; a reply without a code, or with 1000, is right."""
    answer = await play(frame(CLOSE), then_close=None)
    assert answer.close is not None
    assert answer.close.payload in (b"", b"\x03\xe8")


async def test_7_3_2_a_close_body_of_one_byte_fails(play: Play) -> None:
    answer = await play(frame(CLOSE, b"a"), then_close=None)
    assert (answer.close_code, answer.ended) == (1002, True)


@pytest.mark.parametrize("reason", [b"", b"Hello World!", b"*" * 123])
async def test_7_3_3_to_5_reasons(play: Play, reason: bytes) -> None:
    answer = await play(close_frame(1000, reason), then_close=None)
    assert (answer.close_code, answer.ended) == (1000, True)


async def test_7_3_6_a_close_body_that_is_too_long_fails(play: Play) -> None:
    answer = await play(close_frame(1000, b"*" * 124), then_close=None)
    assert (answer.close_code, answer.ended) == (1002, True)


async def test_7_5_1_a_reason_that_is_not_utf8_fails(play: Play) -> None:
    answer = await play(close_frame(1000, b"\xce\xba\xe1\xbd\xb9\xf4\x90\x80\x80"), then_close=None)
    assert (answer.close_code, answer.ended) == (1007, True)


@pytest.mark.parametrize("code", VALID)
async def test_7_7_valid_codes_are_echoed(play: Play, code: int) -> None:
    answer = await play(close_frame(code), then_close=None)
    assert (answer.close_code, answer.ended) == (code, True)


@pytest.mark.parametrize("code", INVALID)
async def test_7_9_invalid_codes_fail(play: Play, code: int) -> None:
    answer = await play(close_frame(code), then_close=None)
    assert (answer.close_code, answer.ended) == (1002, True)
