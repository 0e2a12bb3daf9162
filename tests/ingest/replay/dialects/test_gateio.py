"""Gate spot as the server."""

import json

import pytest

from ingest.replay.dialects.base import Reply, Session, Subscribe, Unsubscribe
from ingest.replay.dialects.gateio import DIALECT

KNOWN = {"spot.trades:OMG_USDT", "spot.candlesticks:1m:NEO_BTC"}
SUCCESS = {"status": "success"}


def request(body: object) -> list[object]:
    """Actions for a request, replies decoded."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    actions = DIALECT.request(payload, Session("a", "", [], KNOWN.__contains__))
    return [json.loads(a.payload) if isinstance(a, Reply) else a for a in actions]


def subscribe(channel: str, *payload: str) -> dict[str, object]:
    return {"time": 5, "channel": channel, "event": "subscribe", "payload": list(payload)}


@pytest.mark.parametrize(
    ("body", "topics"),
    [
        (
            subscribe("spot.tickers", "OMG_USDT", "NEO_BTC"),
            ("spot.tickers:OMG_USDT", "spot.tickers:NEO_BTC"),
        ),
        (
            subscribe("spot.order_book_update", "OMG_USDT", "100ms"),
            ("spot.order_book_update:OMG_USDT",),
        ),
        (subscribe("spot.candlesticks", "5m", "OMG_USDT"), ("spot.candlesticks:5m:OMG_USDT",)),
    ],
)
def test_subscribe(body: dict[str, object], topics: tuple[str, ...]) -> None:
    """As recorded: one answer per request; its number, if it has one, comes back."""
    answer = {"time": 5, "channel": body["channel"], "event": "subscribe", "result": SUCCESS}

    assert request(body) == [answer, Subscribe(topics)]
    assert request(body | {"id": 7}) == [answer | {"id": 7}, Subscribe(topics)]


def test_unsubscribe_and_ping() -> None:
    """A topic ends; a ping gets its pong."""
    body = subscribe("spot.trades", "OMG_USDT") | {"event": "unsubscribe"}

    assert request(body)[1] == Unsubscribe(("spot.trades:OMG_USDT",))
    assert request({"time": 5, "channel": "spot.ping"}) == [
        {"time": 5, "channel": "spot.pong", "event": "", "error": None, "result": None}
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "invalid request body format"),
        (subscribe("spot.trades", "OMG_USDT", "NO_SUCH"), "unknown currency pair NO_SUCH"),
        (subscribe("spot.candlesticks", "7m", "OMG_USDT"), "invalid argument"),
        (subscribe("spot.party", "OMG_USDT"), "invalid argument"),
        (subscribe("spot.trades") | {"payload": "OMG_USDT"}, "invalid argument"),
        (subscribe("spot.trades") | {"event": "party"}, "unknown event party"),
    ],
)
def test_refusals(body: object, message: str) -> None:
    """A request with anything wrong in it is refused as a whole."""
    (answer,) = request(body)

    assert isinstance(answer, dict)
    assert answer["error"]["message"] == message
    assert answer["result"] is None


@pytest.mark.parametrize(
    ("payload", "topic"),
    [
        (
            b'{"channel":"spot.trades","event":"update","result":{"currency_pair":"A_B"}}',
            "spot.trades:A_B",
        ),
        (
            b'{"channel":"spot.order_book_update","event":"update","result":{"s":"A_B"}}',
            "spot.order_book_update:A_B",
        ),
        (
            b'{"channel":"spot.candlesticks","event":"update","result":{"n":"1m_A_B"}}',
            "spot.candlesticks:1m:A_B",
        ),
        (b'{"channel":"spot.trades","event":"subscribe","result":{"status":"success"}}', None),
        (b'{"channel":"spot.trades","event":"update","result":{}}', None),
        (b"[]", None),
        (b"{", None),
    ],
)
def test_topics_of_recorded_messages(payload: bytes, topic: str | None) -> None:
    """What is not data has no topic; data goes out as recorded."""
    assert DIALECT.topic(payload) == topic
    assert DIALECT.encode(payload, "", "") is payload


def test_rest() -> None:
    """Books meet without their limit, and follow the position of their updates."""
    query = "currency_pair=OMG_USDT&limit=100&with_id=true"
    key = DIALECT.rest_key("/api/v4/spot/order_book", query)

    assert key == "spot/order_book?currency_pair=OMG_USDT&with_id=true"
    assert DIALECT.rest_topic(key) == "spot.order_book_update:OMG_USDT"
    assert DIALECT.rest_key("/api/v4/spot/currency_pairs", "") == "spot/currency_pairs"
    assert DIALECT.rest_topic("spot/currency_pairs") is None
    assert DIALECT.rest_key("/elsewhere", "") is None
    assert json.loads(DIALECT.rest_missing(None))["label"]
