import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from ingest.errors import DecodeError
from ingest.model import AnyEvent, Book, Mark, Ticker
from ingest.venues.base import Ack, Data, Decode, Ignored, Inbound, Pong, Reject
from ingest.venues.bybit import VENUE

RECORDED = Path(__file__).parents[2] / "data" / "bybit"
TICKER = {
    "symbol": "BTCUSDT",
    "lastPrice": "61837.60",
    "markPrice": "61835.33",
    "indexPrice": "61841.36",
    "fundingRate": "0.0001",
    "nextFundingTime": "1723190400000",
    "openInterest": "68744.761",
    "bid1Price": "61837.50",
    "bid1Size": "84.489",
}


def parse(frame: bytes) -> Inbound | list[Inbound]:
    return VENUE.parser()(frame)


def send(decode: Decode, topic: str, data: object, kind: str = "snapshot") -> Sequence[AnyEvent]:
    frame = json.dumps({"topic": topic, "type": kind, "ts": 7, "data": data}).encode()
    inbound = parse(frame)
    assert isinstance(inbound, Data)
    return decode(inbound, 1)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            b'{"success":true,"ret_msg":"","conn_id":"x","req_id":"3","op":"subscribe"}',
            Ack(3),
        ),
        (
            b'{"success":false,"ret_msg":"error:handler not found,topic:orderbook.7.BTCUSDT",'
            b'"conn_id":"x","req_id":"3","op":"subscribe"}',
            Reject("error:handler not found,topic:orderbook.7.BTCUSDT", request_id=3),
        ),
        (
            b'{"success":false,"ret_msg":"args size >10","req_id":"","op":"subscribe"}',
            Reject("args size >10"),
        ),
        (
            b'{"success":true,"ret_msg":"pong","conn_id":"x","req_id":"","op":"ping"}',
            Pong(),
        ),
        (b'{"success":true,"ret_msg":"pong","conn_id":"x","op":"ping"}', Pong()),
        (b'{"req_id":"1","op":"pong","args":["1675418560633"],"conn_id":"x"}', Pong()),
        (b'{"success":true,"ret_msg":"","conn_id":"x","op":"unsubscribe"}', Ignored("unsubscribe")),
    ],
)
def test_control_frames(frame: bytes, expected: Inbound) -> None:
    """Answers are for whole requests, by their number."""
    assert parse(frame) == expected


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "bad_json"),
        (b"[]", "wrong_type"),
        (b"{}", "unknown_frame"),
        # Recorded of API v2, switched off since (cf-20210417-usdt).
        (
            b'{"success":true,"ret_msg":"","conn_id":"38cf0ac3-af67-483c-9bbc-b57d45910ecb",'
            b'"request":{"op":"subscribe","args":["trade.BCHUSDT"]}}',
            "unknown_frame",
        ),
        (
            b'{"topic":"orderBookL2_25.XTZUSDT","type":"delta","data":{"delete":[],"update":[],'
            b'"insert":[]},"cross_seq":"1","timestamp_e6":"1"}',
            "unknown_frame",
        ),
        (b'{"topic":"trade.BCHUSDT","data":[]}', "unknown_frame"),
    ],
)
def test_broken_frames(frame: bytes, reason: str) -> None:
    """What is no frame of API v5 is refused, with a word that says how."""
    with pytest.raises(DecodeError) as caught:
        parse(frame)

    assert caught.value.reason == reason
    assert "bybit" in str(caught.value)


def test_recorded_books() -> None:
    """Recorded of a depth that is 200 now: `u` rises by one, as the rule says."""
    rule = VENUE.books["book"]
    decode = VENUE.decoder("book")
    books = []
    for line in (RECORDED / "orderbook500.jsonl").read_bytes().splitlines():
        data = parse(line)
        assert isinstance(data, Data)
        books += [event for event in decode(data, 1) if isinstance(event, Book)]

    assert [book.type for book in books] == ["snapshot", *["delta"] * 11]
    assert len(books[0].bids) == len(books[0].asks) == 500
    first = books[0].seq
    assert first is not None
    assert [book.seq for book in books] == [first + number for number in range(12)]
    assert rule.continuity == "plus_one"


def test_book_of_unknown_type() -> None:
    """A book that is neither snapshot nor delta must not be taken for one of them."""
    data = {"s": "BTCUSDT", "b": [], "a": [], "u": 5}

    with pytest.raises(DecodeError) as caught:
        send(VENUE.decoder("book"), "orderbook.200.BTCUSDT", data, "partial")

    assert caught.value.reason == "bad_value"


