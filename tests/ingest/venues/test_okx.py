import json
from collections.abc import Sequence

import pytest

from ingest.errors import DecodeError
from ingest.model import AnyEvent
from ingest.venues.base import Ack, Data, Ignored, Inbound, Pong, Reconnect, Reject
from ingest.venues.okx import VENUE

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
