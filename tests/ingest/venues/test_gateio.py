import json
from pathlib import Path

import pytest

from ingest.errors import DecodeError
from ingest.model import Book
from ingest.venues.base import Ack, Data, Ignored, Inbound, Pong, Reject
from ingest.venues.gateio import VENUE

RECORDED = Path(__file__).parents[2] / "data" / "gateio"


def parse(frame: bytes) -> Inbound | list[Inbound]:
    return VENUE.parser()(frame)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            b'{"time":1619093532,"channel":"spot.trades","event":"subscribe",'
            b'"result":{"status":"success"}}',
            Ack(),
        ),
        (
            b'{"time":1,"time_ms":1,"id":7,"conn_id":"x","channel":"spot.tickers",'
            b'"event":"subscribe","payload":["BTC_USDT"],"error":null,'
            b'"result":{"status":"success"},"requestId":"x"}',
            Ack(7),
        ),
        (
            b'{"time":1,"id":7,"channel":"spot.trades","event":"subscribe","error":{"code":2,'
            b'"message":"unknown currency pair GIBBERISH_USD"},"result":null}',
            Reject("unknown currency pair GIBBERISH_USD", code="2", request_id=7),
        ),
        (
            b'{"time":1,"channel":"spot.pong","event":"","error":null,"result":null}',
            Pong(),
        ),
        (
            b'{"time":1,"channel":"spot.trades","event":"unsubscribe","result":null}',
            Ignored("unsubscribe"),
        ),
    ],
)
def test_control_frames(frame: bytes, expected: Inbound) -> None:
    """Answers are for whole requests, by the number that was sent along."""
    assert parse(frame) == expected


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "bad_json"),
        (b"[]", "wrong_type"),
        (b"{}", "unknown_frame"),
        (b'{"channel":"spot.trades","event":"update"}', "unknown_frame"),
        (b'{"channel":"spot.trades","event":"update","result":[]}', "wrong_type"),
    ],
)
def test_broken_frames(frame: bytes, reason: str) -> None:
    """What is no frame of the protocol is refused, with a word that says how."""
    with pytest.raises(DecodeError) as caught:
        parse(frame)

    assert caught.value.reason == reason
    assert "gateio" in str(caught.value)


@pytest.mark.parametrize("time", ["", "soon", "1619093543708.", "-1", "9" * 13, "1.1234567"])
def test_times_of_trades(time: str) -> None:
    """Milliseconds may have decimals, and nothing else."""
    trade = {"id": 1, "create_time_ms": time, "side": "buy", "currency_pair": "A_B"}
    frame = json.dumps({"result": trade | {"amount": "1", "price": "1"}}).encode()

    with pytest.raises(DecodeError) as caught:
        VENUE.decoder("trade")(Data("spot.trades:A_B", frame), 1)

    assert caught.value.reason == "bad_value"


def test_recorded_book() -> None:
    """The recorded snapshot is joined by the rule, and the rest follows without a gap."""
    rule = VENUE.books["book"]
    assert rule.rest is not None
    assert rule.joins is not None
    assert rule.continuity == "first_seq"
    snapshot = rule.rest.decode((RECORDED / "order_book.json").read_bytes(), 1)
    assert (snapshot.type, snapshot.seq, len(snapshot.bids)) == ("snapshot", 59231869, 100)
    decode = VENUE.decoder("book")
    updates = []
    for line in (RECORDED / "book.jsonl").read_bytes().splitlines():
        data = parse(line)
        if isinstance(data, Data):
            updates += [event for event in decode(data, 1) if isinstance(event, Book)]

    assert updates[0].seq == snapshot.seq  # not beyond it: passed over
    first, *rest = updates[1:]
    assert rule.joins(snapshot.seq, first)
    assert not rule.joins(snapshot.seq, rest[0])
    assert not rule.joins(snapshot.seq, updates[0])
    seq = first.seq
    for update in rest:
        assert seq is not None
        assert update.first_seq == seq + 1
        seq = update.seq


