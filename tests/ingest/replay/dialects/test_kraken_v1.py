"""Kraken, WebSocket API v1, as the server."""

import json

import pytest

from ingest.replay.dialects.base import Reply, Session, Subscribe, Unsubscribe
from ingest.replay.dialects.kraken_v1 import DIALECT

KNOWN = {"book:1000:XBT/USD", "trade:XBT/USD", "ticker:ALGO/XBT"}


def request(body: object) -> list[object]:
    """Actions for a request, replies decoded."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    actions = DIALECT.request(payload, Session("a", "", [], KNOWN.__contains__))
    return [json.loads(a.payload) if isinstance(a, Reply) else a for a in actions]


def test_it_begins_with_its_status() -> None:
    """A new connection is told that the system is online."""
    (reply,) = DIALECT.opened("/", "")

    assert isinstance(reply, Reply)
    assert json.loads(reply.payload)["event"] == "systemStatus"


def test_one_answer_per_pair() -> None:
    """As recorded: each pair has its own answer; the number of the request comes back."""
    subscription = {"name": "book", "depth": 1000}
    body = {"event": "subscribe", "reqid": 5, "pair": ["XBT/USD", "ALGO/XBT", "NO/SUCH"]}

    first, second, third, change = request(body | {"subscription": subscription})

    assert first == {
        "channelName": "book-1000",
        "event": "subscriptionStatus",
        "pair": "XBT/USD",
        "status": "subscribed",
        "subscription": subscription,
        "reqid": 5,
    }
    assert isinstance(second, dict)
    assert (second["pair"], second["status"]) == ("ALGO/XBT", "subscribed")
    assert third == {
        "errorMessage": "Currency pair not supported NO/SUCH",
        "event": "subscriptionStatus",
        "pair": "NO/SUCH",
        "status": "error",
        "subscription": subscription,
        "reqid": 5,
    }
    assert change == Subscribe(("book:1000:XBT/USD", "book:1000:ALGO/XBT"))


def test_unsubscribe() -> None:
    """The topics end, each with an answer."""
    body = {"event": "unsubscribe", "pair": ["XBT/USD"], "subscription": {"name": "trade"}}

    answer, change = request(body)

    assert isinstance(answer, dict)
    assert answer["status"] == "unsubscribed"
    assert change == Unsubscribe(("trade:XBT/USD",))


def test_ping() -> None:
    """A ping gets its pong, with the number it had."""
    assert request({"event": "ping", "reqid": 42}) == [{"event": "pong", "reqid": 42}]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{", "Malformed request"),
        ([], "Malformed request"),
        ({"event": "party"}, "Malformed request"),
        ({"event": "subscribe", "pair": ["XBT/USD"]}, "Malformed request"),
        (
            {"event": "subscribe", "pair": "XBT/USD", "subscription": {"name": "trade"}},
            "Pair field must be an array",
        ),
        (
            {"event": "subscribe", "pair": ["XBT/USD"], "subscription": {"name": "trades"}},
            "Subscription name invalid",
        ),
        (
            {"event": "subscribe", "pair": [], "subscription": {"name": "book", "depth": 7}},
            "Subscription depth not supported",
        ),
        (
            {"event": "subscribe", "pair": [], "subscription": {"name": "ohlc", "interval": 7}},
            "Subscription ohlc interval not supported",
        ),
    ],
)
def test_refusals(body: object, error: str) -> None:
    """What the venue would not take is refused in its words."""
    (answer,) = request(body)

    assert isinstance(answer, dict)
    assert answer["errorMessage"] == error


@pytest.mark.parametrize(
    ("payload", "topic"),
    [
        (b'[320,{"a":[]},"book-1000","XBT/USD"]', "book:1000:XBT/USD"),
        (b'[320,{"a":[]},{"b":[],"c":"1"},"book-1000","XBT/USD"]', "book:1000:XBT/USD"),
        (b'[321,[],"trade","XBT/USD"]', "trade:XBT/USD"),
        (b'{"event":"heartbeat"}', None),
        (b"[1,2]", None),
        (b"[1,2,3,4]", None),
        (b"{", None),
    ],
)
def test_topics_of_recorded_messages(payload: bytes, topic: str | None) -> None:
    """Channel and pair stand last; what is not data has no topic."""
    assert DIALECT.topic(payload) == topic
    assert DIALECT.encode(payload, "", "") is payload


def test_rest() -> None:
    """Answers are named by endpoint and query; what is missing is an error of the venue's form."""
    assert DIALECT.rest_key("/0/public/AssetPairs", "") == "AssetPairs"
    assert DIALECT.rest_key("/0/public/Depth", "pair=B&count=1") == "Depth?count=1&pair=B"
    assert DIALECT.rest_key("/elsewhere", "") is None
    assert json.loads(DIALECT.rest_missing(None))["error"]
