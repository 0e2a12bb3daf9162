import json

import pytest

from ingest.errors import DecodeError
from ingest.venues.base import Ack, Answer, Data, Ignored, Inbound, Instrument, Reject
from ingest.venues.crypto_com import VENUE

parse = VENUE.parser()


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            b'{"id":1790114291578,"method":"public/heartbeat","code":0}',
            Answer(b'{"id":1790114291578,"method":"public/respond-heartbeat"}'),
        ),
        (
            b'{"id":1,"method":"subscribe","code":0,"channel":"book.WALUSD-PERP.50"}',
            Ack(topics=("book.WALUSD-PERP.50",)),
        ),
        # The live one that cryptocogs has, of 2026-06.
        (
            b'{"id":1,"method":"subscribe","code":0,"result":{"instrument_name":"BTC_USD",'
            b'"subscription":"ticker.BTC_USD","channel":"ticker"}}',
            Ack(topics=("ticker.BTC_USD",)),
        ),
        (b'{"id":1,"method":"subscribe","code":0}', Ack(1)),
        (
            b'{"id":11,"method":"subscribe","code":40003,"channel":"book.NOPEUSD-PERP.50",'
            b'"message":"Unknown symbol"}',
            Reject("Unknown symbol", "40003", 11, ("book.NOPEUSD-PERP.50",)),
        ),
        (
            b'{"id":9,"method":"subscribe","code":40107,"message":"Too many subscriptions"}',
            Reject("Too many subscriptions", "40107", 9),
        ),
        (
            b'{"id":3,"method":"public/nope","code":40003,"message":"No such method"}',
            Reject("No such method", "40003", 3),
        ),
        (b'{"id":22,"method":"unsubscribe","code":0}', Ignored("unsubscribed")),
    ],
)
def test_control_frames(frame: bytes, expected: Inbound) -> None:
    """Answers, refusals and the heartbeat are told apart."""
    assert parse(frame) == expected


def test_data_that_answers_a_request() -> None:
    """Channels without an answer of their own are accepted by their first data."""
    frame = (
        b'{"id":4,"method":"subscribe","code":0,"result":{"instrument_name":"BTCUSD-PERP",'
        b'"subscription":"mark.BTCUSD-PERP","channel":"mark","data":[{"v":"1","t":2}]}}'
    )
    found = parse(frame)
    assert isinstance(found, list)
    ack, data = found
    assert ack == Ack(topics=("mark.BTCUSD-PERP",))
    assert isinstance(data, Data)
    assert (data.topic, bytes(data.payload)) == ("mark.BTCUSD-PERP", b'[{"v":"1","t":2}]')


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"pong", "bad_json"),
        (b"[]", "wrong_type"),
        (b"{}", "unknown_frame"),
        (b'{"id":-1,"method":"subscribe","code":0}', "unknown_frame"),
        (b'{"id":"1","method":"subscribe"}', "wrong_type"),
        (b'{"method":"public/heartbeat"}', "unknown_frame"),
    ],
)
def test_broken_frames(frame: bytes, reason: str) -> None:
    """What is no frame of the protocol is refused, with a word that says how."""
    with pytest.raises(DecodeError) as caught:
        parse(frame)

    assert caught.value.reason == reason
    assert "crypto-com" in str(caught.value)


def test_a_book_of_unknown_channel() -> None:
    """A book that is neither whole nor changes must not be taken for one of them."""
    with pytest.raises(DecodeError, match="settle"):
        VENUE.decoder("book")(Data("book.X.50", b"[]", "book.settle"), 1)


@pytest.mark.parametrize("channel", ["trade", "bbo", "ticker", "open_interest"])
def test_another_symbol(channel: str) -> None:
    """An item of another instrument than its topic's is refused."""
    topic = VENUE.topic(channel, "BTC-USD-PERP").name
    item = {"i": "ETHUSD-PERP", "t": 1, "d": "1", "p": "1", "q": "1", "s": "BUY"}
    with pytest.raises(DecodeError) as caught:
        VENUE.decoder(channel)(Data(topic, json.dumps([item]).encode()), 1)
    assert caught.value.reason == "symbol_mismatch"


