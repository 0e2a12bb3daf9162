"""Records back to events, for readers and tests."""

import msgspec

from ingest.codecs.base import Record
from ingest.model import (
    AnyEvent,
    Bbo,
    Book,
    Candle,
    FeedEvent,
    Funding,
    Liquidation,
    Mark,
    Marker,
    OpenInterest,
    Ticker,
    Trade,
)

_EVENT_TYPES: dict[str, type[AnyEvent]] = {
    "trade": Trade,
    "agg_trade": Trade,
    "bbo": Bbo,
    "book": Book,
    "book_step0": Book,
    "book_l2_tbt": Book,
    "book_raw": Book,
    "ticker_raw": Ticker,
    "candle": Candle,
    "ticker": Ticker,
    "mark": Mark,
    "funding": Funding,
    "open_interest": OpenInterest,
    "liquidation": Liquidation,
    "feed": FeedEvent,
}
_MARKERS = ("gap", "reset", "resume")


def to_event(channel: str, record: Record) -> AnyEvent:
    """Return the event that a codec wrote, from its record and its stream's channel.

    Raises:
        ValueError: unknown channel, or a record that is not of this channel.
    """
    base = "candle" if channel.startswith("candle_") else channel.removesuffix("_snapshot")
    event_type = _EVENT_TYPES.get(base)
    if event_type is None:
        raise ValueError(f"no event is known for channel {channel!r}")
    if event_type is not FeedEvent and record.get("type") in _MARKERS:
        event_type = Marker
    event: AnyEvent = msgspec.convert(record, event_type)
    return event
