import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from ingest.errors import DecodeError
from ingest.model import AnyEvent, Candle
from ingest.venues.base import Ack, Data, Ignored, Inbound, Pong, Reject
from ingest.venues.kraken import VENUE, checksum

PAIRS = (Path(__file__).parents[2] / "data" / "kraken-v1" / "AssetPairs.json").read_bytes()
TICKER = b"""{"error":[],"result":{
    "XXBTZUSD":{"v":["1.0","2.50000000"],"p":["60000.00000","60000.50000"]},
    "ALGOXBT":{"v":["0","0"],"p":["0","0"]}}}"""


def parse(frame: bytes) -> Inbound | list[Inbound]:
    return VENUE.parser()(frame)


def decode(channel: str, topic: str, items: object, action: str = "") -> Sequence[AnyEvent]:
    return VENUE.decoder(channel)(Data(topic, json.dumps(items).encode(), action), 1)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b'{"channel":"heartbeat"}', Ignored("heartbeat")),
        (
            b'{"channel":"status","type":"update","data":[{"api_version":"v2","system":"online",'
            b'"connection_id":13834774380200032777,"version":"2.0.0"}]}',
            Ignored("status"),
        ),
        (b'{"method":"pong","req_id":101,"time_in":"x","time_out":"y"}', Pong()),
        (
            b'{"method":"subscribe","result":{"channel":"book","symbol":"ALGO/USD","depth":1000,'
            b'"snapshot":true},"success":true,"time_in":"x","time_out":"y","req_id":38}',
            Ack(3, topics=("book:ALGO/USD",)),
        ),
        (
            b'{"method":"subscribe","result":{"channel":"ohlc","symbol":"ALGO/USD","interval":5,'
            b'"snapshot":false,"warnings":["timestamp is deprecated"]},"success":true}',
            Ack(topics=("ohlc:5:ALGO/USD",)),
        ),
        (
            b'{"error":"Currency pair not supported XBT/USD","method":"subscribe","req_id":13,'
            b'"success":false,"symbol":"XBT/USD","time_in":"x","time_out":"y"}',
            Reject("Currency pair not supported XBT/USD", request_id=1, topics=("ticker:XBT/USD",)),
        ),
        (
            b'{"error":"Malformed request","method":"subscribe","success":false,"req_id":24}',
            Reject("Malformed request", request_id=2),
        ),
        (b'{"error":"Malformed request","success":false}', Reject("Malformed request")),
        (b'{"Error":"Exceeded msg rate"}', Ignored("Exceeded msg rate")),
        (b'{"channel":"trade","type":"snapshot","data":[]}', Ignored("no items")),
    ],
)
def test_control_frames(frame: bytes, expected: Inbound) -> None:
    """Answers name their topic; a refusal's is known by the number of the request."""
    assert parse(frame) == expected


@pytest.mark.parametrize("channel", ["trade", "bbo", "book", "ticker", "candle_1m", "candle_15d"])
def test_a_refusal_finds_its_topic(channel: str) -> None:
    """Whatever was asked for, the number in the answer leads back to it."""
    topic = VENUE.topic(channel, "NO-SUCH")
    asked = json.loads(VENUE.subscribe([topic], 5))
    answer = {
        "error": "Currency pair not supported NO/SUCH",
        "method": "subscribe",
        "req_id": asked["req_id"],
        "success": False,
        "symbol": "NO/SUCH",
    }

    reject = parse(json.dumps(answer).encode())

    assert isinstance(reject, Reject)
    assert (reject.request_id, reject.topics) == (5, (topic.name,))


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "bad_json"),
        (b"[]", "wrong_type"),
        (b"{}", "unknown_frame"),
        (b'{"channel":"trade"}', "unknown_frame"),
        (b'{"channel":"trade","data":{}}', "wrong_type"),
        (b'{"channel":"\xff","data":[]}', "bad_utf8"),
    ],
)
def test_broken_frames(frame: bytes, reason: str) -> None:
    """What is no frame of the protocol is refused, with a word that says how."""
    with pytest.raises(DecodeError) as caught:
        parse(frame)

    assert caught.value.reason == reason
    assert "kraken" in str(caught.value)


