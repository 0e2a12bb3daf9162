"""What holds for every encoding."""

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import codecs
from ingest.model import AnyEvent, Book, FeedEvent, Marker, Stream, Trade

STREAM = Stream("binance", "trade", "BTC-USDT")

# The fixtures are constants: nothing of one example leaks into the next.
FIXTURES = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def read_bulks(encoded: bytes) -> list[bytes]:
    """Read RESP bulk strings as a server does, by their lengths alone."""
    found = []
    while encoded:
        head, _, rest = encoded.partition(b"\r\n")
        assert head[:1] == b"$"
        length = int(head[1:])
        assert rest[length : length + 2] == b"\r\n"
        found.append(rest[:length])
        encoded = rest[length + 2 :]
    return found


def read_entry(encoding: str, stream: Stream, event: AnyEvent) -> dict[bytes, bytes]:
    """Encode, and return the fields as a client of the server gets them."""
    count, encoded = codecs.get(encoding).encode(stream, event)
    strings = read_bulks(encoded)
    assert len(strings) == count
    assert count % 2 == 0
    fields = dict(zip(strings[::2], strings[1::2], strict=True))
    assert len(fields) == count // 2
    return fields


@pytest.mark.parametrize("encoding", codecs.names())
@FIXTURES
@given(data=st.data())
def test_round_trip(
    encoding: str, any_events: tuple[Stream, st.SearchStrategy[AnyEvent]], data: st.DataObject
) -> None:
    """Every event comes back equal, whatever its values and whichever are absent."""
    stream, events = any_events
    event = data.draw(events)

    record = codecs.get(encoding).decode(read_entry(encoding, stream, event))

    assert codecs.to_event(stream.channel, record) == event


@pytest.mark.parametrize("encoding", codecs.names())
def test_absent_is_absent(encoding: str) -> None:
    """A value that the venue did not send leaves no trace."""
    trade = Trade(rx=1, price="1", size="2", side="buy", id="3")

    record = codecs.get(encoding).decode(read_entry(encoding, STREAM, trade))

    record = {name: record[name] for name in record if name not in STREAM.__struct_fields__}
    assert record == {"rx": 1, "price": "1", "size": "2", "side": "buy", "id": "3"}


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_one_field_records_say_where_they_belong(encoding: str) -> None:
    """They hold the stream's identity besides the event, all in the field `d`."""
    marker = Marker(rx=1, type="gap", reason="reconnect", from_seq=7)

    fields = read_entry(encoding, STREAM, marker)

    assert fields.keys() == {b"d"}
    assert codecs.get(encoding).decode(fields) == {
        "venue": "binance",
        "channel": "trade",
        "instrument": "BTC-USDT",
        "rx": 1,
        "type": "gap",
        "reason": "reconnect",
        "from_seq": 7,
    }


def test_json_is_plain_json() -> None:
    """Any JSON reader reads the record, in the order of the published fields."""
    book = Book(rx=1, ts=2, type="delta", bids=[("1.50", "0")], asks=[], seq=3)

    fields = read_entry("json", Stream("okx", "book", "A-B"), book)

    assert fields[b"d"] == (
        b'{"venue":"okx","channel":"book","instrument":"A-B","rx":1,"ts":2,"type":"delta",'
        b'"bids":[["1.50","0"]],"asks":[],"seq":3}'
    )


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
@pytest.mark.parametrize("fields", [{}, {b"x": b"{}"}, {b"d": b"{}", b"e": b""}, {b"d": b"\xc1"}])
def test_entries_of_another_writer(encoding: str, fields: dict[bytes, bytes]) -> None:
    """An entry that this encoding does not write is refused."""
    with pytest.raises(ValueError):
        codecs.get(encoding).decode(fields)


@pytest.mark.parametrize(
    ("channel", "record", "expected"),
    [
        ("feed", {"rx": 1, "type": "gap"}, FeedEvent(rx=1, type="gap")),
        (
            "candle_1m",
            {"rx": 1, "type": "reset", "reason": "x"},
            Marker(rx=1, type="reset", reason="x"),
        ),
        (
            "book_l2_tbt",
            {"rx": 1, "type": "delta", "bids": [], "asks": []},
            Book(rx=1, type="delta", bids=[], asks=[]),
        ),
        (
            "book_l2_tbt_snapshot",
            {"rx": 1, "type": "snapshot", "bids": [], "asks": []},
            Book(rx=1, type="snapshot", bids=[], asks=[]),
        ),
    ],
)
def test_type_of_an_entry(channel: str, record: dict[str, Any], expected: AnyEvent) -> None:
    """The channel says the type, except that a marker can be in any stream."""
    assert codecs.to_event(channel, record) == expected


@pytest.mark.parametrize(("channel", "record"), [("nonsense", {"rx": 1}), ("trade", {"rx": 1})])
def test_records_that_are_no_event(channel: str, record: dict[str, Any]) -> None:
    """An unknown channel or a record of another one is refused."""
    with pytest.raises(ValueError, match=r"nonsense|missing required field"):
        codecs.to_event(channel, record)


def test_unknown_encoding() -> None:
    """The error lists the encodings that there are."""
    with pytest.raises(ValueError, match="supported are fields, json, msgpack"):
        codecs.get("xml")


@pytest.mark.parametrize("encoding", codecs.names())
@pytest.mark.parametrize("event_type", get_args(AnyEvent))
def test_every_field_at_once(encoding: str, event_type: type[msgspec.Struct]) -> None:
    """The largest record of each type, with nothing absent, comes back whole."""
    of_kind = {int: 7, bool: True, str: "1.0"}
    fields: dict[str, Any] = {"type": "gap", "side": "buy", "bids": [("1", "2")], "asks": []}
    for field in msgspec.structs.fields(event_type):
        kinds = (field.type, *get_args(field.type))
        fields.setdefault(field.name, next((of_kind[k] for k in kinds if k in of_kind), None))
    if event_type is Book:
        fields["type"] = "snapshot"
    used = {field: fields[field] for field in event_type.__struct_fields__}
    assert None not in used.values()

    record = codecs.get(encoding).decode(read_entry(encoding, STREAM, event_type(**used)))

    assert msgspec.convert(record, event_type) == event_type(**used)
