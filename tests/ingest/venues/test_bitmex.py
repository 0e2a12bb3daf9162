import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from ingest.errors import DecodeError
from ingest.model import AnyEvent, Book, Candle
from ingest.venues.base import Ack, Data, Ignored, Inbound, Instrument, Pong, Reject
from ingest.venues.bitmex import VENUE

DATA = Path(__file__).parents[2] / "data" / "bitmex"
parse = VENUE.parser()


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b"pong", Pong()),
        (
            b'{"info":"Welcome to the BitMEX Realtime API.","version":"2021-04-03T01:28:04.000Z",'
            b'"timestamp":"2021-04-05T18:41:13.652Z","docs":"https://www.bitmex.com/app/wsAPI",'
            b'"limit":{"remaining":39}}',
            Ignored("welcome"),
        ),
        (
            b'{"success":true,"subscribe":"quote:DOGEUSDT","request":{"op":"subscribe",'
            b'"args":["quote:DOGEUSDT","quote:XLMUSDT"]}}',
            Ack(topics=("quote:DOGEUSDT",)),
        ),
        (b'{"success":true,"unsubscribe":"quote:XBTUSD"}', Ignored("unsubscribed")),
        (
            b'{"status":400,"error":"Unknown or expired symbol.","meta":{},'
            b'"request":{"op":"subscribe","args":["trade:XBTM99"]}}',
            Reject("Unknown or expired symbol.", code="400", topics=("trade:XBTM99",)),
        ),
        (
            b'{"status":400,"error":"Unknown or expired symbol.","meta":{},'
            b'"request":{"op":"subscribe","args":["trade:XBTM99","trade:XBTUSD"]}}',
            Reject("Unknown or expired symbol.", code="400"),
        ),
        (
            b'{"status":429,"error":"Rate limit exceeded, retry in 1 seconds.",'
            b'"meta":{"retryAfter":1},"request":{"op":"subscribe","args":"orderBookL2:XBTUSD"}}',
            Reject(
                "Rate limit exceeded, retry in 1 seconds.",
                code="429",
                topics=("orderBookL2:XBTUSD",),
            ),
        ),
        (b'{"table":"liquidation","action":"partial","data":[]}', Ignored("empty")),
    ],
)
def test_control_frames(frame: bytes, expected: Inbound) -> None:
    """Answers, refusals and notices are told apart."""
    assert parse(frame) == expected


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"ping", "bad_json"),
        (b"[]", "wrong_type"),
        (b"{}", "unknown_frame"),
        (b'{"table":"trade","action":"insert"}', "unknown_frame"),
        (b'{"table":"trade","action":"insert","data":{}}', "wrong_type"),
        (b'{"table":"trade","action":"insert","data":[{}]}', "missing_field"),
    ],
)
def test_broken_frames(frame: bytes, reason: str) -> None:
    """What is no frame of the protocol is refused, with a word that says how."""
    with pytest.raises(DecodeError) as caught:
        parse(frame)

    assert caught.value.reason == reason
    assert "bitmex" in str(caught.value)


def test_a_frame_of_several_symbols() -> None:
    """Rows go to the topics of their symbols, byte for byte and in order."""
    a, b, c = b'{"symbol":"A","x":1.50}', b'{"symbol":"B"}', b'{"symbol":"A","x":2}'
    found = parse(b'{"table":"trade","action":"insert","data":[%b, %b,%b]}' % (a, b, c))

    assert found == [
        Data("trade:A", b"[%b,%b]" % (a, c), "insert"),
        Data("trade:B", b"[%b]" % b, "insert"),
    ]


def test_an_empty_table() -> None:
    """A book without levels is a book, when the frame says whose."""
    data = parse(
        b'{"table":"orderBookL2","action":"partial","filter":{"symbol":"XBTUSD"},"data":[]}'
    )
    assert isinstance(data, Data)
    assert data.topic == "orderBookL2:XBTUSD"
    assert VENUE.decoder("book")(data, 1) == (Book(rx=1, type="snapshot", bids=[], asks=[]),)


def rows(action: str, *levels: tuple[int, str, object, object]) -> Data:
    """Rows of a book of `X`: id, side, size, price; what is None is left out."""
    names = ("id", "side", "size", "price")
    table = [
        {"symbol": "X"} | {key: value for key, value in zip(names, row, strict=True) if value}
        for row in levels
    ]
    return Data("orderBookL2:X", json.dumps(table).encode(), action)


