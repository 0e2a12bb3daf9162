"""A venue with a list, behind a real HTTP server."""

import pytest

from ingest import venues
from tests.servers.listing import binance


@pytest.fixture(autouse=True)
def listing_venue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Binance has a list of the test's own."""
    monkeypatch.setitem(venues._VENUES, "binance", binance())