def test_a_ticker_without_a_trade() -> None:
    """What was never traded has no last price, hence no ticker yet; no error either."""
    data = Data("ticker.A_B", b'[{"i":"A_B","t":1,"a":null,"b":"1.0"}]')
    assert VENUE.decoder("ticker")(data, 1) == []
    assert VENUE.decoder("open_interest")(data, 1) == []


def test_subscribe() -> None:
    """Books are asked for as a whole one and its changes; the other channels do not mind."""
    topics = [
        VENUE.topic("book", "BTC-USD-PERP"),
        VENUE.topic("candle_1w", "BTC-USD"),
        VENUE.topic("trade", "BTC-USD-261225"),
    ]
    assert json.loads(VENUE.subscribe(topics, 12)) == {
        "id": 12,
        "method": "subscribe",
        "params": {
            "channels": ["book.BTCUSD-PERP.50", "candlestick.7D.BTC_USD", "trade.BTCUSD-261225"],
            "book_subscription_type": "SNAPSHOT_AND_UPDATE",
            "book_update_frequency": 10,
        },
    }


@pytest.mark.parametrize("instrument", ["BTC", "btc-usd", "BTC-PERP", "BTC_USD", "BTC-USD-2612"])
def test_names_that_cannot_be(instrument: str) -> None:
    """A name in another form is refused with the forms that fit."""
    with pytest.raises(ValueError, match="BASE-QUOTE-PERP"):
        VENUE.to_symbol(instrument)


def listed(**changes: object) -> dict[str, object]:
    return {
        "symbol": "BTCUSD-PERP",
        "inst_type": "PERPETUAL_SWAP",
        "display_name": "BTCUSD Perpetual",
        "base_ccy": "BTC",
        "quote_ccy": "USD",
        "price_tick_size": "0.5",
        "qty_tick_size": "0.0001",
        "max_leverage": "50",
        "tradable": True,
        "expiry_timestamp_ms": 0,
        "underlying_symbol": "BTCUSD-INDEX",
        "contract_size": "1",
    } | changes


def test_instruments() -> None:
    """The listing gives both names; other kinds are left out."""
    items = [
        listed(),
        listed(symbol="BTC_USD", inst_type="CCY_PAIR", contract_size=""),
        listed(symbol="BTCUSD-261225", inst_type="FUTURE", tradable=False),
        listed(symbol="BTCUSD-261225-CW60000", inst_type="WARRANT"),
        listed(symbol="BTCUSD-PERP2"),
    ]
    body = json.dumps({"id": 1, "code": 0, "result": {"data": items}}).encode()
    days = b'{"code":0,"result":{"data":[{"i":"BTCUSD-PERP","vv":"26370000.10"},{"i":"X"}]}}'
    assert VENUE.instruments is not None
    found = {one.name: one for one in VENUE.instruments.parse([body, days])}

    assert {name: one.symbol for name, one in found.items()} == {
        "BTC-USD-PERP": "BTCUSD-PERP",
        "BTC-USD": "BTC_USD",
        "BTC-USD-261225": "BTCUSD-261225",
    }
    assert all(VENUE.to_symbol(name) == one.symbol for name, one in found.items())
    assert not found["BTC-USD-261225"].trading
    assert found["BTC-USD-PERP"] == Instrument(
        name="BTC-USD-PERP",
        symbol="BTCUSD-PERP",
        kind="perpetual",
        base="BTC",
        quote="USD",
        tick_size="0.5",
        lot_size="0.0001",
        contract_size="1",
        volume="26370000.10",
    )
    with pytest.raises(DecodeError):
        VENUE.instruments.parse([b'{"code":10004,"message":"BAD_REQUEST"}'])
