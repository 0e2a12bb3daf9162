import json

import pytest

from ingest.errors import DecodeError
from ingest.model import Trade
from ingest.venues.base import Ack, Data, Ignored, Inbound, Reconnect, Reject
from ingest.venues.binance import VENUE

BOOK_TICKER = {"u": 1, "s": "BTCUSDT", "b": "1.0", "B": "2.0", "a": "1.1", "A": "3.0"}
TRADE = {"s": "BTCUSDT", "t": 5, "p": "1.50", "q": "0.10", "T": 1000, "m": True}


def decode(channel: str, topic: str, payload: object) -> object:
    (event,) = VENUE.decoder(channel)(Data(topic, json.dumps(payload).encode()), 1)
    return event


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b'{"result":null,"id":3}', Ack(request_id=3)),
        (b'{"result":["btcusdt@trade"],"id":3}', Ignored("result")),
        (
            b'{"error":{"code":2,"msg":"Invalid request"},"id":4}',
            Reject("Invalid request", code="2", request_id=4),
        ),
        (b'{"code":2,"msg":"Invalid request"}', Reject("Invalid request", code="2")),
        (b'{"code":0,"msg":"no","id":9}', Reject("no", code="0", request_id=9)),
        (b'{"code":3,"msg":"Invalid JSON","id":"x"}', Reject("Invalid JSON", code="3")),
        (
            b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}',
            Reconnect("serverShutdown"),
        ),
        (b'{"e":"serverShutdown","E":1}', Reconnect("serverShutdown")),
    ],
)
def test_control_frames(frame: bytes, expected: Inbound) -> None:
    """Answers and notices are told apart by their keys, in each form documented."""
    assert VENUE.parse(frame) == expected


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "bad_json"),
        (b'{"stream":"a@trade","data":{', "bad_json"),
        (b"pong", "bad_json"),
        (b'{"stream":"\xff","data":{}}', "bad_utf8"),
        (b"null", "wrong_type"),
        (b'{"stream":7,"data":{}}', "wrong_type"),
        (b'{"stream":"a@trade"}', "missing_field"),
        (b"{}", "unknown_frame"),
        (b'{"e":"trade"}', "unknown_frame"),
        (b'{"e":"executionReport","s":"BTCUSDT"}', "unknown_frame"),
        (b'{"lastUpdateId":160,"bids":[],"asks":[]}', "unknown_frame"),
    ],
)
def test_broken_frames(frame: bytes, reason: str) -> None:
    """What is no frame of the protocol is refused, with a word that says how."""
    with pytest.raises(DecodeError) as caught:
        VENUE.parse(frame)

    assert caught.value.reason == reason
    assert "binance" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"b": "abc"}, "bad_value"),
        ({"b": ""}, "bad_value"),
        ({"b": "NaN"}, "bad_value"),
        ({"B": "-1"}, "bad_value"),
        ({"b": "1,0"}, "bad_value"),
        ({"b": 1.0}, "wrong_type"),
        ({"u": "1"}, "wrong_type"),
        ({"u": 2**63}, "wrong_type"),
        ({"u": -1}, "wrong_type"),
        ({"s": "ETHUSDT"}, "symbol_mismatch"),
        ({"s": "btcusdt"}, "symbol_mismatch"),
    ],
)
def test_broken_book_ticker(change: dict[str, object], reason: str) -> None:
    """A value that the venue does not promise costs the message, and says why."""
    with pytest.raises(DecodeError) as caught:
        decode("bbo", "btcusdt@bookTicker", BOOK_TICKER | change)

    assert caught.value.reason == reason


def test_missing_field() -> None:
    """A field left out is not taken for an empty one."""
    with pytest.raises(DecodeError) as caught:
        decode("bbo", "btcusdt@bookTicker", {"u": 1, "s": "BTCUSDT"})

    assert caught.value.reason == "missing_field"


@pytest.mark.parametrize(("buyer_is_maker", "side"), [(True, "sell"), (False, "buy")])
def test_side_is_the_aggressors(buyer_is_maker: bool, side: str) -> None:
    """Where the buyer was the maker, the seller took."""
    trade = decode("trade", "btcusdt@trade", TRADE | {"m": buyer_is_maker})

    assert isinstance(trade, Trade)
    assert trade.side == side


def test_subscribe() -> None:
    """Topics go out as stream names, in order, under the request's id."""
    topics = [VENUE.topic("trade", "BTC-USDT"), VENUE.topic("candle_1M", "1INCH-USDT")]

    assert json.loads(VENUE.subscribe(topics, 12)) == {
        "method": "SUBSCRIBE",
        "params": ["btcusdt@trade", "1inchusdt@kline_1M"],
        "id": 12,
    }


@pytest.mark.parametrize(
    "instrument",
    ["BTCUSDT", "btc-usdt", "BTC-", "-USDT", "BTC-USDT-250926", "BTC/USDT", "", "B-U\n"],
)
def test_names_that_cannot_be(instrument: str) -> None:
    """A name in another form is refused with the form that fits."""
    with pytest.raises(ValueError, match="BASE-QUOTE"):
        VENUE.to_symbol(instrument)


def test_perpetuals_are_elsewhere() -> None:
    """Who asks spot for a perpetual is told the venue that will have it."""
    with pytest.raises(ValueError, match=r"spot.*binance-usdm"):
        VENUE.to_symbol("BTC-USDT-PERP")
