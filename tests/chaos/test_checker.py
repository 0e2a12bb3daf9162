"""The checker finds what it is there for: each rule of docs/streams.md, kept and broken."""

import json
from typing import Any

import pytest

from tests.chaos.checker import Checker, QuoteChecker, make
from tests.chaos.market import SPAN, Instrument

Entry = dict[str, str]


def instrument() -> Instrument:
    """One that has said some of everything."""
    made = Instrument("BTC-USDT", 1)
    for _ in range(20):
        made.next_trade()
        made.next_quote()
        made.next_update()
    return made


def gap(reason: str = "sequence", first: int | None = None, last: int | None = None) -> Entry:
    return _marker("gap", reason, first, last)


def resume(
    reason: str = "resubscribed", first: int | None = None, last: int | None = None
) -> Entry:
    return _marker("resume", reason, first, last)


def reset() -> Entry:
    return _marker("reset", "worker_restarted", None, None)


def _marker(kind: str, reason: str, first: int | None, last: int | None) -> Entry:
    fields = {"type": kind, "reason": reason, "rx": "1"}
    if first is not None:
        fields |= {"from_seq": str(first), "to_seq": str(last)}
    return fields


def trade(number: int, *, late: bool = False, **changes: str) -> Entry:
    fields = {**instrument().trade(number), "rx": "1", **changes}
    return {**fields, "backfill": "1"} if late else fields


def quote(number: int) -> Entry:
    return {**instrument().quote(number), "rx": "1"}


def delta(index: int) -> Entry:
    fields = instrument().update(index)
    sides = {name: json.dumps(fields[name]) for name in ("bids", "asks")}
    return {**fields, **sides, "type": "delta", "rx": "1"}


def snapshot(index: int, **changes: Any) -> Entry:
    made = Instrument("BTC-USDT", 1)
    for _ in range(index):
        made.next_update()
    book = {**json.loads(made.snapshot()), **changes}
    sides = {name: json.dumps(book[name]) for name in ("bids", "asks")}
    return {**sides, "type": "snapshot", "seq": str(index * SPAN), "rx": "1"}


def checked(channel: str, entries: list[Entry]) -> Checker:
    checker = make(f"md:binance:{channel}:BTC-USDT", instrument())
    for n, fields in enumerate(entries):
        checker.take(f"1-{n}", fields)
    return checker


SOUND: dict[str, tuple[str, list[Entry]]] = {
    "trades": ("trade", [trade(3), trade(4), trade(5)]),
    "filled": (
        "trade",
        [
            trade(1),
            gap("sequence", 2, 3),
            trade(2, late=True),
            trade(3, late=True),
            resume("backfill", 2, 3),
            trade(4),
        ],
    ),
    "filled late": (
        "trade",
        [
            trade(1),
            gap("sequence", 2, 3),
            trade(4),
            trade(3, late=True),
            trade(5),
            trade(2, late=True),
            resume("backfill", 2, 3),
            trade(6),
        ],
    ),
    "marked": ("trade", [trade(1), gap("close_1006"), gap("sequence", 2, 2), resume(), trade(3)]),
    "another process": ("trade", [trade(1), reset(), trade(7)]),
    "dropped": ("trade", [trade(1), gap("dropped"), resume("dropped"), trade(7)]),
    "quotes": ("bbo", [quote(3), quote(4), gap("close_1006"), resume(), quote(9)]),
    "dropped, and some waited": (
        *("bbo", [quote(1), gap("dropped"), quote(3), quote(4), gap("dropped"), resume("dropped")]),
    ),
    "conflated": ("bbo", [quote(1), gap("conflated"), resume("conflated"), quote(9)]),
    "removed": ("bbo", [quote(1), gap("removed"), reset(), quote(9)]),
    "reloaded": ("trade", [trade(1), gap("reloaded"), reset(), trade(9)]),
    "a book": ("book", [delta(1), delta(2), snapshot(2), delta(3), delta(4)]),
    "ahead": ("book", [snapshot(3), delta(4)]),
    "ahead of the updates": ("book", [delta(1), snapshot(3), delta(4)]),
    "a book lost": (
        "book",
        [
            snapshot(1),
            delta(2),
            gap(),
            delta(5),
            delta(7),
            resume("snapshot"),
            snapshot(7),
            delta(8),
        ],
    ),
}

