import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.codecs.fields import FieldsCodec
from ingest.codecs.fields_writer import pairs
from ingest.codecs.resp import bulks
from ingest.model import AnyEvent, Bbo, Book, Candle, FeedEvent, Marker, Stream, Trade

RX = 1_723_161_254_087_891_268
STREAM = Stream("binance", "bbo", "BTC-USDT")
codec = FieldsCodec()


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            Trade(rx=RX, ts=RX, price="1.50", size="0.00100000", side="sell", id="7"),
            "rx 1723161254087891268 ts 1723161254087891268 "
            "price 1.50 size 0.00100000 side sell id 7",
        ),
        (Bbo(rx=1, bid="1.0", bid_size="2", seq=0), "rx 1 bid 1.0 bid_size 2 seq 0"),
        (
            Book(rx=1, type="delta", bids=[("1.0", "2"), ("0.9", "0")], asks=[], prev_seq=3),
            'rx 1 type delta bids [["1.0","2"],["0.9","0"]] asks [] prev_seq 3',
        ),
        (
            Candle(rx=1, start=2, open="1", high="2", low="1", close="2", volume="0", closed=False),
            "rx 1 start 2 open 1 high 2 low 1 close 2 volume 0 closed 0",
        ),
        (
            Candle(rx=1, start=2, open="1", high="2", low="1", close="2", volume="0", closed=True),
            "rx 1 start 2 open 1 high 2 low 1 close 2 volume 0 closed 1",
        ),
        (
            Marker(rx=1, type="gap", reason="reconnect", from_seq=5, to_seq=9),
            "rx 1 type gap reason reconnect from_seq 5 to_seq 9",
        ),
        (FeedEvent(rx=1, type="connected"), "rx 1 type connected"),
    ],
)
def test_published_form(event: AnyEvent, expected: str) -> None:
    """Names, order and characters are those of the contract; absent values are absent."""
    words = expected.split(" ")

    assert codec.encode(STREAM, event) == (len(words), bulks(words))


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_generated_writer_equals_the_plain_one(
    any_events: tuple[Stream, st.SearchStrategy[AnyEvent]], data: st.DataObject
) -> None:
    """The fast way and the plain way give the same bytes, for values of any kind."""
    event = data.draw(any_events[1])
    words = [word for pair in pairs(event) for word in pair]

    assert codec.encode(STREAM, event) == (len(words), bulks(words))


@pytest.mark.parametrize("length", [0, 63, 64, 70_000])
@pytest.mark.parametrize("character", ["x", "ж"])
def test_lengths_count_bytes(length: int, character: str) -> None:
    """Long values and other scripts have their length in bytes."""
    reason = character * length
    size = len(reason.encode())

    _, encoded = codec.encode(STREAM, Marker(rx=1, type="gap", reason=reason))

    assert encoded.endswith(b"reason\r\n$%d\r\n%b\r\n" % (size, reason.encode()))


@pytest.mark.parametrize(
    "fields",
    [{b"nonsense": b"1"}, {b"rx": b"soon"}, {b"closed": b"2"}, {b"bids": b"["}, {b"id": b"\xff"}],
)
def test_entries_of_another_writer(fields: dict[bytes, bytes]) -> None:
    """A field of another name, or with a value not of its kind, is refused."""
    with pytest.raises(ValueError):
        codec.decode(fields)
