import json
from pathlib import Path

import pytest

from ingest.errors import DecodeError
from ingest.model import Bbo, Book, Candle, Level, Trade
from ingest.venues.base import Ack, Data, Ignored, Inbound, Pong, Reconnect, Reject
from ingest.venues.kraken_v1 import VENUE

RECORDED = Path(__file__).parents[2] / "data" / "kraken-v1"
TICKER = b'{"error":[],"result":{}}'


def parse(frame: bytes) -> Inbound | list[Inbound]:
    return VENUE.parser()(frame)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b'{"event":"heartbeat"}', Ignored("heartbeat")),
        (
            b'{"connectionID":13935949241502919679,"event":"systemStatus","status":"online",'
            b'"version":"1.8.3"}',
            Ignored("systemStatus"),
        ),
        (b'{"event":"pong","reqid":42}', Pong()),
        (
            b'{"channelID":2496,"channelName":"book-1000","event":"subscriptionStatus",'
            b'"pair":"ALGO/XBT","status":"subscribed","subscription":{"depth":1000,"name":"book"}}',
            Ack(topics=("book:1000:ALGO/XBT",)),
        ),
        (
            b'{"channelName":"trade","event":"subscriptionStatus","pair":"XBT/USD","reqid":3,'
            b'"status":"subscribed","subscription":{"name":"trade"}}',
            Ack(3, topics=("trade:XBT/USD",)),
        ),
        (
            b'{"errorMessage":"Currency pair not supported A/B","event":"subscriptionStatus",'
            b'"pair":"A/B","reqid":3,"status":"error",'
            b'"subscription":{"interval":5,"name":"ohlc"}}',
            Reject("Currency pair not supported A/B", request_id=3, topics=("ohlc:5:A/B",)),
        ),
        (
            b'{"errorMessage":"Subscription depth not supported","event":"subscriptionStatus",'
            b'"reqid":3,"status":"error","subscription":{"depth":42,"name":"book"}}',
            Reject("Subscription depth not supported", request_id=3),
        ),
        (
            b'{"errorMessage":"Malformed request","event":"error","reqid":9}',
            Reject("Malformed request", request_id=9),
        ),
        (
            b'{"channelName":"trade","event":"subscriptionStatus","pair":"XBT/USD",'
            b'"status":"unsubscribed","subscription":{"name":"trade"}}',
            Reconnect("unsubscribed by the venue", lost=True),
        ),
        (
            b'{"channelID":1,"channelName":"trade","event":"subscriptionStatus","pair":"XBT/USD",'
            b'"reqid":4,"status":"unsubscribed","subscription":{"name":"trade"}}',
            Ignored("unsubscribed"),
        ),
        (b'{"Error":"Exceeded msg rate"}', Ignored("Exceeded msg rate")),
    ],
)
def test_control_frames(frame: bytes, expected: Inbound) -> None:
    """Answers name channel and pair, with the depth or interval that was asked for."""
    assert parse(frame) == expected


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "bad_json"),
        (b'{"event":"party"}', "unknown_frame"),
        (b'{"event":"subscriptionStatus","status":"odd"}', "unknown_frame"),
        (b'[1,{},"book-1000"]', "unknown_frame"),
        (b'[1,{},{},{},"book-1000","A/B"]', "unknown_frame"),
        (b'[1,{},{},"ticker","A/B"]', "unknown_frame"),
        (b'[1,{},2,"A/B"]', "wrong_type"),
    ],
)
def test_broken_frames(frame: bytes, reason: str) -> None:
    """What is no frame of the protocol is refused, with a word that says how."""
    with pytest.raises(DecodeError) as caught:
        parse(frame)

    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("channel", "payload", "reason"),
    [
        ("trade", [["1", "1", "1.5", "x", "l", ""]], "bad_value"),
        ("trade", [["1", "1", "soon", "b", "l", ""]], "bad_value"),
        ("trade", [["1", "1", "1.5", "b"]], "wrong_type"),
        ("book", [{"c": "123"}], "missing_field"),
        ("book", [{"a": [["1", "1"]]}], "wrong_type"),
        ("book", [{"a": [["1", "1", "1.5"]], "c": "-5"}], "wrong_type"),
    ],
)
def test_broken_payloads(channel: str, payload: object, reason: str) -> None:
    """A payload is decoded as a whole or not at all."""
    with pytest.raises(DecodeError) as caught:
        VENUE.decoder(channel)(Data("x:1:A/B", json.dumps(payload).encode()), 1)

    assert caught.value.reason == reason


