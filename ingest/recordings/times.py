"""Recorded times to integer nanoseconds, from their decimal text."""

import re
from datetime import UTC, datetime

_SECONDS = re.compile(rb"(\d{1,10})(?:\.(\d{1,9}))?")
_NUMBER = re.compile(rb"(\d{10,20})(?:\.(\d{1,12}))?")
_ISO = re.compile(
    rb"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+-]00:?00)?", re.IGNORECASE
)
# Digits of the whole number → digits of a nanosecond in it: seconds, ms, µs or ns. Each is
# good from 2001 to 2286.
_DECIMALS = {10: 9, 13: 6, 16: 3, 19: 0}


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


def time_to_ns(text: bytes) -> int:
    """Convert a Unix time in seconds, ms, µs or ns, or one as ISO 8601 writes it in UTC.

    The unit is told by the number of digits. What is finer than a nanosecond is cut off.

    Raises:
        ValueError: none of these.
    """
    number = _NUMBER.fullmatch(text)
    if number is not None:
        whole, fraction = number.groups(b"")
        decimals = _DECIMALS.get(len(whole))
        if decimals is not None:
            return int(whole + fraction[:decimals].ljust(decimals, b"0"))
    iso = _ISO.fullmatch(text)
    try:
        if iso is None:
            raise ValueError
        at = datetime.fromisoformat(f"{iso[1].decode()}T{iso[2].decode()}").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(
            "expected a Unix time in seconds, ms, µs or ns, or one in ISO 8601, "
            f"found {text[:40]!r}"
        ) from None
    return int(at.timestamp()) * 1_000_000_000 + int((iso[3] or b"").ljust(9, b"0"))
