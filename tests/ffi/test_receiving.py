"""Frames to messages, byte by byte (RFC 6455, section 5)."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.servers.frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, close_frame, frame
from wscore import CurlWsFlag
from wscore.connection import PumpStatus

SIZES = [0, 1, 125, 126, 127, 65535, 65536]
KIND = {
    TEXT: CurlWsFlag.TEXT,
    BINARY: CurlWsFlag.BINARY,
    CLOSE: CurlWsFlag.CLOSE,
    PING: CurlWsFlag.PING,
    PONG: CurlWsFlag.PONG,
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_data_frame_of_every_length_form(core: Any, opcode: int, size: int) -> None:
    payload = b"x" * size
    status, messages = core.receive(frame(opcode, payload))
    assert (status, messages) == (PumpStatus.AGAIN, [(KIND[opcode], payload)])


@pytest.mark.parametrize("size", [0, 1, 125])
@pytest.mark.parametrize("opcode", [PING, PONG])
def test_a_control_frame_of_every_length(core: Any, opcode: int, size: int) -> None:
    payload = b"x" * size
    status, messages = core.receive(frame(opcode, payload))
    assert (status, messages) == (PumpStatus.AGAIN, [(KIND[opcode], payload)])


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127])
def test_cut_in_two_at_every_offset(new_core: Callable[..., Any], size: int) -> None:
    """Wherever the stream is cut, the same messages come out."""
    payload = bytes(i % 128 for i in range(size))
    stream = frame(TEXT, payload) + frame(PONG, b"p") + frame(BINARY, payload)
    expected = [(1, payload), (64, b"p"), (2, payload)]
    for cut in range(len(stream) + 1):
        core = new_core()
        assert core.receive(stream[:cut], stream[cut:]) == (PumpStatus.AGAIN, expected), cut


@pytest.mark.parametrize("size", [65535, 65536])
def test_large_frames_cut_around_every_border(new_core: Callable[..., Any], size: int) -> None:
    """Cuts in the header, around it, where reading in place begins, and at the end."""
    stream = frame(BINARY, bytes(size)) + frame(TEXT, b"after")
    ends = [16384, size // 2, len(stream) - 7, len(stream)]
    cuts = [*range(20), *(end + d for end in ends for d in range(-3, 1)), size - 16384]
    for cut in cuts:
        core = new_core()
        _status, messages = core.receive(stream[:cut], stream[cut:])
        assert messages == [(2, bytes(size)), (1, b"after")], cut


def test_one_byte_at_a_time(core: Any) -> None:
    stream = frame(TEXT, "grüße".encode()) + frame(PING, b"?") + frame(BINARY, bytes(300))
    _status, messages = core.receive(*(stream[i : i + 1] for i in range(len(stream))))
    assert messages == [(1, "grüße".encode()), (16, b"?"), (2, bytes(300))]


def test_reads_of_every_size(new_core: Callable[..., Any]) -> None:
    """However little one read returns, the same messages come out."""
    stream = b"".join(frame(BINARY, bytes([i]) * (i * 7)) for i in range(40))
    for chunk in [*range(1, 40), 1000, 100_000]:
        core = new_core()
        core.connection.limit(read_chunk=chunk)
        _, messages = core.receive(stream)
        assert messages == [(2, bytes([i]) * (i * 7)) for i in range(40)]


def test_a_length_in_a_longer_form_than_needed_is_understood(core: Any) -> None:
    """Some servers send it; libcurl and others accept it, too."""
    _, messages = core.receive(b"\x82\x7e\x00\x01A" + b"\x82\x7f" + bytes(7) + b"\x01B")
    assert messages == [(2, b"A"), (2, b"B")]


# -- fragments ----------------------------------------------------------------


def test_fragments_are_joined_and_controls_between_them_come_first(core: Any) -> None:
    _status, messages = core.receive(
        frame(TEXT, b"one ", fin=False)
        + frame(PING, b"p")
        + frame(CONT, b"two ", fin=False)
        + frame(PONG)
        + frame(CONT, b"three")
        + frame(BINARY, b"next")
    )
    assert messages == [(16, b"p"), (64, b""), (1, b"one two three"), (2, b"next")]


def test_empty_fragments_everywhere(core: Any) -> None:
    _, messages = core.receive(
        frame(BINARY, fin=False)
        + frame(CONT, fin=False)
        + frame(CONT, b"x", fin=False)
        + frame(CONT)
        + frame(TEXT, fin=False)
        + frame(CONT)
    )
    assert messages == [(2, b"x"), (1, b"")]


def test_ten_thousand_fragments(core: Any) -> None:
    stream = frame(BINARY, b"0", fin=False)
    stream += b"".join(frame(CONT, b"%d" % (i % 10), fin=False) for i in range(1, 10_000))
    _, messages = core.receive(stream + frame(CONT))
    assert messages == [(2, b"0123456789" * 1000)]


# -- violations ---------------------------------------------------------------

VIOLATIONS = {
    "reserved bit 1": frame(TEXT, b"x", rsv=4),
    "reserved bit 2": frame(BINARY, rsv=2),
    "reserved bit 3 on a control": frame(PING, rsv=1),
    "masked by the server": frame(TEXT, b"x", key=b"abcd"),
    "masked and empty": frame(BINARY, key=b"abcd"),
    "masked and long": frame(BINARY, bytes(200), key=b"abcd"),
    "fragmented ping": frame(PING, fin=False),
    "fragmented close": frame(CLOSE, fin=False),
    "ping of 126 bytes": frame(PING, bytes(126)),
    "close of 126 bytes": frame(CLOSE, b"\x03\xe8" + bytes(124)),
    "pong that claims 64 KiB": frame(PONG, size=65536),
    "continuation of nothing": frame(CONT, b"x"),
    "final continuation of nothing": frame(CONT),
    "text inside a fragmented message": frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"),
    "fragment inside a fragmented message": frame(BINARY, fin=False) + frame(BINARY, fin=False),
    "continuation after the end": frame(TEXT, fin=False) + frame(CONT) + frame(CONT),
    "length with the top bit": frame(BINARY, size=1 << 63),
    "close body of one byte": frame(CLOSE, b"\x03"),
    **{f"data opcode {code}": frame(code) for code in range(3, 8)},
    **{f"control opcode {code}": frame(code) for code in range(0xB, 0x10)},
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_fails_with_1002_and_keeps_what_came_before(
    new_core: Callable[..., Any], name: str
) -> None:
    """In one piece and byte by byte; what follows the violation is not looked at."""
    stream = frame(TEXT, b"before") + VIOLATIONS[name] + frame(TEXT, b"after")
    for chunks in ([stream], [stream[i : i + 1] for i in range(len(stream))]):
        core = new_core()
        status, messages = core.receive(*chunks)
        assert status == PumpStatus.FAILED
        assert core.failure_code == 1002
        assert messages[0] == (1, b"before")
        assert (1, b"after") not in messages


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
def test_a_close_code_that_must_not_be_sent(core: Any, code: int) -> None:
    status, messages = core.receive(close_frame(code))
    assert (status, messages, core.failure_code) == (PumpStatus.FAILED, [], 1002)


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1011, 1012, 1014, 3000, 4999])
def test_a_close_code_that_may_be_sent(core: Any, code: int) -> None:
    body = code.to_bytes(2, "big") + "grüße".encode()
    assert core.receive(frame(CLOSE, body)) == (PumpStatus.CLOSED, [(8, body)])


def test_an_empty_close(core: Any) -> None:
    assert core.receive(frame(CLOSE)) == (PumpStatus.CLOSED, [(8, b"")])


@pytest.mark.parametrize("reason", [b"\xff", b"ok \xc3", b"\xed\xa0\x80", b"x" * 122 + b"\xc3"])
def test_a_close_reason_that_is_not_utf8(core: Any, reason: bytes) -> None:
    status, _ = core.receive(close_frame(1000, reason))
    assert (status, core.failure_code) == (PumpStatus.FAILED, 1007)


def test_after_a_close_everything_is_ignored_until_the_end(core: Any) -> None:
    """Also what would be a violation, and nothing is answered or delivered."""
    status, messages = core.receive(
        frame(TEXT, b"1") + close_frame(1000) + frame(TEXT, b"2") + frame(PING) + b"\xff\xff"
    )
    assert (status, messages) == (PumpStatus.CLOSED, [(1, b"1"), (8, b"\x03\xe8")])
    assert core.receive(frame(TEXT, b"3") * 1000) == (PumpStatus.AGAIN, [])
    assert core.receive(frame(PING), eof=True) == (PumpStatus.EOF, [])
    assert core.connection.take() == b""


def test_after_a_violation_everything_is_ignored_until_the_end(core: Any) -> None:
    """The rest is read all the same, so that the peer can read our CLOSE."""
    assert core.receive(frame(3) + bytes(100_000))[0] == PumpStatus.FAILED
    assert core.receive(frame(TEXT, b"x") * 10_000) == (PumpStatus.AGAIN, [])
    assert core.receive(frame(PING), eof=True) == (PumpStatus.EOF, [])
    assert core.failure_code == 1002
    assert core.connection.take() == b""


# -- sizes --------------------------------------------------------------------


def test_a_message_of_just_the_allowed_size(new_core: Callable[..., Any]) -> None:
    for chunks in ([bytes(100)], [bytes(99), b"\0"], [b"", bytes(100), b""]):
        frames = [frame(BINARY if i == 0 else CONT, c, fin=False) for i, c in enumerate(chunks)]
        core = new_core(max_message_size=100)
        assert core.receive(b"".join(frames) + frame(CONT))[1] == [(2, bytes(100))]


@pytest.mark.parametrize(
    "stream",
    [
        frame(BINARY, bytes(101)),
        frame(TEXT, b"x" * 101),
        frame(BINARY, size=1 << 40),
        frame(BINARY, size=(1 << 63) - 1),
        frame(BINARY, bytes(60), fin=False) + frame(CONT, bytes(41)),
        frame(BINARY, b"x", fin=False) + frame(CONT, size=(1 << 63) - 1),
    ],
)
def test_an_oversize_message_fails_with_1009_at_its_header(
    new_core: Callable[..., Any], stream: bytes
) -> None:
    for chunks in ([stream], [stream[i : i + 1] for i in range(len(stream))]):
        core = new_core(max_message_size=100)
        assert core.receive(frame(PING, b"x" * 110), *chunks)[0] == PumpStatus.FAILED
        assert core.failure_code == 1009


# -- UTF-8 --------------------------------------------------------------------

VALID = ["", "a", "grüße", "€", "𝄞 clef", "\U0010ffff\ud7ff\ue000\x7f\x80\u07ff\u0800\uffff"]
INVALID = {
    "stray continuation": b"a\x80b",
    "overlong of two": b"\xc0\xaf",
    "overlong of three": b"\xe0\x80\xaf",
    "overlong of four": b"\xf0\x80\x80\xaf",
    "surrogate": b"\xed\xa0\x80",
    "beyond U+10FFFF": b"\xf4\x90\x80\x80",
    "lead byte F5": b"\xf5\x80\x80\x80",
    "FF": b"\xff",
    "cut at the end": "€".encode()[:2],
    "ASCII inside a character": b"\xe2\x82a",
    "after 40 ASCII bytes": b"x" * 40 + b"\xc3(",
}


@pytest.mark.parametrize("text", VALID)
def test_valid_utf8_cut_everywhere(new_core: Callable[..., Any], text: str) -> None:
    """Cut between reads and between fragments, also inside a character."""
    payload = text.encode()
    for cut in range(len(payload) + 1):
        first = frame(TEXT, payload[:cut], fin=False)
        stream = first + frame(PING) + frame(CONT, payload[cut:])
        for chunks in ([stream], [stream[i : i + 1] for i in range(len(stream))]):
            assert new_core().receive(*chunks)[1] == [(16, b""), (1, payload)]


@pytest.mark.parametrize("name", INVALID)
def test_invalid_utf8_fails_with_1007(new_core: Callable[..., Any], name: str) -> None:
    """Whole, cut between reads, and cut between fragments."""
    payload = INVALID[name]
    whole = frame(TEXT, payload)
    streams = [[whole], [whole[i : i + 1] for i in range(len(whole))]]
    for cut in range(len(payload) + 1):
        streams.append([frame(TEXT, payload[:cut], fin=False), frame(CONT, payload[cut:])])
    for chunks in streams:
        core = new_core()
        status, messages = core.receive(*chunks)
        assert (status, core.failure_code, messages) == (PumpStatus.FAILED, 1007, [])


def test_invalid_utf8_fails_at_once(core: Any) -> None:
    """At the first impossible byte, not at the message's end."""
    assert core.receive(frame(TEXT, b"ok\xff", size=1000))[0] == PumpStatus.FAILED


