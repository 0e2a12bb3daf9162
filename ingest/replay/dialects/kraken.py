"""Kraken spot, WebSocket API v2, as the server. A topic is written `channel[:interval]:symbol`.

Neither the depth of a book nor what triggers a ticker is in the messages: what was
recorded is served, whatever is asked for.

Source: https://docs.kraken.com/exchange/api-reference/spot-websocket-v2
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from ingest.replay.dialects import kraken_v1
from ingest.replay.dialects.base import (
    Action,
    Dialect,
    Part,
    Reply,
    Session,
    Subscribe,
    Unsubscribe,
)

_DEFAULTS: dict[str, dict[str, Any]] = {
    "book": {"depth": 10, "snapshot": True},
    "ohlc": {"interval": 1, "snapshot": True},
    "ticker": {"event_trigger": "trades", "snapshot": True},
    "trade": {"snapshot": False},
}
_CHANNELS = tuple(_DEFAULTS)
_DEPTHS = (10, 25, 100, 500, 1000)
_INTERVALS = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
# When a request came and when it was answered; nobody reads it.
_TIMES = {"time_in": "2024-01-01T00:00:00.000000Z", "time_out": "2024-01-01T00:00:00.000100Z"}


class _Message(msgspec.Struct):
    channel: str = ""
    data: list[msgspec.Raw] = []


class _Item(msgspec.Struct):
    symbol: str = ""
    interval: int = 0


_decode = msgspec.json.decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_message = msgspec.json.Decoder(_Message).decode
_decode_item = msgspec.json.Decoder(_Item).decode
_encode = msgspec.json.Encoder().encode


def _opened(_path: str, _query: str) -> Sequence[Action]:
    state = {"api_version": "v2", "connection_id": 1, "system": "online", "version": "2.0.10"}
    return [Reply(_encode({"channel": "status", "data": [state], "type": "update"}))]


def _request(payload: bytes, session: Session) -> Sequence[Action]:
    try:
        request = _decode(payload)
    except msgspec.DecodeError:
        request = None
    if not isinstance(request, dict):
        return [Reply(_encode({"error": "Malformed request", "success": False, **_TIMES}))]
    method, params = request.get("method"), request.get("params")
    if method == "ping":
        return [_answer(request, {})]
    if method not in ("subscribe", "unsubscribe"):
        return [_refusal(request, "Unsupported method")]
    if not isinstance(params, dict):
        return [_refusal(request, "Params field not found")]
    symbols = params.get("symbol")
    if not isinstance(symbols, list) or not symbols:
        return [_refusal(request, "Symbol(s) not found")]
    wrong = _wrong(params)
    if wrong:
        return [_refusal(request, wrong)]
    actions: list[Action] = []
    topics = []
    for symbol in map(str, symbols):
        if not any(session.serves(topic) for topic in _all_topics(symbol)):
            text = f"Currency pair not supported {symbol}"
            actions.append(_refusal(request, text, symbol=symbol))
            continue
        topics.append(_topic_of(params["channel"], params.get("interval", 1), symbol))
        actions.append(
            _answer(request, {"result": {**_result(params), "symbol": symbol}, "success": True})
        )
    change = Subscribe if method == "subscribe" else Unsubscribe
    return [*actions, change(tuple(topics))] if topics else actions


def _wrong(params: dict[str, Any]) -> str:
    channel = params.get("channel")
    if channel not in _CHANNELS:
        return "Channel not supported"
    if channel == "book" and params.get("depth", 10) not in _DEPTHS:
        return "Depth not supported"
    if channel == "ohlc" and params.get("interval", 1) not in _INTERVALS:
        return "Interval not supported"
    return ""


def _result(params: dict[str, Any]) -> dict[str, Any]:
    """Answer with what was asked for, and what holds where nothing was said."""
    channel = params["channel"]
    silent = _DEFAULTS[channel]
    return {"channel": channel, **{key: params.get(key, silent[key]) for key in silent}}


def _topic_of(channel: str, interval: int, symbol: str) -> str:
    return f"ohlc:{interval}:{symbol}" if channel == "ohlc" else f"{channel}:{symbol}"


def _all_topics(symbol: str) -> list[str]:
    return [_topic_of(c, n, symbol) for c in _CHANNELS for n in _INTERVALS]


def _refusal(request: dict[str, Any], error: str, **more: str) -> Reply:
    return _answer(request, {"error": error, "success": False, **more})


def _answer(request: dict[str, Any], body: dict[str, Any]) -> Reply:
    method = {"ping": "pong"}.get(request.get("method", ""), request.get("method"))
    # Where the client numbered its request, the answer carries the number back.
    number = {"req_id": request["req_id"]} if "req_id" in request else {}
    return Reply(_encode({"method": method, **body, **_TIMES, **number}))


def _parts(payload: bytes) -> Sequence[Part]:
    """Take a message apart that is of several symbols."""
    try:
        message = _decode_message(payload)
        items = [(_decode_item(raw), raw) for raw in message.data]
    except msgspec.DecodeError:
        return []
    if message.channel not in _CHANNELS:
        return []
    by_topic: dict[str, list[msgspec.Raw]] = {}
    for item, raw in items:
        topic = _topic_of(message.channel, item.interval, item.symbol)
        by_topic.setdefault(topic, []).append(raw)
    if len(by_topic) == 1:
        return [(topic, payload) for topic in by_topic]
    fields = _decode_fields(payload)
    return [(topic, _encode({**fields, "data": own})) for topic, own in by_topic.items()]


DIALECT = Dialect(
    name="kraken",
    hosts=kraken_v1.DIALECT.hosts,
    folders=frozenset({"kraken"}),
    paths=("/v2", *kraken_v1.DIALECT.paths),
    ws_path="/v2",
    opened=_opened,
    request=_request,
    parts=_parts,
    encode=kraken_v1.DIALECT.encode,
    rest_key=kraken_v1.DIALECT.rest_key,
    rest_missing=kraken_v1.DIALECT.rest_missing,
)