def books() -> list[Book]:
    """All that was recorded of one small book: USDC/GBP, 2021-04-05."""
    decode = VENUE.decoder("book")
    found = []
    for line in (RECORDED / "book.jsonl").read_bytes().splitlines():
        data = parse(line)
        assert isinstance(data, Data)
        found += [event for event in decode(data, 1) if isinstance(event, Book)]
    return found


def test_recorded_checksums() -> None:
    """The rule keeps the book so that the venue's checksum is right after every update."""
    rule = VENUE.books["book"]
    assert rule.checksum is not None
    sides: tuple[dict[str, str], dict[str, str]] = ({}, {})
    checked = 0
    for book in books():
        tops: list[list[Level]] = []
        for side, levels, is_bid in zip(sides, (book.bids, book.asks), (True, False), strict=True):
            if book.type == "snapshot":
                side.clear()
            side.update(levels)
            best_first = sorted(side, key=float, reverse=is_bid)
            kept = [price for price in best_first if float(side[price])][: rule.depth]
            for price in set(side) - set(kept):
                del side[price]
            tops.append([(price, side[price]) for price in kept])
        if book.checksum is not None:
            checked += 1
            assert rule.checksum(*tops) == book.checksum
    assert checked == 51


def test_a_bar_is_closed_by_the_next() -> None:
    """Bars end when the next begins; their start is reckoned from the end and the interval."""
    decode = VENUE.decoder("candle_5m")
    topic = VENUE.topic("candle_5m", "BTC-USD").name
    events = []
    for end in ("1723161300.000000", "1723161600.000000"):
        row = ["1723161255.342017", end, "1", "1", "1", "1", "1", "1", 1]
        frame = json.dumps([343, row, "ohlc-5", "XBT/USD"]).encode()
        data = parse(frame)
        assert isinstance(data, Data)
        assert data.topic == topic
        events += [event for event in decode(data, 1) if isinstance(event, Candle)]

    assert [(event.start // 10**9, event.closed) for event in events] == [
        (1723161000, False),
        (1723161000, True),
        (1723161300, False),
    ]


def test_subscribe() -> None:
    """A request is for one channel, with its depth or interval."""
    topics = [VENUE.topic("book", name) for name in ("BTC-USD", "DOGE-EUR")]

    assert json.loads(VENUE.subscribe(topics, 4)) == {
        "event": "subscribe",
        "reqid": 4,
        "pair": ["XBT/USD", "XDG/EUR"],
        "subscription": {"name": "book", "depth": 1000},
    }
    candle = json.loads(VENUE.subscribe([VENUE.topic("candle_1d", "BTC-USD")], 4))
    assert candle["subscription"] == {"name": "ohlc", "interval": 1440}
    assert VENUE.request_group(topics[0]) == VENUE.request_group(topics[1])
    assert VENUE.request_group(topics[0]) != VENUE.request_group(VENUE.topic("bbo", "BTC-USD"))


def test_instruments() -> None:
    """The same listing as v2's, with the symbols of v1."""
    assert VENUE.instruments is not None
    listing = (RECORDED / "AssetPairs.json").read_bytes()

    found = {entry.name: entry.symbol for entry in VENUE.instruments.parse([listing, TICKER])}

    assert found == {"ALGO-BTC": "ALGO/XBT", "DOGE-USD": "XDG/USD", "BTC-USD": "XBT/USD"}
    assert all(VENUE.to_symbol(name) == symbol for name, symbol in found.items())


def test_names_that_cannot_be() -> None:
    """A name in another form is refused with the form that fits."""
    with pytest.raises(ValueError, match="cannot be a kraken-v1 instrument"):
        VENUE.to_symbol("XBT/USD")


def test_rows_may_go_on() -> None:
    """What a list has behind its last known column is passed over, as in an object."""
    trade = Data("trade:A/B", b'[["1.0","2","1.5","b","l","",77]]')
    spread = Data("spread:A/B", b'["1.0","1.1","1.5","3","4","5"]')
    bar = Data("ohlc:5:A/B", b'["1.5","300","1","3","1","2","2","9",4,"x"]')

    assert [event.price for event in VENUE.decoder("trade")(trade, 1) if type(event) is Trade] == [
        "1.0"
    ]
    assert len(VENUE.decoder("bbo")(spread, 1)) == 1
    assert len(VENUE.decoder("candle_5m")(bar, 1)) == 1


def test_best_prices_without_sizes() -> None:
    """As sent before 2019: what is not sent is absent."""
    data = Data("spread:A/B", b'["5698.40000","5700.00000","1542057299.545897"]')

    assert list(VENUE.decoder("bbo")(data, 1)) == [
        Bbo(rx=1, ts=1542057299545897000, bid="5698.40000", ask="5700.00000")
    ]