WRONG: dict[str, tuple[str, list[Entry], str]] = {
    "a loss": ("trade", [trade(1), trade(3)], "nothing says so"),
    "a connection's gap is no trade's": (
        *("trade", [trade(1), gap("close_1006"), resume(), trade(3)]),
        "nothing says so",
    ),
    "beyond the range": ("trade", [trade(1), gap("sequence", 2, 2), trade(4)], "nothing says so"),
    "twice": ("trade", [trade(1), trade(2), trade(2)], "here already"),
    "twice, filled": (
        "trade",
        [trade(1), gap("sequence", 2, 2), trade(2, late=True), trade(3), trade(2, late=True)],
        "here already",
    ),
    "back": ("trade", [trade(1), gap("sequence", 2, 2), trade(3), trade(2)], "does not say so"),
    "another price": ("trade", [trade(1, price="1.00")], "the venue sent"),
    "another field": ("trade", [trade(1, colour="red")], "the venue sent"),
    "not marked before": ("trade", [trade(1), trade(2, late=True)], "no gap"),
    "not whole": (
        "trade",
        [trade(1), gap("sequence", 2, 3), trade(4), trade(3, late=True), resume("backfill", 2, 3)],
        "but missing",
    ),
    "not missing": ("trade", [trade(1), trade(2), gap("sequence", 2, 2)], "but here"),
    "a quote": ("bbo", [quote(1), quote(3)], "nothing says so"),
    "a quote twice": ("bbo", [quote(1), quote(1)], "came after"),
    "dropped, and then another": ("bbo", [quote(1), gap("dropped"), quote(3), quote(5)], "missing"),
    "a gap without end": ("bbo", [quote(1), gap("close_1006"), quote(3)], "nothing has ended"),
    "removed, and on": ("bbo", [quote(1), gap("removed"), resume(), quote(2)], "is no reset"),
    "reloaded, and on": ("trade", [trade(1), gap("reloaded"), trade(2)], "is no reset"),
    "an update": ("book", [snapshot(1), delta(2), delta(4)], "nothing says so"),
    "an update twice": ("book", [snapshot(1), delta(2), delta(2)], "came after"),
    "an old snapshot": ("book", [delta(1), delta(2), delta(3), snapshot(2)], "behind the update"),
    "another book": ("book", [snapshot(3, bids=[["1.00", "2.00"]])], "another one"),
    "updates behind a snapshot's back": (
        "book",
        [snapshot(1), delta(2), snapshot(4)],
        "only a snapshot",
    ),
    "not from the snapshot on": ("book", [delta(1), snapshot(3), delta(5)], "nothing says so"),
}


@pytest.mark.parametrize("case", SOUND)
def test_what_is_sound(case: str) -> None:
    """Nothing is said of it."""
    checker = checked(*SOUND[case])
    assert checker.problems == []
    assert checker.whole


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong(case: str) -> None:
    """It is said, with the entries before it."""
    channel, entries, said = WRONG[case]
    problem, *_ = checked(channel, entries).problems
    assert said in problem.split("; the entries")[0]


def test_what_is_missing_is_counted() -> None:
    """By the marker that says so."""
    entries = [quote(3), gap("conflated"), resume("conflated"), quote(6), reset(), quote(9)]
    checker = checked("bbo", entries)
    assert isinstance(checker, QuoteChecker)
    assert checker.missing == {"conflated": 2, "worker_restarted": 2}


def test_ids_that_do_not_ascend() -> None:
    """An entry's id is above that of the one before."""
    checker = make("md:binance:bbo:BTC-USDT", instrument())
    checker.take("5-0", quote(1))
    checker.take("5-0", quote(2))
    [problem] = checker.problems
    assert "id 5-0 is not above 5-0" in problem


def test_books_are_compared() -> None:
    """Each state of the book is one that the venue had."""
    checker = checked("book", [delta(1), snapshot(1), *(delta(n) for n in range(2, 20))])
    assert checker.problems == []
    assert checker.compared == 19  # type: ignore[attr-defined]
