import json
from pathlib import Path

import pytest

from ingest.errors import DecodeError
from ingest.model import Book, Ticker, Trade
from ingest.venues.base import Ack, Data, Ignored, Inbound, Instrument, Reject
from ingest.venues.coinbase import VENUE
from ingest.venues.subscriber import Subscriber

S = 1_000_000_000
RX = 1_618_677_817_000_000_000
# Some entries of cf-20210417-part/COINBASE.0.gz, as recorded.
PRODUCTS = (Path(__file__).parents[2] / "data/coinbase/products.json").read_bytes()
MATCH = {
    "trade_id": 5,
    "side": "sell",
    "size": "0.10",
    "price": "1.50",
    "product_id": "BTC-USD",
    "time": "2021-04-17T16:43:37.089723Z",
}


def parse(frame: object) -> Inbound | list[Inbound]:
    return VENUE.parser()(frame if isinstance(frame, bytes) else json.dumps(frame).encode())


def decode(channel: str, topic: str, payload: object) -> object:
    (event,) = VENUE.decoder(channel)(Data(topic, json.dumps(payload).encode()), 1)
    return event


def test_acks_list_all_subscriptions() -> None:
    """Each answer names every topic of the connection; a recorded one, shortened."""
    frame = (
        b'{"type":"subscriptions","channels":[{"name":"level2_batch","product_ids":["DASH-BTC",'
        b'"CRV-EUR"]},{"name":"ticker","product_ids":["YFI-BTC"]}]}'
    )

    assert parse(frame) == Ack(
        topics=("level2_batch:DASH-BTC", "level2_batch:CRV-EUR", "ticker:YFI-BTC")
    )


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            {"type": "error", "message": "Failed to subscribe", "reason": "No channels provided"},
            Reject("Failed to subscribe: No channels provided"),
        ),
        ({"type": "error", "message": "ErrSlowConsume"}, Reject("ErrSlowConsume")),
        ({"type": "heartbeat", "sequence": 1, "product_id": "BTC-USD"}, Ignored("heartbeat")),
        ({"type": "status", "products": []}, Ignored("status")),
        # Before the subscription: sent again after each reconnect.
        ({"type": "last_match", **MATCH}, Ignored("last_match")),
        ({"type": "subscriptions", "channels": []}, Ignored("no subscriptions")),
        (
            {"type": "subscriptions", "channels": [{"name": "status", "product_ids": None}]},
            Ignored("no subscriptions"),
        ),
    ],
)
def test_control_frames(frame: object, expected: Inbound) -> None:
    """Answers and notices are told apart by their type."""
    assert parse(frame) == expected


def test_refused_product_costs_no_other() -> None:
    """The error names the product: its topics are refused, the rest is accepted."""
    topics = [VENUE.topic(c, i) for i in ("BTC-USD", "BTC-XXX") for c in ("trade", "ticker")]
    subscriber = Subscriber(VENUE, topics, S)
    subscriber.next_request(S)
    refusal = parse(
        {
            "type": "error",
            "message": "Failed to subscribe",
            "reason": "BTC-XXX is not a valid product",
        }
    )
    channels = [{"name": name, "product_ids": ["BTC-USD"]} for name in ("matches", "ticker")]
    ack = parse({"type": "subscriptions", "channels": channels})
    assert isinstance(refusal, Reject)
    assert isinstance(ack, Ack)

    assert set(subscriber.on_reject(refusal)) == set(topics[2:])
    assert set(subscriber.on_ack(ack)) == set(topics[:2])
    assert subscriber.settled


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "bad_json"),
        (b"[]", "wrong_type"),
        (b'{"product_id":"BTC-USD"}', "missing_field"),
        (b'{"type":"full"}', "unknown_frame"),
        (b'{"type":"match\xff"}', "bad_utf8"),
    ],
)
def test_broken_frames(frame: bytes, reason: str) -> None:
    """What is no frame of the protocol is refused, with a word that says how."""
    with pytest.raises(DecodeError) as caught:
        parse(frame)

    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("channel", "change", "reason"),
    [
        ("trade", {"price": "NaN"}, "bad_value"),
        ("trade", {"price": 1.5}, "wrong_type"),
        ("trade", {"side": "SELL"}, "bad_value"),
        ("trade", {"trade_id": "5"}, "wrong_type"),
        ("trade", {"time": "yesterday"}, "bad_value"),
        ("trade", {"product_id": "ETH-USD"}, "symbol_mismatch"),
        ("ticker", {"best_bid": "x"}, "bad_value"),
        ("ticker", {"product_id": "ETH-USD"}, "symbol_mismatch"),
    ],
)
def test_broken_values(channel: str, change: dict[str, object], reason: str) -> None:
    """A value that the venue does not promise costs the message, and says why."""
    with pytest.raises(DecodeError) as caught:
        decode(channel, "any:BTC-USD", MATCH | change)

    assert caught.value.reason == reason


