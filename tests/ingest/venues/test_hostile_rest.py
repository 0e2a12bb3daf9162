"""Every registered venue: whatever its REST interface answers is used, or a `DecodeError`."""

import json
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest

from ingest import venues
from ingest.errors import DecodeError
from ingest.instruments import Listing
from ingest.venues.decoding import Reason

RX = 1_723_161_254_087_891_268
LONG = b"9" * 20_000
DEEP = 100_000
BODIES = {
    "nothing": b"",
    "HTML": b"<!DOCTYPE html><html><body>Just a moment...</body></html>",
    "no UTF-8": b'{"a":"\xff\xfe"}',
    "half": b'{"symbols":[{"symbol":"BT',
    "null": b"null",
    "a number": b"1",
    "a long number": LONG,
    "1e999999999": b"1e999999999",
    "NaN": b"NaN",
    "text": b'"text"',
    "an empty list": b"[]",
    "an empty object": b"{}",
    "nested lists": b"[" * DEEP + b"]" * DEEP,
    "nested objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "many empty lists": b"[" + b"[]," * 100_000 + b"[]]",
    "keys twice": b'{"data":[],"data":{},"result":1,"result":{},"code":"0","code":0}',
    "a lone surrogate": b'{"code":"\\ud800","data":"\\ud800"}',
    "an error": b'{"code":-1003,"msg":"Too much request weight used"}',
}
# What the envelopes of the venues have in common, with hostile things inside.
INNER = [None, 1, "x", [], {}, [None], [[]], [{}], {"a": [[]]}, "9" * 5000, [["1", "1"]] * 9]
ENVELOPES = ("data", "result", "symbols", "tick", "products", "bids", "asks", "trades", "universe")


def bodies() -> Iterator[tuple[str, bytes]]:
    yield from BODIES.items()
    for inner in INNER:
        whole = dict.fromkeys(ENVELOPES, inner)
        for code in ({"code": "0"}, {"code": "200000", "status": "ok"}, {"retCode": 0}, {}):
            yield "an envelope", json.dumps({**whole, **code}).encode()
        yield "a list", json.dumps([inner, inner]).encode()


def readers(name: str) -> Iterator[tuple[str, Callable[[bytes], Any]]]:
    """Everything of a venue that is given the body of an answer."""
    venue = venues.get(name)
    if (listed := venue.instruments) is not None:
        count = len(listed.requests)
        yield "instruments", lambda body: Listing(name, RX, listed.parse([body] * count))
    if (ticket := venue.ticket) is not None:
        yield "ticket", lambda body: ticket.admit(body, venue.ws_url)
    for channel, rule in venue.books.items():
        if rule.rest is not None:
            yield f"snapshot of {channel}", lambda body, rest=rule.rest: rest.decode(body, RX)
    for channel, backfill in venue.backfills.items():
        yield f"past {channel}", lambda body, fill=backfill: fill.decode(body, RX)


@pytest.mark.parametrize("venue", venues.names())
def test_hostile_answers(venue: str) -> None:
    """Read as what was asked for: sound or refused, with words of bounded length."""
    for what, read in readers(venue):
        for kind, body in bodies():
            try:
                read(body)
            except DecodeError as exc:
                assert exc.reason in get_args(Reason), (what, kind)
                assert len(str(exc)) < 1000, (what, kind)


@pytest.mark.parametrize(
    "endpoint",
    [
        "ws://ws-api.kucoin.com",
        "file:///etc/passwd",
        "http://h",
        "",
        "javascript:1",
        "//h/endpoint",
    ],
)
def test_a_ticket_for_somewhere_without_tls(endpoint: str) -> None:
    """Where to connect to is taken from an answer only with TLS."""
    server = {"endpoint": endpoint, "protocol": "websocket", "encrypt": True}
    server |= {"pingInterval": 18000, "pingTimeout": 10000}
    data = {"token": "t", "instanceServers": [server]}
    body = json.dumps({"code": "200000", "data": data}).encode()
    venue = venues.get("kucoin")
    assert venue.ticket is not None

    with pytest.raises(DecodeError, match="endpoint"):
        venue.ticket.admit(body, venue.ws_url)
