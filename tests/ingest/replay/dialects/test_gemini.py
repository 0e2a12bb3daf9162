"""Gemini as the server."""

from collections.abc import Callable
from typing import Any

import pytest

from ingest.replay.dialects.base import Subscribe, Unsubscribe
from ingest.replay.dialects.gemini import DIALECT

Ask = Callable[..., list[Any]]


def wanted(kind: str, *symbols: str) -> dict[str, object]:
    return {"type": kind, "subscriptions": [{"name": "l2", "symbols": list(symbols)}]}


def test_subscribe(ask: Ask) -> None:
    """What is known starts without an answer."""
    serves = ["l2:BTCUSD", "l2:ETHUSD"]

    assert ask("gemini", wanted("subscribe", "BTCUSD", "ETHUSD"), serves) == [
        Subscribe(("l2:BTCUSD", "l2:ETHUSD"))
    ]
    assert ask("gemini", wanted("unsubscribe", "BTCUSD"), serves) == [Unsubscribe(("l2:BTCUSD",))]


def test_unknown_symbol(ask: Ask) -> None:
    """It is refused; the others start."""
    refusal, start = ask("gemini", wanted("subscribe", "NONE", "BTCUSD"), ["l2:BTCUSD"])

    assert (refusal["result"], refusal["reason"]) == ("error", "InvalidSymbol")
    assert start == Subscribe(("l2:BTCUSD",))


@pytest.mark.parametrize(
    "body", [b"x", b"[]", {"type": "subscribe"}, {"type": "hello", "subscriptions": []}]
)
def test_mistakes(ask: Ask, body: object) -> None:
    """They are told."""
    (answer,) = ask("gemini", body)

    assert answer["result"] == "error"


@pytest.mark.parametrize("entry", [1, {}, {"symbols": 1}])
def test_entries_that_are_none(ask: Ask, entry: object) -> None:
    """A list without anything that could be subscribed to is refused as well."""
    (answer,) = ask("gemini", {"type": "subscribe", "subscriptions": [entry]})

    assert answer["reason"] == "InvalidSymbol"


def test_topic() -> None:
    """Book and trades are one topic; heartbeats are not data."""
    assert DIALECT.topic(b'{"type":"l2_updates","symbol":"BTCUSD"}') == "l2:BTCUSD"
    assert DIALECT.topic(b'{"type":"trade","symbol":"BTCUSD"}') == "l2:BTCUSD"
    assert DIALECT.topic(b'{"type":"candles_1m_updates","symbol":"A"}') == "candles_1m:A"
    assert DIALECT.topic(b'{"type":"heartbeat","timestamp":1}') is None
    assert DIALECT.topic(b"x") is None


def test_rest_keys() -> None:
    """By the rest of their path."""
    assert DIALECT.rest_key("/v1/symbols/details/btcusd", "") == "symbols/details/btcusd"
    assert DIALECT.rest_key("/v2/marketdata", "") is None
    assert b"Not recorded" in DIALECT.rest_missing(None)
