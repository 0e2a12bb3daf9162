"""Feeds against venues: known names, one writer for each stream, names of connections."""

from collections.abc import Callable

import pytest

from ingest.config import Config

Good = Callable[..., Config]
Bad = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("feeds", "problems"),
    [
        ("feeds:", ["f.yaml:1: feeds is null (no value); use a list of mappings"]),
        ("feeds: []", ["f.yaml:1: feeds is empty; list at least one"]),
        (
            "feeds: [trade]",
            [
                'f.yaml:1: feeds[0] is "trade"; '
                "use a mapping with venue, channels, instruments, name, book_snapshot_every_s, "
                "redundancy"
            ],
        ),
        (
            "feeds: [{venue: alpa, channels: [x], instruments: [y]}]",
            [
                'f.yaml:1: feeds[0].venue is "alpa"; it is not a known venue; '
                "did you mean alpha? Use alpha or beta"
            ],
        ),
        (
            "feeds: [{venue: 5, channels: [trade], instruments: [A-B]}]",
            ["f.yaml:1: feeds[0].venue is 5; put it in quotes if it is a name"],
        ),
        (
            "feeds:\n- venue: alpha\n  channels: [trade, tarde]\n  instruments: [A-B]",
            [
                'f.yaml:3: feeds[0].channels[1] is "tarde"; alpha does not have it; '
                "did you mean trade? Use trade, bbo or candle_1m"
            ],
        ),
        (
            "feeds:\n- venue: alpha\n  channels: [candle_2m]\n  instruments: [A-B]",
            [
                'f.yaml:3: feeds[0].channels[0] is "candle_2m"; alpha does not have it; '
                "did you mean candle_1m? Use trade, bbo or candle_1m"
            ],
        ),
        (
            "feeds:\n- venue: alpha\n  channels: trade\n  instruments: []",
            [
                'f.yaml:3: feeds[0].channels is "trade"; use a list of names',
                "f.yaml:4: feeds[0].instruments is empty; list at least one",
            ],
        ),
        (
            "feeds:\n- venue: alpha\n  channels: [trade]\n  instruments:\n  - AB\n  - A-B",
            ['f.yaml:5: feeds[0].instruments[0] is "AB"; instruments are BASE-QUOTE'],
        ),
        (
            "feeds:\n- venue: alpha\n  channels: [trade, trade]\n  instruments: [A-B, A-B]",
            [
                'f.yaml:3: feeds[0].channels[1] is "trade" a second time; list it once',
                'f.yaml:4: feeds[0].instruments[1] is "A-B" a second time; list it once',
            ],
        ),
        (
            "feeds:\n- {venue: alpha, channels: [bbo], instruments: [A-B], "
            "book_snapshot_every_s: 60}",
            [
                "f.yaml:2: feeds[0].book_snapshot_every_s is for books, and this feed has none; "
                "remove it, or add a channel such as book"
            ],
        ),
        (
            "feeds:\n- {venue: alpha, channels: [book], instruments: [A-B], "
            "book_snapshot_every_s: 0}",
            [
                "f.yaml:2: feeds[0].book_snapshot_every_s is 0; "
                "use a number from 0.1 to 86,400, or null",
                'f.yaml:2: feeds[0].channels[0] is "book"; alpha does not have it; '
                "use trade, bbo or candle_1m",
            ],
        ),
        (
            "feeds:\n- {venue: alpha, channels: [trade], instruments: [A-B], name: a.b}",
            [
                'f.yaml:2: feeds[0].name is "a.b"; use letters, digits, - and _, '
                "beginning with a letter or digit, at most 64"
            ],
        ),
    ],
)
def test_mistake(feeds: str, problems: list[str], bad: Bad) -> None:
    """Each says what the venue has."""
    assert bad(feeds) == problems


def test_a_stream_has_one_writer(bad: Bad, good: Good) -> None:
    """The same channel of the same instrument of a venue in two feeds is a mistake."""
    feeds = (
        "feeds:\n"
        "- {venue: alpha, channels: [trade, bbo], instruments: [A-B, C-D, E-F]}\n"
        "- {venue: beta, channels: [trade], instruments: [A-B]}\n"
        "- {venue: alpha, channels: [candle_1m], instruments: [A-B]}\n"
    )
    good(feeds)

    assert bad(feeds + "- {venue: alpha, channels: [bbo, trade], instruments: [C-D, E-F]}\n") == [
        "f.yaml:5: feeds[3] repeats bbo of C-D, trade of C-D, bbo of E-F and 1 more from "
        "feeds[0]; a stream has exactly one writer: list each channel of an instrument once "
        "per venue"
    ]


def test_names_are_one_of_a_kind(bad: Bad) -> None:
    """A name may be neither another feed's nor one that another feed gets by itself."""
    feed = "{venue: alpha, channels: [trade], instruments: [%s], name: %s}"
    problems = bad(
        "feeds:\n"
        f"- {feed % ('A-B', 'alpha-2')}\n"
        "- {venue: alpha, channels: [trade], instruments: [C-D]}\n"
        f"- {feed % ('E-F', 'x')}\n"
        f"- {feed % ('G-H', 'x')}\n"
    )

    assert problems == [
        'f.yaml:2: feeds[0].name is "alpha-2", the name of feeds[1] too; use another',
        'f.yaml:5: feeds[3].name is "x", the name of feeds[2] too; use another',
    ]


@pytest.mark.parametrize(
    "selector", ["{quote: USDT, top: 200, by: volume}", "{quote: USDT}", '{match: "*-USDT-PERP"}']
)
def test_a_venue_without_a_list(selector: str, bad: Bad) -> None:
    """There is nothing to select from, and the report says what to do."""
    assert bad(f"feeds: [{{venue: alpha, channels: [trade], instruments: {selector}}}]") == [
        "f.yaml:1: feeds[0].instruments selects by rule; alpha has no list to select "
        "from; list the instruments"
    ]


@pytest.mark.parametrize(
    ("selector", "problem"),
    [
        (
            "{}",
            'feeds[0].instruments selects by nothing; give quote (USDT) or match ("*-USDT-PERP")',
        ),
        (
            "{quote: usdt}",
            'feeds[0].instruments.quote is "usdt"; use an asset in capitals, such as USDT',
        ),
        (
            '{match: "btc/*"}',
            'feeds[0].instruments.match is "btc/*"; use a pattern over our names, '
            "such as *-USDT-PERP",
        ),
        (
            "{quote: USDT, top: 0}",
            "feeds[0].instruments.top is 0; use a whole number from 1 to 1,000,000,000,000, "
            "or null",
        ),
        (
            "{quote: USDT, by: volume}",
            "feeds[0].instruments.by ranks nothing without top; add top: 200, or remove by",
        ),
        (
            "{quote: USDT, top: 2, by: price}",
            'feeds[0].instruments.by is "price"; use volume, or null',
        ),
        (
            "{qoute: USDT, match: A-B}",
            "feeds[0].instruments.qoute is not a known key; did you mean quote? "
            "Use quote, match, top or by",
        ),
    ],
)
def test_selector_mistake(selector: str, problem: str, bad: Bad) -> None:
    """Selectors are checked in full before anybody asks the venue."""
    problems = bad(f"feeds: [{{venue: alpha, channels: [trade], instruments: {selector}}}]")

    assert f"f.yaml:1: {problem}" in problems
