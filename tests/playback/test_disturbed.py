"""One update of one book lost, repeated or swapped: seen, said, and mended; nobody else notices.

As test_recordings.py; INGEST_SEEDS says how many faults of each kind are made (2).
"""

import os
import tempfile
from pathlib import Path

import pytest

from tests.playback import recording
from tests.playback.book import PlainBook
from tests.playback.compare import Reader, compare_entries
from tests.playback.conftest import Report
from tests.playback.disturb import ANSWERS, ENOUGH, Fault, disturb
from tests.playback.expected import Expected, last_book
from tests.playback.play import Entry, Live, is_marker, play
from tests.playback.test_recordings import SESSIONS, wanted_of

SEEDS = range(int(os.environ.get("INGEST_SEEDS", "2")))
# fmt: off
BY_NUMBER = (
    "binance", "binance-usdm", "binance-coinm", "kucoin", "kucoin-futures", "gateio", "gateio-usdt",
    "gateio-btc", "deribit", "bybit",
)
# fmt: on
BY_CHECKSUM = {"okx": 25, "kraken-v1": 10}  # levels a side that it covers
NOT_SHOWN = {
    **dict.fromkeys(
        ("bitstamp", "coinbase", "gemini", "bitmex"), "nothing it sends would show a loss"
    ),
    **dict.fromkeys(
        ("htx", "htx-usdm", "htx-coinm", "hyperliquid"), "every message is a whole book"
    ),
    **dict.fromkeys(
        ("bitfinex", "coinbase-advanced"),
        "it numbers the messages of a connection, and a replay numbers what it sends anew",
    ),
    "kraken": "no snapshots can be made for its books here",
}


def by_number(wanted: Expected, instrument: str) -> bool:
    """Whether updates say which one they follow."""
    return wanted.rules.venue in BY_NUMBER or any(
        "prev_seq" in entry for entry in deltas(wanted, instrument)
    )


def deltas(wanted: Expected, instrument: str) -> list[Entry]:
    """The updates of one book."""
    return [entry for entry in wanted.books[instrument] if entry["type"] == "delta"]


def shows(wanted: Expected, fault: Fault) -> bool:
    """Whether the numbers show it; or a checksum: the best levels differ when the next comes."""
    if by_number(wanted, fault.instrument):
        return fault.kind != "repeat"
    count = BY_CHECKSUM[wanted.rules.venue]
    books = [PlainBook(wanted.rules.depth), PlainBook(wanted.rules.depth)]
    for entry in wanted.books[fault.instrument]:
        if entry["type"] == "delta":
            break
        for book in books:
            book.replace(entry["bids"], entry["asks"])
    updates = deltas(wanted, fault.instrument)
    order = list(range(len(updates)))
    if fault.kind == "lose":
        del order[fault.number]
    elif fault.kind == "swap":
        order[fault.number : fault.number + 2] = [fault.number + 1, fault.number]
    right = iter(updates)
    applied = -1
    for number in order[: fault.number + 3]:
        books[1].apply(updates[number]["bids"], updates[number]["asks"])
        while applied < number:  # the book that this one's checksum is of
            applied += 1
            delta = next(right)
            books[0].apply(delta["bids"], delta["asks"])
        if number < applied:
            return True  # one that is late has the checksum of a book that was
        tops = [[side[:count] for side in book.levels()] for book in books]
        if tops[0] != tops[1]:
            return True
    return False


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["lose", "repeat", "swap"])
@pytest.mark.parametrize(("name", "paths"), SESSIONS)
def test_a_fault(name: str, paths: list[Path], kind: str, seed: int, report: Report) -> None:
    """A gap in exactly that stream, or a repetition left out; the book is right at the end."""
    if "hbt-" in name:
        pytest.skip(f"{name}: too long for each fault; shorter ones of the same venue have them")
    files = [recording.read(path) for path in paths]
    wanted = wanted_of(name, files)
    rules = wanted.rules
    if rules.venue in NOT_SHOWN:
        pytest.skip(f"{rules.venue}: {NOT_SHOWN[rules.venue]}")
    if not any(len(deltas(wanted, i)) >= ENOUGH for i in wanted.books):
        pytest.skip(f"{name}: no book with enough updates")
    fault = disturb(wanted, files, kind, seed)
    stream = (wanted.book, fault.instrument)
    over_rest = rules.venue in ANSWERS
    books = [(wanted.book, i) for i in wanted.books if not over_rest or wanted.snapshots[i]]

    def is_done(live: Live) -> bool:
        if not all("snapshot" in live.types(book) for book in books):
            return False
        types = live.types(stream)
        return types.count("gap") == types.count("resume")

    with tempfile.TemporaryDirectory() as directory:
        served = [recording.write(file, Path(directory)) for file in files]
        speed = ("--within", "12") if over_rest else ("--speed", "max")
        outcome = play(wanted, served, speed=speed, is_done=is_done)

    found = outcome.streams[stream]
    marks = [entry for entry in found if is_marker(entry)]
    if not shows(wanted, fault):
        assert not marks
    else:
        assert marks[0]["type"] == "gap", fault
        assert [mark["type"] for mark in marks] == ["gap", "resume"] * (len(marks) // 2)
        assert all(mark["reason"] == "snapshot" for mark in marks[1::2])
        if by_number(wanted, fault.instrument):
            check_place(found, fault)
    if kind == "repeat" and by_number(wanted, fault.instrument):
        assert outcome.totals["book_repeats"] >= 1
        assert sum(e.get("seq") == fault.delta["seq"] for e in found if e["type"] == "delta") == 1

    reader, last = Reader(rules.depth), last_book(wanted, fault.instrument)
    for entry in found:
        reader.take(entry)
    if shows(wanted, fault) or kind == "repeat" or over_rest:
        assert reader.begun and reader.book.sides == last, fault

    for other, entries in wanted.streams.items():
        if other == stream or (other[0] in wanted.copies and other[1] == fault.instrument):
            continue
        theirs = outcome.streams.get(other, [])
        assert not any(map(is_marker, theirs)), other
        if other[0] != wanted.book or not over_rest:
            compare_entries(other, theirs, entries)
    assert outcome.totals["disconnects"] == outcome.totals["decode_errors"] == {}
    left_out = kind == "repeat" and outcome.totals["book_repeats"] > 0
    report.count(name, faults=1, shown=bool(marks) or left_out)


def check_place(found: list[Entry], fault: Fault) -> None:
    """The first mark stands before the first update that does not follow."""
    at = next(number for number, entry in enumerate(found) if is_marker(entry))
    assert found[at]["reason"] == "sequence"
    assert found[at + 1]["seq"] == fault.after["seq"], fault