def test_utf8_is_asked_of_text_only_and_can_be_switched_off(new_core: Callable[..., Any]) -> None:
    assert new_core().receive(frame(BINARY, b"\xff"))[1] == [(2, b"\xff")]
    core = new_core(validate_utf8=False)
    assert core.receive(frame(TEXT, b"\xff"))[1] == [(1, b"\xff")]


def test_every_code_point_is_accepted_and_judged_as_python_does(
    new_core: Callable[..., Any],
) -> None:
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)])).encode()
    core = new_core(max_message_size=8 << 20)
    core.connection.limit(read_chunk=1000)  # cuts characters at every place
    assert core.receive(frame(TEXT, every))[1] == [(1, every)]


def test_every_pair_of_bytes_is_judged_as_python_does(new_core: Callable[..., Any]) -> None:
    for first in range(0x80, 0x100):
        for second in [*range(0, 0x100, 7), 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0]:
            for payload in (bytes([first, second]), bytes([first, second, 0x80, 0x80])):
                try:
                    payload.decode()
                    valid = True
                except UnicodeDecodeError:
                    valid = False
                status, _ = new_core().receive(frame(TEXT, payload))
                assert (status == PumpStatus.AGAIN) == valid, payload


def test_counters(core: Any) -> None:
    stream = frame(TEXT, b"abc", fin=False) + frame(PING) + frame(CONT, b"d") + frame(PONG, b"x")
    core.receive(stream)
    counters = core.connection.counters()
    assert (counters.frames_in, counters.messages_in, counters.payload_bytes_in) == (4, 1, 4)
    assert (counters.pings_in, counters.pongs_in, counters.wire_bytes_in) == (1, 1, len(stream))