def test_a_frame_with_several_symbols() -> None:
    """Each item goes to its own topic, in the order sent."""
    items = [{"symbol": symbol, "n": n} for n, symbol in enumerate(["A/USD", "B/USD", "A/USD"])]
    frame = json.dumps({"channel": "ticker", "type": "snapshot", "data": items}).encode()

    found = parse(frame)

    assert isinstance(found, list)
    parts = [part for part in found if isinstance(part, Data)]
    assert [part.topic for part in parts] == ["ticker:A/USD", "ticker:B/USD", "ticker:A/USD"]
    assert [json.loads(bytes(part.payload)) for part in parts] == [[item] for item in items]
    assert {part.action for part in parts} == {"snapshot"}


def test_ticker_without_a_trade_or_a_side() -> None:
    """What the venue sends as null is absent; without a trade there is no ticker."""
    item = dict.fromkeys(["bid", "bid_qty", "last", "volume", "low", "high"])
    item |= {"symbol": "A/USD", "ask": 0.5, "ask_qty": 7}

    assert decode("ticker", "ticker:A/USD", [item]) == []
    (bbo,) = decode("bbo", "ticker:A/USD", [item])
    assert (bbo.bid, bbo.ask, bbo.ask_size, bbo.ts) == (None, "0.5", "7", None)


def test_book_of_unknown_type() -> None:
    """A book that is neither snapshot nor update must not be taken for one of them."""
    item = {"symbol": "A/USD", "bids": [], "asks": [], "checksum": 0}

    with pytest.raises(DecodeError) as caught:
        decode("book", "book:A/USD", [item], "partial")

    assert caught.value.reason == "bad_value"


def bar(minute: int, trades: int) -> dict[str, object]:
    prices = dict.fromkeys(["open", "high", "low", "close", "volume"], 1)
    begin = f"2024-08-08T23:{minute:02}:00.000000000Z"
    return prices | {
        "symbol": "A/USD",
        "interval": 1,
        "interval_begin": begin,
        "trades": trades,
    }


