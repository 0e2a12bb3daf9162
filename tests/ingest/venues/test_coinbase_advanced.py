import json

import pytest

from ingest.errors import DecodeError
from ingest.venues.base import Ack, Data, Ignored, Inbound, Reconnect, Reject
from ingest.venues.coinbase_advanced import VENUE
from ingest.venues.subscriber import Subscriber

S = 1_000_000_000
HEARTBEAT = {"channel": "heartbeats", "events": [{"heartbeat_counter": 7}]}
TRADE = {
    "product_id": "BTC-USD",
    "trade_id": "5",
    "price": "1.50",
    "size": "0.10",
    "side": "SELL",
    "time": "2025-10-09T08:53:19.5Z",
}
LEVEL = {"side": "bid", "price_level": "1.0", "new_quantity": "2"}
BOOK = {"type": "update", "product_id": "BTC-USD", "updates": [LEVEL]}


def frame(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def parse(message: bytes) -> Inbound | list[Inbound]:
    return VENUE.parser()(message)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (frame(type="error", message="failure to subscribe"), Reject("failure to subscribe")),
        (frame(**HEARTBEAT), Ignored("heartbeats")),
        (
            frame(
                channel="subscriptions",
                events=[{"subscriptions": {"level2": ["BTC-USD"], "ticker": ["A-B", "C-D"]}}],
            ),
            Ack(topics=("level2:BTC-USD", "ticker:A-B", "ticker:C-D")),
        ),
        (frame(channel="subscriptions", events=[]), Ignored("no subscriptions")),
        (
            frame(channel="market_trades", events=[{"type": "snapshot", "trades": [TRADE]}]),
            Ignored("past trades"),
        ),
    ],
)
def test_control_frames(message: bytes, expected: Inbound) -> None:
    """Answers and notices are told apart by their channel."""
    assert parse(message) == expected


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "bad_json"),
        (b"{}", "unknown_frame"),
        (frame(channel="status", events=[]), "unknown_frame"),
        (frame(channel="ticker", events=[]), "unknown_frame"),
        (frame(channel="ticker", events=[{"type": "update", "tickers": [{}]}]), "missing_field"),
        (frame(channel="ticker", events=[7]), "wrong_type"),
        (frame(channel="l2_data", sequence_num=-1, events=[]), "wrong_type"),
    ],
)
def test_broken_frames(message: bytes, reason: str) -> None:
    """What is no frame of the protocol is refused, with a word that says how."""
    with pytest.raises(DecodeError) as caught:
        parse(message)

    assert caught.value.reason == reason


def test_lost_message_ends_the_connection() -> None:
    """Messages are numbered in a row, whatever their channel; a hole may be of any topic."""
    parser = VENUE.parser()
    book = frame(channel="l2_data", sequence_num=8, events=[BOOK])

    assert parser(frame(**HEARTBEAT, sequence_num=3)) == Ignored("heartbeats")
    assert parser(frame(**HEARTBEAT, sequence_num=4)) == Ignored("heartbeats")
    assert parser(frame(**HEARTBEAT, sequence_num=4)) == Ignored("repeated sequence_num")
    lost = parser(frame(**HEARTBEAT, sequence_num=7))
    assert lost == Reconnect("sequence_num 7 after 4: messages were lost", lost=True)
    # What still comes does not fit what is missing.
    assert parser(book) == Ignored("after a lost message")
    assert isinstance(VENUE.parser()(book), list)


@pytest.mark.parametrize(
    ("channel", "item", "reason"),
    [
        ("trade", TRADE | {"price": "NaN"}, "bad_value"),
        ("trade", TRADE | {"side": "sell"}, "bad_value"),
        ("trade", TRADE | {"trade_id": 5}, "wrong_type"),
        ("trade", TRADE | {"time": ""}, "bad_value"),
        ("trade", TRADE | {"product_id": "ETH-USD"}, "symbol_mismatch"),
        ("book", BOOK | {"type": "delta"}, "bad_value"),
        ("book", BOOK | {"updates": [LEVEL | {"side": "ask"}]}, "bad_value"),
        ("book", BOOK | {"updates": [LEVEL | {"new_quantity": "-1"}]}, "bad_value"),
        ("candle_5m", {"product_id": "BTC-USD", "start": "soon"}, "wrong_type"),
    ],
)
def test_broken_values(channel: str, item: object, reason: str) -> None:
    """A value that the venue does not promise costs the item, and says why."""
    data = Data("any:BTC-USD", json.dumps(item).encode(), "2025-10-09T08:53:19.5Z")
    with pytest.raises(DecodeError) as caught:
        VENUE.decoder(channel)(data, 1)

    assert caught.value.reason == reason