@pytest.mark.parametrize(("maker", "side"), [("sell", "buy"), ("buy", "sell")])
def test_side_is_the_aggressors(maker: str, side: str) -> None:
    """The venue names the maker's side."""
    trade = decode("trade", "matches:BTC-USD", MATCH | {"side": maker})

    assert isinstance(trade, Trade)
    assert trade.side == side


def test_update_of_both_sides() -> None:
    """Changes are sorted into sides, in the order sent."""
    changes = [["buy", "1.0", "2"], ["sell", "1.2", "0.00"], ["buy", "0.9", "0"]]
    update = {
        "type": "l2update",
        "product_id": "BTC-USD",
        "changes": changes,
        "time": "1970-01-01T00:00:01.5Z",
    }

    assert decode("book", "level2_batch:BTC-USD", update) == Book(
        rx=1,
        ts=1_500_000_000,
        type="delta",
        bids=[("1.0", "2"), ("0.9", "0")],
        asks=[("1.2", "0.00")],
    )
    for broken in (["hold", "1", "1"], ["buy", "1"], ["buy", "1", "-1"]):
        with pytest.raises(DecodeError):
            decode("book", "level2_batch:BTC-USD", update | {"changes": [broken]})


def test_subscribe() -> None:
    """Products are grouped by channel."""
    topics = [
        VENUE.topic("trade", "BTC-USD"),
        VENUE.topic("book", "BTC-USD"),
        VENUE.topic("trade", "ETH-USD"),
    ]

    assert json.loads(VENUE.subscribe(topics, 3)) == {
        "type": "subscribe",
        "channels": [
            {"name": "matches", "product_ids": ["BTC-USD", "ETH-USD"]},
            {"name": "level2_batch", "product_ids": ["BTC-USD"]},
        ],
    }


@pytest.mark.parametrize("instrument", ["BTCUSD", "btc-usd", "BTC-USD-PERP", "", "B-U\n"])
def test_names_that_cannot_be(instrument: str) -> None:
    """A name in another form is refused with the form that fits."""
    with pytest.raises(ValueError, match="BASE-QUOTE"):
        VENUE.to_symbol(instrument)


def test_listing() -> None:
    """Recorded products; their volume in quote units is that in base units at the last price."""
    assert VENUE.instruments is not None
    stats = {"BTC-USD": {"stats_24hour": {"last": "61000.5", "volume": "2.5"}, "stats_30day": {}}}
    found = {
        each.name: each for each in VENUE.instruments.parse([PRODUCTS, json.dumps(stats).encode()])
    }

    assert set(found) == {"SKL-EUR", "BTC-USD", "1INCH-USD"}
    assert found["SKL-EUR"] == Instrument(
        name="SKL-EUR",
        symbol="SKL-EUR",
        kind="spot",
        base="SKL",
        quote="EUR",
        tick_size="0.0001",
        lot_size="0.1",
    )
    assert found["BTC-USD"].volume == "152501.25"
    with pytest.raises(DecodeError):
        VENUE.instruments.parse([b'{"message":"NotFound"}', b"{}"])


def test_past_trades() -> None:
    """Asked for by id, turned into ascending order and to the aggressor's side."""
    backfill = VENUE.backfills["trade"]
    body = json.dumps([MATCH | {"trade_id": 6}, MATCH | {"trade_id": 5, "side": "buy"}]).encode()

    assert backfill.request("BTC-USD", 5, 9).path == "/products/BTC-USD/trades?limit=5&after=10"
    trades = backfill.decode(body, RX)
    assert [(trade.id, trade.side, trade.backfill) for trade in trades] == [
        ("5", "sell", True),
        ("6", "buy", True),
    ]


def test_a_ticker_with_little_in_it() -> None:
    """A null or missing field is absent; so is a time."""
    frame = b'{"type":"ticker","product_id":"A-B","price":"1.0","low_24h":null,"best_bid":""}'
    data = parse(frame)

    assert isinstance(data, Data)
    assert list(VENUE.decoder("ticker")(data, 1)) == [Ticker(rx=1, last="1.0")]