def test_a_bar_is_closed_by_the_next() -> None:
    """The last state of a bar comes once more, closed, before the first of a later one."""
    decode = VENUE.decoder("candle_1m")
    events: list[Candle] = []
    for items in ([bar(1, 1)], [bar(1, 2)], [bar(3, 1), bar(2, 9)], [bar(3, 2)], [bar(4, 1)]):
        data = Data("ohlc:1:A/USD", json.dumps(items).encode(), "update")
        events += [event for event in decode(data, len(events)) if isinstance(event, Candle)]

    minute = 60 * 10**9
    start = 1_723_158_000 * 10**9  # 23:00
    found = [((event.start - start) // minute, event.trades, event.closed) for event in events]
    assert found == [
        (1, 1, False),
        (1, 2, False),
        (1, 2, True),
        (3, 1, False),
        (2, 9, True),
        (3, 2, False),
        (3, 2, True),
        (4, 1, False),
    ]


def test_checksum() -> None:
    """The example of the venue's documentation (spot-ws-book-v2) gives its checksum."""
    # fmt: off
    bids = [
        ("45283.5", "0.10000000"), ("45283.4", "1.54582015"), ("45282.1", "0.10000000"),
        ("45281.0", "0.10000000"), ("45280.3", "1.54592586"), ("45279.0", "0.07990000"),
        ("45277.6", "0.03310103"), ("45277.5", "0.30000000"), ("45277.3", "1.54602737"),
        ("45276.6", "0.15445238"), ("45276.5", "9.00000000"),
    ]
    asks = [
        ("45285.2", "0.00100000"), ("45286.4", "1.54571953"), ("45286.6", "1.54571109"),
        ("45289.6", "1.54560911"), ("45290.2", "0.15890660"), ("45291.8", "1.54553491"),
        ("45294.7", "0.04454749"), ("45296.1", "0.35380000"), ("45297.5", "0.09945542"),
        ("45299.5", "0.18772827"), ("45300.0", "9.00000000"),
    ]
    # fmt: on
    assert checksum(bids, asks) == 3310070434
    assert checksum(bids[1:], asks) != 3310070434


def test_subscribe() -> None:
    """A request is for one channel; a symbol that two of ours share stands in it once."""
    topics = [VENUE.topic(channel, "BTC-USD") for channel in ("ticker", "bbo")]
    both = json.loads(VENUE.subscribe([*topics, VENUE.topic("ticker", "ETH-USD")], 1))
    alone = json.loads(VENUE.subscribe(topics[:1], 1))

    assert both["params"] == {
        "channel": "ticker",
        "symbol": ["BTC/USD", "ETH/USD"],
        "event_trigger": "bbo",
    }
    assert alone["params"]["event_trigger"] == "trades"
    assert len({VENUE.request_group(topic) for topic in topics}) == 1
    book, candle = VENUE.topic("book", "BTC-USD"), VENUE.topic("candle_4h", "BTC-USD")
    assert json.loads(VENUE.subscribe([book], 1))["params"] == {
        "channel": "book",
        "symbol": ["BTC/USD"],
        "depth": 1000,
    }
    assert json.loads(VENUE.subscribe([candle], 1))["params"] == {
        "channel": "ohlc",
        "symbol": ["BTC/USD"],
        "interval": 240,
        "snapshot": False,
    }


def test_instruments() -> None:
    """Recorded listing: our names, steps from decimals; no name, no entry."""
    assert VENUE.instruments is not None
    found = {entry.name: entry for entry in VENUE.instruments.parse([PAIRS, TICKER])}

    # The dark pool (no wsname) and staked ETH2.S are left out.
    assert list(found) == ["ALGO-BTC", "DOGE-USD", "BTC-USD"]
    btc = found["BTC-USD"]
    assert (btc.symbol, btc.kind, btc.base, btc.quote) == ("BTC/USD", "spot", "BTC", "USD")
    assert (btc.tick_size, btc.lot_size, btc.trading) == ("0.1", "0.00000001", True)
    assert btc.volume is not None
    assert float(btc.volume) == 150_001.25
    assert found["DOGE-USD"].volume is None
    assert all(VENUE.to_symbol(entry.name) == entry.symbol for entry in found.values())


@pytest.mark.parametrize(
    "bodies",
    [
        [b'{"error":["EGeneral:Too many requests"]}', TICKER],
        [PAIRS, b"<html>"],
        [b"<html>", TICKER],
        [PAIRS, b'{"error":[],"result":{"XXBTZUSD":{"v":["1","x"],"p":["1","1"]}}}'],
    ],
)
def test_refused_listing(bodies: list[bytes]) -> None:
    """An answer that is no listing is refused as a whole."""
    assert VENUE.instruments is not None
    with pytest.raises(DecodeError):
        VENUE.instruments.parse(bodies)


def test_instruments_without_volumes() -> None:
    """Where the venue refuses the second request, the list is without volumes."""
    assert VENUE.instruments is not None
    refused = b'{"error":["EGeneral:Too many requests"]}'

    assert [entry.volume for entry in VENUE.instruments.parse([PAIRS, refused])] == [None] * 3


@pytest.mark.parametrize("instrument", ["BTC", "btc-usd", "BTC/USD", "BTC-USD-250926"])
def test_names_that_cannot_be(instrument: str) -> None:
    """A name in another form is refused with the form that fits."""
    with pytest.raises(ValueError, match="write BASE-QUOTE"):
        VENUE.to_symbol(instrument)


def test_perpetuals_are_elsewhere() -> None:
    """Kraken has perpetuals on another interface."""
    with pytest.raises(ValueError, match="spot market"):
        VENUE.to_symbol("BTC-USD-PERP")