def sides(events: Sequence[AnyEvent]) -> tuple[object, object]:
    (book,) = events
    assert isinstance(book, Book)
    return book.bids, book.asks


def test_prices_are_remembered_by_id() -> None:
    """Changes get the price their level came with; a level that changes sides leaves the other."""
    decode = VENUE.decoder("book")
    assert decode(rows("insert", (1, "Buy", 5, 1.5)), 1) == ()  # nothing to add it to yet
    decode(rows("partial", (2, "Sell", 7, 2.5), (1, "Buy", 5, 1.5)), 1)

    assert sides(decode(rows("update", (1, "Buy", 6, None)), 1)) == ([("1.5", "6")], [])
    assert sides(decode(rows("delete", (1, "Buy", None, None)), 1)) == ([("1.5", "0")], [])
    assert sides(decode(rows("insert", (1, "Buy", 8, 1.5)), 1)) == ([("1.5", "8")], [])
    assert sides(decode(rows("update", (2, "Buy", 3, None)), 1)) == ([("2.5", "3")], [("2.5", "0")])
    # Today's updates repeat the price.
    assert sides(decode(rows("update", (1, "Buy", 9, 1.6)), 1)) == (
        [("1.5", "0"), ("1.6", "9")],
        [],
    )


@pytest.mark.parametrize("action", ["update", "delete"])
def test_a_level_that_was_never_sent(action: str) -> None:
    """A change of an unknown level breaks the book: nothing more until the next whole one."""
    decode = VENUE.decoder("book")
    decode(rows("partial", (1, "Buy", 5, 1.5)), 1)

    with pytest.raises(DecodeError) as caught:
        decode(rows(action, (2, "Buy", 5, None)), 1)

    assert caught.value.reason == "bad_value"
    assert decode(rows("update", (1, "Buy", 6, None)), 1) == ()
    assert sides(decode(rows("partial", (1, "Buy", 6, 1.5)), 1)) == ([("1.5", "6")], [])


def test_each_connection_has_its_own_memory() -> None:
    """What one connection knows of a book does not leak into the next."""
    VENUE.decoder("book")(rows("partial", (1, "Buy", 5, 1.5)), 1)
    assert VENUE.decoder("book")(rows("update", (1, "Buy", 6, None)), 1) == ()


def test_a_book_of_unknown_action() -> None:
    """A book that is neither whole nor changes must not be taken for one of them."""
    with pytest.raises(DecodeError, match="party"):
        VENUE.decoder("book")(rows("party"), 1)


def test_times_of_levels() -> None:
    """Where levels carry a time, as today, the book has the latest."""
    level = {"symbol": "X", "id": 1, "side": "Buy", "size": 5, "price": 1.5}
    table = [level | {"timestamp": f"2026-11-21T00:00:0{second}.000Z"} for second in (1, 2)]
    (book,) = VENUE.decoder("book")(Data("t:X", json.dumps(table).encode(), "partial"), 1)
    assert book.ts == 1_795_219_202_000_000_000


def test_a_symbol_of_another_topic() -> None:
    """Rows of another symbol than their topic's are refused."""
    with pytest.raises(DecodeError) as caught:
        VENUE.decoder("book")(Data("orderBookL2:Y", rows("partial", (1, "Buy", 5, 1)).payload), 1)
    assert caught.value.reason in ("symbol_mismatch", "bad_value")


def test_a_bar_without_a_trade() -> None:
    """A bar of an instrument never traded has no prices: there is no candle to tell."""
    bar = {"timestamp": "2026-11-21T11:32:00.000Z", "symbol": "X", "trades": 0, "volume": 0}
    bar |= dict.fromkeys(("open", "high", "low", "close"))
    data = Data("tradeBin1h:X", json.dumps([bar]).encode(), "insert")
    assert VENUE.decoder("candle_1h")(data, 1) == []

    bar |= dict.fromkeys(("open", "high", "low", "close"), 7)
    data = Data("tradeBin1h:X", json.dumps([bar]).encode(), "insert")
    (candle,) = VENUE.decoder("candle_1h")(data, 1)
    assert isinstance(candle, Candle)
    assert candle.end is not None
    assert candle.end - candle.start == 3600 * 10**9


