import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from ingest.errors import DecodeError
from ingest.model import AnyEvent, Book, Level
from ingest.venues.base import Ack, Data, Ignored, Inbound, Pong, Reconnect, Reject
from ingest.venues.okx import VENUE, checksum

RECORDED = Path(__file__).parents[2] / "data" / "okx"
REFUSED = b'{"code":"50011","data":[],"msg":"Too Many Requests"}'

TRADE = {
    "instId": "BTC-USDT",
    "tradeId": "7",
    "px": "61837.60",
    "sz": "0.10",
    "side": "buy",
    "ts": "1723161255342",
}
BOOK = {"asks": [["2", "1", "0", "1"]], "bids": [], "ts": "1723161255342", "seqId": 9}

# fmt: off
TICKER = [
    "last", "askPx", "askSz", "bidPx", "bidSz",
    "open24h", "high24h", "low24h", "volCcy24h", "vol24h",
]
# fmt: on


def decode(channel: str, topic: str, items: object, action: str = "") -> Sequence[AnyEvent]:
    return VENUE.decoder(channel)(Data(topic, json.dumps(items).encode(), action), 1)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b"pong", Pong()),
        (
            b'{"event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT"},"connId":"a4"}',
            Ack(topics=("trades:BTC-USDT",)),
        ),
        (
            b'{"id":"5","event":"error","code":"60018","msg":"Wrong URL or channel:books,'
            b"instId:NO-SUCH-250926-60000.5-C doesn't exist. Please use the correct URL\"}",
            Reject(
                "Wrong URL or channel:books,instId:NO-SUCH-250926-60000.5-C doesn't exist. "
                "Please use the correct URL",
                code="60018",
                request_id=5,
                topics=("books:NO-SUCH-250926-60000.5-C",),
            ),
        ),
        (
            b'{"event":"error","code":"60018","msg":"no","arg":{"channel":"books","instId":"A-B"}}',
            Reject("no", code="60018", topics=("books:A-B",)),
        ),
        (
            b'{"id":"1","event":"error","code":"60012","msg":"Invalid request"}',
            Reject("Invalid request", code="60012", request_id=1),
        ),
        (
            b'{"event":"error","code":"60012","msg":"Invalid request: {}","connId":"a4"}',
            Reject("Invalid request: {}", code="60012"),
        ),
        (
            b'{"id":"7","event":"subscribe","arg":{"channel":"liquidation-orders",'
            b'"instType":"SWAP"},"connId":"a4"}',
            Ack(7),
        ),
        (
            b'{"id":"7","event":"error","code":"60018","msg":"no","arg":'
            b'{"channel":"liquidation-orders","instType":"SWAP"}}',
            Reject("no", code="60018", request_id=7),
        ),
        (
            b'{"event":"channel-conn-count-error","channel":"trades","connCount":"20"}',
            Reject("too many connections are subscribed to a channel"),
        ),
        (b'{"event":"notice","code":"64008","msg":"soon"}', Reconnect("service upgrade")),
        (b'{"event":"notice","code":"1","msg":"hello"}', Ignored("notice")),
        (
            b'{"event":"channel-conn-count","channel":"trades","connCount":"2"}',
            Ignored("channel-conn-count"),
        ),
    ],
)
def test_control_frames(frame: bytes, expected: Inbound) -> None:
    """Answers and notices are told apart by their event."""
    assert VENUE.parse(frame) == expected


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "bad_json"),
        (b"ping", "bad_json"),
        (b'{"arg":{"channel":"trades","instId":"\xff"},"data":[]}', "bad_utf8"),
        (b'{"arg":{"instId":"BTC-USDT"},"data":[]}', "missing_field"),
        (b'{"arg":[],"data":[]}', "wrong_type"),
        (b'{"arg":{"channel":"trades","instId":"BTC-USDT"}}', "unknown_frame"),
        (b'{"event":"party"}', "unknown_frame"),
    ],
)
def test_broken_frames(frame: bytes, reason: str) -> None:
    """What is no frame of the protocol is refused, with a word that says how."""
    with pytest.raises(DecodeError) as caught:
        VENUE.parse(frame)

    assert caught.value.reason == reason
    assert "okx" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"side": "hold"}, "bad_value"),
        ({"px": ""}, "bad_value"),
        ({"sz": "-1"}, "bad_value"),
        ({"tradeId": ""}, "wrong_type"),
        ({"ts": "soon"}, "wrong_type"),
        ({"ts": str(2**63)}, "wrong_type"),
        ({"instId": "ETH-USDT"}, "symbol_mismatch"),
    ],
)
def test_one_broken_item_costs_the_frame(change: dict[str, object], reason: str) -> None:
    """A frame is decoded as a whole or not at all."""
    with pytest.raises(DecodeError) as caught:
        decode("trade", "trades:BTC-USDT", [TRADE, TRADE | change])

    assert caught.value.reason == reason


