"""`ListingCache`: whole files or none."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ingest.instruments import Listing
from ingest.instruments.cache import ListingCache
from tests.servers.listing import instrument

LISTING = Listing("binance", 12345, [instrument("BTC-USDT", volume="1.50", tick_size="0.010")])


def test_there_and_back(tmp_path: Path) -> None:
    """Numbers keep their characters, and the time of the fetch is kept."""
    cache = ListingCache(tmp_path / "data")
    assert cache.load("binance") is None
    cache.save(LISTING)
    again = cache.load("binance")

    assert again is not None
    assert (again.fetched_ns, again.by_name) == (12345, LISTING.by_name)
    assert [path.name for path in (tmp_path / "data/instruments").iterdir()] == ["binance.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"venue": "binance", "fetched_ns": "x"}'])
def test_unreadable(tmp_path: Path, content: str) -> None:
    """Logged, and as good as none; the next list replaces it."""
    cache = ListingCache(tmp_path)
    cache.save(LISTING)
    cache.path("binance").write_text(content)
    with capture_logs() as lines:
        assert cache.load("binance") is None
    cache.save(LISTING)

    assert lines[0]["event"] == "instruments: what was kept is unreadable"
    assert cache.load("binance") is not None


def test_a_write_that_fails_leaves_what_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk costs the new list, not the old one, and not the service."""
    cache = ListingCache(tmp_path)
    cache.save(LISTING)

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ingest.files.os.fsync", full)
    with capture_logs() as lines:
        cache.save(Listing("binance", 99999, []))
    kept = cache.load("binance")

    assert kept is not None and kept.fetched_ns == 12345
    assert lines[0]["event"] == "instruments: not kept on disk"
    assert len(list(cache.path("binance").parent.iterdir())) == 1


def test_read_only(tmp_path: Path) -> None:
    ListingCache(tmp_path, read_only=True).save(LISTING)
    assert list(tmp_path.iterdir()) == []
