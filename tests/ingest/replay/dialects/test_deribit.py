"""Deribit as the server."""

from collections.abc import Callable
from typing import Any

import pytest

from ingest.replay.dialects.base import Subscribe, Unsubscribe
from ingest.replay.dialects.deribit import DIALECT

Ask = Callable[..., list[Any]]
RAW = "book.ETH-9APR21-1950-C.raw"
PUBLIC = "book.ETH-9APR21-1950-C.100ms"
# From deribit/cf-20210405, shortened.
BOOK = (
    b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.ETH-9APR21-1950-C.raw",'
    b'"data":{"type":"snapshot","instrument_name":"ETH-9APR21-1950-C","bids":[],"asks":[]}}}'
)


def rpc(method: str, **params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}


@pytest.mark.parametrize(
    ("method", "action"), [("subscribe", Subscribe), ("unsubscribe", Unsubscribe)]
)
def test_subscribe(ask: Ask, method: str, action: Any) -> None:
    """The answer lists the channels there are; the others are left out."""
    answer, change = ask("deribit", rpc(f"public/{method}", channels=[PUBLIC, "x"]), [PUBLIC])

    assert (answer["id"], answer["result"]) == (7, [PUBLIC])
    assert change == action((PUBLIC,))


def test_only_unknown_channels(ask: Ask) -> None:
    """Then the list is empty, and nothing starts."""
    (answer,) = ask("deribit", rpc("public/subscribe", channels=["x"]))

    assert answer["result"] == []


def test_heartbeats(ask: Ask) -> None:
    """They are taken note of; a test is answered with the version."""
    assert ask("deribit", rpc("public/set_heartbeat", interval=30))[0]["result"] == "ok"
    assert "version" in ask("deribit", rpc("public/test"))[0]["result"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"x", -32700),
        (b"[]", -32600),
        (rpc("public/party"), -32601),
        (rpc("public/subscribe"), -32602),
        (rpc("public/subscribe", channels=[1]), -32602),
    ],
)
def test_mistakes(ask: Ask, body: object, code: int) -> None:
    """They have the codes of JSON-RPC."""
    (answer,) = ask("deribit", body)

    assert answer["error"]["code"] == code


def test_recorded_channels_serve_for_public_ones() -> None:
    """Who asks for every 100 ms gets every change, under the name asked for."""
    assert DIALECT.topic(BOOK) == RAW
    assert DIALECT.topic(b'{"id":0,"result":[]}') is None
    assert DIALECT.topic(b"x") is None
    assert DIALECT.stand_in(PUBLIC) == RAW
    assert DIALECT.stand_in(RAW) is None
    assert DIALECT.encode(BOOK, PUBLIC, "") == BOOK.replace(b".raw", b".100ms")
    assert DIALECT.encode(BOOK, RAW, "") == BOOK


def test_rest_keys() -> None:
    """Instruments of any currency are those of one that was recorded."""
    path = "/api/v2/public/get_instruments"

    assert DIALECT.rest_key(path, "currency=any&expired=false") == "get_instruments"
    assert DIALECT.rest_key("/api/v2/public/ticker", "instrument_name=X") == (
        "ticker?instrument_name=X"
    )
    assert DIALECT.rest_key("/", "") is None
    assert b"Not recorded" in DIALECT.rest_missing(None)
