"""Gemini's current interface, as the server. A topic is a stream's name: `btcusd@trade`.

Source: https://developer.gemini.com/websocket/streams
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from ingest.replay.dialects.base import (
    Action,
    Dialect,
    Reply,
    Session,
    Subscribe,
    Unsubscribe,
)

_STREAMS = ("trade", "bookTicker", "depth@100ms")

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
        return [_error(None, -1013, "Invalid request")]
    number, method = request.get("id"), str(request.get("method")).lower()
    if method == "ping":
        return [_ok(number)]
    if method not in ("subscribe", "unsubscribe"):
        return [_error(number, -1020, "Unsupported operation")]
    names = request.get("params")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return [_error(number, -1013, "Invalid parameters")]
    for name in names:
        symbol, _, stream = name.lower().partition("@")
        known = any(session.serves(f"{symbol}@{other}") for other in _STREAMS)
        if stream not in map(str.lower, _STREAMS) or not known:
            # One that is not known has the whole request refused.
            return [_error(number, -1013, f"Invalid stream name: {name}")]
    topics = tuple(f"{s.lower()}@{stream}" for s, _, stream in (n.partition("@") for n in names))
    # Whole books come before the answer at the venue; here they follow, as any data.
    change = Subscribe if method == "subscribe" else Unsubscribe
    return [_ok(number), change(topics)]


def _ok(number: Any) -> Reply:
    return Reply(_encode({"id": number, "status": 200}))


def _error(number: Any, code: int, message: str) -> Reply:
    return Reply(_encode({"id": number, "status": 400, "error": {"code": code, "msg": message}}))


def _topic(payload: bytes) -> str | None:
    try:
        message = _decode(payload)
    except msgspec.DecodeError:
        return None
    if not isinstance(message, dict) or not isinstance(message.get("s"), str):
        return None
    if message.get("e") == "depthUpdate":
        return f"{message['s']}@depth@100ms"
    if "e" in message:
        return None
    return f"{message['s']}@{'trade' if 't' in message else 'bookTicker'}"


def _encode_data(payload: bytes, _topic: str, _form: str) -> bytes:
    return payload


def _rest_key(path: str, _query: str) -> str | None:
    _, found, endpoint = path.rstrip("/").partition("/v1/")
    return endpoint if found else None


def _rest_missing(_key: str | None) -> bytes:
    # Our own words in the venue's shape.
    message = "Not recorded: no answer to replay."
    return _encode({"result": "error", "reason": "NotRecorded", "message": message})


DIALECT = Dialect(
    name="gemini-v3",
    # That of the REST interface is the archived version's too.
    hosts=frozenset({"ws.gemini.com"}),
    folders=frozenset({"gemini-v3"}),
    paths=("/gemini-v3",),
    ws_path="/",
    opened=_opened,
    request=_request,
    topic=_topic,
    encode=_encode_data,
    rest_key=_rest_key,
    rest_missing=_rest_missing,
)
