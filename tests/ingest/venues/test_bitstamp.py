import json

import pytest

from ingest.errors import DecodeError
from ingest.venues.base import Ack, Data, Ignored, Inbound, Pong, Reconnect, Reject
from ingest.venues.bitstamp import VENUE

# Three of the 57 entries of BITSTAMP.symbols.0.gz, cf-20210405; the first as a
# perpetual has the shape of /api/v2/markets/ and values of our own.
LISTED = b"""[{"base_decimals": 8, "minimum_order": "25.0 USD", "name": "BTC/USD", \
"counter_decimals": 2, "trading": "Enabled", "url_symbol": "btcusd", \
"description": "Bitcoin / U.S. dollar"}, {"base_decimals": 8, "minimum_order": "25.0 EUR", \
"name": "BTC/EUR", "counter_decimals": 2, "trading": "Disabled", "url_symbol": "btceur", \
"description": "Bitcoin / Euro"}, {"name":"BTC/USD-PERP","market_symbol":"btcusd-perp",\
"base_currency":"BTC","base_decimals":5,"counter_currency":"USD","counter_decimals":0,\
"trading":"Enabled","market_type":"PERPETUAL"}, {"name": "no pair"}, 7]"""
TICKERS = b"""[{"pair":"BTC/USD","volume":"1000.50000000","vwap":"61000","last":"61010"},\
{"pair":"BTC/EUR","volume":"","vwap":null}]"""
# From cf-20210417/BITSTAMP.http.18.0.gz, cut to two levels a side.
SNAPSHOT = b"""{"timestamp": "1618677695", "microtimestamp": "1618677695291295", \
"bids": [["312.66", "114.17858000"], ["312.65", "14.00000000"]], "asks": []}"""


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            b'{"event":"bts:subscription_succeeded","channel":"live_trades_xlmeur","data":{}}',
            Ack(topics=("live_trades_xlmeur",)),
        ),
        (b'{"event":"bts:heartbeat","channel":"","data":{"status":"success"}}', Pong()),
        (
            b'{"event":"bts:request_reconnect","channel":"","data":null}',
            Reconnect("request_reconnect"),
        ),
        (
            b'{"event":"bts:error","channel":"",'
            b'"data":{"code":4009,"message":"Invalid channel provided."}}',
            Reject("Invalid channel provided.", code="4009"),
        ),
        (
            b'{"event":"bts:error","channel":"order_book_BTC",'
            b'"data":{"code":null,"message":"Bad subscription string."}}',
            Reject("Bad subscription string.", topics=("order_book_BTC",)),
        ),
        (
            b'{"event":"bts:unsubscription_succeeded","channel":"live_trades_xlmeur","data":{}}',
            Ignored("unsubscription_succeeded"),
        ),
    ],
)
def test_control_frames(frame: bytes, expected: Inbound) -> None:
    """Answers and notices are told apart by their event."""
    assert VENUE.parser()(frame) == expected


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "bad_json"),
        (b'{"channel":"live_trades_btcusd","data":{}}', "missing_field"),
        (b'{"event":"trade","channel":"live_trades_btcusd"}', "missing_field"),
        (b'{"event":"order_created","channel":"live_orders_btcusd"}', "unknown_frame"),
        (b'{"event":"snapshot","channel":"diff_order_book_btcusd","data":{}}', "unknown_frame"),
    ],
)
def test_broken_frames(frame: bytes, reason: str) -> None:
    """What is no frame of the protocol is refused, with a word that says how."""
    with pytest.raises(DecodeError) as caught:
        VENUE.parser()(frame)

    assert caught.value.reason == reason


def test_funding_of_another_market() -> None:
    """The payload of this one channel says whose it is: it has to agree."""
    payload = json.dumps(
        {
            "market": "ethusd-perp",
            "mark_price": "1",
            "index_price": "1",
            "funding_rate": "0",
            "timestamp": "1790000000",
        }
    ).encode()
    with pytest.raises(DecodeError) as caught:
        VENUE.decoder("mark")(Data("funding_rate_btcusd-perp", payload), 1)

    assert caught.value.reason == "symbol_mismatch"


def test_empty_side_of_a_book() -> None:
    """A side without a level has no best price."""
    payload = b'{"timestamp":"1","microtimestamp":"1000000","bids":[],"asks":[["2","1"]]}'

    (event,) = VENUE.decoder("bbo")(Data("order_book_btcusd", payload), 1)

    assert (event.bid, event.bid_size, event.ask, event.ask_size) == (None, None, "2", "1")


def test_snapshot_over_rest() -> None:
    """Its time is the number that diffs are compared with."""
    rule = VENUE.books["book"]
    assert rule.rest is not None

    book = rule.rest.decode(SNAPSHOT, 5)

    assert rule.rest.request("ltcusd").path == "/api/v2/order_book/ltcusd/"
    assert (book.type, book.seq, book.rx) == ("snapshot", 1618677695291295, 5)
    assert book.ts == 1618677695291295000
    assert (book.bids[0], book.asks) == (("312.66", "114.17858000"), [])


def test_instruments() -> None:
    """Both ways, with steps from the decimals; what has no name of ours is left out."""
    assert VENUE.instruments is not None

    found = {one.name: one for one in VENUE.instruments.parse([LISTED, TICKERS])}

    assert list(found) == ["BTC-USD", "BTC-EUR", "BTC-USD-PERP"]
    assert [VENUE.to_symbol(name) for name in found] == [one.symbol for one in found.values()]
    spot, closed, perpetual = found.values()
    assert (spot.tick_size, spot.lot_size, spot.volume) == (
        "0.01",
        "0.00000001",
        "61030500.0" + 7 * "0",
    )
    assert (closed.trading, closed.volume) == (False, None)
    assert (perpetual.kind, perpetual.tick_size, perpetual.contract_size) == ("perpetual", "1", "1")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"status":"error"}'])
def test_listing_that_is_none(body: bytes) -> None:
    """An answer that is no listing is refused as a whole."""
    assert VENUE.instruments is not None
    with pytest.raises(DecodeError):
        VENUE.instruments.parse([body, b"[]"])


@pytest.mark.parametrize("name", ["BTC", "btc-usd", "BTC-USD-250926", "BTC/USD"])
def test_names_that_cannot_be(name: str) -> None:
    """A name in another form is refused with the forms that fit."""
    with pytest.raises(ValueError, match="BASE-QUOTE-PERP"):
        VENUE.to_symbol(name)
