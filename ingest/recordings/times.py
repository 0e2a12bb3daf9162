"""Recorded times to integer nanoseconds, from their decimal text."""

import re

_SECONDS = re.compile(rb"(\d{1,10})(?:\.(\d{1,9}))?")


def seconds_to_ns(text: bytes) -> int:
    """Convert Unix seconds such as `b"1617566592.1065369"` to nanoseconds, exactly.

    A float has 53 bits, which is 200 ns at today's times, so none is involved.

    Raises:
        ValueError: not a plain decimal number, or finer than a nanosecond.
    """
    match = _SECONDS.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a time in seconds, found {text[:40]!r}")
    whole, fraction = match.groups(b"")
    return int(whole) * 1_000_000_000 + int(fraction.ljust(9, b"0"))
