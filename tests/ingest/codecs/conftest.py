"""Events of every type, with any of their optional fields, for all codecs."""

from types import NoneType
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest
from hypothesis import strategies as st

from ingest.model import AnyEvent, Level, Stream

DECIMALS = st.text("0123456789.", max_size=30)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
# Any text but lone surrogates, which no encoding can hold; beyond 64 bytes too.
TEXTS = DECIMALS | st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


def values(annotation: Any) -> st.SearchStrategy[Any]:
    if get_origin(annotation) is Literal:
        return st.sampled_from(get_args(annotation))
    if NoneType in get_args(annotation):
        (inner,) = (arg for arg in get_args(annotation) if arg is not NoneType)
        return st.none() | values(inner)
    if annotation == list[Level]:
        return st.lists(st.tuples(DECIMALS, DECIMALS), max_size=3)
    return {int: INTEGERS, bool: st.booleans(), str: TEXTS}[annotation]


def events(event_type: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    fields = msgspec.structs.fields(event_type)
    return st.fixed_dictionaries({field.name: values(field.type) for field in fields}).map(
        lambda chosen: event_type(**chosen)
    )


@pytest.fixture(params=get_args(AnyEvent), ids=lambda event_type: event_type.__name__)
def any_events(request: pytest.FixtureRequest) -> tuple[Stream, st.SearchStrategy[AnyEvent]]:
    """One event type: a stream that carries it, and how to draw such events."""
    channel = {
        "Trade": "trade",
        "Bbo": "bbo",
        "Book": "book",
        "Candle": "candle_1m",
        "Ticker": "ticker",
        "Mark": "mark",
        "Funding": "funding",
        "OpenInterest": "open_interest",
        "Liquidation": "liquidation",
        "Marker": "book",
        "FeedEvent": "feed",
    }[request.param.__name__]
    return Stream("okx", channel, "BTC-USD-250926-9000-C"), events(request.param)
