"""Gate (gate.io) USDT-settled perpetuals, public market data.

Sizes are in contracts, as sent; the volume of a ticker is in base units.

Source: https://www.gate.com/docs/developers/futures/ws/en/
"""

from ingest.venues.gateio_futures import book_v2, perpetuals

VENUE = perpetuals(
    "gateio-usdt",
    settle="usdt",
    example="BTC-USDT-PERP",
    books={"book": book_v2(400), "book_50": book_v2(50)},
)
