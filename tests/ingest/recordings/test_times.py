"""Recorded times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.recordings.times import seconds_to_ns


@given(st.integers(0, 9_999_999_999_999_999_999), st.integers(0, 9))
def test_every_digit_counts(ns: int, digits: int) -> None:
    """However many decimals are written, the result is that number of ns, to the last one."""
    ns -= ns % 10 ** (9 - digits)
    text = f"{ns // 10**9}.{ns % 10**9:09d}"[: -(9 - digits) or None].removesuffix(".")

    assert seconds_to_ns(text.encode()) == ns


@pytest.mark.parametrize("text", [b"", b".5", b"1e9", b"-1", b"1.", b"1.0000000001", b" 1", b"nan"])
def test_anything_else_is_refused(text: bytes) -> None:
    """Only plain decimals pass; nothing is rounded."""
    with pytest.raises(ValueError, match="expected a time in seconds"):
        seconds_to_ns(text)
