import json

import pytest

from ingest.errors import DecodeError
from ingest.model import Book
from ingest.venues.base import Ack, Data, Ignored, Inbound, Pong, Reject
from ingest.venues.kucoin import VENUE

# Entries of KUCOIN.0.gz, cf-20210425-part.
LISTED = b"""{"code":"200000","data":[\
{"symbol":"REQ-ETH","name":"REQ-ETH","baseCurrency":"REQ","quoteCurrency":"ETH",\
"feeCurrency":"ETH","market":"ALTS","baseMinSize":"1","quoteMinSize":"0.0001",\
"baseMaxSize":"10000000000","quoteMaxSize":"99999999","baseIncrement":"0.0001",\
"quoteIncrement":"0.0000001","priceIncrement":"0.0000001","priceLimitRate":"0.1",\
"isMarginEnabled":false,"enableTrading":true},\
{"symbol":"BCHSV-USDT","name":"BSV-USDT","baseCurrency":"BSV","quoteCurrency":"USDT"},\
{"symbol":"LYXE-ETH","name":"LYXe-ETH","baseCurrency":"LYXe","quoteCurrency":"ETH"},7]}"""
TICKERS = b"""{"code":"200000","data":{"time":1790000000123,"ticker":[\
{"symbol":"BCHSV-USDT","volValue":"12345.678"},{"symbol":"REQ-ETH","volValue":null},{}]}}"""
# From KUCOIN.http.0.0.gz, cf-20210425-part, cut to two levels a side.
SNAPSHOT = b"""{"code":"200000","data":{"time":1619378326628,"sequence":"1613277183892",\
"bids":[["242.649","5"],["242.646","0.68148185"]],"asks":[]}}"""
TOKEN = b"""{"code":"200000","data":{"token":"2neAi+/x==","instanceServers":[\
{"endpoint":"wss://ws-api-spot.kucoin.com/","encrypt":true,"protocol":"websocket",\
"pingInterval":18000,"pingTimeout":10000}]}}"""


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b'{"id":"NSkIrWGB1s","type":"welcome"}', Ignored("welcome")),
        (b'{"id":"12","type":"ack"}', Ack(12)),
        (b'{"id":"0","type":"pong","timestamp":1790000000123456}', Pong()),
        (
            b'{"id":"3","type":"error","code":404,"data":"topic /market/x:A-B is not found"}',
            Reject("topic /market/x:A-B is not found", code="404", request_id=3),
        ),
        (
            b'{"id":"abc","type":"error","code":509,"data":"exceed max subscription count"}',
            Reject("exceed max subscription count", code="509"),
        ),
    ],
)
def test_control_frames(frame: bytes, expected: Inbound) -> None:
    """Answers carry the number of the request, as text."""
    assert VENUE.parser()(frame) == expected


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "bad_json"),
        (b'{"topic":"/market/match:A-B"}', "missing_field"),
        (b'{"type":"message","topic":"/market/match:A-B"}', "missing_field"),
        (b'{"type":"error","data":{}}', "wrong_type"),
        (b'{"type":"party"}', "unknown_frame"),
    ],
)
def test_broken_frames(frame: bytes, reason: str) -> None:
    """What is no frame of the protocol is refused, with a word that says how."""
    with pytest.raises(DecodeError) as caught:
        VENUE.parser()(frame)

    assert caught.value.reason == reason


def test_empty_side() -> None:
    """It has neither price nor size, whether null or zero is sent for it."""
    payload = b'{"sequence":"7","bestBid":null,"bestAsk":"0","bestAskSize":"0","time":1}'

    (event,) = VENUE.decoder("bbo")(Data("/market/ticker:A-B", payload), 1)

    assert (event.bid, event.bid_size, event.ask, event.ask_size) == (None, None, None, None)


def test_ticket() -> None:
    """The token goes into the address, escaped; a configured address is kept."""
    ticket = VENUE.ticket
    assert ticket is not None
    assert ticket.request.method == "POST"

    assert ticket.admit(TOKEN, VENUE.ws_url).url == (
        "wss://ws-api-spot.kucoin.com/?token=2neAi%2B%2Fx%3D%3D"
    )
    assert ticket.admit(TOKEN, "ws://127.0.0.1:9/endpoint?a=b").url == (
        "ws://127.0.0.1:9/endpoint?a=b&token=2neAi%2B%2Fx%3D%3D"
    )


