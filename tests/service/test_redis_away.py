"""Redis is not there at the start: that is said, survived, and made up for."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.embedded import server_binary

TRADE = "md:binance:trade:BTC-USDT"


@pytest.fixture
def directory() -> Iterator[Path]:
    """Short, for a unix socket's sake."""
    path = Path(tempfile.mkdtemp(prefix="ing"))
    yield path
    shutil.rmtree(path)


def test_it_appears_later(kit: Any, streams_at: Any, directory: Path) -> None:
    """What was received meanwhile is all there, in order, once."""
    venue = kit.venue([["serve"]])
    service = kit.service(
        f"unix://{directory}/s",
        {"venue": "binance", "channels": ["trade"], "instruments": ["BTC-USDT"]},
        venues={"binance": {"ws_url": venue.url}},
    )
    service.wait("sink: no connection; entries are kept, trying again", attempt=4)
    service.wait("feed: subscribed")
    server = subprocess.Popen(
        [
            server_binary(),
            *("--port", "0", "--save", "", "--unixsocket", f"{directory}/s"),
            *("--dir", str(directory)),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        back = service.wait("sink: connected again")
        streams = streams_at(directory / "s")
        streams.wait(TRADE, lambda e: "id" in e, streams.newest(TRADE))
        totals = service.stop()
        entries = streams.entries(TRADE)
    finally:
        server.kill()
        server.wait()

    assert back["pending"] > 0 or service.all("spool: entries go to disk")
    assert back["away_s"] > 0
    assert [e.get("id") for e in entries] == [str(n) for n in range(1, len(entries) + 1)]
    assert venue.wait("close", code=1001)["sent"] == len(entries) == totals["data"]
    assert len(venue.all("accepted")) == 1  # the feed went on all the while