def test_best_prices_out_of_deltas() -> None:
    """Should level one come in deltas, they are joined; a level of size zero goes."""
    decode, topic = VENUE.decoder("bbo"), "orderbook.1.BTCUSDT"
    found = []
    for kind, bids, asks in [
        ("snapshot", [["10", "1"]], [["11", "2"]]),
        ("delta", [["10", "0"], ["9.5", "3"]], []),
        ("delta", [], [["11", "0.000"]]),
        ("snapshot", [], [["12", "2"]]),
    ]:
        events = send(decode, topic, {"s": "BTCUSDT", "b": bids, "a": asks, "u": 5}, kind)
        found += [(event.bid, event.bid_size, event.ask, event.ask_size) for event in events]

    assert found == [
        ("10", "1", "11", "2"),
        ("9.5", "3", "11", "2"),
        ("9.5", "3", None, None),
        (None, None, "12", "2"),
    ]


def test_a_ticker_feeds_four_channels() -> None:
    """Each channel has an event when something of its own comes; the rest is remembered."""
    names = ["ticker", "mark", "funding", "open_interest"]
    topics = [VENUE.topic(name, "BTC-USDT-PERP") for name in names]
    decoders = {name: VENUE.decoder(name) for name in names}
    assert len({(topic.name, topic.path) for topic in topics}) == 1
    assert json.loads(VENUE.subscribe(topics, 1))["args"] == ["tickers.BTCUSDT"]

    for change, fed in [
        (None, names),
        ({"bid1Price": "61840.00"}, ["ticker"]),
        ({"markPrice": "61836.00"}, ["mark"]),
        ({"fundingRate": "-0.0002"}, ["mark", "funding"]),
        ({"openInterest": "68750"}, ["open_interest"]),
        ({"price24hPcnt": "0.1"}, []),
    ]:
        data = TICKER if change is None else {"symbol": "BTCUSDT"} | change
        kind = "snapshot" if change is None else "delta"
        events = {name: send(decoders[name], topics[0].name, data, kind) for name in names}
        assert [name for name in names if events[name]] == fed
        if change == {"bid1Price": "61840.00"}:
            assert events["ticker"] == (
                Ticker(rx=1, ts=7_000_000, last="61837.60", bid="61840.00", bid_size="84.489"),
            )
        if change == {"fundingRate": "-0.0002"}:
            assert events["mark"] == (
                Mark(
                    rx=1,
                    ts=7_000_000,
                    mark="61836.00",
                    index="61841.36",
                    funding_rate="-0.0002",
                    next_funding=1_723_190_400_000_000_000,
                ),
            )


def test_a_bad_ticker_leaves_no_trace() -> None:
    """What could not be decoded is not in later events; a delta needs a snapshot."""
    decode, topic = VENUE.decoder("mark"), "tickers.BTCUSDT"
    with pytest.raises(DecodeError, match="before any snapshot"):
        send(decode, topic, {"symbol": "BTCUSDT", "markPrice": "1"}, "delta")
    send(decode, topic, TICKER)
    with pytest.raises(DecodeError):
        send(decode, topic, {"symbol": "BTCUSDT", "markPrice": "7", "fundingRate": "x"}, "delta")

    (mark,) = send(decode, topic, {"symbol": "BTCUSDT", "indexPrice": "5"}, "delta")

    assert isinstance(mark, Mark)
    assert (mark.mark, mark.index, mark.funding_rate) == ("61835.33", "5", "0.0001")


@pytest.mark.parametrize(
    "change", [{"nextFundingTime": "soon"}, {"nextFundingTime": "9" * 14}, {"markPrice": "-1"}]
)
def test_broken_ticker(change: dict[str, str]) -> None:
    """A value of another kind costs the frame."""
    with pytest.raises(DecodeError) as caught:
        send(VENUE.decoder("mark"), "tickers.BTCUSDT", TICKER | change)

    assert caught.value.reason == "bad_value"


def test_dated_futures_have_no_funding() -> None:
    """Empty strings and a time of zero stand for nothing."""
    future = TICKER | {"fundingRate": "", "nextFundingTime": "0"}

    assert send(VENUE.decoder("funding"), "tickers.BTCUSDT", future) == ()
    (mark,) = send(VENUE.decoder("mark"), "tickers.BTCUSDT", future)
    assert isinstance(mark, Mark)
    assert (mark.funding_rate, mark.next_funding) == (None, None)


@pytest.mark.parametrize(
    ("instrument", "symbol", "path"),
    [
        ("BTC-USDT", "BTCUSDT", "/v5/public/spot"),
        ("BTC-USDT-PERP", "BTCUSDT", "/v5/public/linear"),
        ("BTC-USDC-PERP", "BTCPERP", "/v5/public/linear"),
        ("BTC-USD-PERP", "BTCUSD", "/v5/public/inverse"),
        ("1000PEPE-USDT-PERP", "1000PEPEUSDT", "/v5/public/linear"),
        ("BTC-USD-250926", "BTCUSDU25", "/v5/public/inverse"),
        ("BTC-USDC-250307", "BTC-07MAR25", "/v5/public/linear"),
        ("BTC-USDT-250307", "BTCUSDT-07MAR25", "/v5/public/linear"),
    ],
)
def test_symbols(instrument: str, symbol: str, path: str) -> None:
    """The kind of an instrument says how it is called, and which URL serves it."""
    topic = VENUE.topic("trade", instrument)

    assert (topic.name, topic.path) == (f"publicTrade.{symbol}", path)


