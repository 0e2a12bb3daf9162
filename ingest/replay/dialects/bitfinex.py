"""Bitfinex v2, public channels, as the server. A topic is written `channel:what`.

Messages are sent under numbers of our own, one for each topic, and without the
sequence of the recorded connection: of another one's messages it would be wrong.
`conf` is therefore answered with no flag.

Source: https://docs.bitfinex.com/docs/ws-general and the recordings.
"""

from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

import msgspec

from ingest.replay.dialects.base import (
    Action,
    Dialect,
    Reply,
    Session,
    Subscribe,
    Unsubscribe,
)

_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def _number(topic: str) -> int:
    return crc32(topic.encode()) & 0x7FFFFFFF


def _opened(_path: str, _query: str) -> Sequence[Action]:
    return [Reply(_encode({"event": "info", "version": 2, "platform": {"status": 1}}))]


def _request(payload: bytes, session: Session) -> Sequence[Action]:
    try:
        request = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        request = None
    event = request.get("event") if isinstance(request, dict) else None
    if not isinstance(request, dict):
        return [_error({}, 10000, "event: invalid")]
    if event == "conf":
        return [Reply(_encode({"event": "conf", "status": "OK", "flags": 0}))]
    if event == "ping":
        return [Reply(_encode({**request, "event": "pong", "ts": 0}))]
    if event == "unsubscribe":
        return _unsubscribe(request, session)
    if event != "subscribe":
        return [_error(request, 10000, "event: invalid")]
    topic = _topic_of(request)
    if not session.serves(topic):
        return [_error(request, 10300, "symbol: invalid")]
    if topic in session.subscribed:
        return [_error(request, 10301, "subscribe: dup")]
    answer = {**request, "event": "subscribed", "chanId": _number(topic)}
    return [Reply(_encode(answer)), Subscribe((topic,))]


def _unsubscribe(request: dict[str, Any], session: Session) -> Sequence[Action]:
    for topic in session.subscribed:
        if _number(topic) == request.get("chanId"):
            answer = {"event": "unsubscribed", "status": "OK", "chanId": _number(topic)}
            return [Reply(_encode(answer)), Unsubscribe((topic,))]
    return [_error(request, 10400, "unsubscribe: invalid")]


def _error(request: dict[str, Any], code: int, message: str) -> Reply:
    return Reply(_encode({**request, "event": "error", "code": code, "msg": message}))


def _topic_of(message: dict[str, Any]) -> str:
    channel = message.get("channel")
    if channel == "book":
        # Rounded prices and single orders ("R0") are books of another kind.
        kind = f"{message.get('prec', 'P0')}:{message.get('freq', 'F0')}"
        other = "" if kind == "P0:F0" else f":{kind}"
        return f"book:{message.get('len', '25')}:{message.get('symbol')}{other}"
    return f"{channel}:{message.get('key') or message.get('symbol')}"


def _new_topic() -> Callable[[bytes], str | None]:
    numbers: dict[int, str] = {}

    def topic(payload: bytes) -> str | None:
        try:
            message = msgspec.json.decode(payload)
        except msgspec.DecodeError:
            return None
        if isinstance(message, dict) and message.get("event") == "subscribed":
            numbers[message["chanId"]] = _topic_of(message)
        if not isinstance(message, list) or len(message) < 2 or message[1] == "hb":
            return None
        return numbers.get(message[0])

    return topic


def _encode_data(payload: bytes, topic: str, _form: str) -> bytes:
    _, body, *others = (bytes(part) for part in _decode_array(payload))
    # A word ("te", "cs") is followed by its payload; what comes then is the sequence.
    parts = [body, *others[:1]] if body[:1] == b'"' else [body]
    return b"[%d,%b]" % (_number(topic), b",".join(parts))


def _stand_in(topic: str) -> str | None:
    channel, _, what = topic.partition(":")
    length, _, symbol = what.partition(":")
    # Books of 100 levels a side were recorded. One level is another matter.
    return f"book:100:{symbol}" if channel == "book" and length in ("25", "250") else None


def _rest_key(path: str, query: str) -> str | None:
    _, found, endpoint = path.rstrip("/").partition("/v2/")
    if not found:
        return None
    # Several lists may be asked for at once; they were recorded one by one.
    return endpoint.partition(",")[0] if endpoint.startswith("conf/") else f"{endpoint}?{query}"


def _rest_missing(_key: str | None) -> bytes:
    return _encode(["error", 10020, "Not recorded: no answer to replay."])


DIALECT = Dialect(
    name="bitfinex",
    hosts=frozenset({"api.bitfinex.com", "api-pub.bitfinex.com"}),
    folders=frozenset({"bitfinex"}),
    paths=("/ws/2", "/v2/conf", "/v2/tickers"),
    ws_path="/ws/2",
    opened=_opened,
    request=_request,
    new_topic=_new_topic,
    encode=_encode_data,
    stand_in=_stand_in,
    rest_key=_rest_key,
    rest_missing=_rest_missing,
)
