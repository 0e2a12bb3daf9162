"""`Listing`: both ways."""

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
