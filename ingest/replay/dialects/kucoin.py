"""KuCoin spot, public channels, as the server. A topic is the venue's, of one symbol.

Any token is good, and none as well.

Source: https://www.kucoin.com/docs/websocket/introduction and the recordings.
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


class _Message(msgspec.Struct):
    type: str = ""
    topic: str = ""


_decode_message = msgspec.json.Decoder(_Message).decode
_encode = msgspec.json.Encoder().encode


def _opened(_path: str, _query: str) -> Sequence[Action]:
    return [Reply(_encode({"id": "replay", "type": "welcome"}))]


def _request(payload: bytes, session: Session) -> Sequence[Action]:
    try:
        request = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return [_error("", 400, "json parse error")]
    kind = request.get("type") if isinstance(request, dict) else None
    number = str(request.get("id", "")) if isinstance(request, dict) else ""
    if kind == "ping":
        return [Reply(_encode({"id": number, "type": "pong"}))]
    topic = request.get("topic") if isinstance(request, dict) else None
    if kind not in ("subscribe", "unsubscribe") or not isinstance(topic, str):
        return [_error(number, 400, f"type {kind} is not supported")]
    name, _, symbols = topic.partition(":")
    topics = tuple(f"{name}:{symbol}" for symbol in symbols.split(",") if symbol)
    known = tuple(one for one in topics if session.serves(one))
    if not known:
        return [_error(number, 404, f"topic {topic} is not found")]
    change = Subscribe(known) if kind == "subscribe" else Unsubscribe(known)
    if not request.get("response"):
        return [change]
    return [Reply(_encode({"id": number, "type": "ack"})), change]


def _error(number: str, code: int, text: str) -> Reply:
    return Reply(_encode({"id": number, "type": "error", "code": code, "data": text}))


def _topic(payload: bytes) -> str | None:
    try:
        message = _decode_message(payload)
    except msgspec.DecodeError:
        return None
    return message.topic if message.type == "message" and message.topic else None


def _rest_key(path: str, query: str) -> str | None:
    endpoint = path.rstrip("/").rpartition("/")[2]
    if not path.startswith("/api/") or not endpoint:
        return None
    wanted: Any = sorted(parse_qsl(query))
    # Whole books were recorded; without a login there are 100 levels of them.
    endpoint = endpoint.replace("level2_100", "level2")
    return f"{endpoint}?{urlencode(wanted)}" if wanted else endpoint


def _rest_topic(key: str) -> str | None:
    endpoint, _, query = key.partition("?")
    symbol = dict(parse_qsl(query)).get("symbol", "")
    return f"/market/level2:{symbol}" if endpoint == "level2" and symbol else None


def _rest_missing(_key: str | None) -> bytes:
    return _encode({"code": "404", "msg": "Not recorded: no answer to replay."})


_TICKET = {
    "token": "replay",
    "instanceServers": [
        {
            "endpoint": "wss://ws-api-spot.kucoin.com/",
            "encrypt": True,
            "protocol": "websocket",
            "pingInterval": 18000,
            "pingTimeout": 10000,
        }
    ],
}

DIALECT = Dialect(
    name="kucoin",
    hosts=frozenset({"push-private.kucoin.com", "ws-api-spot.kucoin.com", "api.kucoin.com"}),
    folders=frozenset({"kucoin"}),
    paths=(
        "/endpoint",
        "/api/v1/bullet-public",
        "/api/v1/symbols",
        "/api/v1/market",
        "/api/v3/market",
    ),
    ws_path="/endpoint",
    opened=_opened,
    request=_request,
    topic=_topic,
    encode=lambda payload, _topic, _form: payload,
    rest_key=_rest_key,
    rest_topic=_rest_topic,
    rest_made={"bullet-public": _encode({"code": "200000", "data": _TICKET})},
    rest_missing=_rest_missing,
)
