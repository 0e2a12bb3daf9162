"""Gate perpetuals as the server."""

import json
from typing import Any

import pytest

from ingest.replay.dialects.base import Reply, Session, Subscribe, Unsubscribe
from ingest.replay.dialects.gateio_futures import BTC, USDT

KNOWN = {"futures.trades:BTC_USDT", "futures.obu:ob.ETH_USDT.50"}
SUCCESS = {"status": "success"}


def request(body: object, subscribed: tuple[str, ...] = ()) -> list[Any]:
    """Actions for a request, replies decoded."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    actions = USDT.request(payload, Session("a", "", subscribed, KNOWN.__contains__))
    return [json.loads(a.payload) if isinstance(a, Reply) else a for a in actions]


def subscribe(channel: str, *payload: str) -> dict[str, object]:
    return {"time": 5, "channel": channel, "event": "subscribe", "payload": list(payload)}


@pytest.mark.parametrize(
    ("body", "topics"),
    [
        (
            subscribe("futures.tickers", "BTC_USDT", "ETH_USDT"),
            ("futures.tickers:BTC_USDT", "futures.tickers:ETH_USDT"),
        ),
        (subscribe("futures.obu", "ob.BTC_USDT.400"), ("futures.obu:ob.BTC_USDT.400",)),
        (
            subscribe("futures.order_book_update", "BTC_USDT", "100ms", "100"),
            ("futures.order_book_update:BTC_USDT",),
        ),
        (
            subscribe("futures.contract_stats", "BTC_USDT", "1m"),
            ("futures.contract_stats:BTC_USDT",),
        ),
        (
            subscribe("futures.candlesticks", "5m", "BTC_USDT"),
            ("futures.candlesticks:5m:BTC_USDT",),
        ),
    ],
)
def test_subscribe(body: dict[str, object], topics: tuple[str, ...]) -> None:
    """One answer per request; its number, if it has one, comes back."""
    assert request(body | {"id": 7}) == [body | {"id": 7, "result": SUCCESS}, Subscribe(topics)]
    leave = body | {"event": "unsubscribe"}
    assert request(leave) == [leave | {"result": SUCCESS}, Unsubscribe(topics)]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "invalid argument struct"),
        (subscribe("futures.tickers"), "invalid argument"),
        (subscribe("futures.tickers", "BTC_USDT", "NO_USDT"), "unknown contract NO_USDT"),
        (subscribe("futures.candlesticks", "1m_BTC_USDT"), "invalid argument"),
        (subscribe("futures.obu", "ob.BTC_USDT.20"), "invalid argument"),
        ({"channel": "futures.tickers", "event": "subscribe"}, "request payload does not"),
        ({"channel": "futures.tickers", "event": "x"}, "unknown event x"),
    ],
)
def test_refusals(body: object, message: str) -> None:
    """As a whole, one that is not known among many too."""
    (answer,) = request(body)
    assert answer["error"]["message"].startswith(message)
    assert answer["result"] == {"status": "fail"}


def test_a_book_is_subscribed_once() -> None:
    (answer,) = request(subscribe("futures.obu", "ob.ETH_USDT.50"), ("futures.obu:ob.ETH_USDT.50",))
    assert answer["error"] == {"code": 2, "message": "Alert sub ob.ETH_USDT.50"}


def test_ping() -> None:
    assert request({"time": 5, "channel": "futures.ping"}) == [
        {"time": 5, "channel": "futures.pong", "event": "", "result": None}
    ]


@pytest.mark.parametrize(
    ("frame", "topic"),
    [
        (
            b'{"channel":"futures.trades","event":"update","result":[{"contract":"BTC_USDT"}]}',
            "futures.trades:BTC_USDT",
        ),
        (
            b'{"channel":"futures.obu","event":"update","result":{"s":"ob.ETH_USDT.50"}}',
            "futures.obu:ob.ETH_USDT.50",
        ),
        (
            b'{"channel":"futures.candlesticks","event":"update","result":[{"n":"1m_BTC_USDT"}]}',
            "futures.candlesticks:1m:BTC_USDT",
        ),
        (b'{"channel":"futures.trades","event":"subscribe","result":{}}', None),
        (b'{"channel":"futures.trades","event":"update","result":[]}', None),
        (b"[]", None),
        (b"", None),
    ],
)
def test_topics(frame: bytes, topic: str | None) -> None:
    assert USDT.topic(frame) == topic


def test_rest() -> None:
    """Snapshots go with the updates; each currency has its own paths."""
    key = USDT.rest_key("/api/v4/futures/usdt/order_book", "contract=BTC_USDT&limit=9&with_id=true")
    assert key == "futures/usdt/order_book?contract=BTC_USDT&with_id=true"
    assert USDT.rest_topic(key) == "futures.order_book_update:BTC_USDT"
    assert USDT.rest_topic("futures/usdt/contracts") is None
    assert USDT.rest_key("/elsewhere", "") is None
    assert b"NOT_FOUND" in USDT.rest_missing(None)
    assert not set(USDT.paths) & set(BTC.paths)
