"""KuCoin perpetuals over the unified interface, as the server.

A topic is written as its request has it: `obu:increment@10ms:XBTUSDTM`. Every message is
a binary frame that holds JSON.

Source: https://www.kucoin.com/docs-new/websocket-api/base-info/introduction-uta
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

# Which field of a request, if any, tells one subscription to a channel from another.
_CHANNELS = {
    "trade": "",
    "ticker": "",
    "obu": "depth",
    "kline": "interval",
    "mark-price": "",
    "funding-fee": "",
}
_UNTYPED = ("mark-price", "funding-fee")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.decode


def _opened(_path: str, _query: str) -> Sequence[Action]:
    welcome = {"sessionId": "replay", "message": "welcome", "pingInterval": 18000}
    return [Reply(_encode(welcome))]


def _request(payload: bytes, _session: Session) -> Sequence[Action]:
    try:
        request = _decode(payload)
    except msgspec.DecodeError:
        return []  # as probed: no answer, and the connection stays
    if not isinstance(request, dict):
        return []
    if request.get("type") == "ping":
        return [_reply(request, type="pong", ts=1790113111261396000)]
    topic = _topic_of(request)
    action = request.get("action")
    if topic is None or action not in ("SUBSCRIBE", "UNSUBSCRIBE"):
        return [_reply(request, result=False, message="invalid request data")]
    # A symbol that nobody knows is accepted all the same, and stays silent.
    change = Subscribe if action == "SUBSCRIBE" else Unsubscribe
    return [_reply(request, result=True), change((topic,))]


def _topic_of(request: dict[str, Any]) -> str | None:
    channel, symbol = str(request.get("channel")), request.get("symbol")
    field = _CHANNELS.get(channel)
    if field is None or not isinstance(symbol, str):
        return None
    if channel not in _UNTYPED and request.get("tradeType") != "FUTURES":
        return None
    if not field:
        return f"{channel}:{symbol}"
    return f"{channel}:{request[field]}:{symbol}" if isinstance(request.get(field), str) else None


def _reply(request: dict[str, Any], **more: Any) -> Reply:
    return Reply(_encode({"id": request.get("id"), **more}))


def _topic(payload: bytes) -> str | None:
    try:
        message = _decode(payload)
    except msgspec.DecodeError:
        return None
    if not isinstance(message, dict) or not isinstance(message.get("d"), dict):
        return None
    channel = str(message.get("T", "")).partition(".")[0]
    between = {"obu": message.get("dp"), "kline": message["d"].get("i")}.get(channel)
    parts = (channel, between, message["d"].get("s"))
    return ":".join(str(part) for part in parts if part) if channel in _CHANNELS else None


def _encode_data(payload: bytes, _topic: str, _form: str) -> bytes:
    return payload


def _rest_key(path: str, _query: str) -> str | None:
    _, found, endpoint = path.rstrip("/").partition("/api/v1/")
    return endpoint if found else None


def _rest_missing(_key: str | None) -> bytes:
    # Our own words in the venue's shape.
    return _encode({"code": "404000", "msg": "Not recorded: no answer to replay."})


DIALECT = Dialect(
    name="kucoin-futures",
    hosts=frozenset({"x-push-futures.kucoin.com", "api-futures.kucoin.com"}),
    folders=frozenset({"kucoin-futures"}),
    # The spot market's REST interface has other paths below the same prefix.
    paths=("/kucoin-futures", "/api/v1/contracts"),
    ws_path="/",
    opened=_opened,
    request=_request,
    topic=_topic,
    encode=_encode_data,
    rest_key=_rest_key,
    rest_missing=_rest_missing,
    binary=True,
)
