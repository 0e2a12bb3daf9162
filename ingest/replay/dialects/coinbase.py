"""Coinbase Exchange, public channels, as the server. A topic is written `channel:product`.

Source: https://docs.cdp.coinbase.com/exchange/websocket-feed/overview and the
recordings; the errors are live answers as quoted in thrasher-corp/gocryptotrader
pull request 1421 and elsewhere: what is wrong is named, the rest is subscribed.
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

# Books were recorded as `level2`, which wants a login today; its public form,
# `level2_batch`, has the same messages. None of them names its channel.
_BOOK = "level2_batch"
_CHANNEL_OF = {
    "match": "matches",
    "last_match": "matches",
    "ticker": "ticker",
    "snapshot": _BOOK,
    "l2update": _BOOK,
}
_CHANNELS = ("heartbeat", "matches", "status", "ticker", _BOOK)
_WITH_LOGIN = ("level2", "level3", "full")


class _Message(msgspec.Struct):
    type: str = ""
    product_id: str = ""


_decode_message = msgspec.json.Decoder(_Message).decode
_encode = msgspec.json.Encoder().encode


def _opened(_path: str, _query: str) -> Sequence[Action]:
    return []


def _request(payload: bytes, session: Session) -> Sequence[Action]:
    try:
        request = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return [_error("Malformed JSON")]
    kind = request.get("type") if isinstance(request, dict) else None
    if kind not in ("subscribe", "unsubscribe"):
        return [_error("Type has to be either subscribe or unsubscribe")]
    wanted = list(_wanted(request))
    if not wanted:
        return [_error("Failed to subscribe", "No channels provided")]
    actions: list[Action] = []
    topics: list[str] = []
    for channel, product in wanted:
        reason = _reason_against(channel, product, session)
        if reason:
            actions.append(_error("Failed to subscribe", reason))
        else:
            topics.append(f"{channel}:{product}")
    before = list(session.subscribed)
    if kind == "subscribe":
        after = [*before, *(topic for topic in topics if topic not in before)]
        change: Action = Subscribe(tuple(topics))
    else:
        after = [topic for topic in before if topic not in topics]
        change = Unsubscribe(tuple(topics))
    return [*actions, _subscriptions(after), change] if topics else actions


def _wanted(request: dict[str, Any]) -> Sequence[tuple[str, str]]:
    """Return channel and product of each subscription asked for, in every form allowed."""
    common = request.get("product_ids")
    channels = request.get("channels")
    wanted = []
    for channel in channels if isinstance(channels, list) else ():
        entry = channel if isinstance(channel, dict) else {"name": channel}
        products = entry.get("product_ids", common)
        for product in products if isinstance(products, list) else ():
            wanted.append((str(entry.get("name")), str(product)))
    return wanted


def _reason_against(channel: str, product: str, session: Session) -> str:
    if channel in _WITH_LOGIN:
        return "level2, level3, and full channels now require authentication."
    if channel not in _CHANNELS:
        return f"{channel} is not a valid channel"
    if not any(session.serves(f"{each}:{product}") for each in _CHANNELS):
        return f"{product} is not a valid product"
    return ""


def _subscriptions(topics: Sequence[str]) -> Reply:
    """Answer with all that the connection has, by channel."""
    products: dict[str, list[str]] = {}
    for topic in topics:
        channel, _, product = topic.partition(":")
        products.setdefault(channel, []).append(product)
    channels = [{"name": name, "product_ids": ids} for name, ids in products.items()]
    return Reply(_encode({"type": "subscriptions", "channels": channels}))


def _error(message: str, reason: str = "") -> Reply:
    because = {"reason": reason} if reason else {}
    return Reply(_encode({"type": "error", "message": message, **because}))


def _topic(payload: bytes) -> str | None:
    try:
        message = _decode_message(payload)
    except msgspec.DecodeError:
        return None
    channel = _CHANNEL_OF.get(message.type)
    return f"{channel}:{message.product_id}" if channel else None


def _encode_data(payload: bytes, _topic: str, _form: str) -> bytes:
    return payload


def _rest_key(path: str, query: str) -> str | None:
    endpoint = path.strip("/")
    if not endpoint:
        return None
    wanted = sorted((key, value) for key, value in parse_qsl(query) if key != "limit")
    return f"{endpoint}?{urlencode(wanted)}" if wanted else endpoint


def _rest_missing(_key: str | None) -> bytes:
    return _encode({"message": "NotFound"})


DIALECT = Dialect(
    name="coinbase",
    hosts=frozenset(
        {
            "ws-feed.exchange.coinbase.com",
            "ws-feed.pro.coinbase.com",
            "api.exchange.coinbase.com",
            "api.pro.coinbase.com",
        }
    ),
    folders=frozenset({"coinbase"}),
    paths=("/products",),
    ws_path="/",
    opened=_opened,
    request=_request,
    topic=_topic,
    encode=_encode_data,
    rest_key=_rest_key,
    rest_missing=_rest_missing,
)
