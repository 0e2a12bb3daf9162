"""HTX as the server."""

import gzip
import json
from pathlib import Path

import pytest

from ingest.replay.dialects import htx
from ingest.replay.dialects.base import Reply, Session, Subscribe, Unsubscribe
from ingest.replay.dialects.htx import COINM, SPOT, USDM
from ingest.replay.library import load

TRADES = "market.btcusdt.trade.detail"
# From cf-20220217-linearswap, shortened.
BOOK = gzip.compress(
    b'{"ch":"market.BTC-USDT.depth.step0","ts":1,"tick":{"mrid":9,"bids":[[40990.2,9128]],'
    b'"asks":[],"ts":1,"version":7,"ch":"market.BTC-USDT.depth.step0"}}'
)


def request(body: object) -> list[object]:
    """Actions for a request, replies decoded."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    actions = SPOT.request(payload, Session("0000000a", "", [], {TRADES}.__contains__))
    return [json.loads(gzip.decompress(a.payload)) if isinstance(a, Reply) else a for a in actions]


def test_binary() -> None:
    """Everything is sent in binary frames."""
    assert SPOT.binary
    assert USDM.binary
    assert COINM.binary


def test_pings() -> None:
    """The venue pings first; answers to that need no answer, the client's pings do."""
    (ping,) = SPOT.opened("/ws", "")
    assert isinstance(ping, Reply)
    assert set(json.loads(gzip.decompress(ping.payload))) == {"ping"}
    assert request({"pong": 1618678073643}) == []
    assert request({"ping": 7}) == [{"pong": 7}]


def test_subscribe() -> None:
    """A topic is acknowledged under the request's id, as text or as number, then starts."""
    for number in (1, "1"):
        ack, start = request({"sub": TRADES, "id": number})
        assert isinstance(ack, dict)
        assert (ack["id"], ack["status"], ack["subbed"]) == (number, "ok", TRADES)
        assert start == Subscribe((TRADES,))


def test_unsubscribe() -> None:
    """Unsubscribing is acknowledged likewise."""
    ack, stop = request({"unsub": TRADES, "id": "3"})
    assert isinstance(ack, dict)
    assert ack["unsubbed"] == TRADES
    assert stop == Unsubscribe((TRADES,))


@pytest.mark.parametrize(
    "body", [b"hello", b"\xff", b"[]", {}, {"sub": 1}, {"sub": "market.no.bbo", "id": "9"}]
)
def test_mistakes(body: object) -> None:
    """A wrong request is answered with an error, under its id where it has one."""
    (answer,) = request(body)
    assert isinstance(answer, dict)
    assert (answer["status"], answer["err-code"]) == ("error", "bad-request")
    assert answer.get("id") == ("9" if b"9" in json.dumps(str(body)).encode() else None)


def test_topic() -> None:
    """Data is known by its channel; acks, pings and what is no gzip are not data."""
    assert USDM.topic(BOOK) == "market.BTC-USDT.depth.step0"
    assert USDM.topic(gzip.compress(b'{"ping":1}')) is None
    assert USDM.topic(b'{"ch":"x"}') is None
    assert USDM.topic(BOOK[:20]) is None
    assert USDM.topic(gzip.compress(b"[]")) is None


def test_whole_books_serve_for_changes() -> None:
    """Who asks for the changes of a book gets the recorded whole ones as such."""
    wanted = "market.BTC-USDT.depth.size_150.high_freq"
    assert USDM.stand_in(wanted) == "market.BTC-USDT.depth.step0"
    assert USDM.stand_in(TRADES) is None
    assert USDM.encode(BOOK, "market.BTC-USDT.depth.step0", "") == BOOK

    sent = json.loads(gzip.decompress(USDM.encode(BOOK, wanted, "")))
    assert (sent["ch"], sent["tick"]["ch"], sent["tick"]["event"]) == (wanted, wanted, "snapshot")
    assert sent["tick"]["bids"] == [[40990.2, 9128]]


@pytest.mark.parametrize(
    ("url", "venue"),
    [
        ("wss://api.huobi.pro/ws", "htx"),
        ("wss://api.hbdm.com/linear-swap-ws", "htx-usdm"),
        ("wss://api.hbdm.com/swap-ws", "htx-coinm"),
    ],
)
def test_markets_of_one_host(tmp_path: Path, url: str, venue: str) -> None:
    """The contract markets have one host: the path says whose a recording is."""
    (tmp_path / "x").write_text(f"{url} <-> 1617666423.5\n1617666424.5: {BOOK!r}\n")
    assert list(load([str(tmp_path / "x")]).venues) == [venue]


def test_rest() -> None:
    """Recorded listings are found by their path, whatever the query."""
    path = "/linear-swap-api/v1/swap_contract_info"
    assert USDM.rest_key(path, "") == USDM.rest_key(path, "business_type=all")
    assert b"Not recorded" in htx.SPOT.rest_missing(None)


def test_books_over_rest() -> None:
    """One of each pair, due with the pair's changes."""
    key = SPOT.rest_key("/market/depth", "type=step0&symbol=btcusdt")
    assert key == SPOT.rest_key("/market/depth", "symbol=btcusdt&type=step0")
    assert key is not None
    assert SPOT.rest_topic(key) == "market.btcusdt.mbp.150"
    assert SPOT.rest_topic("market/tickers") is None
