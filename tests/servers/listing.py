"""Binance with a small list of instruments of the test's own, here and in processes.

    python listing.py run config.yaml

is `ingest` with that venue in place of the real one.
"""

import json
from collections.abc import Sequence
from typing import Any

from msgspec import structs

from ingest import venues
from ingest.errors import DecodeError
from ingest.venues.base import Instrument, InstrumentList, RestLimits, RestRequest, Venue

PATH = "/test/instruments"


def listed(*symbols: str, **changes: Any) -> bytes:
    """A body with these pairs (`BTC-USDT`), the first with the largest volume."""
    entries = [
        {"name": symbol, "volume": str(1000 - number), "trading": True, **changes}
        for number, symbol in enumerate(symbols)
    ]
    return json.dumps(entries).encode()


def parse(bodies: Sequence[bytes]) -> list[Instrument]:
    """Read what `listed` made."""
    [body] = bodies
    try:
        entries = json.loads(body)
        return [instrument(**entry) for entry in entries]
    except (ValueError, TypeError) as exc:
        raise DecodeError("bad_json", f"not a list: {exc}") from exc


def instrument(name: str, **values: Any) -> Instrument:
    """A spot pair."""
    base, _, quote = name.partition("-")
    about = {"symbol": base + quote, "kind": "spot", "base": base, "quote": quote}
    return Instrument(name=name, **{**about, **values})  # type: ignore[arg-type]


def binance() -> Venue:
    """As it is, but for what it lists."""
    return structs.replace(
        venues.get("binance"),
        instruments=InstrumentList(requests=(RestRequest(path=PATH, weight=20),), parse=parse),
        rest_limits=RestLimits(weight=(6000, 60.0), used_header="x-mbx-used-weight-1m"),
    )


def main() -> None:
    """Run `ingest` with it. Workers are processes of their own: they need no list."""
    from ingest.cli import main as ingest

    venues._VENUES["binance"] = binance()
    ingest()


if __name__ == "__main__":
    main()
