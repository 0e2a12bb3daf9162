"""Which venue a file is of, and what is in it."""

import shutil
from pathlib import Path

import pytest

from ingest.recordings import native
from ingest.recordings.bundled import bundled_recordings
from ingest.recordings.errors import RecordingError
from ingest.recordings.records import WsMessage, WsOpened
from ingest.replay.library import load

HBT = b'1723161253937085768 {"stream":"btcusdt@trade","data":{}}\n'
UNKNOWN = b"wss://ws.mtgox.com <-> 1617666423.5\n1617666424.5: {}\n"


def test_everything_bundled() -> None:
    """All bundled data messages are found under their venues; the acks are left out."""
    venues = load([str(bundled_recordings())]).venues

    assert {name: venue.messages for name, venue in venues.items()} == {
        "binance": 4716 + 1228 + 1003 + 14999,
        "okx": 1616 - 30 + 3777 - 60,
    }
    assert venues["okx"].not_data == 90
    assert len(venues["binance"].answers["depth?symbol=BTCUSDT"]) == 2


def test_one_file_by_its_urls(tmp_path: Path) -> None:
    """A recording that has URLs is recognised wherever it lies."""
    source = bundled_recordings() / "okx/cf-20220227/OKX.ws.1.0.gz"
    shutil.copy(source, tmp_path / "x")

    assert list(load([str(tmp_path / "x")]).venues) == ["okx"]


def test_by_the_directory(tmp_path: Path) -> None:
    """Without URLs the directory, or the one above, tells."""
    (tmp_path / "binance" / "session").mkdir(parents=True)
    (tmp_path / "binance" / "session" / "x").write_bytes(HBT)

    assert list(load([str(tmp_path)]).venues) == ["binance"]


def test_named_venue(tmp_path: Path) -> None:
    """`VENUE=PATH` says it where nothing else does; without it the error tells to."""
    (tmp_path / "x").write_bytes(HBT)

    with pytest.raises(RecordingError, match=r"write VENUE=.*binance, .*okx"):
        load([str(tmp_path / "x")])
    assert load([f"binance={tmp_path / 'x'}"]).venues["binance"].messages == 1


def test_other_venues_in_a_directory_are_passed_over_aloud(tmp_path: Path) -> None:
    """What cannot be replayed is counted by folder, not silently dropped."""
    (tmp_path / "mtgox").mkdir()
    (tmp_path / "mtgox" / "m").write_bytes(UNKNOWN)
    (tmp_path / "binance").mkdir()
    (tmp_path / "binance" / "b").write_bytes(HBT)

    library = load([str(tmp_path)])

    assert list(library.venues) == ["binance"]
    assert library.passed_over == {str(tmp_path / "mtgox"): 1}


def test_nothing_to_replay(tmp_path: Path) -> None:
    """A server without anything to serve is a mistake."""
    (tmp_path / "empty").write_bytes(b"")

    with pytest.raises(RecordingError, match="nothing to replay"):
        load([str(tmp_path)])


@pytest.mark.parametrize(
    ("url", "venue"),
    [
        ("wss://ws.kraken.com", "kraken-v1"),
        ("wss://ws.kraken.com/v2", "kraken"),
        ("https://api.kraken.com/0/public/Ticker", "kraken-v1"),
    ],
)
def test_venues_of_one_host(tmp_path: Path, url: str, venue: str) -> None:
    """The path tells them apart, else it is the first; what a file says of itself is believed."""
    records = [
        WsOpened(1, "c", url),
        WsMessage(2, "c", b'{"channel":"trade","data":[{"symbol":"A/B"}]}'),  # of v2
        WsMessage(3, "c", b'[0,[],"trade","A/B"]'),  # of v1
    ]
    path = tmp_path / "r.jsonl"
    for said, found in (("", venue), ("kraken", "kraken"), ("kraken-v1", "kraken-v1")):
        lines = [native.format_header(said), *map(native.format_record, records)]
        path.write_bytes(b"\n".join(lines) + b"\n")
        assert list(load([str(path)]).venues) == [found]
