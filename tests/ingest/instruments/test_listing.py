"""`Listing`: both ways."""

import pytest

from ingest.instruments import Listing
from tests.servers.listing import instrument


def test_both_ways() -> None:
    btc, eth = instrument("BTC-USDT"), instrument("ETH-USDT")
    listing = Listing("binance", 5, [btc, eth])

    assert listing.by_name == {"BTC-USDT": btc, "ETH-USDT": eth}
    assert listing.by_symbol == {"BTCUSDT": (btc,), "ETHUSDT": (eth,)}
    assert len(listing) == 2
    assert listing.age_s(2_000_000_005) == 2.0


def test_one_symbol_for_two() -> None:
    """A spot pair and its perpetual."""
    spot = instrument("BTC-USDT")
    perpetual = instrument("BTC-USDT-PERP", symbol="BTCUSDT", kind="perpetual")
    assert Listing("v", 0, [spot, perpetual]).by_symbol == {"BTCUSDT": (spot, perpetual)}


def test_one_name_twice() -> None:
    """The first, unless only the second can be traded."""
    old, new = instrument("A-B", symbol="OLD", trading=False), instrument("A-B", symbol="NEW")
    assert Listing("v", 0, [old, new]).by_name == {"A-B": new}
    assert Listing("v", 0, [new, old]).by_name == {"A-B": new}
    assert set(Listing("v", 0, [old, new]).by_symbol) == {"NEW"}


HOSTILE = ["A\nB-C", "A B-C", "{A}-B", "A*-B", "A:B-C", "A\0-B", "А-B", "../A-B", "", "A" * 65]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_no_key_should_have(name: str) -> None:
    """Left out, as is what has such a symbol; the others are there."""
    good = instrument("BTC-USDT")
    assert Listing("v", 0, [instrument(name, symbol="X"), good]).by_name == {"BTC-USDT": good}


@pytest.mark.parametrize("symbol", ["A\r\nHost: x", "A B", "", "Ä", "A" * 65])
def test_a_symbol_that_no_request_should_have(symbol: str) -> None:
    """The same."""
    assert len(Listing("v", 0, [instrument("A-B", symbol=symbol)])) == 0
