"""Hyperliquid, as the server. A topic is a subscription: `trades:BTC`, `candle:BTC:1m`.

Over REST everything is asked for with a POST, and recordings have no place for those.

Source: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket
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

_TYPES = ("trades", "l2Book", "bbo", "activeAssetCtx", "candle")
# Of a spot pair the data has another name than the subscription.
_CHANNELS = {**{name: name for name in _TYPES}, "activeSpotAssetCtx": "activeAssetCtx"}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.decode


def _request(payload: bytes, session: Session) -> Sequence[Action]:
    try:
        request = _decode(payload)
    except msgspec.DecodeError:
        request = None
    method = request.get("method") if isinstance(request, dict) else None
    if method == "ping":
        return [Reply(_encode({"channel": "pong"}))]
    wanted = request.get("subscription") if isinstance(request, dict) else None
    if method not in ("subscribe", "unsubscribe") or not isinstance(wanted, dict):
        said = payload.decode(errors="replace")
        return [_error(f"Error parsing JSON into valid websocket request: {said}")]
    topic, quoted = _named(wanted), _encode(wanted).decode()
    if topic is None:
        # An unknown coin ends the connection there; here it is as one without any data.
        return [_error(f"Invalid subscription {quoted}")]
    answer = Reply(_encode({"channel": "subscriptionResponse", "data": request}))
    if method == "unsubscribe":
        if topic not in session.subscribed:
            return [_error(f"Already unsubscribed: {quoted}")]
        return [answer, Unsubscribe((topic,))]
    if topic in session.subscribed:
        return [_error(f"Already subscribed: {quoted}")]
    return [answer, Subscribe((topic,))]


def _error(text: str) -> Reply:
    return Reply(_encode({"channel": "error", "data": text}))


def _named(wanted: dict[str, Any]) -> str | None:
    kind, coin, interval = (wanted.get(name) for name in ("type", "coin", "interval"))
    if kind not in _TYPES or not isinstance(coin, str):
        return None
    if kind != "candle":
        return f"{kind}:{coin}"
    return f"{kind}:{coin}:{interval}" if isinstance(interval, str) else None


def _topic(payload: bytes) -> str | None:
    try:
        message = _decode(payload)
    except msgspec.DecodeError:
        return None
    if not isinstance(message, dict):
        return None
    kind, data = _CHANNELS.get(str(message.get("channel"))), message.get("data")
    # Trades are a list, all of one coin.
    first = data[0] if isinstance(data, list) and data else data
    if kind is None or not isinstance(first, dict):
        return None
    if kind == "candle":
        return _named({"type": kind, "coin": first.get("s"), "interval": first.get("i")})
    return _named({"type": kind, "coin": first.get("coin")})


DIALECT = Dialect(
    name="hyperliquid",
    hosts=frozenset({"api.hyperliquid.xyz"}),
    folders=frozenset({"hyperliquid"}),
    # The WebSocket's path is other venues', too.
    paths=("/info",),
    ws_path="/ws",
    opened=lambda _path, _query: [],
    request=_request,
    topic=_topic,
    encode=lambda payload, _topic, _form: payload,
    rest_key=lambda _path, _query: None,
    rest_missing=lambda _key: b'"Not recorded: no answer to replay."',
)
