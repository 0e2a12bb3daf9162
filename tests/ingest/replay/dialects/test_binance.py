"""Binance as the server."""

import json

import pytest

from ingest.replay.dialects.base import Reply, Session, SetForm, Subscribe, Unsubscribe
from ingest.replay.dialects.binance import DIALECT

# From binance/cf-20210417, shortened.
RECORDED = b'{"stream":"swrvbusd@bookTicker","data":{"u":64830107,"s":"SWRVBUSD","b":"2.27200000"}}'


def session(form: str = "combined", subscribed: list[str] | None = None) -> Session:
    return Session("00000001", form, subscribed or [], lambda _: False)


def request(body: object) -> list[object]:
    """Actions for a request, replies decoded."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    actions = DIALECT.request(payload, session(subscribed=["a@trade"]))
    return [json.loads(a.payload) if isinstance(a, Reply) else a for a in actions]


@pytest.mark.parametrize(
    ("path", "query", "form", "topics"),
    [
        ("/stream", "", "combined", None),
        ("/stream", "streams=a@trade/b@depth@100ms", "combined", ("a@trade", "b@depth@100ms")),
        ("/stream", "streams=a%40trade&timeUnit=MICROSECOND", "combined", ("a@trade",)),
        ("/ws", "", "raw", None),
        ("/ws/", "", "raw", None),
        ("/ws/a@trade/b@trade", "", "raw", ("a@trade", "b@trade")),
    ],
)
def test_url(path: str, query: str, form: str, topics: tuple[str, ...] | None) -> None:
    """The path decides between raw and combined; streams in it are subscribed at once."""
    expected = [SetForm(form)] + ([Subscribe(topics)] if topics else [])

    assert list(DIALECT.opened(path, query)) == expected


def test_subscribe_and_unsubscribe() -> None:
    """One answer per request, with its id, before anything else happens."""
    topics = ["btcusdt@trade", "nothing@known"]

    assert request({"method": "SUBSCRIBE", "params": topics, "id": 7}) == [
        {"result": None, "id": 7},
        Subscribe(tuple(topics)),
    ]
    assert request({"method": "UNSUBSCRIBE", "params": topics, "id": "x"}) == [
        {"result": None, "id": "x"},
        Unsubscribe(tuple(topics)),
    ]


def test_list_subscriptions() -> None:
    """What the connection has subscribed is listed."""
    assert request({"method": "LIST_SUBSCRIPTIONS", "id": 3}) == [{"result": ["a@trade"], "id": 3}]


def test_properties() -> None:
    """`combined` can be read and set, nothing else."""
    assert request({"method": "GET_PROPERTY", "params": ["combined"], "id": 2}) == [
        {"result": True, "id": 2}
    ]
    assert request({"method": "SET_PROPERTY", "params": ["combined", False], "id": 5}) == [
        {"result": None, "id": 5},
        SetForm("raw"),
    ]
    assert request({"method": "SET_PROPERTY", "params": ["combined", 1], "id": 5}) == [
        {"code": 1, "msg": "Invalid value type: expected Boolean", "id": 5}
    ]
    assert request({"method": "GET_PROPERTY", "params": ["colour"], "id": 5}) == [
        {"code": 0, "msg": "Unknown property", "id": 5}
    ]


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"ping", 3, "Invalid JSON"),
        (b"\xff", 3, "Invalid JSON"),
        ({"params": []}, 2, "missing field `method`"),
        ([1], 2, "missing field `method`"),
        ({"method": "subscribe", "params": [], "id": 1}, 2, "unknown variant `subscribe`"),
        ({"method": ["x"], "id": 1}, 2, "unknown variant"),
        ({"method": "SUBSCRIBE", "params": [], "id": True}, 2, "request ID"),
        ({"method": "SUBSCRIBE", "params": "x", "id": 1}, 2, "list of stream names"),
        ({"method": "SUBSCRIBE", "params": [1], "id": 1}, 2, "list of stream names"),
        ({"method": "SET_PROPERTY", "id": 1}, 2, "property name must be a string"),
    ],
)
def test_mistakes(body: object, code: int, message: str) -> None:
    """A wrong request is answered with the venue's error, and changes nothing."""
    (answer,) = request(body)

    assert isinstance(answer, dict)
    assert answer["code"] == code
    assert message in answer["msg"]


