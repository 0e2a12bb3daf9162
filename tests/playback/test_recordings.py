"""Every recording there is, through the service, against its independent reading.

    INGEST_RECORDINGS=/path/to/recordings scripts/test -m long tests/playback

docs/recordings.md says how the directory is to look, and what is compared.
INGEST_PLAYBACK=binance plays only the sessions whose name has that in it.
"""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from ingest import venues
from ingest.errors import DecodeError
from ingest.venues.base import Data
from tests.playback import expected, recording
from tests.playback.compare import compare
from tests.playback.conftest import Report
from tests.playback.expected import Expected
from tests.playback.play import Live, play
from tests.playback.wire import rules_of

ROOT = os.environ.get("INGEST_RECORDINGS", "")
ONLY = os.environ.get("INGEST_PLAYBACK", "")
SESSIONS = [
    pytest.param(name, paths, id=name)
    for name, paths in (recording.sessions(Path(ROOT)) if ROOT else ())
    if ONLY in name
] or [pytest.param("", (), marks=pytest.mark.skip(reason="INGEST_RECORDINGS names no directory"))]


def wanted_of(name: str, files: Sequence[recording.File]) -> Expected:
    """What a session must become; skips what cannot be judged, and says why."""
    rules = rules_of(name)
    if rules is None:
        pytest.skip(f"{name}: no rules for this venue in tests/playback/wire.py")
    for file in files:
        opened = Counter(line.head for line in file.lines if line.kind == "opened")
        if any(number > 1 for number in opened.values()):
            pytest.skip(f"{name}: a connection was opened again: what it missed is not known")
    return expected.read(rules, files)


@pytest.mark.long
@pytest.mark.parametrize("speed", [("--speed", "max"), ("--within", "15")], ids=["max", "paced"])
@pytest.mark.parametrize(("name", "paths"), SESSIONS)
def test_all_of_it_and_nothing_else(
    name: str, paths: list[Path], speed: tuple[str, ...], report: Report
) -> None:
    """Entries equal in order and to the character, books equal, frames accounted for."""
    files = [recording.read(path) for path in paths]
    wanted = wanted_of(name, files)
    if not wanted.streams:
        if "--within" in speed:
            pytest.skip(f"{name}: {dict(wanted.reasons)}; see `max`")
        said = refused(wanted, files)
        report.state(name, data=0, said=said)
        return
    over_rest = [i for i in wanted.books if wanted.snapshots[i]]
    if "--within" in speed and not over_rest:
        pytest.skip(f"{name}: its books are in the stream, the pace makes no difference")

    def is_done(live: Live) -> bool:
        return all("snapshot" in live.types((wanted.book, i)) for i in over_rest)

    outcome = play(wanted, paths, speed=speed, is_done=is_done)
    checked = compare(wanted, outcome).values()
    report.state(
        name,
        data=wanted.data,
        books=len(checked),
        said=_words(wanted.other | wanted.unread | {"nothing new": wanted.nothing}),
    )
    report.count(
        name,
        entries=sum(map(len, outcome.streams.values())),
        points=sum(book.checkpoints for book in checked),
        checksums=sum(book.checksums for book in checked),
    )


def refused(wanted: Expected, files: Sequence[recording.File]) -> str:
    """A recording of a protocol that is gone: no frame of it may be taken for data."""
    parse = venues.get(wanted.rules.venue).parser()
    reasons: Counter[str] = Counter()
    for file in files:
        for frame in file.frames():
            try:
                assert not isinstance(parse(frame.payload), Data | list), frame.payload
            except DecodeError as exc:
                reasons[exc.reason] += 1
    for reason, number in wanted.other.items():
        assert reasons[reason] >= number, (reasons, wanted.reasons)
    return _words(reasons)


def _words(numbers: dict[str, int]) -> str:
    return ", ".join(f"{reason} {number}" for reason, number in numbers.items() if number)
