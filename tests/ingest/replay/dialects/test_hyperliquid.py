"""Hyperliquid as the server."""

from typing import Any

import pytest

from ingest.replay.dialects.base import Subscribe, Unsubscribe
from ingest.replay.dialects.hyperliquid import DIALECT


def request(method: str, **subscription: str) -> dict[str, Any]:
    return {"method": method, "subscription": subscription}


@pytest.mark.parametrize(
    ("subscription", "topic"),
    [
        ({"type": "trades", "coin": "BTC"}, "trades:BTC"),
        ({"type": "candle", "coin": "kPEPE", "interval": "1m"}, "candle:kPEPE:1m"),
        ({"type": "activeAssetCtx", "coin": "@107"}, "activeAssetCtx:@107"),
    ],
)
def test_subscribe(ask: Any, subscription: dict[str, str], topic: str) -> None:
    """The request comes back with the answer."""
    sub, unsub = (request(method, **subscription) for method in ("subscribe", "unsubscribe"))
    answer = {"channel": "subscriptionResponse"}

    assert ask("hyperliquid", sub) == [{**answer, "data": sub}, Subscribe((topic,))]
    assert ask("hyperliquid", unsub, subscribed=[topic]) == [
        {**answer, "data": unsub},
        Unsubscribe((topic,)),
    ]


def test_twice(ask: Any) -> None:
    """An error quotes what was asked for."""
    sub, unsub = (request(m, type="bbo", coin="BTC") for m in ("subscribe", "unsubscribe"))
    [again] = ask("hyperliquid", sub, subscribed=["bbo:BTC"])
    [gone] = ask("hyperliquid", unsub)

    assert again == {"channel": "error", "data": 'Already subscribed: {"type":"bbo","coin":"BTC"}'}
    assert gone["data"].startswith("Already unsubscribed: {")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "Error parsing JSON"),
        ([], "Error parsing JSON"),
        (request("subscribe", type="nope", coin="BTC"), "Invalid subscription {"),
        (request("subscribe", type="trades"), "Invalid subscription {"),
        (request("subscribe", type="candle", coin="BTC"), "Invalid subscription {"),
    ],
)
def test_refusals(ask: Any, body: object, said: str) -> None:
    [answer] = ask("hyperliquid", body)
    assert answer["channel"] == "error"
    assert answer["data"].startswith(said)


def test_ping(ask: Any) -> None:
    assert ask("hyperliquid", {"method": "ping"}) == [{"channel": "pong"}]


@pytest.mark.parametrize(
    ("frame", "topic"),
    [
        (b'{"channel":"trades","data":[{"coin":"BTC"},{"coin":"BTC"}]}', "trades:BTC"),
        (b'{"channel":"l2Book","data":{"coin":"kPEPE","levels":[[],[]]}}', "l2Book:kPEPE"),
        (b'{"channel":"candle","data":{"s":"BTC","i":"1m"}}', "candle:BTC:1m"),
        (b'{"channel":"activeSpotAssetCtx","data":{"coin":"@107"}}', "activeAssetCtx:@107"),
        (b'{"channel":"trades","data":[]}', None),
        (b'{"channel":"subscriptionResponse","data":{}}', None),
        (b'{"channel":"pong"}', None),
        (b"[]", None),
        (b"", None),
    ],
)
def test_topics(frame: bytes, topic: str | None) -> None:
    assert DIALECT.topic(frame) == topic


def test_rest() -> None:
    """All of it is asked for with a POST, which recordings do not have."""
    assert DIALECT.rest_key("/info", "") is None
    assert b"Not recorded" in DIALECT.rest_missing(None)
