import json

import pytest

from ingest.errors import DecodeError
from ingest.venues.base import Ack, Inbound, Pong, Reject
from ingest.venues.gemini_v3 import VENUE


def parse(frame: bytes) -> Inbound | list[Inbound]:
    return VENUE.parser()(frame)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b'{"id":1,"status":200}', Ack(1)),
        (
            b'{"id":4,"status":400,"error":{"code":-1013,'
            b'"msg":"Invalid stream name: nosuchperp@depth@100ms"}}',
            Reject("Invalid stream name: nosuchperp@depth@100ms", code="-1013", request_id=4),
        ),
        (b'{"id":4,"status":429}', Reject("", code="429", request_id=4)),
        (b'{"id":"ping","status":200}', Pong()),
    ],
)
def test_control_frames(frame: bytes, expected: Inbound) -> None:
    """As probed on 15 September 2026."""
    assert parse(frame) == expected


@pytest.mark.parametrize(
    "frame",
    [
        b"{}",
        b'{"e":"markPrice","E":1,"s":"btcgusdperp","p":"1","i":"1"}',
        b'{"e":"depthUpdate"}',
        b'{"s":"btcusd"}',
        b"[]",
    ],
)
def test_broken_frames(frame: bytes) -> None:
    """And those of streams that nobody asks for."""
    with pytest.raises(DecodeError, match="gemini-v3"):
        parse(frame)


def test_requests() -> None:
    """Names are in lower case; answers come by the number."""
    topics = [VENUE.topic(channel, "BTC-USD") for channel in ("book", "trade", "bbo")]

    assert json.loads(VENUE.subscribe(topics, 3)) == {
        "id": 3,
        "method": "subscribe",
        "params": ["btcusd@depth@100ms", "btcusd@trade", "btcusd@bookTicker"],
    }
    assert VENUE.unsubscribe is not None
    assert json.loads(VENUE.unsubscribe(topics[:1], 4))["method"] == "unsubscribe"
    assert VENUE.heartbeat is not None
    assert json.loads(VENUE.heartbeat.payload) == {"id": "ping", "method": "ping"}