def test_a_value_that_ends() -> None:
    """A field that becomes null is unknown again; nothing is made up of what was."""
    decode = VENUE.decoder("ticker")
    whole = [{"symbol": "X", "lastPrice": 5, "bidPrice": 4}]
    decode(Data("instrument:X", json.dumps(whole).encode(), "partial"), 1)
    (ticker,) = decode(Data("instrument:X", b'[{"symbol":"X","bidPrice":null}]', "update"), 1)
    assert (ticker.last, ticker.bid) == ("5", None)  # type: ignore[union-attr]
    assert not decode(Data("instrument:X", b'[{"symbol":"X","lastPrice":null}]', "update"), 1)


def test_subscribe() -> None:
    """Topics go out in one request; BitMEX numbers nothing."""
    topics = [VENUE.topic("trade", "BTC-USD-PERP"), VENUE.topic("candle_5m", "ETH-USDT-PERP")]
    assert json.loads(VENUE.subscribe(topics, 12)) == {
        "op": "subscribe",
        "args": ["trade:XBTUSD", "tradeBin5m:ETHUSDT"],
    }


@pytest.mark.parametrize(
    ("instrument", "symbol"),
    [
        ("BTC-USD-PERP", "XBTUSD"),
        ("BTC-USDT-PERP", "XBTUSDT"),
        ("BTC-USDT", "XBT_USDT"),
        ("BTC-USD-210625", "XBTM21"),
        ("BTC-USD-210924", "XBTU21"),
        ("ETH-USD-210625", "ETHUSDM21"),
        ("LINK-USDT-210625", "LINKUSDTM21"),
        ("ADA-BTC-210625", "ADAM21"),
        ("BTC-USDT-261225", "XBTUSDTZ26"),
    ],
)
def test_symbols(instrument: str, symbol: str) -> None:
    """Bitcoin is XBT; futures are named by a month's letter."""
    assert VENUE.to_symbol(instrument) == symbol


@pytest.mark.parametrize(
    ("instrument", "text"),
    [
        ("XBTUSD", "BTC-USD-PERP"),
        ("btc-usd-perp", "BTC-USD-PERP"),
        ("BTC-PERP", "BTC-USD-PERP"),
        ("BTC-USD-210626", "last Friday"),
        ("BTC-USD-211301", "last Friday"),
        ("BTC-USD-210625-60000-C", "BASE-QUOTE"),
    ],
)
def test_names_that_cannot_be(instrument: str, text: str) -> None:
    """A name in another form is refused with what fits."""
    with pytest.raises(ValueError, match=text):
        VENUE.to_symbol(instrument)


def test_instruments() -> None:
    """The recorded listing gives both names, by rule the same as a config's."""
    assert VENUE.instruments is not None
    body = (DATA / "instruments.json").read_bytes()
    found = {one.name: one for one in VENUE.instruments.parse([body])}

    assert {name: one.symbol for name, one in found.items()} == {
        "LINK-USDT-210625": "LINKUSDTM21",
        "ADA-BTC-210625": "ADAM21",
        "DOGE-USDT-PERP": "DOGEUSDT",
        "BTC-USD-PERP": "XBTUSD",
        "BTC-USD-210924": "XBTU21",
        "ETH-USD-210625": "ETHUSDM21",
    }
    assert all(VENUE.to_symbol(name) == one.symbol for name, one in found.items())
    assert found["BTC-USD-PERP"] == Instrument(
        name="BTC-USD-PERP",
        symbol="XBTUSD",
        kind="perpetual",
        base="BTC",
        quote="USD",
        tick_size="0.5",
        lot_size="1",
        volume="2158147257",
    )


def test_a_listing_with_names_that_are_none() -> None:
    """What has no name in our terms is left out: second perpetuals, other kinds, odd expiries."""
    assert VENUE.instruments is not None
    listed = json.loads((DATA / "instruments.json").read_bytes())
    listed[0]["symbol"] += "_ETH"
    listed[1]["typ"] = "MRBXXX"
    listed[2]["expiry"] = "2021-06-18T12:00:00.000Z"
    listed[2]["typ"] = "FFCCSX"
    assert len(VENUE.instruments.parse([json.dumps(listed).encode()])) == 3
    with pytest.raises(DecodeError):
        VENUE.instruments.parse([b'{"error":{"message":"no","name":"HTTPError"}}'])
