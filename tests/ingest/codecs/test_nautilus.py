"""Against what nautilus_trader itself wrote (tests/data/encodings/README.md)."""

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import codecs
from ingest.codecs.nautilus_deltas import deltas, pieces, plain
from ingest.model import AnyEvent, Bbo, Book, Candle, FeedEvent, Marker, Stream, Ticker, Trade
from tests.ingest.codecs.references import references
from tests.ingest.codecs.test_codecs import FIXTURES, read_bulks

SPOT = Stream("binance", "trade", "BTC-USDT")
BARS = Stream("okx", "candle_1m", "BTC-USDT")
encoder = codecs.encoder("nautilus")


def entry(stream: Stream, event: AnyEvent) -> tuple[str, Any]:
    encoded = encoder.encode(stream, event)
    assert encoded is not None
    assert encoded[0] == 4
    name, topic, payload_name, payload = read_bulks(encoded[1])
    assert (name, payload_name) == (b"topic", b"payload")
    return topic.decode(), msgspec.msgpack.decode(payload)


@pytest.mark.parametrize(("stream", "event", "theirs"), references("nautilus"))
def test_entries_are_theirs_to_the_byte(stream: Stream, event: AnyEvent, theirs: Any) -> None:
    """Key, topic and payload, in the order that their reader counts on."""
    encoded = encoder.encode(stream, event)
    assert encoded is not None

    assert codecs.stream_key(encoder, encoder.keys.default, stream) == theirs["key"]
    assert read_bulks(encoded[1]) == [
        *(b"topic", theirs["topic"].encode()),
        *(b"payload", base64.b64decode(theirs["payload_base64"])),
    ]


def candle(**changes: Any) -> Candle:
    given: dict[str, Any] = {"rx": 9, "start": 0, "volume": "5", "closed": True, **changes}
    return Candle(open="1", high="1", low="1", close="1", **given)


def trade(**changes: Any) -> Trade:
    given: dict[str, Any] = {"size": "1", "id": "1", **changes}
    return Trade(rx=1, price="1", side="buy", **given)


@pytest.mark.parametrize(
    ("stream", "event"),
    [
        (SPOT, Marker(rx=1, type="gap", reason="x")),
        (SPOT, FeedEvent(rx=1, type="connected")),
        (SPOT, Ticker(rx=1, last="1")),
        (SPOT, Bbo(rx=1, bid="1", bid_size="1")),
        (SPOT, trade(size="0.000")),
        (SPOT, trade(id="")),
        (SPOT, trade(id=None)),
        (SPOT, trade(id="1" * 37)),
        (SPOT, trade(id="é")),
        (SPOT, Book(rx=1, type="delta", bids=[], asks=[])),
        (BARS, candle(closed=False)),
        (BARS, candle(volume=None)),
        (BARS, candle(volume="12345678901234.5")),
    ],
)
def test_what_their_readers_refuse(stream: Stream, event: AnyEvent) -> None:
    """Is not put before them."""
    assert encoder.encode(stream, event) is None


@pytest.mark.parametrize(
    ("bid", "ask", "expected"),
    [
        ("1", "1.50", ("1.00", "1.50")),
        ("1.5", "2", ("1.5", "2.0")),
        ("1.", "1.5", ("1.0", "1.5")),
        ("1.10", "1.20", ("1.10", "1.20")),
    ],
)
def test_quotes_have_equal_places(bid: str, ask: str, expected: tuple[str, str]) -> None:
    """Their `QuoteTick` demands it; digits are added, never taken."""
    _, quote = entry(SPOT, Bbo(rx=1, bid=bid, bid_size=ask, ask=ask, ask_size=bid))

    assert (quote["bid_price"], quote["ask_price"]) == expected
    assert (quote["ask_size"], quote["bid_size"]) == expected


def test_a_bar_without_an_end_ends_with_its_interval() -> None:
    """Of a month it is not known, and our time stands for it."""
    monthly = Stream("okx", "candle_1M", "BTC-USDT")

    assert entry(BARS, candle())[1]["ts_event"] == "60000000000"
    assert entry(monthly, candle())[1]["ts_event"] == "9"
    assert entry(monthly, candle(end=5))[1]["ts_event"] == "5"


def test_an_empty_snapshot_empties_the_book() -> None:
    """And levels of nothing are not in one."""
    for levels in ([], [("1", "0.0")]):
        _, message = entry(SPOT, Book(rx=1, type="snapshot", bids=levels, asks=[]))
        assert [(d["action"], d["flags"]) for d in message["deltas"]] == [("CLEAR", 160)]


@pytest.mark.parametrize(
    ("stream", "key"),
    [
        (Stream("okx", "book", "Y-U-250926-0.5-C"), "stream:data.book.deltas.OKX.Y-U-250926-0*"),
        (Stream("okx", "trade", "X-USD-250926-0.5-C"), "stream:data.trades.OKX.X-USD-250926-0.5-C"),
        (Stream("binance", "ticker", "BTC-USDT"), "md:binance:ticker:BTC-USDT"),
        (Stream("binance", "feed", "binance-1"), "md:binance:feed:binance-1"),
    ],
)  # fmt: skip
def test_keys(stream: Stream, key: str) -> None:
    """A symbol with a point is part of a family; what has no topic has our own key."""
    assert codecs.stream_key(encoder, encoder.keys.default, stream) == key


LEVELS = st.lists(
    st.tuples(st.text("0123456789.", max_size=300), st.text("0.1", max_size=40)), max_size=4
)


@given(
    kind=st.sampled_from(["snapshot", "delta"]),
    bids=LEVELS,
    asks=LEVELS,
    seq=st.none() | st.integers(0, 2**64 - 1),
    ts=st.none() | st.integers(0, 2**63),
)
def test_deltas_equal_the_plain_way(
    kind: Any, bids: Any, asks: Any, seq: int | None, ts: int | None
) -> None:
    """The fast way and the plain way give the same bytes."""
    event = Book(rx=1, ts=ts, type=kind, bids=bids, asks=asks, seq=seq)
    expected = plain("A.B", event)

    encoded = deltas(pieces("A.B"), event)

    assert encoded == (msgspec.msgpack.encode(expected) if expected["deltas"] else None)


@pytest.mark.parametrize("levels", [1, 15, 16, 65_535, 65_536])
def test_any_number_of_deltas(levels: int) -> None:
    """MessagePack has three forms of lists."""
    event = Book(rx=1, type="delta", bids=[], asks=[("1", "2")] * levels)

    assert deltas(pieces("A.B"), event) == msgspec.msgpack.encode(plain("A.B", event))


@FIXTURES
@given(data=st.data())
def test_every_event_is_whole_or_nothing(
    any_events: tuple[Stream, st.SearchStrategy[AnyEvent]], data: st.DataObject
) -> None:
    """Whatever its values, what is written is one entry with a MessagePack payload."""
    stream, events = any_events
    event = data.draw(events)

    if encoder.encode(stream, event) is not None:
        _, message = entry(stream, event)
        assert message["type"] in ("TradeTick", "QuoteTick", "OrderBookDeltas", "Bar")
