"""What both APIs send, answer and raise."""

import pytest

from wscore import Batch, CurlECode, CurlWsFlag, WebSocketError
from wscore.connection import Opcode
from wscore.endings import (
    close_message,
    closed_error,
    echo_code,
    frame_of,
    json_of,
    json_text,
    sort_controls,
    text_of,
)


def test_frames() -> None:
    assert frame_of(CurlWsFlag.TEXT, 1000) == (Opcode.TEXT, True)
    assert frame_of(CurlWsFlag.BINARY | CurlWsFlag.CONT, 0) == (Opcode.BINARY, False)
    assert frame_of(CurlWsFlag.PONG, 125) == (Opcode.PONG, True)


@pytest.mark.parametrize(
    ("flags", "size", "code"),
    [
        (CurlWsFlag.PING, 126, CurlECode.TOO_LARGE),
        (CurlWsFlag.PONG | CurlWsFlag.CONT, 0, CurlECode.TOO_LARGE),
        (CurlWsFlag.CLOSE, 0, CurlECode.BAD_FUNCTION_ARGUMENT),
        (CurlWsFlag.CONT, 0, CurlECode.BAD_FUNCTION_ARGUMENT),
        (0, 0, CurlECode.BAD_FUNCTION_ARGUMENT),
    ],
)
def test_frames_that_are_none(flags: int, size: int, code: int) -> None:
    with pytest.raises(WebSocketError) as caught:
        frame_of(flags, size)
    assert caught.value.code == code


def test_controls_are_parted_from_data() -> None:
    batch = Batch([b"a", b"?", b"!", b"b", b"\x0f\xa0why"], 0, bytes([1, 16, 64, 2, 8]), [(5, 1)])
    data, pongs, close = sort_controls(batch)
    assert (data.messages, data.kinds) == ([b"a", b"b"], b"\x01\x02")
    assert pongs == [b"!"]
    assert close == (4000, "why")


@pytest.mark.parametrize(
    ("code", "reason", "body", "echo"),
    [(1005, "", b"", 1000), (4000, "é", b"\x0f\xa0\xc3\xa9", 4000), (None, "", b"", 1000)],
)
def test_a_close_is_received_as_it_was_and_answered(
    code: int | None, reason: str, body: bytes, echo: int
) -> None:
    batch = close_message(code, reason)
    assert (batch.messages, batch.kind) == ([body], CurlWsFlag.CLOSE)
    assert echo_code(code) == echo


def test_whose_code_counts() -> None:
    """The peer's, else ours, else 1006."""
    assert closed_error(4000, 1000, "why").code == 4000
    assert closed_error(None, 1000).code == 1000
    error = closed_error(None)
    assert (error.code, error.reason) == (1006, "")


def test_text_and_json() -> None:
    assert text_of("é".encode(), CurlWsFlag.TEXT) == "é"
    assert json_of("[1]", lambda text: text * 2) == "[1][1]"
    assert json_text({"a": 1}, None) == '{"a":1}'
    assert json_text({"a": 1}, lambda value: b"x") == b"x"
    for payload, flags in ((b"a", CurlWsFlag.BINARY), (b"\xff", CurlWsFlag.TEXT)):
        with pytest.raises(WebSocketError) as caught:
            text_of(payload, flags)
        assert caught.value.code == 1007
