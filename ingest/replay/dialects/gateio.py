"""Gate spot, WebSocket v4, as the server. A topic is written `channel[:interval]:pair`.

Source: https://www.gate.com/docs/developers/apiv4/ws/en/ and the recordings.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from ingest.replay.dialects.base import (
    Action,
    Dialect,
    Reply,
    Session,
    Subscribe,
    Unsubscribe,
)

# Payloads: a list of pairs; or one pair and the speed; or an interval and one pair.
_LISTS = ("spot.trades", "spot.tickers", "spot.book_ticker")
_BOOK = "spot.order_book_update"
_CANDLES = "spot.candlesticks"
_INTERVALS = ("10s", "1m", "5m", "15m", "30m", "1h", "4h", "8h", "1d", "7d")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.decode


def _opened(_path: str, _query: str) -> Sequence[Action]:
    return []


def _request(payload: bytes, session: Session) -> Sequence[Action]:
    try:
        request = _decode(payload)
    except msgspec.DecodeError:
        request = None
    if not isinstance(request, dict):
        return [_error({}, 1, "invalid request body format")]
    channel, event = request.get("channel"), request.get("event")
    if channel == "spot.ping":
        return [_reply(request, channel="spot.pong", event="", error=None, result=None)]
    if event not in ("subscribe", "unsubscribe"):
        return [_error(request, 1, f"unknown event {event}")]
    listed = request.get("payload")
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        return [_error(request, 2, "invalid argument")]
    if channel in _LISTS:
        found = [(channel, pair) for pair in listed]
    elif channel == _BOOK and len(listed) == 2:
        found = [(channel, listed[0])]
    elif channel == _CANDLES and len(listed) == 2 and listed[0] in _INTERVALS:
        found = [(f"{channel}:{listed[0]}", listed[1])]
    else:
        return [_error(request, 2, "invalid argument")]
    for _, pair in found:
        if not any(session.serves(topic) for topic in _all_topics(pair)):
            return [_error(request, 2, f"unknown currency pair {pair}")]
    topics = tuple(f"{name}:{pair}" for name, pair in found)
    change = Subscribe if event == "subscribe" else Unsubscribe
    return [_reply(request, result={"status": "success"}), change(topics)]


def _all_topics(pair: str) -> list[str]:
    names = [*_LISTS, _BOOK, *(f"{_CANDLES}:{interval}" for interval in _INTERVALS)]
    return [f"{name}:{pair}" for name in names]


def _error(request: dict[str, Any], code: int, message: str) -> Reply:
    return _reply(request, error={"code": code, "message": message}, result=None)


def _reply(request: dict[str, Any], **more: Any) -> Reply:
    # `id` comes back where the client sent one; our clock is the client's own `time`.
    kept = {name: request[name] for name in ("time", "id", "channel", "event") if name in request}
    return Reply(_encode(kept | more))


def _topic(payload: bytes) -> str | None:
    try:
        message = _decode(payload)
    except msgspec.DecodeError:
        return None
    result = message.get("result") if isinstance(message, dict) else None
    if not isinstance(result, dict) or message.get("event") != "update":
        return None
    channel = message.get("channel")
    if channel == _CANDLES:
        interval, _, pair = str(result.get("n", "")).partition("_")
        return f"{channel}:{interval}:{pair}"
    symbol = result.get("currency_pair", result.get("s"))
    return f"{channel}:{symbol}" if channel and symbol else None


def _encode_data(payload: bytes, _topic: str, _form: str) -> bytes:
    return payload


def _rest_key(path: str, query: str) -> str | None:
    """Name an answer by its path and query; what was recorded is all there is, so no `limit`."""
    _, found, endpoint = path.rstrip("/").partition("/api/v4/")
    if not found:
        return None
    wanted = sorted((key, value) for key, value in parse_qsl(query) if key != "limit")
    return f"{endpoint}?{urlencode(wanted)}" if wanted else endpoint


def _rest_topic(key: str) -> str | None:
    endpoint, _, query = key.partition("?")
    pair = dict(parse_qsl(query)).get("currency_pair", "")
    return f"{_BOOK}:{pair}" if endpoint == "spot/order_book" and pair else None


def _rest_missing(_key: str | None) -> bytes:
    # Our own words in the venue's shape.
    return _encode({"label": "NOT_FOUND", "message": "Not recorded: no answer to replay"})


DIALECT = Dialect(
    name="gateio",
    hosts=frozenset({"api.gateio.ws"}),
    folders=frozenset({"gateio"}),
    paths=("/ws/v4", "/api/v4"),
    ws_path="/ws/v4/",
    opened=_opened,
    request=_request,
    topic=_topic,
    encode=_encode_data,
    rest_key=_rest_key,
    rest_topic=_rest_topic,
    rest_missing=_rest_missing,
)
