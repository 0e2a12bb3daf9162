"""Substitution of variables."""

import pytest

from ingest.config.environment import SubstitutionError, substitute

ENVIRON = {"A": "1", "EMPTY": "", "DOLLAR": "${A}"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("${A}", "1"),
        ("x${A}y${A}", "x1y1"),
        ("${B:-two}", "two"),
        ("${EMPTY:-two}", "two"),
        ("${EMPTY:-}", ""),
        ("${A:-two}", "1"),
        ("${DOLLAR}", "${A}"),
    ],
)
def test_variables_are_filled_in(text: str, filled: str) -> None:
    """As a shell does it; what comes out is not searched again."""
    assert substitute(text, ENVIRON).text == filled
    assert substitute(text, ENVIRON).substituted


@pytest.mark.parametrize(
    ("text", "same"), [("$A $", "$A $"), ("$${A}", "${A}"), ("plain", "plain")]
)
def test_text_without_variables_stays(text: str, same: str) -> None:
    """`$${` is an escape, and a lone dollar is a dollar."""
    assert substitute(text, ENVIRON).text == same
    assert not substitute(text, ENVIRON).substituted


def test_every_variable_that_is_missing_is_named() -> None:
    """Not set, empty and malformed are three different mistakes."""
    with pytest.raises(SubstitutionError) as caught:
        substitute("${B} ${EMPTY} ${1x}", ENVIRON)

    assert caught.value.problems == [
        "needs the environment variable B, which is not set; set it, or write ${B:-default}",
        "needs the environment variable EMPTY, which is empty; set it, or write ${EMPTY:-default}",
        "has a ${ that begins no variable; write ${NAME} or ${NAME:-default}, "
        "and $${ for the characters themselves",
    ]