def test_requests_are_of_one_channel() -> None:
    """First heartbeats, which keep quiet subscriptions open; then a request for each channel."""
    topics = [
        VENUE.topic(channel, instrument)
        for instrument in ("BTC-USD", "ETH-USD")
        for channel in ("trade", "book")
    ]
    subscriber = Subscriber(VENUE, topics, S)

    sent = [json.loads(subscriber.next_request(S + n * S) or b"null") for n in range(4)]

    assert sent == [
        {"type": "subscribe", "channel": "heartbeats"},
        {"type": "subscribe", "channel": "market_trades", "product_ids": ["BTC-USD", "ETH-USD"]},
        {"type": "subscribe", "channel": "level2", "product_ids": ["BTC-USD", "ETH-USD"]},
        None,
    ]


@pytest.mark.parametrize(
    ("instrument", "symbol"),
    [("BTC-USD", "BTC-USD"), ("USDT-USDC", "USDT-USDC"), ("BTC-USDC-PERP", "BTC-PERP-INTX")],
)
def test_symbols(instrument: str, symbol: str) -> None:
    """By rule, without a list."""
    assert VENUE.to_symbol(instrument) == symbol


@pytest.mark.parametrize(
    ("instrument", "said"),
    [
        ("BTCUSD", "BASE-QUOTE"),
        ("BTC-USD-PERP", "BASE-USDC-PERP"),
        ("BTC-USD-251226", "BASE-QUOTE"),
        ("BTC-USDC", "write BTC-USD$"),
    ],
)
def test_names_that_cannot_be(instrument: str, said: str) -> None:
    """A name in another form is refused with the form that fits."""
    with pytest.raises(ValueError, match=said):
        VENUE.to_symbol(instrument)


def test_listing() -> None:
    """What has a name is listed; aliases and contracts with codes for names are not."""
    assert VENUE.instruments is not None
    spot = {
        "product_id": "BTC-USD",
        "product_type": "SPOT",
        "base_currency_id": "BTC",
        "quote_currency_id": "USD",
        "price_increment": "0.01",
        "base_increment": "0.00000001",
        "status": "online",
        "approximate_quote_24h_volume": "758532193.02",
    }
    future = {
        "product_type": "FUTURE",
        "base_currency_id": "",
        "price_increment": "0.1",
        "base_increment": "0.0001",
        "status": "",
        "future_product_details": {"contract_root_unit": "BTC", "contract_size": "1"},
    }
    products = [
        spot,
        spot | {"product_id": "BTC-USDC", "quote_currency_id": "USDC"},
        spot | {"product_id": "ETH-USD", "base_currency_id": "ETH", "trading_disabled": True},
        future | {"product_id": "BTC-PERP-INTX", "quote_currency_id": "USDC"},
        future | {"product_id": "BIT-24APR26-CDE", "quote_currency_id": "USD"},
    ]

    bitcoin, ether, perpetual = VENUE.instruments.parse([frame(products=products)])

    assert (bitcoin.name, bitcoin.volume, bitcoin.trading) == ("BTC-USD", "758532193.02", True)
    assert (ether.name, ether.trading) == ("ETH-USD", False)
    assert (perpetual.name, perpetual.kind, perpetual.contract_size, perpetual.volume) == (
        "BTC-USDC-PERP",
        "perpetual",
        "1",
        None,
    )
    with pytest.raises(DecodeError):
        VENUE.instruments.parse([b'{"error":"unknown"}'])
