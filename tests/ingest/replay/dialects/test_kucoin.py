"""KuCoin as the server."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ingest import venues
from ingest.replay.dialects.base import Reply, Subscribe, Unsubscribe
from ingest.replay.dialects.kucoin import DIALECT

Ask = Callable[..., list[Any]]
SERVES = ["/market/match:A-B", "/market/match:C-D"]


def test_welcome() -> None:
    """It comes before anything else."""
    (action,) = DIALECT.opened("/endpoint", "token=x")

    assert isinstance(action, Reply)
    assert json.loads(action.payload)["type"] == "welcome"


def test_subscribe(ask: Ask) -> None:
    """Several symbols of one kind start together; the answer carries the number back."""
    body = {"id": 5, "type": "subscribe", "topic": "/market/match:A-B,C-D,X-Y", "response": True}

    assert ask("kucoin", body, SERVES) == [{"id": "5", "type": "ack"}, Subscribe(tuple(SERVES))]
    body |= {"type": "unsubscribe", "response": False}
    assert ask("kucoin", body, SERVES) == [Unsubscribe(tuple(SERVES))]


def test_ping(ask: Ask) -> None:
    """It is answered with its number."""
    assert ask("kucoin", {"id": "0", "type": "ping"}) == [{"id": "0", "type": "pong"}]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"x", 400),
        (b"[]", 400),
        ({"type": "subscribe"}, 400),
        ({"id": "1", "type": "subscribe", "topic": "/market/match:X-Y"}, 404),
    ],
)
def test_mistakes(ask: Ask, body: object, code: int) -> None:
    """They are told with a code."""
    (answer,) = ask("kucoin", body, SERVES)

    assert (answer["type"], answer["code"]) == ("error", code)


def test_topic() -> None:
    """Data is known by its topic; answers are not data."""
    message = b'{"data":{},"subject":"s","topic":"/market/match:A-B","type":"message"}'

    assert DIALECT.topic(message) == "/market/match:A-B"
    assert DIALECT.topic(b'{"id":"1","type":"ack"}') is None
    assert DIALECT.topic(b"x") is None


def test_rest_keys() -> None:
    """100 levels are served by the whole book, by the position of its updates."""
    whole = DIALECT.rest_key("/api/v3/market/orderbook/level2", "symbol=A-B")

    assert whole == DIALECT.rest_key("/api/v1/market/orderbook/level2_100", "symbol=A-B")
    assert whole is not None
    assert DIALECT.rest_topic(whole) == "/market/level2:A-B"
    assert DIALECT.rest_key("/api/v1/symbols", "") == "symbols"
    assert DIALECT.rest_topic("symbols") is None
    assert DIALECT.rest_key("/endpoint", "") is None
    assert b"Not recorded" in DIALECT.rest_missing(None)


def test_a_token_is_there_for_the_asking() -> None:
    """Our own client asks for one before each connection, and takes this answer."""
    key = DIALECT.rest_key("/api/v1/bullet-public", "")
    ticket = venues.get("kucoin").ticket

    assert key is not None and ticket is not None
    admission = ticket.admit(DIALECT.rest_made[key], "ws://127.0.0.1:9000/endpoint")
    assert admission.url == "ws://127.0.0.1:9000/endpoint?token=replay"
