"""What Coinbase's two feeds have in common; topics are `channel:product` on both."""

from typing import Final

from ingest.model import Side
from ingest.venues.base import RestLimits
from ingest.venues.decoding import mismatch

# The maker's side is sent: who took was on the other.
TAKER: Final[dict[str, Side]] = {"buy": "sell", "sell": "buy", "BUY": "sell", "SELL": "buy"}
REST_LIMITS = RestLimits(weight=(10, 1.0))  # public endpoints: "10 requests per second" and IP


def check_product(what: str, topic: str, product: str) -> None:
    """Check that an item is of the product its topic is named after.

    Raises:
        DecodeError: `symbol_mismatch`.
    """
    if topic.partition(":")[2] != product:
        raise mismatch(what, topic, product)
