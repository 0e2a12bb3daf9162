"""Bitstamp, public channels, as the server. A topic is the venue's channel.

Source: https://www.bitstamp.net/websocket/v2/; an unknown channel in small letters
being acknowledged and silent is from experience.
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

_DATA_EVENTS = ("data", "trade", "funding_rate_saved")


class _Message(msgspec.Struct):
    event: str = ""
    channel: str = ""


_decode_message = msgspec.json.Decoder(_Message).decode
_encode = msgspec.json.Encoder().encode


def _request(payload: bytes, _session: Session) -> Sequence[Action]:
    try:
        request = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return [_error("Incorrect JSON format.")]
    event = request.get("event") if isinstance(request, dict) else None
    if event == "bts:heartbeat":
        return [_reply(event, "", {"status": "success"})]
    data = request.get("data") if isinstance(request, dict) else None
    channel = data.get("channel") if isinstance(data, dict) else None
    if event not in ("bts:subscribe", "bts:unsubscribe") or not isinstance(channel, str):
        return [_error("Bad subscription string.")]
    if channel != channel.lower() or "/" in channel:
        return [_error("Invalid channel provided.")]
    if event == "bts:unsubscribe":
        return [_reply("bts:unsubscription_succeeded", channel, {}), Unsubscribe((channel,))]
    return [_reply("bts:subscription_succeeded", channel, {}), Subscribe((channel,))]


def _reply(event: str, channel: str, data: dict[str, Any]) -> Reply:
    return Reply(_encode({"event": event, "channel": channel, "data": data}))


def _error(message: str) -> Reply:
    return _reply("bts:error", "", {"code": None, "message": message})


def _topic(payload: bytes) -> str | None:
    try:
        message = _decode_message(payload)
    except msgspec.DecodeError:
        return None
    return message.channel if message.event in _DATA_EVENTS and message.channel else None


def _rest_key(path: str, _query: str) -> str | None:
    _, found, endpoint = path.rstrip("/").partition("/api/v2/")
    # The list of markets had another name when the recordings were made.
    return endpoint.replace("trading-pairs-info", "markets") if found else None


def _rest_topic(key: str) -> str | None:
    endpoint, _, symbol = key.partition("/")
    return f"diff_order_book_{symbol}" if endpoint == "order_book" and symbol else None


def _rest_missing(_key: str | None) -> bytes:
    return _encode({"status": "error", "reason": "Not recorded: no answer to replay."})


DIALECT = Dialect(
    name="bitstamp",
    hosts=frozenset({"ws.bitstamp.net", "www.bitstamp.net"}),
    folders=frozenset({"bitstamp"}),
    # Of its own there are none: the WebSocket is at the root.
    paths=("/api/v2/order_book", "/api/v2/markets", "/api/v2/trading-pairs-info"),
    ws_path="/",
    opened=lambda _path, _query: [],
    request=_request,
    topic=_topic,
    encode=lambda payload, _topic, _form: payload,
    rest_key=_rest_key,
    rest_topic=_rest_topic,
    rest_missing=_rest_missing,
)
