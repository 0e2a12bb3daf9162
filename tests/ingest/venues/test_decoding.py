import gzip
import json
import zlib
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import DecodeError
from ingest.venues.decoding import (
    check_decimals,
    decimal_or_none,
    gunzip,
    levels_decoder,
    number,
    number_levels_decoder,
    number_or_none,
    product,
    rfc3339_ns,
    seconds_ns,
    signed_number,
)

two_columns = levels_decoder("here", columns=2)
four_columns = levels_decoder("here", columns=4)

GOOD = ["0", "1", "61837.63000000", "0.00000001", "007", "9" * 200]
BAD = ["", ".", "1.", ".5", "-1", "+1", "1e5", "NaN", "inf", " 1", "1 ", "1.2.3", "1,2", "٣", "1\n"]


@pytest.mark.parametrize("value", GOOD)
@pytest.mark.parametrize("others", [0, 1, 11])
def test_plain_decimals(value: str, others: int) -> None:
    """Digits with at most one point between them pass, among any number of values."""
    check_decimals("here", *["1.0"] * others, value)
    assert decimal_or_none("here", value) == value


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("others", [0, 1, 11])
def test_other_values(value: str, others: int) -> None:
    """Anything else is refused, in whatever place, and named."""
    with pytest.raises(DecodeError, match=r"^here: ") as caught:
        check_decimals("here", *["1.0"] * others, value)

    assert caught.value.reason == "bad_value"
    assert repr(value) in str(caught.value)


def test_empty_is_absent_where_allowed() -> None:
    """Only the empty string stands for a value that is not there."""
    assert decimal_or_none("here", "") is None
    with pytest.raises(DecodeError):
        decimal_or_none("here", " ")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"[]", []),
        (b'[["1.50","0.00000000"]]', [("1.50", "0.00000000")]),
        (b'[["1","2"],["3","4"]]', [("1", "2"), ("3", "4")]),
        (b' [ ["1", "2"] ,\n["3","4"] ] ', [("1", "2"), ("3", "4")]),
    ],
)
def test_levels(sent: bytes, expected: list[tuple[str, str]]) -> None:
    """Levels come out as sent, blanks in the JSON or not."""
    assert two_columns(msgspec.Raw(sent)) == expected


def test_further_columns_are_left_out() -> None:
    """Whatever text they hold, only price and size remain."""
    assert four_columns(msgspec.Raw(b'[["1","2","","x y"]]')) == [("1", "2")]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("place", [0, 1])
def test_levels_with_other_values(bad: str, place: int) -> None:
    """One bad value in a book refuses it."""
    level = ["1", "1"]
    level[place] = bad
    with pytest.raises(DecodeError) as caught:
        two_columns(msgspec.Raw(msgspec.json.encode([["1", "1"], level])))

    assert caught.value.reason == "bad_value"


@pytest.mark.parametrize("sent", [b"[[]]", b'[["1"]]', b'[["1","2","3"]]', b'[[1,"2"]]', b"{}"])
def test_levels_of_another_shape(sent: bytes) -> None:
    """A row with too few, too many or other things than strings refuses the book."""
    with pytest.raises(DecodeError) as caught:
        two_columns(msgspec.Raw(sent))

    assert caught.value.reason == "wrong_type"


@pytest.mark.parametrize("sent", [b"", b'[["1","2"],]', b'[["1","2"]', b'[["1","2"]]]'])
def test_levels_that_are_no_json(sent: bytes) -> None:
    """The quick check of the values does not stand in for the JSON's."""
    with pytest.raises(DecodeError) as caught:
        two_columns(msgspec.Raw(sent))

    assert caught.value.reason == "bad_json"


@given(st.lists(st.text(alphabet="0123456789.,- e", max_size=6), min_size=1, max_size=4))
def test_joined_check_equals_single_checks(values: list[str]) -> None:
    """Checking values together finds what checking each alone finds."""

    def passes(*some: str) -> bool:
        try:
            check_decimals("here", *some)
        except DecodeError:
            return False
        return True

    assert passes(*values) == all(passes(value) for value in values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2023-10-06T17:35:55.440295Z", 1_696_613_755_440_295_000),
        ("2023-10-06T17:35:55.123456789Z", 1_696_613_755_123_456_789),
        ("2024-02-29T23:59:59.5Z", 1_709_251_199_500_000_000),
    ],
)
def test_rfc3339(text: str, expected: int) -> None:
    """Every digit of the fraction counts; no float is on the way."""
    assert rfc3339_ns("here", text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2023-10-06",
        "2023-02-29T00:00:00Z",
        "2023-10-06T24:00:00Z",
        "2023-10-06T17:35:55",
        "2023-10-06T17:35:55.Z",
        "2023-10-06T17:35:55.1234567890Z",
        "2023-10-06T17:35:55+01:00",
        "9999-10-06T17:35:55Z",
        "٢023-10-06T17:35:55Z",
    ],
)
def test_other_times(text: str) -> None:
    """What is no time in UTC, or none that fits 64 bits in ns, is refused."""
    with pytest.raises(DecodeError) as caught:
        rfc3339_ns("here", text)

    assert caught.value.reason == "bad_value"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("1617666423.606671", 1_617_666_423_606_671_000),
        ("1617666423.5", 1_617_666_423_500_000_000),
        ("8999999999.999999999", 8_999_999_999_999_999_999),
    ],
)
def test_seconds(text: str, expected: int) -> None:
    """Seconds keep every digit of their fraction."""
    assert seconds_ns("here", text) == expected


