"""Coinbase Advanced Trade, public channels, as the server. A topic is `channel:product`.

Every message of a connection has a number, in a row over all its channels, answers
included: the recorded ones are replaced, as no other connection gets just the same.

Source: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels;
the wording of errors is our own.
"""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from ingest.replay.dialects.base import (
    Action,
    Dialect,
    Part,
    Reply,
    Session,
    Subscribe,
    Unsubscribe,
)

# Where the name in messages is not the one that is subscribed to.
_SUBSCRIBED = {"l2_data": "level2"}
# What a message's events are lists of.
_ITEMS = {
    "market_trades": "trades",
    "ticker": "tickers",
    "ticker_batch": "tickers",
    "candles": "candles",
    "status": "products",
}
_HEARTBEATS = "heartbeats"  # of no product
_CHANNELS = ("level2", *_ITEMS)

_NO_TEXT, _NO_ITEMS = msgspec.Raw(b'""'), msgspec.Raw(b"[]")
_number = re.compile(rb'("sequence_num"\s*:\s*)\d+')


class _Message(msgspec.Struct):
    channel: str = ""
    events: list[dict[str, msgspec.Raw]] = []


class _Item(msgspec.Struct):
    product_id: str = ""
    id: str = ""  # of a product, in `status`


_decode_message = msgspec.json.Decoder(_Message).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_item = msgspec.json.Decoder(_Item).decode
_decode_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


def _opened(_path: str, _query: str) -> Sequence[Action]:
    return []


def _request(payload: bytes, session: Session) -> Sequence[Action]:
    try:
        request = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        request = None
    kind = request.get("type") if isinstance(request, dict) else None
    if not isinstance(request, dict) or kind not in ("subscribe", "unsubscribe"):
        return [_error("type is neither subscribe nor unsubscribe")]
    channel, products = request.get("channel"), request.get("product_ids", [])
    if channel == _HEARTBEATS:
        topics: tuple[str, ...] = (_HEARTBEATS,)
    elif channel not in _CHANNELS:
        return [_error(f"{channel} is not a channel")]
    elif not isinstance(products, list) or not products:
        return [_error("no products given")]
    else:
        for product in products:
            if not any(session.serves(f"{each}:{product}") for each in _CHANNELS):
                return [_error(f"{product} is not a product")]
        topics = tuple(f"{channel}:{product}" for product in products)
    before = list(session.subscribed)
    if kind == "subscribe":
        after = [*before, *(topic for topic in topics if topic not in before)]
        return [_subscriptions(after), Subscribe(topics)]
    return [_subscriptions([t for t in before if t not in topics]), Unsubscribe(topics)]


def _subscriptions(topics: Sequence[str]) -> Reply:
    """Answer with all that the connection has, by channel."""
    products: dict[str, list[str]] = {}
    for topic in topics:
        channel, _, product = topic.partition(":")
        products.setdefault(channel, []).append(product or channel)
    return Reply(
        _encode(
            {
                "channel": "subscriptions",
                "client_id": "",
                "timestamp": "2024-01-01T00:00:00.000000000Z",
                "sequence_num": 0,
                "events": [{"subscriptions": products}],
            }
        )
    )


def _error(message: str) -> Reply:
    return Reply(_encode({"type": "error", "message": message}))


def _numbered(payload: bytes, number: int) -> bytes | None:
    made, count = _number.subn(rb"\g<1>%d" % number, payload, count=1)
    return made if count else None


def _parts(payload: bytes) -> Sequence[Part]:
    """Take a message apart that is of several products."""
    try:
        message = _decode_message(payload)
        if message.channel == _HEARTBEATS:
            return [(_HEARTBEATS, payload)]
        by_topic = _by_topic(message)
    except msgspec.DecodeError:
        return []
    if len(by_topic) == 1:
        return [(topic, payload) for topic in by_topic]
    fields = _decode_fields(payload)
    return [(topic, _encode({**fields, "events": own})) for topic, own in by_topic.items()]


def _by_topic(message: _Message) -> dict[str, list[Any]]:
    """Return the events of each topic, of which those of others are left out."""
    channel = _SUBSCRIBED.get(message.channel, message.channel)
    by_topic: dict[str, list[Any]] = {}
    for event in message.events if channel in _CHANNELS else ():
        if channel not in _ITEMS:
            product = _decode_text(event.get("product_id", _NO_TEXT))
            by_topic.setdefault(f"{channel}:{product}", []).append(event)
            continue
        name = _ITEMS[channel]
        own: dict[str, list[msgspec.Raw]] = {}
        for raw in _decode_items(event.get(name, _NO_ITEMS)):
            item = _decode_item(raw)
            own.setdefault(f"{channel}:{item.product_id or item.id}", []).append(raw)
        for topic, items in own.items():
            by_topic.setdefault(topic, []).append({**event, name: items})
    return by_topic


def _rest_key(path: str, query: str) -> str | None:
    _, found, endpoint = path.rstrip("/").partition("/api/v3/brokerage/")
    if not found:
        return None
    wanted = sorted((key, value) for key, value in parse_qsl(query) if key != "limit")
    return f"{endpoint}?{urlencode(wanted)}" if wanted else endpoint


def _rest_missing(_key: str | None) -> bytes:
    # Our own words in the venue's shape.
    text = "Not recorded: no answer to replay"
    return _encode({"error": "NOT_FOUND", "error_details": text, "message": text})


DIALECT = Dialect(
    name="coinbase-advanced",
    hosts=frozenset({"advanced-trade-ws.coinbase.com", "api.coinbase.com"}),
    folders=frozenset({"coinbase-advanced", "coinbase_advanced"}),
    paths=("/api/v3/brokerage",),
    ws_path="/",
    opened=_opened,
    request=_request,
    parts=_parts,
    numbered=_numbered,
    encode=lambda payload, _topic, _form: payload,
    rest_key=_rest_key,
    rest_missing=_rest_missing,
)
