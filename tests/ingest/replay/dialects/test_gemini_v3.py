"""Gemini's current interface as the server."""

import json
from typing import Any

import pytest

from ingest.replay.dialects.base import Reply, Session, Subscribe, Unsubscribe
from ingest.replay.dialects.gemini_v3 import DIALECT


def request(body: object) -> list[Any]:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    known = {"btcusd@trade"}.__contains__
    actions = DIALECT.request(payload, Session("a", "", [], known))
    return [json.loads(a.payload) if isinstance(a, Reply) else a for a in actions]


def test_subscribe() -> None:
    asked = {"id": 3, "method": "subscribe", "params": ["btcusd@trade", "BTCUSD@depth@100ms"]}
    topics = ("btcusd@trade", "btcusd@depth@100ms")

    assert request(asked) == [{"id": 3, "status": 200}, Subscribe(topics)]
    assert request(asked | {"method": "UNSUBSCRIBE"})[1] == Unsubscribe(topics)
    assert request({"id": "ping", "method": "ping"}) == [{"id": "ping", "status": 200}]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "Invalid request"),
        ({"id": 1, "method": "x"}, "Unsupported operation"),
        ({"id": 1, "method": "subscribe", "params": {}}, "Invalid parameters"),
        (
            {"id": 1, "method": "subscribe", "params": ["btcusd@trade", "no@trade"]},
            "Invalid stream name: no@trade",
        ),
        (
            {"id": 1, "method": "subscribe", "params": ["btcusd@markPrice@1s"]},
            "Invalid stream name: btcusd@markPrice@1s",
        ),
    ],
)
def test_refusals(body: object, message: str) -> None:
    """One bad name has the whole request refused."""
    (answer,) = request(body)
    assert (answer["status"], answer["error"]["msg"]) == (400, message)


@pytest.mark.parametrize(
    ("frame", "topic"),
    [
        (b'{"e":"depthUpdate","s":"btcusd","U":1,"u":2}', "btcusd@depth@100ms"),
        (b'{"s":"btcusd","t":1}', "btcusd@trade"),
        (b'{"s":"btcusd","u":1}', "btcusd@bookTicker"),
        (b'{"e":"markPrice","s":"btcusd"}', None),
        (b'{"id":1,"status":200}', None),
        (b"", None),
    ],
)
def test_topics(frame: bytes, topic: str | None) -> None:
    assert DIALECT.topic(frame) == topic


def test_rest() -> None:
    assert DIALECT.rest_key("/v1/symbols", "") == "symbols"
    assert DIALECT.rest_key("/else", "") is None
    assert b"NotRecorded" in DIALECT.rest_missing(None)
