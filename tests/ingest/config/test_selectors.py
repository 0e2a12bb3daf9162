"""`resolve_selector`: from a rule to instruments."""

import pytest

from ingest.config import Selector
from ingest.config.selectors import describe_selector, resolve_selector
from tests.servers.listing import instrument

LISTED = [
    instrument("SOL-USDT", volume="5.5"),
    instrument("BTC-USDT", volume="1e6"),
    instrument("ETH-USDT", volume="900000.1"),
    instrument("OLD-USDT", volume="9999999", trading=False),
    instrument("ETH-BTC", volume="12"),
    instrument("BTC-USDT-PERP", quote="USDT", volume=None),
    instrument("ADA-USDT", volume="nonsense"),
]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        (
            Selector(quote="USDT"),
            ["ADA-USDT", "BTC-USDT", "BTC-USDT-PERP", "ETH-USDT", "SOL-USDT"],
        ),
        (Selector(quote="USDT", top=2, by="volume"), ["BTC-USDT", "ETH-USDT"]),
        (Selector(quote="USDT", top=3), ["BTC-USDT", "ETH-USDT", "SOL-USDT"]),
        (Selector(quote="USDT", top=4), ["ADA-USDT", "BTC-USDT", "ETH-USDT", "SOL-USDT"]),
        (
            Selector(quote="USDT", top=99),
            ["ADA-USDT", "BTC-USDT", "BTC-USDT-PERP", "ETH-USDT", "SOL-USDT"],
        ),
        (Selector(match="*-USDT-PERP"), ["BTC-USDT-PERP"]),
        (Selector(match="ETH-*"), ["ETH-BTC", "ETH-USDT"]),
        (Selector(match="?OL-*"), ["SOL-USDT"]),
        (Selector(match="ETH-*", quote="BTC"), ["ETH-BTC"]),
        (Selector(match="*-PERP", top=1), ["BTC-USDT-PERP"]),
    ],
)
def test_what_is_selected(selector: Selector, names: list[str]) -> None:
    """In order of name, whatever the order of the list; nothing that is not traded."""
    for listed in (LISTED, LISTED[::-1]):
        assert [found.name for found in resolve_selector(selector, listed)] == names


def test_nothing() -> None:
    with pytest.raises(ValueError, match=r"\{match: OLD-\*\} selects nothing that can be traded"):
        resolve_selector(Selector(match="OLD-*"), LISTED)


def test_no_volumes() -> None:
    """`top` would be a matter of chance."""
    bare = [instrument("A-USDT"), instrument("B-USDT")]
    with pytest.raises(ValueError, match="has no volumes to find the top 1 by"):
        resolve_selector(Selector(quote="USDT", top=1), bare)


def test_in_words() -> None:
    selector = Selector(quote="USDT", top=200, by="volume")
    assert describe_selector(selector) == "{quote: USDT, top: 200, by: volume}"
