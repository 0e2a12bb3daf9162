"""The venues that ingest speaks to. To add one, write its file and name it here."""

from ingest.venues import binance, bitfinex, bitstamp, deribit, gemini, kucoin, okx
from ingest.venues.base import Venue

_ALL = (
    binance.VENUE,
    bitfinex.VENUE,
    bitstamp.VENUE,
    deribit.VENUE,
    gemini.VENUE,
    kucoin.VENUE,
    okx.VENUE,
)
_VENUES: dict[str, Venue] = {venue.name: venue for venue in _ALL}


def get(name: str) -> Venue:
    """Return the venue of this name.

    Raises:
        ValueError: no such venue; the text lists those there are.
    """
    try:
        return _VENUES[name]
    except KeyError:
        raise ValueError(f"no venue {name!r}; supported are {', '.join(names())}") from None


def names() -> list[str]:
    """Names of all venues, sorted."""
    return sorted(_VENUES)
