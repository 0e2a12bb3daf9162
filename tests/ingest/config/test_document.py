"""YAML as a tree with lines: what is accepted, and what every syntax mistake is told."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.config import Config, parse_config
from ingest.config.document import Scalar, Table, parse, resolve
from ingest.config.problems import Problems
from ingest.errors import ConfigError

Good = Callable[..., Config]


def problems_of(text: str) -> list[str]:
    problems = Problems("f")
    parse(text, {}, problems)
    return problems.lines()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-1_000", -1000),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("no", "no"),
        ("12:30", "12:30"),
        ("1INCH-USDT", "1INCH-USDT"),
        ("2026-01-01", "2026-01-01"),
        ("0x10", "0x10"),
    ],
)
def test_plain_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    """No surprises of YAML 1.1: `no` is text, and so are times and dates."""
    found = resolve(text)

    assert found == value
    assert type(found) is type(value)


def test_quotes_make_text() -> None:
    """A quoted number is text; lines are counted from 1."""
    tree = parse('# c\na: "1"\nb: 1\n', {}, Problems("f"))

    assert isinstance(tree, Table)
    assert tree.entries == {"a": Scalar(2, "1", "1"), "b": Scalar(3, "1", 1)}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "a:\n\t- b",
            "f:2: not valid YAML: found character '\\t' that cannot start any token; "
            "indent with spaces",
        ),
        (
            "a: b: c",
            "f:1: not valid YAML: mapping values are not allowed here; check the indentation, "
            "and put text with a colon and a space in quotes",
        ),
        (
            "match: *-USDT",
            "f:1: not valid YAML: found undefined alias '-USDT'; "
            "put text that begins with * in quotes",
        ),
        (
            "redis: {url: ${URL}}",
            "f:1: not valid YAML: expected ',' or '}', but got '{'; "
            'inside { } put a variable in quotes: "${NAME}"',
        ),
        ("a: 'b", "f:1: not valid YAML: found unexpected end of stream"),
        ("a: 1\n---\nb: 1", "f:2: a second document begins here (---); keep one per file"),
        ("a: 1\nb: \x01", "f:2: character U+0001 cannot be in YAML; remove it"),
        ("a: 1\nb: {a: 1, a: 2}", "f:2: b.a is given twice, first on line 2; keep one of them"),
        (
            "a: !!python/name:os.system x",
            "f:1: a has the tag tag:yaml.org,2002:python/name:os.system; remove the tag",
        ),
        ("a: !x [1]", "f:1: a has the tag !x; remove the tag"),
        ("? [a]\n: b", "f:1: the file has a key that is not a name"),
        ("a: {<<: 1}", "f:1: a merges (<<) something that is not a mapping"),
        ("[" * 30 + "]" * 30, "f:1: the file is nested more than 24 levels deep"),
        ("[" * 1500, "f: the file is nested more than 24 levels deep"),
        ("&a [*a]", "f:1: the file is nested more than 24 levels deep"),
    ],
)
def test_syntax_mistake(text: str, problem: str) -> None:
    """One readable line; nothing of PyYAML's, and never the text of the line."""
    assert problems_of(text) == [problem]


def test_a_bomb_of_aliases_is_refused() -> None:
    """Aliases multiply: ten levels of ten are ten thousand million values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]

    assert problems_of("\n".join(lines)) == [
        "f:1: the file holds more than 200,000 values once its aliases are filled in; "
        "use fewer aliases"
    ]


def test_anchors_and_merges_work(good: Good) -> None:
    """`x-…` keys hold anchors; what a mapping says itself wins over what it merges."""
    config = good(
        "x-common: &common {venue: alpha, channels: [trade], instruments: [A-B]}\n"
        "feeds:\n"
        "- *common\n"
        "- {<<: *common, instruments: [C-D]}\n"
        "- <<: [{channels: [bbo]}, *common]\n"
    )

    assert [(f.channels, f.instruments) for f in config.feeds] == [
        (("trade",), ("A-B",)),
        (("trade",), ("C-D",)),
        (("bbo",), ("A-B",)),
    ]


@given(st.text(alphabet=st.sampled_from(list("afeds:[]{}&*-!|>'\"\n \t#,?%@`$~<1.")), max_size=40))
def test_any_text_is_a_config_or_a_report(text: str) -> None:
    """No text brings anything but a `Config` or a `ConfigError`."""
    try:
        parse_config(text, "f", {})
    except ConfigError as exc:
        assert exc.problems
