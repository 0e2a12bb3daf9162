"""Recorded times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.recordings.times import seconds_to_ns, time_to_ns


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


@given(st.integers(10**18, 9_223_372_036_854_775_807), st.sampled_from([9, 6, 3, 0]))
def test_every_unit(ns: int, decimals: int) -> None:
    """Seconds, ms, µs and ns are told apart, and none loses a digit."""
    whole, fraction = divmod(ns, 10**decimals)
    text = f"{whole}.{fraction:0{decimals}d}" if decimals else str(whole)

    assert time_to_ns(text.encode()) == ns


@pytest.mark.parametrize("text", [b"", b"123", b"15646176088", b"1e9", b"2019-08-01", b"today"])
def test_what_is_no_time(text: bytes) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="expected a Unix time"):
        time_to_ns(text)