def test_topic() -> None:
    """Data is known by its stream; everything else is not data."""
    assert DIALECT.topic(RECORDED) == "swrvbusd@bookTicker"
    assert DIALECT.topic(b'{"result":null,"id":1}') is None
    assert DIALECT.topic(b"pong") is None


def test_forms() -> None:
    """Combined is what was recorded; raw is the data alone, byte for byte."""
    assert DIALECT.encode(RECORDED, "swrvbusd@bookTicker", "combined") == RECORDED
    raw = DIALECT.encode(RECORDED, "swrvbusd@bookTicker", "raw")
    assert raw == b'{"u":64830107,"s":"SWRVBUSD","b":"2.27200000"}'


@pytest.mark.parametrize(
    ("asked", "recorded"),
    [
        (
            ("/api/v3/depth", "symbol=BTCUSDT&limit=5000"),
            ("/api/v1/depth", "symbol=BTCUSDT&limit=1000"),
        ),
        (("/api/v3/depth", "limit=5&symbol=BTCUSDT"), ("depth", "symbol=BTCUSDT")),
        (("/api/v3/exchangeInfo", ""), ("/api/v3/exchangeInfo", "")),
    ],
)
def test_rest_keys_meet(asked: tuple[str, str], recorded: tuple[str, str]) -> None:
    """Version, host and limit do not matter."""
    assert DIALECT.rest_key(*asked) == DIALECT.rest_key(*recorded)


def test_rest_keys_differ() -> None:
    """What was asked for does matter."""
    keys = {
        DIALECT.rest_key("/api/v3/depth", "symbol=BTCUSDT"),
        DIALECT.rest_key("/api/v3/depth", "symbol=ETHUSDT"),
        DIALECT.rest_key("/api/v3/exchangeInfo", ""),
        DIALECT.rest_key("/api/v3/exchangeInfo", "symbol=BTCUSDT"),
        DIALECT.rest_key("/", ""),
    }
    assert len(keys) == 5


def test_depth_follows_its_topic() -> None:
    """Which snapshot is due depends on the symbol's depth stream."""
    assert DIALECT.rest_topic("depth?symbol=BTCUSDT") == "btcusdt@depth"
    assert DIALECT.rest_topic("exchangeInfo") is None


@pytest.mark.parametrize(
    ("payload", "topic"),
    [
        (b'{"e":"trade","E":1,"s":"BNBBTC","t":2}', "bnbbtc@trade"),
        (b'{"e":"aggTrade","E":1,"s":"BNBBTC","a":2}', "bnbbtc@aggTrade"),
        (b'{"u":64830107,"s":"SWRVBUSD","b":"2","B":"1","a":"3","A":"1"}', "swrvbusd@bookTicker"),
        (b'{"e":"bookTicker","u":1,"s":"BTCUSD_PERP","A":"1"}', "btcusd_perp@bookTicker"),
        (b'{"e":"depthUpdate","E":1,"s":"BNBBTC","a":[]}', "bnbbtc@depth@100ms"),
        (b'{"e":"24hrTicker","s":"BNBBTC","o":"1","A":"1"}', "bnbbtc@ticker"),
        (b'{"e":"kline","E":1,"s":"BNBBTC","k":{"t":1,"i":"5m","c":"1"}}', "bnbbtc@kline_5m"),
        (b'{"e":"forceOrder","E":1,"o":{"s":"BTCUSDT","S":"BUY"}}', "btcusdt@forceOrder"),
        (b'{"result":null,"id":1}', None),
        (b'{"e":"executionReport","s":"BNBBTC"}', None),
    ],
)
def test_recorded_at_the_raw_path(payload: bytes, topic: str | None) -> None:
    """What was recorded without its stream's name is served with it, or without."""
    assert DIALECT.topic(payload) == topic
    if topic is not None:
        combined = DIALECT.encode(payload, topic, "combined")
        assert json.loads(combined) == {"stream": topic, "data": json.loads(payload)}
        assert DIALECT.encode(payload, topic, "raw") == payload
