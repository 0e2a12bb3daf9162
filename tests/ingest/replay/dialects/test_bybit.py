"""Bybit v5 as the server."""

import json

import pytest

from ingest.replay.dialects.base import Reply, Session, Subscribe, Unsubscribe
from ingest.replay.dialects.bybit import DIALECT

KNOWN = {"orderbook.200.XRPUSDT", "publicTrade.XRPUSDT"}


def request(body: object) -> list[object]:
    """Actions for a request, replies decoded."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    actions = DIALECT.request(payload, Session("a", "", [], KNOWN.__contains__))
    return [json.loads(a.payload) if isinstance(a, Reply) else a for a in actions]


def answer(success: bool, message: str, **more: str) -> dict[str, object]:
    plain = {"success": success, "ret_msg": message, "conn_id": "a", "req_id": "", "op": ""}
    return plain | more


def test_subscribe_and_ping() -> None:
    """One answer per request, with its number."""
    body = {"op": "subscribe", "args": sorted(KNOWN), "req_id": "7"}

    assert request(body) == [
        answer(True, "", req_id="7", op="subscribe"),
        Subscribe(tuple(sorted(KNOWN))),
    ]
    assert request(body | {"op": "unsubscribe"})[1] == Unsubscribe(tuple(sorted(KNOWN)))
    assert request({"op": "ping"}) == [answer(True, "pong", op="ping")]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "Params Error"),
        (b"[]", "Params Error"),
        (b'{"op":"subscribe"}', "Params Error"),
        (b'{"op":"party","args":["x"]}', "Params Error"),
        (
            b'{"op":"subscribe","args":["publicTrade.XRPUSDT","x.Y"]}',
            "error:handler not found,topic:x.Y",
        ),
    ],
)
def test_refusals(body: bytes, message: str) -> None:
    """A request with anything wrong in it is refused as a whole."""
    (refusal,) = request(body)

    assert isinstance(refusal, dict)
    assert (refusal["success"], refusal["ret_msg"]) == (False, message)


def test_depth_that_is_offered() -> None:
    """Books recorded of 500 levels are served under the depth that replaced it."""
    recorded = b'{"topic":"orderbook.500.XRPUSDT","type":"delta","ts":1,"data":{"s":"XRPUSDT"}}'
    offered = recorded.replace(b"500", b"200")

    assert DIALECT.topic(recorded) == "orderbook.500.XRPUSDT"
    assert DIALECT.stand_in("orderbook.200.XRPUSDT") == "orderbook.500.XRPUSDT"
    assert DIALECT.encode(recorded, "orderbook.200.XRPUSDT", "") == offered
    assert DIALECT.stand_in("publicTrade.XRPUSDT") is None
    assert DIALECT.encode(recorded, "orderbook.500.XRPUSDT", "") is recorded


@pytest.mark.parametrize(
    "payload", [b'{"topic":"trade.BCHUSDT","data":[]}', b'{"success":true}', b"[]", b"{"]
)
def test_what_is_no_data(payload: bytes) -> None:
    """Messages of API v2 cannot be asked for, so they are left out."""
    assert DIALECT.topic(payload) is None


def test_rest() -> None:
    """Answers are named by endpoint and query, limits aside."""
    path = "/v5/market/tickers"

    assert DIALECT.rest_key(path, "limit=1&category=spot") == "market/tickers?category=spot"
    assert DIALECT.rest_key("/v5/market/time", "") == "market/time"
    assert DIALECT.rest_key("/elsewhere", "") is None
    assert json.loads(DIALECT.rest_missing(None))["retCode"] == 404
