"""Bitstamp as the server."""

from collections.abc import Callable

import pytest

from ingest.replay.dialects.base import Subscribe, Unsubscribe
from ingest.replay.dialects.bitstamp import DIALECT

Ask = Callable[..., list[object]]
CHANNEL = "diff_order_book_xlmeur"


def test_subscribe(ask: Ask) -> None:
    """A channel is acknowledged, whether it exists or not, and starts."""
    body = {"event": "bts:subscribe", "data": {"channel": CHANNEL}}

    assert ask("bitstamp", body) == [
        {"event": "bts:subscription_succeeded", "channel": CHANNEL, "data": {}},
        Subscribe((CHANNEL,)),
    ]
    body["event"] = "bts:unsubscribe"
    assert ask("bitstamp", body)[1:] == [Unsubscribe((CHANNEL,))]


def test_heartbeat(ask: Ask) -> None:
    """It is answered in kind."""
    assert ask("bitstamp", {"event": "bts:heartbeat"}) == [
        {"event": "bts:heartbeat", "channel": "", "data": {"status": "success"}}
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"hello", "Incorrect JSON format."),
        (b"[]", "Bad subscription string."),
        ({"event": "bts:ping"}, "Bad subscription string."),
        ({"event": "bts:subscribe", "data": {}}, "Bad subscription string."),
        (
            {"event": "bts:subscribe", "data": {"channel": "order_book_BTC/USD"}},
            "Invalid channel provided.",
        ),
    ],
)
def test_mistakes(ask: Ask, body: object, message: str) -> None:
    """They are told, and nothing starts."""
    (answer,) = ask("bitstamp", body)

    assert answer == {
        "event": "bts:error",
        "channel": "",
        "data": {"code": None, "message": message},
    }


def test_topic() -> None:
    """Data is known by its channel; acknowledgements are not data."""
    data = b'{"data":{},"channel":"diff_order_book_xlmeur","event":"data"}'

    assert DIALECT.topic(data) == CHANNEL
    assert DIALECT.topic(b'{"event":"bts:heartbeat","channel":"","data":{}}') is None
    assert DIALECT.topic(b"x") is None


def test_rest_keys() -> None:
    """The list of markets is known by both its names; a book goes by its diffs' position."""
    assert DIALECT.rest_key("/api/v2/trading-pairs-info/", "") == "markets"
    assert DIALECT.rest_key("/api/v2/markets/", "") == "markets"
    assert DIALECT.rest_key("/", "") is None
    book = DIALECT.rest_key("/api/v2/order_book/xlmeur/", "")
    assert book == DIALECT.rest_key("/api/v2/order_book/xlmeur", "")
    assert book is not None
    assert DIALECT.rest_topic(book) == CHANNEL
    assert DIALECT.rest_topic("markets") is None
    assert b"Not recorded" in DIALECT.rest_missing(None)