def test_the_ticket_says_how_often_to_ping() -> None:
    """In ms; as ever, where it does not."""
    assert VENUE.ticket is not None
    often = TOKEN.replace(b"18000", b"5000").replace(b"10000", b"2000")
    silent = TOKEN.replace(b',"pingInterval":18000,"pingTimeout":10000', b"")

    heartbeat = VENUE.ticket.admit(often, VENUE.ws_url).heartbeat
    assert heartbeat is not None
    assert (heartbeat.after_idle_s, heartbeat.timeout_s) == (5.0, 2.0)
    assert heartbeat.always
    assert b"pingInterval" not in silent
    assert VENUE.ticket.admit(silent, VENUE.ws_url).heartbeat == VENUE.heartbeat


@pytest.mark.parametrize(
    "body",
    [
        b"",
        TOKEN.replace(b"18000", b"1"),
        b'{"code":"429000","msg":"Too many requests"}',
        b'{"code":"200000","data":{"token":"x","instanceServers":[]}}',
        b'{"code":"200000","data":{"token":"x","instanceServers":[{"endpoint":"http://x"}]}}',
    ],
)
def test_no_ticket(body: bytes) -> None:
    """An answer without a usable token is refused."""
    assert VENUE.ticket is not None
    with pytest.raises(DecodeError):
        VENUE.ticket.admit(body, VENUE.ws_url)


def test_snapshot_over_rest_and_what_joins_it() -> None:
    """The first update to be applied holds the number after the snapshot's."""
    rule = VENUE.books["book"]
    assert rule.rest is not None
    assert rule.joins is not None

    book = rule.rest.decode(SNAPSHOT, 5)

    assert rule.rest.request("BCHSV-USDT").path.endswith("?symbol=BCHSV-USDT")
    assert (book.type, book.seq, book.ts) == ("snapshot", 1613277183892, 1619378326628000000)
    assert (book.bids[1], book.asks) == (("242.646", "0.68148185"), [])
    spans = [(7, 8), (7, 9), (9, 9), (9, 12), (10, 12)]
    joined = [
        rule.joins(8, Book(rx=1, type="delta", bids=[], asks=[], first_seq=first, seq=last))
        for first, last in spans
    ]
    assert joined == [False, True, True, True, False]


def test_subscribe() -> None:
    """Symbols of one kind go out together, acknowledged by the request's number."""
    topic = VENUE.topic("candle_1h", "BSV-USDT")
    books = [VENUE.topic("book", name) for name in ("A-B", "C-D")]

    assert VENUE.request_group(topic) != VENUE.request_group(books[0])
    assert json.loads(VENUE.subscribe(books, 1))["topic"] == "/market/level2:A-B,C-D"
    assert VENUE.unsubscribe is not None
    left = json.loads(VENUE.unsubscribe(books[:1], 2))
    assert (left["type"], left["id"]) == ("unsubscribe", "2")
    assert json.loads(VENUE.subscribe([topic], 12)) == {
        "id": "12",
        "type": "subscribe",
        "topic": "/market/candles:BCHSV-USDT_1hour",
        "privateChannel": False,
        "response": True,
    }


def test_instruments() -> None:
    """Both ways, renamed currencies too; a name with small letters is none of ours."""
    assert VENUE.instruments is not None

    found = VENUE.instruments.parse([LISTED, TICKERS])

    assert [(one.name, one.symbol) for one in found] == [
        ("REQ-ETH", "REQ-ETH"),
        ("BSV-USDT", "BCHSV-USDT"),
    ]
    assert [VENUE.to_symbol(one.name) for one in found] == [one.symbol for one in found]
    assert [one.volume for one in found] == [None, "12345.678"]
    assert (found[0].tick_size, found[0].lot_size) == ("0.0000001", "0.0001")


@pytest.mark.parametrize("name", ["BTC", "btc-usdt", "BTC-USDT-PERP"])
def test_names_that_cannot_be(name: str) -> None:
    """A name in another form is refused with the form that fits."""
    with pytest.raises(ValueError, match="spot market: write BASE-QUOTE"):
        VENUE.to_symbol(name)
