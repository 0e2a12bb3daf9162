"""Coinbase Advanced Trade as the server."""

from collections.abc import Callable
from typing import Any

import pytest

from ingest.replay.dialects.base import Subscribe, Unsubscribe
from ingest.replay.dialects.coinbase_advanced import DIALECT

Ask = Callable[..., list[Any]]
SERVES = ["level2:A-B", "market_trades:C-D"]


def test_all_subscriptions_are_told(ask: Ask) -> None:
    """After each request, by channel; heartbeats are of no product."""
    body = {"type": "subscribe", "channel": "level2", "product_ids": ["A-B", "C-D"]}

    answer, change = ask("coinbase-advanced", body, SERVES, ["heartbeats"])

    assert answer["channel"] == "subscriptions"
    assert answer["events"] == [
        {"subscriptions": {"heartbeats": ["heartbeats"], "level2": ["A-B", "C-D"]}}
    ]
    assert change == Subscribe(("level2:A-B", "level2:C-D"))
    body |= {"type": "unsubscribe", "product_ids": ["A-B"]}
    answer, change = ask("coinbase-advanced", body, SERVES, ["level2:A-B"])
    assert answer["events"] == [{"subscriptions": {}}]
    assert change == Unsubscribe(("level2:A-B",))
    answer, change = ask("coinbase-advanced", {"type": "subscribe", "channel": "heartbeats"})
    assert change == Subscribe(("heartbeats",))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"x", "type is neither subscribe nor unsubscribe"),
        ([], "type is neither subscribe nor unsubscribe"),
        ({"type": "subscribe", "channel": "x", "product_ids": ["A-B"]}, "x is not a channel"),
        ({"type": "subscribe", "channel": "level2"}, "no products given"),
        (
            {"type": "subscribe", "channel": "level2", "product_ids": ["A-B", "X-Y"]},
            "X-Y is not a product",
        ),
    ],
)
def test_mistakes(ask: Ask, body: object, error: str) -> None:
    """They are told, and nothing is subscribed."""
    assert ask("coinbase-advanced", body, SERVES) == [{"type": "error", "message": error}]


def test_parts() -> None:
    """Each product has a message of its own; of one product, it is the message itself."""
    assert DIALECT.parts is not None
    book = b'{"channel":"l2_data","events":[{"type":"update","product_id":"A-B","updates":[]}]}'
    assert DIALECT.parts(book) == [("level2:A-B", book)]

    both = b'{"channel":"ticker","sequence_num":3,"events":[{"type":"update","tickers":['
    both += b'{"product_id":"A-B","price":"1"},{"product_id":"C-D","price":"2.0"}]}]}'
    head = b'{"channel":"ticker","sequence_num":3,"events":[{"type":"update","tickers":['
    assert DIALECT.parts(both) == [
        ("ticker:A-B", head + b'{"product_id":"A-B","price":"1"}]}]}'),
        ("ticker:C-D", head + b'{"product_id":"C-D","price":"2.0"}]}]}'),
    ]
    beat = b'{"channel":"heartbeats","events":[{"heartbeat_counter":1}]}'
    assert DIALECT.parts(beat) == [("heartbeats", beat)]
    for none in (b'{"channel":"subscriptions","events":[{}]}', b'{"type":"error"}', b"x", b"[]"):
        assert DIALECT.parts(none) == []


def test_numbers() -> None:
    """Replaced, once; an error has none."""
    assert DIALECT.numbered is not None
    message = b'{"channel":"x","sequence_num":17,"events":[]}'
    assert DIALECT.numbered(message, 2) == b'{"channel":"x","sequence_num":2,"events":[]}'
    assert DIALECT.numbered(b'{"type":"error"}', 2) is None


def test_rest_keys() -> None:
    """Products are listed at one path."""
    assert DIALECT.rest_key("/api/v3/brokerage/market/products", "limit=5") == "market/products"
    assert DIALECT.rest_key("/api/v3/depth", "") is None
    assert b"Not recorded" in DIALECT.rest_missing(None)