def test_rest_request() -> None:
    """The id of the book has to be asked for."""
    rule = VENUE.books["book"]
    assert rule.rest is not None

    assert rule.rest.request("BTC_USDT").path == (
        "/api/v4/spot/order_book?currency_pair=BTC_USDT&limit=100&with_id=true"
    )
    with pytest.raises(DecodeError):
        rule.rest.decode(b'{"label":"INVALID_CURRENCY_PAIR","message":"x"}', 1)


def test_a_full_update_is_a_snapshot() -> None:
    """Where the venue says so, the update replaces the book."""
    result = {"t": 1, "s": "A_B", "U": 1, "u": 5, "b": [["1", "2"]], "full": True}

    (book,) = VENUE.decoder("book")(
        Data("spot.order_book_update:A_B", json.dumps({"result": result}).encode()), 1
    )

    assert isinstance(book, Book)
    assert (book.type, book.bids, book.asks) == ("snapshot", [("1", "2")], [])


def test_subscribe() -> None:
    """Lists of pairs go out together, books and candles one at a time."""
    trades = [VENUE.topic("trade", name) for name in ("BTC-USDT", "ETH-USDT")]
    book, other = (VENUE.topic("book", name) for name in ("BTC-USDT", "ETH-USDT"))
    candle = VENUE.topic("candle_1w", "BTC-USDT")

    request = json.loads(VENUE.subscribe(trades, 4))
    assert (request["id"], request["channel"], request["payload"]) == (
        4,
        "spot.trades",
        ["BTC_USDT", "ETH_USDT"],
    )
    assert json.loads(VENUE.subscribe([book], 4))["payload"] == ["BTC_USDT", "100ms"]
    assert json.loads(VENUE.subscribe([candle], 4))["payload"] == ["7d", "BTC_USDT"]
    groups = [VENUE.request_group(topic) for topic in (*trades, book, other, candle)]
    assert len(set(groups)) == 4
    assert groups[0] == groups[1]


def test_the_time_of_a_request() -> None:
    """In seconds; what is sent stays JSON, requests and pings alike."""
    assert VENUE.stamp is not None
    assert VENUE.heartbeat is not None
    request = VENUE.subscribe([VENUE.topic("trade", "BTC-USDT")], 4)

    for message in (request, VENUE.heartbeat.payload):
        stamped = json.loads(VENUE.stamp(message, 1_790_000_000_999_999_999))
        assert stamped == {"time": 1_790_000_000, **json.loads(message)}


def test_instruments() -> None:
    """Recorded listing; volumes are those of the tickers, if these are answered."""
    assert VENUE.instruments is not None
    listing = (RECORDED / "currency_pairs.json").read_bytes()
    tickers = b'[{"currency_pair":"BTC_USDC","quote_volume":"17.50"}]'

    instruments = VENUE.instruments.parse([listing, tickers])

    found = [(entry.name, entry.tick_size, entry.lot_size, entry.volume) for entry in instruments]
    assert found == [
        ("BTC-USDC", "0.01", "0.0001", "17.50"),
        ("QTUM3S-USDT", "0.000001", "0.01", None),
        ("HAI-ETH", "0.00000001", "0.001", None),
    ]
    assert all(VENUE.to_symbol(entry.name) == entry.symbol for entry in instruments)
    assert all(entry.trading for entry in instruments)
    without = VENUE.instruments.parse([listing, b'{"label":"TOO_MANY_REQUESTS"}'])
    assert [entry.volume for entry in without] == [None] * 3
    with pytest.raises(DecodeError):
        VENUE.instruments.parse([b'{"label":"TOO_MANY_REQUESTS"}', tickers])


@pytest.mark.parametrize("instrument", ["BTC", "btc-usdt", "BTC_USDT", "BTC-USDT-250926"])
def test_names_that_cannot_be(instrument: str) -> None:
    """A name in another form is refused with the form that fits."""
    with pytest.raises(ValueError, match="write BASE-QUOTE"):
        VENUE.to_symbol(instrument)


def test_perpetuals_are_elsewhere() -> None:
    """Gate has perpetuals on another server."""
    with pytest.raises(ValueError, match="spot market"):
        VENUE.to_symbol("BTC-USDT-PERP")
