"""BitMEX as the server."""

import json

import pytest

from ingest.replay.dialects.base import Reply, Session, Subscribe, Unsubscribe
from ingest.replay.dialects.bitmex import DIALECT

KNOWN = {"trade:XBTUSD", "quote:XBTUSD"}


def request(body: object) -> list[object]:
    """Actions for a request, replies decoded where they are JSON."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    actions = DIALECT.request(payload, Session("0000000a", "", [], KNOWN.__contains__))
    return [
        json.loads(a.payload) if isinstance(a, Reply) and a.payload != b"pong" else a
        for a in actions
    ]


def test_welcome() -> None:
    """A connection begins with the venue's welcome."""
    (welcome,) = DIALECT.opened("/realtime", "")
    assert isinstance(welcome, Reply)
    assert json.loads(welcome.payload)["info"].startswith("Welcome")


def test_ping() -> None:
    """The text ping gets the text pong."""
    assert request(b"ping") == [Reply(b"pong")]


def test_one_answer_per_topic() -> None:
    """Every topic is acknowledged on its own, quoting the request; then all start together."""
    asked = {"op": "subscribe", "args": ["trade:XBTUSD", "quote:XBTUSD"]}

    assert request(asked) == [
        {"success": True, "subscribe": "trade:XBTUSD", "request": asked},
        {"success": True, "subscribe": "quote:XBTUSD", "request": asked},
        Subscribe(("trade:XBTUSD", "quote:XBTUSD")),
    ]


def test_unknown_topic() -> None:
    """An unknown topic is refused; the others are not affected."""
    refusal, ack, start = request({"op": "subscribe", "args": ["trade:NO", "trade:XBTUSD"]})

    assert isinstance(refusal, dict)
    assert (refusal["status"], "trade:NO" in refusal["error"]) == (400, True)
    assert isinstance(ack, dict)
    assert ack["subscribe"] == "trade:XBTUSD"
    assert start == Subscribe(("trade:XBTUSD",))


def test_unsubscribe() -> None:
    """Unsubscribing is acknowledged likewise; a single topic needs no list."""
    asked = {"op": "unsubscribe", "args": "trade:XBTUSD"}
    assert request(asked) == [
        {"success": True, "unsubscribe": "trade:XBTUSD", "request": asked},
        Unsubscribe(("trade:XBTUSD",)),
    ]


@pytest.mark.parametrize(
    "body", [b"hello", b"\xff", b"[]", {}, {"op": "login"}, {"op": "subscribe", "args": [1]}]
)
def test_mistakes(body: object) -> None:
    """A wrong request is answered with an error."""
    (answer,) = request(body)
    assert isinstance(answer, dict)
    assert answer["status"] == 400


@pytest.mark.parametrize(
    ("message", "topic"),
    [
        (b'{"table":"trade","action":"insert","data":[{"symbol":"XBTUSD"}]}', "trade:XBTUSD"),
        (b'{"table":"a","action":"partial","filter":{"symbol":"B"},"data":[]}', "a:B"),
        (b'{"success":true,"subscribe":"trade:XBTUSD","request":{}}', None),
        (b'{"info":"Welcome"}', None),
        (b"pong", None),
    ],
)
def test_topic(message: bytes, topic: str | None) -> None:
    """Data is known by table and symbol; the rest the replay makes itself."""
    assert DIALECT.topic(message) == topic


def test_rest() -> None:
    """Recorded listings are found by their path."""
    assert DIALECT.rest_key("/api/v1/instrument/active", "") == "instrument/active"
    assert DIALECT.rest_key("/realtime", "") is None
    assert b"Not recorded" in DIALECT.rest_missing(None)
