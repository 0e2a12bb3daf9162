"""What both APIs send, answer and raise."""

import pytest

from wscore import Batch, CurlECode, CurlWsFlag, WebSocketError
from wscore.connection import Opcode
from wscore.endings import (
    close_message,
    frame_of,
    json_of,
    json_text,
    sort_controls,
    text_of,
)


def test_frames() -> None:
    assert frame_of(CurlWsFlag.TEXT, 1000, None) == (Opcode.TEXT, True)
    assert frame_of(CurlWsFlag.BINARY | CurlWsFlag.CONT, 0, None) == (Opcode.BINARY, False)
    assert frame_of(CurlWsFlag.CONT, 9, Opcode.TEXT) == (Opcode.TEXT, False)
    assert frame_of(CurlWsFlag.PONG, 125, None) == (Opcode.PONG, True)


@pytest.mark.parametrize(
    ("flags", "size", "code"),
    [
        (CurlWsFlag.PING, 126, CurlECode.TOO_LARGE),
        (CurlWsFlag.PONG | CurlWsFlag.CONT, 0, CurlECode.TOO_LARGE),
        (CurlWsFlag.CLOSE, 126, CurlECode.TOO_LARGE),
        (CurlWsFlag.CONT, 0, CurlECode.BAD_FUNCTION_ARGUMENT),
        (0, 0, CurlECode.BAD_FUNCTION_ARGUMENT),
    ],
)
def test_frames_that_are_none(flags: int, size: int, code: int) -> None:
    with pytest.raises(WebSocketError) as caught:
        frame_of(flags, size, None)
    assert caught.value.code == code


def test_controls_are_parted_from_data() -> None:
    batch = Batch([b"a", b"?", b"!", b"b", b"\x0f\xa0why"], 0, bytes([1, 16, 64, 2, 8]), [(5, 1)])
    data, pongs, close = sort_controls(batch)
    assert (data.messages, data.kinds) == ([b"a", b"b"], b"\x01\x02")
    assert pongs == [b"!"]
    assert close == b"\x0f\xa0why"


def test_a_close_is_received_as_it_was() -> None:
    batch = close_message(b"\x0f\xa0\xc3\xa9")
    assert (batch.messages, batch.kind) == ([b"\x0f\xa0\xc3\xa9"], CurlWsFlag.CLOSE)


def test_text_and_json() -> None:
    assert text_of("é".encode(), CurlWsFlag.TEXT) == "é"
    assert json_of("[1]", lambda text: text * 2) == "[1][1]"
    assert json_text({"a": 1}, None) == '{"a":1}'
    assert json_text({"a": 1}, lambda value: b"x") == b"x"
    for payload, flags in ((b"a", CurlWsFlag.BINARY), (b"\xff", CurlWsFlag.TEXT)):
        with pytest.raises(WebSocketError) as caught:
            text_of(payload, flags)
        assert caught.value.code == 1007