@pytest.mark.parametrize("action", ["", "partial"])
def test_book_of_unknown_action(action: str) -> None:
    """A book that is neither snapshot nor update must not be taken for one of them."""
    with pytest.raises(DecodeError) as caught:
        decode("book", "books:BTC-USDT", [BOOK], action)

    assert caught.value.reason == "bad_value"


def test_ticker_without_a_trade() -> None:
    """An instrument never traded has no last price, hence no ticker yet; no error either."""
    item = dict.fromkeys(TICKER, "") | {
        "instType": "OPTION",
        "instId": "BTC-USD-250926-9000-C",
        "ts": "1",
    }

    assert decode("ticker", "tickers:BTC-USD-250926-9000-C", [item]) == []


def test_subscribe() -> None:
    """Topics go out as one argument each, in order, under the request's id."""
    topics = [VENUE.topic("trade", "BTC-USDT-PERP"), VENUE.topic("book_l2_tbt", "BTC-USDT")]

    assert json.loads(VENUE.subscribe(topics, 12)) == {
        "id": "12",
        "op": "subscribe",
        "args": [
            {"channel": "trades", "instId": "BTC-USDT-SWAP"},
            {"channel": "books-l2-tbt", "instId": "BTC-USDT"},
        ],
    }


@pytest.mark.parametrize(
    ("instrument", "symbol"),
    [
        ("BTC-USDT", "BTC-USDT"),
        ("BTC-USDT-PERP", "BTC-USDT-SWAP"),
        ("TRX-USDT-210924", "TRX-USDT-210924"),
        ("BTC-USD-220325-40000-C", "BTC-USD-220325-40000-C"),
        ("XRP-USD-220325-0.5-P", "XRP-USD-220325-0.5-P"),
    ],
)
def test_symbols(instrument: str, symbol: str) -> None:
    """Only perpetuals are called otherwise there."""
    assert VENUE.to_symbol(instrument) == symbol


@pytest.mark.parametrize(
    "instrument",
    ["BTC", "btc-usdt", "BTC-USDT-SWAP", "BTC-USDT-2109", "BTC-USDT-PERP-1", "BTC-USD-220325-1-X"],
)
def test_names_that_cannot_be(instrument: str) -> None:
    """A name in another form is refused with the forms that fit."""
    with pytest.raises(ValueError, match="BASE-QUOTE-PERP"):
        VENUE.to_symbol(instrument)


def test_candles_are_served_elsewhere() -> None:
    """Only they have a path of their own; from six hours on their days are UTC days."""
    candle = VENUE.topic("candle_6h", "BTC-USDT")

    assert (candle.name, candle.path) == ("candle6Hutc:BTC-USDT", "/ws/v5/business")
    assert VENUE.topic("candle_4h", "BTC-USDT").name == "candle4H:BTC-USDT"
    assert VENUE.topic("mark", "BTC-USDT-PERP").path == ""


def test_liquidations_are_one_feed_for_all() -> None:
    """A request asks once for the type; each item goes to its own instrument."""
    names = ["BTC-USDT-PERP", "ETH-USDT-PERP", "BTC-USD-250926", "BTC-USD-250926-60000-C", "A-B"]
    topics = [VENUE.topic("liquidation", name) for name in names]

    assert [VENUE.request_group(topic) for topic in topics] == [
        "SWAP",
        "SWAP",
        "FUTURES",
        "OPTION",
        "MARGIN",
    ]
    assert VENUE.request_group(VENUE.topic("mark", "BTC-USDT-PERP")) == ""
    assert json.loads(VENUE.subscribe(topics[:2], 3)) == {
        "id": "3",
        "op": "subscribe",
        "args": [{"channel": "liquidation-orders", "instType": "SWAP"}],
    }
    items = [{"instId": "BTC-USDT-SWAP", "details": []}, {"instId": "X-Y-SWAP", "details": []}]
    frame = {"arg": {"channel": "liquidation-orders", "instType": "SWAP"}, "data": items}
    found = VENUE.parser()(json.dumps(frame).encode())
    assert isinstance(found, list)
    parts = [part for part in found if isinstance(part, Data)]
    assert [(part.topic, part.shared) for part in parts] == [
        (topics[0].name, True),
        ("liquidation-orders:X-Y-SWAP", True),
    ]


def recorded_books() -> list[Book]:
    """All that was recorded of one small book, of the option BTC-USD-220325-40000-C."""
    found = []
    for line in (RECORDED / "book.jsonl").read_bytes().splitlines():
        data = VENUE.parser()(line)
        assert isinstance(data, Data)
        events = VENUE.decoder("book_l2_tbt")(data, 1)
        found += [event for event in events if isinstance(event, Book)]
    return found