@pytest.mark.parametrize("text", ["", "1.", ".5", "-1", "1e9", "9000000000", "1.0000000001", "٣"])
def test_other_seconds(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(DecodeError) as caught:
        seconds_ns("here", text)

    assert caught.value.reason == "bad_value"


@pytest.mark.parametrize("text", [b"null", b"-1", b"NaN", b"[]", b'"', b"1" * 50 + b"x"])
def test_other_numbers(text: bytes) -> None:
    """What is no number is refused, and shown."""
    with pytest.raises(DecodeError) as caught:
        number("here", msgspec.Raw(text))

    assert caught.value.reason == "bad_value"


number_pairs = number_levels_decoder("here", columns=2)


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        ("[]", []),
        ("[[1.50,2]]", [("1.50", "2")]),
        ("[[9.2E-7,0.0],[1e5,3]]", [("9.2E-7", "0.0"), ("1e5", "3")]),
        ('[ [ 1.50 , "2.0" ] ]', [("1.50", "2.0")]),
        ('[["1",2],[3,"4"]]', [("1", "2"), ("3", "4")]),
    ],
)
def test_levels_of_numbers(side: str, expected: list[tuple[str, str]]) -> None:
    """Numbers and strings that hold them keep every character, blanks or not."""
    assert number_pairs(msgspec.Raw(side.encode())) == expected


NO_LEVELS = ["", "[", "[[1,2]", "[[1,2],]", "[[1,2][3,4]]", "[[1]]", "[[1,2,3]]", "[1,2]"]
NO_LEVELS += ["[[-1,2]]", "[[1,null]]", "[[1,[2]]]", '[["a",2]]', "null", "{}"]


@pytest.mark.parametrize("side", NO_LEVELS)
def test_what_are_no_levels_of_numbers(side: str) -> None:
    """Anything else is refused as a whole."""
    with pytest.raises(DecodeError):
        number_pairs(msgspec.Raw(side.encode()))


@given(st.lists(st.tuples(*[st.floats(0, 1e12)] * 2)))
def test_any_levels_of_numbers(levels: list[tuple[float, float]]) -> None:
    """However a number is written, it comes out as it was written."""
    found = number_pairs(msgspec.Raw(json.dumps(levels, separators=(",", ":")).encode()))
    assert found == [(json.dumps(price), json.dumps(size)) for price, size in levels]


def test_gunzip() -> None:
    """One whole member, up to the limit and not a byte beyond."""
    assert gunzip("here", gzip.compress(b"x" * 100), 100) == b"x" * 100
    packed = gzip.compress(b"x" * 100)
    for broken in (b"", b"x", packed[:-1], packed + b"x", packed * 2, zlib.compress(b"x")):
        with pytest.raises(DecodeError, match="here") as caught:
            gunzip("here", broken, 1000)
        assert caught.value.reason == "bad_compression"
    with pytest.raises(DecodeError, match="99"):
        gunzip("here", packed, 99)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(b"", None), (b"null", None), (b"0.10", "0.10"), (b"1.0e-5", "1.0e-5"), (b'"7"', "7")],
)
def test_number_or_none(sent: bytes, expected: str | None) -> None:
    """What is absent or null is none; a number keeps its characters."""
    assert number_or_none("a price", msgspec.Raw(sent)) == expected


@pytest.mark.parametrize("read", [number, signed_number, number_or_none])
@pytest.mark.parametrize("sent", [b"[1]", b"true", b"NaN", b'"null"', b"--1", b"1.", b"1e1000"])
def test_what_is_no_number(read: Callable[[str, msgspec.Raw], object], sent: bytes) -> None:
    """Anything else is refused, and shown."""
    with pytest.raises(DecodeError, match="a price: expected a number") as caught:
        read("a price", msgspec.Raw(sent))

    assert caught.value.reason == "bad_value"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("1000.50", "61000", "61030500.00"),
        ("1e-7", "2", "0.0000002"),
        ("", "1", None),
        ("-1", "1", None),
        ("1e999", "1", None),
        ("9" * 41, "1", None),
    ],
)
def test_product(one: str, other: str, expected: str | None) -> None:
    """Of two decimals; nothing of what is none, or long enough to be a burden."""
    assert product(one, other) == expected
