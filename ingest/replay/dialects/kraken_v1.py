"""Kraken spot, WebSocket API v1, as the server. A topic is written `name[:number]:pair`.

Source: https://docs.kraken.com/exchange/api-reference/spot-websocket-v1 and the
recordings; the wording of errors is that of the documentation.
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

# What is subscribed without a number, and the parameter that the number is.
_NUMBERS = {"book": ("depth", 10), "ohlc": ("interval", 1)}
_NAMES = ("ticker", "trade", "spread", *_NUMBERS)
_DEPTHS = (10, 25, 100, 500, 1000)
_INTERVALS = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.decode


def _opened(_path: str, _query: str) -> Sequence[Action]:
    status = {"connectionID": 1, "event": "systemStatus", "status": "online", "version": "1.9.6"}
    return [Reply(_encode(status))]


def _request(payload: bytes, session: Session) -> Sequence[Action]:
    try:
        request = _decode(payload)
    except msgspec.DecodeError:
        request = None
    event = request.get("event") if isinstance(request, dict) else None
    if event == "ping":
        return [_reply({"event": "pong"}, request)]
    subscription = request.get("subscription") if isinstance(request, dict) else None
    pairs = request.get("pair") if isinstance(request, dict) else None
    if event not in ("subscribe", "unsubscribe") or not isinstance(subscription, dict):
        return [_reply({"errorMessage": "Malformed request", "event": "error"}, request)]
    if not isinstance(pairs, list) or not all(isinstance(pair, str) for pair in pairs):
        return [_reply({"errorMessage": "Pair field must be an array", "event": "error"}, request)]
    refusal = _refusal(subscription)
    if refusal:
        return [_status("error", None, subscription, request, errorMessage=refusal)]
    actions: list[Action] = []
    topics = []
    for pair in pairs:
        if not any(session.serves(topic) for topic in _all_topics(pair)):
            text = f"Currency pair not supported {pair}"
            actions.append(_status("error", pair, subscription, request, errorMessage=text))
            continue
        channel = _channel(subscription)
        topics.append(f"{channel.replace('-', ':')}:{pair}")
        state = "subscribed" if event == "subscribe" else "unsubscribed"
        actions.append(_status(state, pair, subscription, request, channelName=channel))
    change = Subscribe if event == "subscribe" else Unsubscribe
    return [*actions, change(tuple(topics))] if topics else actions


def _refusal(subscription: dict[str, Any]) -> str:
    name = subscription.get("name")
    if name not in _NAMES:
        return "Subscription name invalid"
    if name == "book" and subscription.get("depth", 10) not in _DEPTHS:
        return "Subscription depth not supported"
    if name == "ohlc" and subscription.get("interval", 1) not in _INTERVALS:
        return "Subscription ohlc interval not supported"
    return ""


def _channel(subscription: dict[str, Any]) -> str:
    name: str = subscription["name"]
    if name not in _NUMBERS:
        return name
    parameter, default = _NUMBERS[name]
    return f"{name}-{subscription.get(parameter, default)}"


def _all_topics(pair: str) -> list[str]:
    numbered = [f"book:{depth}" for depth in _DEPTHS] + [f"ohlc:{n}" for n in _INTERVALS]
    return [f"{name}:{pair}" for name in ("ticker", "trade", "spread", *numbered)]


def _status(
    status: str, pair: str | None, subscription: dict[str, Any], request: Any, **more: str
) -> Reply:
    body: dict[str, Any] = {**more, "event": "subscriptionStatus"}
    if pair is not None:
        body["pair"] = pair
    return _reply(body | {"status": status, "subscription": subscription}, request)


def _reply(body: dict[str, Any], request: Any) -> Reply:
    # Where the client numbered its request, the answer carries the number back.
    number = {"reqid": request["reqid"]} if isinstance(request, dict) and "reqid" in request else {}
    return Reply(_encode(body | number))


def _topic(payload: bytes) -> str | None:
    try:
        message = _decode(payload)
    except msgspec.DecodeError:
        return None
    if not isinstance(message, list) or len(message) < 4:
        return None
    channel, pair = message[-2:]
    if not isinstance(channel, str) or not isinstance(pair, str):
        return None
    return f"{channel.replace('-', ':')}:{pair}"


def _encode_data(payload: bytes, _topic: str, _form: str) -> bytes:
    return payload


def _rest_key(path: str, query: str) -> str | None:
    _, found, endpoint = path.rstrip("/").partition("/0/public/")
    if not found:
        return None
    wanted = sorted(parse_qsl(query))
    return f"{endpoint}?{urlencode(wanted)}" if wanted else endpoint


def _rest_missing(_key: str | None) -> bytes:
    # Our own words in the venue's shape.
    return _encode({"error": ["EGeneral:Not recorded: no answer to replay"]})


DIALECT = Dialect(
    name="kraken-v1",
    hosts=frozenset({"ws.kraken.com", "api.kraken.com"}),
    folders=frozenset({"kraken", "kraken-v1"}),
    paths=("/0/public",),
    ws_path="/",
    opened=_opened,
    request=_request,
    topic=_topic,
    encode=_encode_data,
    rest_key=_rest_key,
    rest_missing=_rest_missing,
)
