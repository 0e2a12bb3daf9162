"""Kraken, WebSocket API v2, as the server."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ingest.replay.dialects.base import Reply, Subscribe, Unsubscribe
from ingest.replay.dialects.kraken import DIALECT

Ask = Callable[..., list[Any]]
SERVES = ["book:BTC/USD", "ohlc:5:ETH/USD"]


def test_it_begins_with_its_status() -> None:
    """A new connection is told that the system is online."""
    (reply,) = DIALECT.opened("/v2", "")

    assert isinstance(reply, Reply)
    assert json.loads(reply.payload)["data"][0]["system"] == "online"


def test_one_answer_per_symbol(ask: Ask) -> None:
    """With what was asked for and the number of the request; the unknown one is refused."""
    params = {"channel": "book", "symbol": ["BTC/USD", "ETH/USD", "NO/SUCH"], "depth": 1000}
    body = {"method": "subscribe", "params": params, "req_id": 5}

    first, second, third, change = ask("kraken", body, SERVES)

    result = {"channel": "book", "depth": 1000, "snapshot": True, "symbol": "BTC/USD"}
    assert (first["method"], first["success"], first["req_id"]) == ("subscribe", True, 5)
    assert first["result"] == result
    assert second["result"] == result | {"symbol": "ETH/USD"}
    assert third["error"] == "Currency pair not supported NO/SUCH"
    assert (third["success"], third["symbol"], third["req_id"]) == (False, "NO/SUCH", 5)
    assert change == Subscribe(("book:BTC/USD", "book:ETH/USD"))


def test_unsubscribe_from_bars(ask: Ask) -> None:
    """Their interval is part of the topic."""
    params = {"channel": "ohlc", "symbol": ["ETH/USD"], "interval": 5}

    answer, change = ask("kraken", {"method": "unsubscribe", "params": params}, SERVES)

    assert (answer["method"], answer["success"]) == ("unsubscribe", True)
    assert change == Unsubscribe(("ohlc:5:ETH/USD",))


def test_ping(ask: Ask) -> None:
    """It is answered with its number, where it has one."""
    (answer,) = ask("kraken", {"method": "ping", "req_id": 42})

    assert (answer["method"], answer["req_id"]) == ("pong", 42)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"x", "Malformed request"),
        ([], "Malformed request"),
        ({"method": "party"}, "Unsupported method"),
        ({"method": "subscribe"}, "Params field not found"),
        ({"method": "subscribe", "params": {"channel": "book"}}, "Symbol(s) not found"),
        (
            {"method": "subscribe", "params": {"channel": "x", "symbol": ["BTC/USD"]}},
            "Channel not supported",
        ),
        (
            {"method": "subscribe", "params": {"channel": "book", "depth": 7, "symbol": ["A/B"]}},
            "Depth not supported",
        ),
        (
            {"method": "subscribe", "params": {"channel": "ohlc", "interval": 7, "symbol": ["A"]}},
            "Interval not supported",
        ),
    ],
)
def test_mistakes(ask: Ask, body: object, error: str) -> None:
    """They are told in the venue's words."""
    (answer,) = ask("kraken", body, SERVES)

    assert (answer["error"], answer["success"]) == (error, False)


def test_parts() -> None:
    """Each symbol has a message of its own; of one symbol, it is the message itself."""
    assert DIALECT.parts is not None
    one = b'{"channel":"trade","data":[{"symbol":"A/B","price":1.0},{"symbol":"A/B","price":2.0}]}'
    two = b'{"channel":"ohlc","type":"update","data":[{"symbol":"A/B","interval":1,"open":1.0},'
    two += b'{"symbol":"A/B","interval":5,"open":1.00}]}'

    assert DIALECT.parts(one) == [("trade:A/B", one)]
    head = b'{"channel":"ohlc","type":"update","data":['
    assert DIALECT.parts(two) == [
        ("ohlc:1:A/B", head + b'{"symbol":"A/B","interval":1,"open":1.0}]}'),
        ("ohlc:5:A/B", head + b'{"symbol":"A/B","interval":5,"open":1.00}]}'),
    ]
    for none in (b'{"channel":"heartbeat"}', b'{"method":"pong"}', b"x", b"[]"):
        assert DIALECT.parts(none) == []