@pytest.mark.parametrize(
    "instrument",
    ["BTC", "BTCUSDT", "btc-usdt", "BTC-USD-250101", "BTC-USDT-251301", "BTC-USD-250926-1-C"],
)
def test_names_that_cannot_be(instrument: str) -> None:
    """A name in another form is refused with the forms that fit."""
    with pytest.raises(ValueError, match="cannot be a bybit instrument"):
        VENUE.to_symbol(instrument)


@pytest.mark.parametrize("channel", ["mark", "funding", "open_interest", "liquidation"])
def test_what_spot_has_not(channel: str) -> None:
    """The error says how to write what was probably meant."""
    with pytest.raises(ValueError, match="write BTC-USDT-PERP"):
        VENUE.topic(channel, "BTC-USDT")
    assert VENUE.topic(channel, "BTC-USDT-PERP").path == "/v5/public/linear"


def rest(rows: list[dict[str, object]]) -> bytes:
    answer = {"retCode": 0, "retMsg": "OK", "result": {"category": "x", "list": rows}, "time": 1}
    return json.dumps(answer).encode()


def listed(symbol: str, base: str, quote: str, kind: str = "", **more: object) -> dict[str, object]:
    row: dict[str, object] = {"symbol": symbol, "baseCoin": base, "quoteCoin": quote}
    row |= {"status": "Trading", "priceFilter": {"tickSize": "0.10"}}
    return row | ({"contractType": kind} if kind else {}) | more


def test_instruments() -> None:
    """Documented listings of the three kinds; what our names do not lead back to is left out."""
    assert VENUE.instruments is not None
    spot = rest(
        [
            listed("BTCUSDT", "BTC", "USDT", lotSizeFilter={"basePrecision": "0.000001"}),
            listed("AAPLxUSDT", "AAPLx", "USDT"),
        ]
    )
    linear = rest(
        [
            listed("BTCUSDT", "BTC", "USDT", "LinearPerpetual", lotSizeFilter={"qtyStep": "0.001"}),
            listed("BTCPERP", "BTC", "USDC", "LinearPerpetual", status="PreLaunch"),
            listed("BTC-26SEP25", "BTC", "USDC", "LinearFutures", deliveryTime="1758873600000"),
            listed("BTC-27SEP25", "BTC", "USDC", "LinearFutures", deliveryTime="1758873600000"),
            listed("BTC-28SEP25", "BTC", "USDC", "LinearFutures", deliveryTime=""),
        ]
    )
    inverse = rest(
        [
            listed("BTCUSD", "BTC", "USD", "InversePerpetual"),
            listed("BTCUSDU25", "BTC", "USD", "InverseFutures", deliveryTime="1758873600000"),
            listed("BTCUSDV25", "BTC", "USD", "InverseFutures", deliveryTime="1761292800000"),
        ]
    )
    volume = {"symbol": "BTCUSDT", "volume24h": "2.5", "turnover24h": "150000.75"}
    inverse_volume = {"symbol": "BTCUSD", "volume24h": "414150000", "turnover24h": "6703.9"}
    refused = b'{"retCode":10006,"retMsg":"Too many visits!","result":{}}'

    instruments = VENUE.instruments.parse(
        [spot, linear, inverse, rest([volume]), refused, rest([inverse_volume])]
    )

    found = [(entry.name, entry.kind, entry.lot_size, entry.volume) for entry in instruments]
    assert found == [
        ("BTC-USDT", "spot", "0.000001", "150000.75"),
        ("BTC-USDT-PERP", "perpetual", "0.001", None),
        ("BTC-USDC-PERP", "perpetual", None, None),
        ("BTC-USDC-250926", "future", None, None),
        ("BTC-USD-PERP", "perpetual", None, "414150000"),
        ("BTC-USD-250926", "future", None, None),
    ]
    assert all(VENUE.to_symbol(entry.name) == entry.symbol for entry in instruments)
    assert [entry.name for entry in instruments if not entry.trading] == ["BTC-USDC-PERP"]
    assert {entry.tick_size for entry in instruments} == {"0.10"}
    with pytest.raises(DecodeError, match="Too many visits"):
        VENUE.instruments.parse([spot, refused, inverse, spot, spot, spot])


def test_null_is_no_value() -> None:
    """A ticker's field that is null is absent, like one that is not sent."""
    frame = (
        b'{"topic":"tickers.A","type":"snapshot","ts":1,"data":{"symbol":"A","lastPrice":"2",'
        b'"markPrice":null,"bid1Price":null,"openInterest":null}}'
    )
    data = parse(frame)

    assert isinstance(data, Data)
    assert len(VENUE.decoder("ticker")(data, 1)) == 1
    for channel in ("mark", "funding", "open_interest"):
        assert not VENUE.decoder(channel)(data, 1)
