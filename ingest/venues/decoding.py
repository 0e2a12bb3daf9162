"""Strict decoding, shared by the venue files: bytes in, checked values or `DecodeError` out.

A venue's wire format is a msgspec Struct; what a type cannot say cheaply is
checked here: prices and sizes are plain decimals. A regular expression on each
field (`Meta(pattern=…)`) costs 0.4 µs a value, one over the joined values 0.1 µs.
"""

import re
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Raw

from ingest.errors import DecodeError
from ingest.model import Level, Side

Reason = Literal[
    "bad_compression",
    "bad_json",
    "bad_utf8",
    "too_deep",
    "missing_field",
    "wrong_type",
    "bad_value",
    "symbol_mismatch",
    "unknown_frame",
]

# Both fit a signed 64-bit integer, the milliseconds after the step to
# nanoseconds too: no reader of the streams meets an integer it cannot hold.
SequenceNumber = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Milliseconds = Annotated[int, Meta(ge=0, le=9_223_372_036_853)]

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

T = TypeVar("T")

# Of a value, before and after the point: far more than any venue sends, and few enough
# that a number of a megabyte does not reach those who compute with it.
_MOST_DIGITS = 256
_DIGITS = rf"[0-9]{{1,{_MOST_DIGITS}}}+"
# Possessive quantifiers: a value that fails does so in one pass.
_DECIMAL = rf"{_DIGITS}(?:\.{_DIGITS})?+"
_MOST_VALUES = 12
_MOST_SAID = 200  # characters
# As JSON writes a number; without its quotes, if it has any. An exponent of more than
# three digits is no price, and more than some readers' decimals can take.
_JSON_NUMBER = rf"{_DECIMAL}(?:[eE][+-]?[0-9]{{1,3}})?+".encode()
_NUMBER = re.compile(rb'"?+(' + _JSON_NUMBER + rb')"?+').fullmatch
_SIGNED_NUMBER = re.compile(rb'"?+(-?+' + _JSON_NUMBER + rb')"?+').fullmatch
# Where it is computed with: few enough digits for that to be nothing.
_FACTOR = re.compile(r"[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,2})?").fullmatch
# Both end before the ns of a signed 64-bit integer do.
_RFC_3339 = re.compile(
    r"(19[7-9][0-9]|2[01][0-9]{2})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?Z"
).fullmatch
_MILLISECONDS = re.compile(r"([0-9]{1,12}|[1-8][0-9]{12})(?:\.([0-9]{1,6}))?").fullmatch
_SECONDS = re.compile(r"([0-9]{1,9}|[1-8][0-9]{9})(?:\.([0-9]{1,9}))?").fullmatch
_PAIR = rb"\[" + _JSON_NUMBER + rb"," + _JSON_NUMBER + rb"\]"
_PAIRS = re.compile(rb"\[(?:" + _PAIR + rb"(?:," + _PAIR + rb")*+)?+\]").fullmatch
_EACH_PAIR = re.compile(r"\[([^\[,]++),([^\]]++)\]").findall
# A value that itself holds the separator makes one number too many: no match.
_JOINED = tuple(
    re.compile(",".join([_DECIMAL] * count)).fullmatch for count in range(_MOST_VALUES + 1)
)


def decoder(wire: type[T], what: str, *, strict: bool = True) -> Callable[[bytes | Raw], T]:
    """Build the function that decodes JSON into *wire*, once, at import.

    *what* begins the text of every error ("okx trades"). With `strict=False`
    an integer may come as a string of digits.

    The function raises `DecodeError` on anything else than *wire*, nothing else.
    """
    decode = msgspec.json.Decoder(wire, strict=strict).decode

    def decode_strictly(payload: bytes | Raw) -> T:
        try:
            return decode(payload)
        except (ValueError, RecursionError) as exc:
            raise _translated(what, exc) from exc

    return decode_strictly


def check_decimals(what: str, *values: str) -> None:
    """Check that each value is a plain unsigned decimal: digits, maybe a point and digits.

    Raises:
        DecodeError: `bad_value`, with the values. A sign, an exponent, `NaN`, an
            empty string, a blank, a foreign digit or a number of 257 digits is none.
    """
    if not _JOINED[len(values)](",".join(values)):
        found = ", ".join(repr(value[:40]) for value in values)
        raise DecodeError("bad_value", f"{what}: expected plain decimals, found {found}")


def decimal_or_none(what: str, value: str | None) -> str | None:
    """Return *value* checked as by `check_decimals`, `None` where it is empty or null."""
    if not value:
        return None
    check_decimals(what, value)
    return value


def number(what: str, raw: Raw) -> str:
    """Return an unsigned JSON number, or a string that holds one, character for character.

    For venues that send prices as JSON numbers: the wire type of the field is
    `Raw`, because a float would change them. An exponent is kept as sent.

    Raises:
        DecodeError: `bad_value`.
    """
    found = _NUMBER(raw)
    if not found:
        raise DecodeError("bad_value", f"{what}: expected a number, found {bytes(raw)[:40]!r}")
    return found[1].decode()


def signed_number(what: str, raw: Raw) -> str:
    """The same, of a value that may be negative, such as a funding rate."""
    found = _SIGNED_NUMBER(raw)
    if not found:
        raise DecodeError("bad_value", f"{what}: expected a number, found {bytes(raw)[:40]!r}")
    return found[1].decode()


def size_and_side(what: str, raw: Raw) -> tuple[str, Side]:
    """Split a size whose sign is its side, of which the positive is bought; errors as `number`."""
    text = signed_number(what, raw)
    return (text[1:], "sell") if text[0] == "-" else (text, "buy")


