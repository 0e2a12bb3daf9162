"""What users pass in, and close bodies."""

from typing import Any

import pytest

from wscore import WebSocketError
from wscore.payload import close_body, parse_close, to_bytes


def test_every_type_of_payload() -> None:
    array = bytearray(b"abcdef")
    assert to_bytes("grüße") == "grüße".encode()
    assert to_bytes(b"abc") == b"abc"
    assert to_bytes(array) is array
    assert bytes(to_bytes(memoryview(array))) == b"abcdef"


def test_memoryviews_of_any_layout_are_measured_in_bytes() -> None:
    view = memoryview(bytes(range(24)))
    for given, expected in [
        (view[::2], bytes(range(0, 24, 2))),
        (view[::-1], bytes(range(23, -1, -1))),
        (view.cast("I"), bytes(range(24))),
        (view.cast("B", (4, 6)), bytes(range(24))),
        (view[:0], b""),
    ]:
        data = to_bytes(given)
        assert (bytes(data), len(data)) == (expected, len(expected))


@pytest.mark.parametrize("wrong", [None, 1, 1.5, ["a"], {"a": 1}])
def test_anything_else_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match="payload must be str or bytes-like"):
        to_bytes(wrong)


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1014, 3000, 4000, 4999])
def test_valid_close_codes_are_kept(code: int) -> None:
    assert close_body(code, "bye") == code.to_bytes(2, "big") + b"bye"


@pytest.mark.parametrize("code", [-1, 0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 1 << 20])
def test_codes_that_must_not_be_sent_become_1011(code: int) -> None:
    assert close_body(code, b"") == b"\x03\xf3"


def test_a_long_reason_is_cut_between_two_characters() -> None:
    assert close_body(1000, "x" * 200) == b"\x03\xe8" + b"x" * 123
    assert close_body(1000, "x" * 122 + "é") == b"\x03\xe8" + b"x" * 122
    assert close_body(1000, "x" * 121 + "é") == b"\x03\xe8" + b"x" * 121 + "é".encode()
    assert len(close_body(1000, "€" * 100)) == 2 + 123


def test_a_reason_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(WebSocketError, match="not UTF-8"):
        close_body(1000, b"\xff")


def test_close_bodies_are_read_back() -> None:
    assert parse_close(b"") == (1005, "")
    assert parse_close(close_body(4001, "grüße")) == (4001, "grüße")
