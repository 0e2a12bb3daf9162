"""Binance spot, public market-data streams, as the server.

Source: https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams
(2023-12-04: requests, properties and the error table; unknown streams being
acknowledged and silent is from experience, the documentation does not say).
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

import msgspec

from ingest.replay.dialects.base import (
    Action,
    Dialect,
    Reply,
    Session,
    SetForm,
    Subscribe,
    Unsubscribe,
)

COMBINED = "combined"  # {"stream":…,"data":…}
RAW = "raw"  # the data alone

_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


# What a raw message calls itself → its stream, behind the symbol.
_STREAMS = {
    "trade": "trade",
    "aggTrade": "aggTrade",
    "depthUpdate": "depth@100ms",
    "bookTicker": "bookTicker",
    "24hrTicker": "ticker",
    "markPriceUpdate": "markPrice@1s",
}


class _Bar(msgspec.Struct):
    i: str


class _Order(msgspec.Struct):
    s: str


class _Envelope(msgspec.Struct):
    """Combined; or raw, by what tells its stream."""

    stream: str = ""
    e: str = ""
    s: str = ""
    k: _Bar | None = None
    A: str = ""


class _Forced(msgspec.Struct):
    o: _Order


class _Data(msgspec.Struct):
    data: msgspec.Raw


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_forced = msgspec.json.Decoder(_Forced).decode
_decode_data = msgspec.json.Decoder(_Data).decode
_encode = msgspec.json.Encoder().encode
_COMBINED_START = b'{"stream":'


def _opened(path: str, query: str) -> Sequence[Action]:
    if path == "/stream" or path.startswith("/stream/"):
        form = COMBINED
        names = [value for key, value in parse_qsl(query) if key == "streams"]
        listed = names[0] if names else ""
    else:
        form = RAW
        listed = unquote(path.removeprefix("/ws/")) if path.startswith("/ws/") else ""
    topics = tuple(name for name in listed.split("/") if name)
    return [SetForm(form), Subscribe(topics)] if topics else [SetForm(form)]


def _request(payload: bytes, session: Session) -> Sequence[Action]:
    try:
        request = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return [_error(3, "Invalid JSON: expected value at line 1 column 1")]
    if not isinstance(request, dict) or "method" not in request:
        return [_error(2, "Invalid request: missing field `method` at line 1 column 1")]
    method, params, request_id = (request.get(key) for key in ("method", "params", "id"))
    if method not in _METHODS:
        expected = ", ".join(f"`{name}`" for name in _METHODS)
        return [
            _error(2, f"Invalid request: unknown variant `{method}`, expected one of {expected}")
        ]
    # The documentation accepts integers, strings of up to 36 characters and null.
    valid_id = request_id is None or (
        isinstance(request_id, int | str) and not isinstance(request_id, bool)
    )
    if not valid_id:
        return [_error(2, "Invalid request: request ID must be an unsigned integer")]
    if method == "LIST_SUBSCRIPTIONS":
        return [_result(list(session.subscribed), request_id)]
    if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
        return _change(method, params, request_id)
    return _property(method, params, request_id, session)


def _change(method: str, params: Any, request_id: Any) -> Sequence[Action]:
    if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
        return [_error(2, "Invalid request: params must be a list of stream names", request_id)]
    topics = tuple(params)
    action = Subscribe(topics) if method == "SUBSCRIBE" else Unsubscribe(topics)
    return [_result(None, request_id), action]


def _property(method: str, params: Any, request_id: Any, session: Session) -> Sequence[Action]:
    if not isinstance(params, list) or not params or not isinstance(params[0], str):
        return [_error(2, "Invalid request: property name must be a string", request_id)]
    if params[0] != "combined":
        return [_error(0, "Unknown property", request_id)]
    if method == "GET_PROPERTY":
        return [_result(session.form == COMBINED, request_id)]
    if len(params) != 2 or not isinstance(params[1], bool):
        return [_error(1, "Invalid value type: expected Boolean", request_id)]
    return [_result(None, request_id), SetForm(COMBINED if params[1] else RAW)]


def _result(result: Any, request_id: Any) -> Reply:
    return Reply(_encode({"result": result, "id": request_id}))


def _error(code: int, message: str, request_id: Any = None) -> Reply:
    error: dict[str, Any] = {"code": code, "msg": message}
    if request_id is not None:
        error["id"] = request_id
    return Reply(_encode(error))


def _topic(payload: bytes) -> str | None:
    try:
        message = _decode_envelope(payload)
        return message.stream or _topic_of_raw(message, payload)
    except msgspec.DecodeError:
        return None


def _topic_of_raw(message: _Envelope, payload: bytes) -> str | None:
    symbol, stream = message.s, _STREAMS.get(message.e)
    if message.e == "forceOrder":
        symbol, stream = _decode_forced(payload).o.s, "forceOrder"
    elif message.k is not None:
        stream = f"kline_{message.k.i}"
    elif not message.e and message.A:
        stream = "bookTicker"  # of the spot market: it says nothing of itself
    return f"{symbol.lower()}@{stream}" if symbol and stream else None


def _encode_data(payload: bytes, topic: str, form: str) -> bytes:
    if payload.startswith(_COMBINED_START):
        return payload if form == COMBINED else bytes(_decode_data(payload).data)
    return b'{"stream":"%b","data":%b}' % (topic.encode(), payload) if form == COMBINED else payload


def _rest_key(path: str, query: str) -> str | None:
    """Name an answer by the last part of its path: /api/v1/depth, long gone, is /api/v3/depth.

    `limit` is left out: what was recorded is all there is.
    """
    endpoint = path.rstrip("/").rpartition("/")[2]
    if not endpoint:
        return None
    wanted = sorted((key, value) for key, value in parse_qsl(query) if key != "limit")
    return f"{endpoint}?{urlencode(wanted)}" if wanted else endpoint


def _rest_topic(key: str) -> str | None:
    endpoint, _, query = key.partition("?")
    symbol = dict(parse_qsl(query)).get("symbol", "")
    return f"{symbol.lower()}@depth" if endpoint == "depth" and symbol else None


def _rest_missing(key: str | None) -> bytes:
    if key is not None and "symbol=" in key:
        return _encode({"code": -1121, "msg": "Invalid symbol."})
    return _encode({"code": -1000, "msg": "Not recorded: no answer to replay for this request."})


DIALECT = Dialect(
    name="binance",
    hosts=frozenset(
        {
            "stream.binance.com",
            "data-stream.binance.vision",
            "api.binance.com",
            "www.binance.com",
            "data-api.binance.vision",
        }
    ),
    folders=frozenset({"binance"}),
    paths=("/stream", "/ws", "/api/v1", "/api/v3"),
    ws_path="/stream",
    opened=_opened,
    request=_request,
    topic=_topic,
    encode=_encode_data,
    rest_key=_rest_key,
    rest_topic=_rest_topic,
    rest_missing=_rest_missing,
)
