"""Gate (gate.io) BTC-settled (inverse) perpetuals, public market data.

Sizes are in contracts, as sent; a contract is one US dollar. The volume of a ticker is in
base units.

Source: https://www.gate.com/docs/developers/futures/ws/en/
"""

from ingest.venues.gateio_futures import book, perpetuals

# The newer books, which need no REST, are announced for USDT only.
VENUE = perpetuals("gateio-btc", settle="btc", example="BTC-USD-PERP", books={"book": book("btc")})