def number_or_none(what: str, raw: Raw) -> str | None:
    """As `number`; None where the field, whose default is an empty `Raw`, is absent or null."""
    return None if bytes(raw) in (b"", b"null") else number(what, raw)


def product(one: str, other: str) -> str | None:
    """Multiply two decimals, exactly to 28 digits; None where one is none or is endless.

    For volumes in quote units, which order instruments: nothing published is computed.
    """
    if not (_FACTOR(one) and _FACTOR(other)):
        return None
    return format(Decimal(one) * Decimal(other), "f")


def rfc3339_ns(what: str, text: str) -> int:
    """Return a UTC time as RFC 3339 writes it, `2023-10-06T17:35:55.440295Z`, as Unix ns.

    Raises:
        DecodeError: `bad_value`.
    """
    found = _RFC_3339(text)
    try:
        if not found:
            raise ValueError
        year, month, day, hour, minute, second = map(int, found.groups()[:6])
        at = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise DecodeError("bad_value", f"{what}: expected a time, found {text[:40]!r}") from None
    return int(at.timestamp()) * NS_PER_S + int((found[7] or "0").ljust(9, "0"))


def seconds_ns(what: str, text: str) -> int:
    """Return Unix seconds with up to nine decimals, `1617666423.606671`, as ns.

    Raises:
        DecodeError: `bad_value`.
    """
    found = _SECONDS(text)
    if not found:
        raise DecodeError("bad_value", f"{what}: expected Unix seconds, found {text[:40]!r}")
    return int(found[1]) * NS_PER_S + int((found[2] or "0").ljust(9, "0"))


def milliseconds_ns(what: str, text: str) -> int:
    """Return Unix milliseconds with up to six decimals, `1619093543708.45`, as ns.

    Raises:
        DecodeError: `bad_value`.
    """
    found = _MILLISECONDS(text)
    if not found:
        raise DecodeError("bad_value", f"{what}: expected Unix milliseconds, found {text[:40]!r}")
    return int(found[1]) * NS_PER_MS + int((found[2] or "0").ljust(6, "0"))


def number_levels_decoder(what: str, columns: int) -> Callable[[Raw], list[Level]]:
    """As `levels_decoder`, for rows of JSON numbers or of strings that hold them.

    Columns after price and size may hold anything that is not nested.
    """
    row: Any = tuple[(Raw,) * columns]  # type: ignore[misc]  # the length is a value
    decode: Callable[[Raw], list[Any]] = decoder(list[row], what)

    def decode_levels(raw: Raw) -> list[Level]:
        # One pass over the bytes instead of two checks a level, where they are
        # nothing but pairs of numbers: half the time.
        if columns == 2 and _PAIRS(raw):
            return _EACH_PAIR(bytes(raw).decode())
        return [(number(what, level[0]), number(what, level[1])) for level in decode(raw)]

    return decode_levels


def levels_decoder(what: str, columns: int) -> Callable[[Raw], list[Level]]:
    """Build the function that decodes a side of a book: `[["price","size",…],…]`.

    Each row has *columns* strings; those after price and size are left out.
    The function raises `DecodeError`, nothing else.
    """
    row: Any = tuple[(str,) * columns]  # type: ignore[misc]  # the length is a value
    decode: Callable[[Raw], list[Any]] = decoder(list[row], what)
    others = r',"[^"\\]*+"' * (columns - 2)
    as_sent = re.compile(rf'\[(?:\["{_DECIMAL}","{_DECIMAL}"{others}\],?+)*+\]'.encode()).fullmatch

    def decode_levels(raw: Raw) -> list[Level]:
        rows = decode(raw)
        # One pass over the bytes stands for a check of every value. JSON with
        # blanks in it does not match; it may be right all the same.
        if not as_sent(raw):
            for level in rows:
                check_decimals(what, level[0], level[1])
        return rows if columns == 2 else [(level[0], level[1]) for level in rows]

    return decode_levels


def gunzip(what: str, data: bytes, most: int) -> bytes:
    """Inflate one whole gzip member of at most *most* bytes, for venues that send these.

    Never makes more than *most* bytes, whatever *data* claims to hold.

    Raises:
        DecodeError: `bad_compression`: no gzip, cut off, more behind it, or too large.
    """
    inflate = zlib.decompressobj(wbits=31)
    try:
        body = inflate.decompress(data, most)
    except zlib.error as exc:
        raise DecodeError("bad_compression", f"{what}: {exc}") from exc
    if not inflate.eof or inflate.unused_data:
        raise DecodeError(
            "bad_compression", f"{what}: expected one gzip member of at most {most} bytes"
        )
    return body


def mismatch(what: str, topic: str, symbol: str) -> DecodeError:
    """Build the error for a payload that names another symbol than its frame."""
    return DecodeError(
        "symbol_mismatch", f"{what}: frame is {topic[:80]!r}, its payload is of {symbol[:80]!r}"
    )


def _translated(what: str, exc: Exception) -> DecodeError:
    reason: Reason
    if isinstance(exc, UnicodeDecodeError):
        reason = "bad_utf8"
    elif isinstance(exc, RecursionError):
        reason = "too_deep"
    elif not isinstance(exc, msgspec.ValidationError):
        reason = "bad_json"
    elif "missing required field" in str(exc):
        reason = "missing_field"
    elif "Invalid enum value" in str(exc):
        reason = "bad_value"
    else:
        reason = "wrong_type"
    # It may quote what it found, and that may be a megabyte.
    return DecodeError(reason, f"{what}: {str(exc)[:_MOST_SAID]}")
