"""Every recording there is, through the service, against its independent reading.

    INGEST_RECORDINGS=/path/to/recordings scripts/test -m long tests/playback

The directory holds `<venue>/<session>/<file>.gz`, in the formats of docs/recordings.md.
INGEST_PLAYBACK=binance plays only the sessions whose name has that in it.
"""

import os
import sys
from pathlib import Path

import pytest

from tests.playback import expected, recording
from tests.playback.compare import compare
from tests.playback.play import Live, play
from tests.playback.wire import rules_of

ROOT = os.environ.get("INGEST_RECORDINGS", "")
ONLY = os.environ.get("INGEST_PLAYBACK", "")
SESSIONS = [
    pytest.param(name, paths, id=name)
    for name, paths in (recording.sessions(Path(ROOT)) if ROOT else ())
    if ONLY in name
] or [pytest.param("", (), marks=pytest.mark.skip(reason="INGEST_RECORDINGS names no directory"))]


@pytest.mark.long
@pytest.mark.parametrize("speed", [("--speed", "max"), ("--within", "15")], ids=["max", "paced"])
@pytest.mark.parametrize(("name", "paths"), SESSIONS)
def test_all_of_it_and_nothing_else(name: str, paths: list[Path], speed: tuple[str, ...]) -> None:
    """Entries equal in order and to the character, books equal, frames accounted for."""
    wanted = expected.read(rules_of(name), [recording.read(path) for path in paths])
    if not wanted.streams:
        pytest.skip(f"no frame of today's protocol: {dict(wanted.reasons)}")
    book = wanted.rules.book
    over_rest = [i for i in wanted.books if wanted.snapshots[i]]
    if "--within" in speed and not over_rest:
        pytest.skip("its books are in the stream: the pace makes no difference")

    def is_done(live: Live) -> bool:
        return all("snapshot" in live.types((book, i)) for i in over_rest)

    outcome = play(wanted, paths, speed=speed, is_done=is_done)
    books = compare(wanted, outcome)
    totals = outcome.totals
    print(
        f"\n{name}: {wanted.data} data frames, {dict(wanted.reasons)}; delivered "
        f"{outcome.deliveries}; data {totals['data']} control {totals['control']} "
        f"known to snapshots {totals['book_repeats']}; entries "
        f"{_by_channel(outcome.streams)}; books {len(books)} equal at "
        f"{sum(c.checkpoints for c in books.values())} points, "
        f"{sum(c.levels for c in books.values())} levels at the end, "
        f"{sum(c.snapshots for c in books.values())} snapshots",
        file=sys.stderr,
    )


def _by_channel(streams: dict[tuple[str, str], list[dict[str, object]]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for (channel, _), entries in streams.items():
        counts[channel] = counts.get(channel, 0) + len(entries)
    return counts
