"""Crypto.com as the server."""

from typing import Any

import pytest

from ingest.replay.dialects.base import Subscribe, Unsubscribe
from ingest.replay.dialects.crypto_com import DIALECT

TOPICS = ["trade.BTC_USD", "book.BTCUSD-PERP.50", "candlestick.1m.BTC_USD"]


def test_subscribe(ask: Any) -> None:
    """Each channel is answered for itself."""
    head = {"id": 3, "method": "subscribe", "code": 0}
    request = {"id": 3, "method": "subscribe", "params": {"channels": TOPICS}}

    assert ask("crypto-com", request) == [
        *({**head, "channel": topic} for topic in TOPICS),
        Subscribe(tuple(TOPICS)),
    ]


def test_one_that_there_is_not(ask: Any) -> None:
    """The others are subscribed all the same."""
    request = {"id": 3, "method": "subscribe", "params": {"channels": ["l9.X", TOPICS[0]]}}
    bad, good, action = ask("crypto-com", request)

    assert (bad["code"], bad["channel"]) == (40003, "l9.X")
    assert (good["code"], good["channel"]) == (0, TOPICS[0])
    assert action == Subscribe((TOPICS[0],))


def test_unsubscribe(ask: Any) -> None:
    request = {"id": 4, "method": "unsubscribe", "params": {"channels": TOPICS}}
    answer = {"id": 4, "method": "unsubscribe", "code": 0}

    assert ask("crypto-com", request) == [answer, Unsubscribe(tuple(TOPICS))]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        {"id": 1, "method": "public/nope"},
        {"id": 1, "method": "subscribe"},
        {"id": 1, "method": "subscribe", "params": {"channels": [1]}},
    ],
)
def test_refusals(ask: Any, body: object) -> None:
    [answer] = ask("crypto-com", body)
    assert answer["code"] == 40003


def test_answers_to_heartbeats(ask: Any) -> None:
    """Nothing follows."""
    assert ask("crypto-com", {"id": 7, "method": "public/respond-heartbeat"}) == []


@pytest.mark.parametrize(
    ("frame", "topic"),
    [
        (b'{"id":-1,"result":{"subscription":"trade.BTC_USD","data":[]}}', "trade.BTC_USD"),
        (b'{"id":-1,"result":{"subscription":"user.order.BTC_USD","data":[]}}', None),
        (b'{"id":1,"method":"subscribe","code":0,"channel":"trade.BTC_USD"}', None),
        (b'{"id":1,"method":"public/heartbeat","code":0}', None),
        (b"[]", None),
        (b"", None),
    ],
)
def test_topics(frame: bytes, topic: str | None) -> None:
    assert DIALECT.topic(frame) == topic


def test_rest() -> None:
    assert DIALECT.rest_key("/exchange/v1/public/get-instruments", "") == "get-instruments"
    asked = DIALECT.rest_key("/exchange/v1/public/get-book", "depth=5&instrument_name=A")
    assert asked == "get-book?depth=5&instrument_name=A"
    assert DIALECT.rest_key("/v2/else", "") is None
    assert b"Not recorded" in DIALECT.rest_missing(None)
