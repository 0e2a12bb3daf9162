"""What other systems call a venue, an instrument and an interval.

Sources: github.com/bmoscon/cryptofeed, `defines.py` and `symbols.py` (2.4.1);
github.com/nautechsystems/nautilus_trader, its adapters' symbols (1.221.0).
"""

from ingest.venues.base import Venue

_MONTH_CODES = "FGHJKMNQUVXZ"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGGREGATIONS = {
    "s": "SECOND",
    "m": "MINUTE",
    "h": "HOUR",
    "d": "DAY",
    "w": "WEEK",
    "M": "MONTH",
}


def cryptofeed_exchange(venue: Venue) -> str:
    """Return `BINANCE`, `BINANCE_FUTURES`, `OKX`: our name's first word unless the venue says."""
    return venue.cryptofeed_name or venue.name.partition("-")[0].upper()


def cryptofeed_symbol(venue: Venue, instrument: str) -> str:
    """Return cryptofeed's name of our instrument.

    Spot and perpetuals have one name in both systems. A date becomes year, a
    letter for the month, day: `BTC-USD-25U26`; of an option, the strike comes
    first: `BTC-USD-60000-25U26-call`.
    """
    base, quote, *term = instrument.split("-")
    if not term or term[0] == "PERP":
        return instrument
    date = term[0]
    day = date[4:].lstrip("0") if venue.cryptofeed_short_days else date[4:]
    expiry = f"{date[:2]}{_MONTH_CODES[int(date[2:4]) - 1]}{day}"
    if len(term) == 1:
        return f"{base}-{quote}-{expiry}"
    return f"{base}-{quote}-{term[1]}-{expiry}-{'call' if term[2] == 'C' else 'put'}"


def nautilus_instrument_id(venue: Venue, instrument: str) -> str:
    """Return `BTCUSDT.BINANCE`: the venue's own symbol, unless the venue says; our first word."""
    symbol = (venue.nautilus_symbol or venue.to_symbol)(instrument)
    return f"{symbol}.{venue.name.partition('-')[0].upper()}"


def nautilus_bar_type(instrument_id: str, interval: str) -> str:
    """Return `BTCUSDT.BINANCE-1-MINUTE-LAST-EXTERNAL` for `1m`."""
    unit = _AGGREGATIONS[interval[-1]]
    return f"{instrument_id}-{interval[:-1]}-{unit}-LAST-EXTERNAL"


def interval_ns(interval: str) -> int | None:
    """Return how long a bar is; months are not all of one length."""
    seconds = _SECONDS.get(interval[-1])
    return None if seconds is None else int(interval[:-1]) * seconds * 1_000_000_000
