"""Bitfinex as the server."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ingest.replay.dialects.base import Reply, Subscribe, Unsubscribe
from ingest.replay.dialects.bitfinex import DIALECT

Ask = Callable[..., list[Any]]
TICKER = {"event": "subscribe", "channel": "ticker", "symbol": "tREQUSD"}
TOPIC = "ticker:tREQUSD"
# From bitfinex/cf-20210405.
SUBSCRIBED = (
    b'{"event":"subscribed","channel":"ticker","chanId":146471,"symbol":"tREQUSD","pair":"REQUSD"}'
)
TRADE = b'[146481,"te",[658733916,1617643611128,0.7574881,230890],394]'
ROW = b"[146465,[0.46673,1,2231.0474696],19]"


def test_opening(ask: Ask) -> None:
    """The venue introduces itself; flags are not granted, as there is no sequence."""
    (action,) = DIALECT.opened("/ws/2", "")

    assert isinstance(action, Reply)
    assert json.loads(action.payload)["event"] == "info"
    assert ask("bitfinex", {"event": "conf", "flags": 196608}) == [
        {"event": "conf", "status": "OK", "flags": 0}
    ]
    assert ask("bitfinex", {"event": "ping", "cid": 1})[0]["event"] == "pong"


def test_subscribe(ask: Ask) -> None:
    """The answer repeats what was asked for and gives it a number, which ends it too."""
    answer, start = ask("bitfinex", TICKER, [TOPIC])

    assert answer["event"] == "subscribed"
    assert answer["symbol"] == "tREQUSD"
    assert start == Subscribe((TOPIC,))
    number = answer["chanId"]
    assert ask("bitfinex", {"event": "unsubscribe", "chanId": number}, [TOPIC], [TOPIC])[1:] == [
        Unsubscribe((TOPIC,))
    ]


def test_books_of_another_kind() -> None:
    """Single orders are not served as levels, though recorded at the same length."""
    topic = DIALECT.new_topic()
    answer = (
        b'{"event":"subscribed","channel":"book","chanId":%d,"symbol":"tBTCUSD","prec":"%b",'
        b'"freq":"F0","len":"100","pair":"BTCUSD"}'
    )
    for number, prec in enumerate((b"P0", b"R0")):
        topic(answer % (number, prec))

    assert topic(b"[0,[100,1,2]]") == "book:100:tBTCUSD"
    assert topic(b"[1,[45761787004,100,2]]") == "book:100:tBTCUSD:R0:F0"


@pytest.mark.parametrize(
    ("body", "subscribed", "code"),
    [
        (b"x", [], 10000),
        ({"event": "party"}, [], 10000),
        (TICKER | {"symbol": "tNONE"}, [], 10300),
        (TICKER, [TOPIC], 10301),
        ({"event": "unsubscribe", "chanId": 1}, [], 10400),
    ],
)
def test_mistakes(ask: Ask, body: object, subscribed: list[str], code: int) -> None:
    """They repeat the request, with a code."""
    (answer,) = ask("bitfinex", body, [TOPIC], subscribed)

    assert (answer["event"], answer["code"]) == ("error", code)


def test_topics_are_learnt() -> None:
    """A number is known from the answer on; heartbeats are not data."""
    assert DIALECT.new_topic is not None
    topic_of = DIALECT.new_topic()
    frame = b"[146471,[1,2,3,4,5,6,7,8,9,10],2]"

    assert topic_of(frame) is None
    assert topic_of(SUBSCRIBED) is None
    assert topic_of(frame) == TOPIC
    assert topic_of(b'[146471,"hb",3]') is None
    assert topic_of(b"x") is None
    assert DIALECT.new_topic()(frame) is None


def test_numbers_are_replaced_and_the_sequence_left_out() -> None:
    """The rest of a message is what was recorded, character for character."""
    sent = DIALECT.encode(TRADE, "trades:tETHJPY", "")
    number, *rest = json.loads(sent)

    assert rest == ["te", [658733916, 1617643611128, 0.7574881, 230890]]
    assert b"[658733916,1617643611128,0.7574881,230890]" in sent
    assert json.loads(DIALECT.encode(ROW, "book:100:tCHZUST", ""))[1:] == [
        [0.46673, 1, 2231.0474696]
    ]
    assert number != json.loads(DIALECT.encode(ROW, "book:100:tCHZUST", ""))[0]


def test_recorded_books_serve_for_longer_ones() -> None:
    """100 levels were recorded; a book of one is another thing."""
    assert DIALECT.stand_in("book:250:tETH2X:ETH") == "book:100:tETH2X:ETH"
    assert DIALECT.stand_in("book:1:tCHZUST") is None
    assert DIALECT.stand_in(TOPIC) is None


def test_rest_keys() -> None:
    """Of several lists in one request, the first decides."""
    assert DIALECT.rest_key("/v2/conf/pub:list:pair:exchange,pub:list:pair:futures", "") == (
        "conf/pub:list:pair:exchange"
    )
    assert DIALECT.rest_key("/v2/tickers", "symbols=ALL") == "tickers?symbols=ALL"
    assert DIALECT.rest_key("/ws/2", "") is None
    assert b"Not recorded" in DIALECT.rest_missing(None)
