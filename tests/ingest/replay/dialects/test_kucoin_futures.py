"""KuCoin perpetuals as the server."""

import json
from typing import Any

import pytest

from ingest.replay.dialects.base import Reply, Session, Subscribe, Unsubscribe
from ingest.replay.dialects.kucoin_futures import DIALECT

BOOK = {"channel": "obu", "symbol": "XBTUSDTM", "tradeType": "FUTURES", "depth": "increment@10ms"}


def request(body: object) -> list[Any]:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    actions = DIALECT.request(payload, Session("a", "", [], lambda topic: False))
    return [json.loads(a.payload) if isinstance(a, Reply) else a for a in actions]


@pytest.mark.parametrize(
    ("body", "topic"),
    [
        (BOOK, "obu:increment@10ms:XBTUSDTM"),
        (
            {"channel": "kline", "symbol": "A", "tradeType": "FUTURES", "interval": "1min"},
            "kline:1min:A",
        ),
        ({"channel": "mark-price", "symbol": "A"}, "mark-price:A"),
        ({"channel": "trade", "symbol": "A", "tradeType": "FUTURES"}, "trade:A"),
    ],
)
def test_subscribe(body: dict[str, str], topic: str) -> None:
    """A symbol that nobody knows is accepted, too."""
    asked = {"id": "3", "action": "SUBSCRIBE", **body}
    assert request(asked) == [{"id": "3", "result": True}, Subscribe((topic,))]
    assert request(asked | {"action": "UNSUBSCRIBE"})[1] == Unsubscribe((topic,))


@pytest.mark.parametrize(
    "change", [{"channel": "nope"}, {"tradeType": "SPOT"}, {"symbol": 7}, {"depth": None}]
)
def test_refusals(change: dict[str, Any]) -> None:
    assert request({"id": "3", "action": "SUBSCRIBE", **BOOK, **change}) == [
        {"id": "3", "result": False, "message": "invalid request data"}
    ]


def test_others() -> None:
    """The welcome, pings, and what is no request at all."""
    (welcome,) = DIALECT.opened("/", "")
    assert isinstance(welcome, Reply)
    assert json.loads(welcome.payload)["message"] == "welcome"
    assert request({"id": "0", "type": "ping"})[0]["type"] == "pong"
    assert request(b"{") == []
    assert request([]) == []


@pytest.mark.parametrize(
    ("frame", "topic"),
    [
        (
            b'{"T":"obu.FUTURES","dp":"increment@10ms","t":"delta","d":{"s":"XBTUSDTM"}}',
            "obu:increment@10ms:XBTUSDTM",
        ),
        (b'{"T":"kline.FUTURES","d":{"s":"A","i":"1min"}}', "kline:1min:A"),
        (b'{"T":"mark-price","d":{"s":"A"}}', "mark-price:A"),
        (b'{"T":"funding-fee-all-symbols","d":[]}', None),
        (b'{"id":"1","result":true}', None),
        (b"", None),
    ],
)
def test_topics(frame: bytes, topic: str | None) -> None:
    assert DIALECT.topic(frame) == topic


def test_rest() -> None:
    assert DIALECT.rest_key("/api/v1/contracts/active", "") == "contracts/active"
    assert DIALECT.rest_key("/else", "") is None
    assert b"404000" in DIALECT.rest_missing(None)
