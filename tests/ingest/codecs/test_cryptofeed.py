"""Against what cryptofeed itself wrote (tests/data/encodings/README.md)."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import codecs
from ingest.codecs.pieces import opening, writer
from ingest.codecs.resp import bulks
from ingest.model import (
    AnyEvent,
    Bbo,
    Book,
    Candle,
    FeedEvent,
    Funding,
    Mark,
    Marker,
    Stream,
    Ticker,
    Trade,
)
from tests.ingest.codecs.references import references
from tests.ingest.codecs.test_codecs import FIXTURES, read_bulks

RX = 1_723_161_254_090_123_456
SPOT = Stream("binance", "trade", "BTC-USDT")
encoder = codecs.encoder("cryptofeed")
TIMES = ("timestamp", "receipt_timestamp", "start", "stop", "next_funding_time")
NUMBERS = {
    *("amount", "price", "bid", "ask", "open", "high", "low", "close", "volume"),
    *("mark_price", "rate", "open_interest", "quantity"),
}


def entry(stream: Stream, event: AnyEvent) -> dict[str, str]:
    encoded = encoder.encode(stream, event)
    assert encoded is not None
    count, data = encoded
    words = [word.decode() for word in read_bulks(data)]
    assert len(words) == count
    return dict(zip(words[::2], words[1::2], strict=True))


def number(text: str) -> Any:
    return None if text == "None" else float(text)


def book(text: str) -> dict[str, Any]:
    """As a reader has it: JSON, and prices as floats."""
    sides = json.loads(text)
    if isinstance(sides["bid"], list):
        return {side: [[float(p), float(s)] for p, s in sides[side]] for side in sides}
    return {side: {float(p): s for p, s in sides[side].items()} for side in sides}


@pytest.mark.parametrize(("stream", "event", "theirs"), references("cryptofeed"))
def test_key_and_fields_are_theirs(stream: Stream, event: AnyEvent, theirs: Any) -> None:
    """Key, names, order, times, sides: to the letter. Numbers: the same float."""
    ours, expected = entry(stream, event), theirs["fields"]

    assert codecs.stream_key(encoder, encoder.keys.default, stream) == theirs["key"]
    assert list(ours) == list(expected)
    for name, value in expected.items():
        if name in NUMBERS:
            assert number(ours[name]) == number(value)
        elif name in ("book", "delta"):
            assert book(ours[name]) == book(value)
        else:
            assert ours[name] == value


@pytest.mark.parametrize(("stream", "event", "theirs"), references("cryptofeed"))
def test_digits_are_those_of_numeric_type_str(stream: Stream, event: AnyEvent, theirs: Any) -> None:
    """As where they are told to keep decimals; of which theirs writes some as `1E-8`."""
    ours, expected = entry(stream, event), theirs["fields_as_str"]

    for name in NUMBERS & set(expected):
        if "E" in expected[name]:
            assert Decimal(ours[name]) == Decimal(expected[name])
        else:
            assert ours[name] == expected[name]


def test_every_character_of_the_venue_is_kept() -> None:
    """In the JSON of a book too, where prices and sizes are numbers."""
    event = Book(rx=RX, type="snapshot", bids=[("1.50", "2.000"), ("1.4", "1")], asks=[])
    delta = Book(rx=RX, type="delta", bids=[], asks=[("0.00000001", "0.00")])

    assert entry(SPOT, event)["book"] == '{"bid":{"1.50":2.000,"1.4":1},"ask":{}}'
    assert entry(SPOT, delta)["delta"] == '{"bid":[],"ask":[[0.00000001,0.00]]}'
    assert entry(SPOT, Trade(rx=RX, price="1.50", size="0.0010", side="buy", id="1")) == {
        **{"exchange": "BINANCE", "symbol": "BTC-USDT", "side": "buy", "amount": "0.0010"},
        **{"price": "1.50", "id": "1", "type": "None"},
        **{"timestamp": "1723161254.0901234", "receipt_timestamp": "1723161254.0901234"},
    }


@pytest.mark.parametrize(
    "event",
    [
        Marker(rx=1, type="gap", reason="x"),
        FeedEvent(rx=1, type="connected"),
        Ticker(rx=1, last="1", bid="1", ask="2"),
        Bbo(rx=1, bid="1", bid_size="1"),
        Mark(rx=1, mark="1"),
    ],
)
def test_what_they_have_no_form_for(event: AnyEvent) -> None:
    """Is not forced into one."""
    assert encoder.encode(SPOT, event) is None


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        (Funding(rx=1, rate="0.1"), {"mark_price": "None", "next_funding_time": "None"}),
        (
            Candle(rx=1, start=0, open="1", high="1", low="1", close="1", closed=False),
            {"stop": "60.0", "trades": "None", "volume": "None", "closed": "False"},
        ),
    ],
)
def test_what_the_venue_did_not_send(event: AnyEvent, fields: dict[str, str]) -> None:
    """Is `None` in their word; a bar without an end is as long as its interval."""
    assert fields.items() <= entry(Stream("okx", "candle_1m", "BTC-USDT"), event).items()


def test_months_have_no_length() -> None:
    """A monthly bar without an end has none."""
    bar = Candle(rx=1, start=0, open="1", high="1", low="1", close="1", closed=False)
    assert entry(Stream("okx", "candle_1M", "BTC-USDT"), bar)["stop"] == "None"


def test_streams_without_a_counterpart() -> None:
    """Our 24-hour ticker and feed events have our own key."""
    for channel in ("ticker", "feed"):
        stream = Stream("binance", channel, "x")
        assert encoder.key_parts(stream) is None
        assert codecs.stream_key(encoder, encoder.keys.default, stream) == f"md:binance:{channel}:x"


@FIXTURES
@given(data=st.data())
def test_every_event_is_whole_or_nothing(
    any_events: tuple[Stream, st.SearchStrategy[AnyEvent]], data: st.DataObject
) -> None:
    """Whatever its values, what is written is as many bulk strings as it says, in UTF-8."""
    stream, events = any_events
    encoded = encoder.encode(stream, data.draw(events))

    if encoded is not None:
        words = [word.decode() for word in read_bulks(encoded[1])]
        assert len(words) == encoded[0]
        assert words[:4] == ["exchange", "OKX", "symbol", "BTC-USD-9000-25U26-call"]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values=st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]), max_size=80)] * 3))
def test_generated_writers(values: tuple[str, str, str]) -> None:
    """They write what the plain way writes, for values of any kind."""
    write = writer("one", "two", "three", opened=1, long="two")
    words = ["first", "x", "one", values[0], "two", values[1], "three", values[2]]

    assert write(opening(first="x"), *values) == (8, bulks(words))