def test_recorded_checksums() -> None:
    """The rule's checksum is the venue's after every update, with fewer levels than it takes."""
    sides: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for book in recorded_books():
        tops: list[list[Level]] = []
        for side, levels, is_bid in zip(sides, (book.bids, book.asks), (True, False), strict=True):
            if book.type == "snapshot":
                side.clear()
            side.update(levels)
            for price in [price for price, size in side.items() if not float(size)]:
                del side[price]
            best_first = sorted(side, key=float, reverse=is_bid)
            tops.append([(price, side[price]) for price in best_first])
        assert checksum(*tops) == book.checksum
    assert VENUE.books["book"].checksum is checksum


def test_a_checksum_of_zero_is_none() -> None:
    """The venue gave checksums up and sends 0: nothing to compare with."""
    (book,) = decode("book", "books:BTC-USDT", [BOOK | {"checksum": 0}], "update")

    assert book.checksum is None


def test_instruments() -> None:
    """Recorded listings, of all kinds, with the volumes of tickers where these are answered."""
    assert VENUE.instruments is not None
    listings = (RECORDED / "instruments.jsonl").read_bytes().splitlines()
    ticker = {"instType": "SWAP", "instId": "BTC-USD-SWAP", "last": "60000.5", "volCcy24h": "2"}
    swaps = json.dumps({"code": "0", "data": [ticker]}).encode()
    ticker = {"instType": "SPOT", "instId": "BTC-USDT", "last": "1", "volCcy24h": "17.50"}
    spot = json.dumps({"code": "0", "data": [ticker]}).encode()
    assert len(VENUE.instruments.requests) == len(listings) + 3

    instruments = VENUE.instruments.parse([*listings, spot, swaps, REFUSED])

    found = {entry.name: entry for entry in instruments}
    assert {name: (entry.kind, entry.contract_size) for name, entry in found.items()} == {
        "BTC-USDT": ("spot", None),
        "PROPS-ETH": ("spot", None),
        "BTC-USD-PERP": ("perpetual", "100"),
        "UNI-USD-PERP": ("perpetual", "10"),
        "BTC-USD-220304": ("future", "100"),
        "BTC-USD-220325-40000-C": ("option", "0.1"),
        "ETH-USD-220624-20000-C": ("option", "1"),
    }
    assert all(VENUE.to_symbol(entry.name) == entry.symbol for entry in instruments)
    assert found["BTC-USDT"].volume == "17.50"
    assert found["BTC-USD-PERP"].volume == "120001.0"
    assert found["UNI-USD-PERP"].volume is None
    assert (found["BTC-USDT"].tick_size, found["BTC-USDT"].lot_size) == ("0.1", "0.00000001")
    assert (found["UNI-USD-PERP"].base, found["UNI-USD-PERP"].quote) == ("UNI", "USD")
    assert all(entry.trading for entry in instruments)


@pytest.mark.parametrize("body", [REFUSED, b"<html>", b'{"code":"0"}', b'{"code":"0","data":{}}'])
def test_refused_listing(body: bytes) -> None:
    """An answer that is no listing is refused as a whole."""
    assert VENUE.instruments is not None
    with pytest.raises(DecodeError):
        VENUE.instruments.parse([body] * 8)


@pytest.mark.parametrize("symbol", ["BTC-USD_UM-SWAP", "BTC-SWAP", "BTC-USDT-SWAP-X", "btc-usdt"])
def test_entries_without_a_name(symbol: str) -> None:
    """What has no name in our terms is left out, and nothing else."""
    assert VENUE.instruments is not None
    kind = "SWAP" if "SWAP" in symbol else "SPOT"
    body = json.dumps({"code": "0", "data": [{"instType": kind, "instId": symbol}]}).encode()

    assert VENUE.instruments.parse([body] * 5 + [REFUSED] * 3) == []


@pytest.mark.parametrize("rate", ['""', "null"])
def test_a_contract_without_a_funding_rate_yet(rate: str) -> None:
    """What is listed and not traded has no rate: no event, and nothing is wrong."""
    frame = (
        '{"arg":{"channel":"funding-rate","instId":"XAU-USDT-SWAP"},"data":[{"fundingRate":RATE,'
        '"fundingTime":"1743609600000","instId":"XAU-USDT-SWAP","ts":"1743588686291"}]}'
    )
    data = VENUE.parser()(frame.replace("RATE", rate).encode())

    assert isinstance(data, Data)
    assert VENUE.decoder("funding")(data, 1) == []
