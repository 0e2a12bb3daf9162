"""OKX as the server."""

import json

import pytest

from ingest.replay.dialects.base import Reply, Session, Subscribe, Unsubscribe
from ingest.replay.dialects.okx import DIALECT

# From okx/cf-20220227, shortened.
BOOK = (
    b'{"arg":{"channel":"books-l2-tbt","instId":"PROPS-ETH"},"action":"snapshot",'
    b'"data":[{"asks":[["0.00000174","9765.48230143","0","1"]]}]}'
)
KNOWN = {"trades:BTC-USDT", "books:BTC-USDT"}


def request(body: object) -> list[object]:
    """Actions for a request, replies decoded where they are JSON."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    actions = DIALECT.request(payload, Session("0000000a", "", [], KNOWN.__contains__))
    return [
        json.loads(a.payload) if isinstance(a, Reply) and a.payload != b"pong" else a
        for a in actions
    ]


def arg(channel: str, instrument: str = "BTC-USDT") -> dict[str, str]:
    return {"channel": channel, "instId": instrument}


def test_ping() -> None:
    """The text ping gets the text pong."""
    assert request(b"ping") == [Reply(b"pong")]


def test_one_answer_per_argument() -> None:
    """Every argument is acknowledged on its own, then all start together."""
    args = [arg("trades"), arg("books")]

    assert request({"op": "subscribe", "args": args}) == [
        {"event": "subscribe", "arg": args[0], "connId": "0000000a"},
        {"event": "subscribe", "arg": args[1], "connId": "0000000a"},
        Subscribe(("trades:BTC-USDT", "books:BTC-USDT")),
    ]


def test_unknown_topic() -> None:
    """An unknown argument is refused with 60018; the others are not affected."""
    answers = request({"id": "9", "op": "subscribe", "args": [arg("trades", "X-Y"), arg("trades")]})

    assert answers == [
        {
            "id": "9",
            "event": "error",
            "code": "60018",
            "msg": "Wrong URL or channel:trades,instId:X-Y doesn't exist. Please use the "
            "correct URL, channel and parameters referring to API document.",
            "connId": "0000000a",
        },
        {"id": "9", "event": "subscribe", "arg": arg("trades"), "connId": "0000000a"},
        Subscribe(("trades:BTC-USDT",)),
    ]


def test_unsubscribe() -> None:
    """Unsubscribing is acknowledged likewise."""
    assert request({"op": "unsubscribe", "args": [arg("trades")]}) == [
        {"event": "unsubscribe", "arg": arg("trades"), "connId": "0000000a"},
        Unsubscribe(("trades:BTC-USDT",)),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"hello",
        b"\xff",
        b"[]",
        {},
        {"op": "login"},
        {"op": "subscribe"},
        {"op": "subscribe", "args": []},
        {"op": "subscribe", "args": ["x"]},
        {"op": "subscribe", "args": [{"channel": 1}]},
    ],
)
def test_mistakes(body: object) -> None:
    """A wrong request is answered with 60012, quoting it."""
    (answer,) = request(body)

    assert isinstance(answer, dict)
    assert answer["event"] == "error"
    assert answer["code"] == "60012"
    assert answer["msg"].startswith("Invalid request: ")


def test_topic() -> None:
    """Data is known by its argument; acks and errors are not data."""
    assert DIALECT.topic(BOOK) == "books-l2-tbt:PROPS-ETH"
    assert DIALECT.topic(b'{"event":"subscribe","arg":{"channel":"trades","instId":"X"}}') is None
    assert DIALECT.topic(b'{"event":"error","msg":"x","code":"60018"}') is None
    assert DIALECT.topic(b"pong") is None


def test_recorded_books_serve_for_public_ones() -> None:
    """Who asks for `books` gets the recorded `books-l2-tbt` under the name asked for."""
    assert DIALECT.stand_in("books:PROPS-ETH") == "books-l2-tbt:PROPS-ETH"
    assert DIALECT.stand_in("trades:PROPS-ETH") is None
    sent = DIALECT.encode(BOOK, "books:PROPS-ETH", "")
    assert sent == BOOK.replace(b"books-l2-tbt", b"books")
    assert DIALECT.encode(BOOK, "books-l2-tbt:PROPS-ETH", "") == BOOK


def test_rest_keys() -> None:
    """`uly` of old is `instFamily` now; the instrument type matters."""
    path = "/api/v5/public/instruments"
    old = DIALECT.rest_key(path, "instType=OPTION&uly=BTC-USD")

    assert old == DIALECT.rest_key(path, "instFamily=BTC-USD&instType=OPTION")
    assert old != DIALECT.rest_key(path, "instType=SPOT")
    assert DIALECT.rest_key("/api/v3/depth", "") is None
