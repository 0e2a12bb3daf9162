"""Gemini, market data v2, as the server. A topic is written `name:SYMBOL`.

The subscription `l2` has books and trades in it; it is not acknowledged.

Source: https://docs.gemini.com/websocket/archived/v2 and the recordings.
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


class _Message(msgspec.Struct):
    type: str = ""
    symbol: str = ""


_decode_message = msgspec.json.Decoder(_Message).decode
_encode = msgspec.json.Encoder().encode


def _request(payload: bytes, session: Session) -> Sequence[Action]:
    try:
        request = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return [_error("InvalidJson", "Unable to parse the message")]
    wanted = request.get("subscriptions") if isinstance(request, dict) else None
    kind = request.get("type") if isinstance(request, dict) else None
    if kind not in ("subscribe", "unsubscribe") or not isinstance(wanted, list):
        return [_error("InvalidMessage", "Expected a subscription")]
    topics = [topic for entry in wanted for topic in _topics(entry)]
    known = tuple(topic for topic in topics if session.serves(topic))
    actions: list[Action] = []
    if len(known) < len(topics) or not topics:
        actions.append(_error("InvalidSymbol", "Unknown symbol, or nothing asked for"))
    if known:
        actions.append(Subscribe(known) if kind == "subscribe" else Unsubscribe(known))
    return actions


def _topics(entry: Any) -> list[str]:
    symbols = entry.get("symbols") if isinstance(entry, dict) else None
    if not isinstance(symbols, list):
        return []
    return [f"{entry.get('name')}:{symbol}" for symbol in symbols]


def _error(reason: str, message: str) -> Reply:
    return Reply(_encode({"result": "error", "reason": reason, "message": message}))


def _topic(payload: bytes) -> str | None:
    try:
        message = _decode_message(payload)
    except msgspec.DecodeError:
        return None
    if message.type in ("l2_updates", "trade"):
        return f"l2:{message.symbol}"
    if message.type.startswith("candles_") or message.type == "mark_price_updates":
        return f"{message.type.removesuffix('_updates')}:{message.symbol}"
    return None


def _rest_key(path: str, _query: str) -> str | None:
    _, found, endpoint = path.rstrip("/").partition("/v1/")
    return endpoint if found else None


def _rest_missing(_key: str | None) -> bytes:
    message = "Not recorded: no answer to replay."
    return _encode({"result": "error", "reason": "EndpointNotFound", "message": message})


DIALECT = Dialect(
    name="gemini",
    hosts=frozenset({"api.gemini.com"}),
    folders=frozenset({"gemini"}),
    paths=("/v2/marketdata", "/v1/symbols"),
    ws_path="/v2/marketdata",
    opened=lambda _path, _query: [],
    request=_request,
    topic=_topic,
    encode=lambda payload, _topic, _form: payload,
    rest_key=_rest_key,
    rest_missing=_rest_missing,
)
