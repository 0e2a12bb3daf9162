"""HTX (once Huobi) as the server: spot, USDT-margined and coin-margined contracts.

A topic is the name of the venue's channel, `market.btcusdt.trade.detail`. Every
message is gzip in a binary frame. Answered are market data's `sub`, `unsub` and
the pings; the notifications were not recorded.

Source: https://www.htx.com/en-us/opend/newApiPages/ and the recordings.
"""

import gzip
import zlib
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

# The books recorded are whole ones. The channel of changes begins with a whole book,
# too: each recorded one serves for that.
_CHANGES = ".depth.size_150.high_freq"
_WHOLE = ".depth.step0"
_DEPTH = "market/depth"  # over REST, of the spot market


class _Message(msgspec.Struct):
    ch: str = ""


_decode_message = msgspec.json.Decoder(_Message).decode
_encode = msgspec.json.Encoder().encode


def _pack(body: Any) -> bytes:
    # Without the time of compression, so that what is sent is the same each time.
    return gzip.compress(_encode(body), mtime=0)


def _opened(_path: str, _query: str) -> Sequence[Action]:
    return [Reply(_pack({"ping": 1618678073643}))]


def _request(payload: bytes, session: Session) -> Sequence[Action]:
    try:
        request = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return [_error("invalid json", None)]
    if not isinstance(request, dict):
        return [_error("invalid request", None)]
    if "pong" in request:
        return []
    if "ping" in request:
        return [Reply(_pack({"pong": request["ping"]}))]
    number = request.get("id")
    for op, done in (("sub", "subbed"), ("unsub", "unsubbed")):
        topic = request.get(op)
        if not isinstance(topic, str):
            continue
        if not session.serves(topic):
            return [_error(f"invalid topic {topic}", number)]
        answer = Reply(_pack({"id": number, "status": "ok", done: topic, "ts": 1618678070653}))
        return [answer, Subscribe((topic,)) if op == "sub" else Unsubscribe((topic,))]
    return [_error("invalid command", number)]


def _error(message: str, number: Any) -> Reply:
    body = {"status": "error", "ts": 1618678070653, "err-code": "bad-request", "err-msg": message}
    return Reply(_pack(body if number is None else body | {"id": number}))


def _topic(payload: bytes) -> str | None:
    try:
        return _decode_message(gzip.decompress(payload)).ch or None
    except (OSError, EOFError, zlib.error, msgspec.DecodeError):
        return None


def _encode_data(payload: bytes, topic: str, _form: str) -> bytes:
    if not topic.endswith(_CHANGES):
        return payload
    body = gzip.decompress(payload).replace(_WHOLE.encode(), _CHANGES.encode())
    body = body.replace(b'"tick":{', b'"tick":{"event":"snapshot",', 1)
    return gzip.compress(body, mtime=0)


def _stand_in(topic: str) -> str | None:
    return topic.removesuffix(_CHANGES) + _WHOLE if topic.endswith(_CHANGES) else None


def _rest_key(path: str, query: str) -> str | None:
    endpoint = path.strip("/")
    if endpoint == _DEPTH:
        return f"{endpoint}?{urlencode(sorted(parse_qsl(query)))}"
    # Of everything else, only all at once was asked for.
    return endpoint or None


def _rest_topic(key: str) -> str | None:
    endpoint, _, query = key.partition("?")
    symbol = dict(parse_qsl(query)).get("symbol", "")
    return f"market.{symbol}.mbp.150" if endpoint == _DEPTH and symbol else None


def _rest_missing(_key: str | None) -> bytes:
    # Our own words in the venue's shape.
    message = "Not recorded: no answer to replay."
    return _encode({"status": "error", "err-code": "not-found", "err-msg": message, "data": None})


def _dialect(name: str, hosts: set[str], folders: set[str], paths: tuple[str, ...]) -> Dialect:
    return Dialect(
        name=name,
        hosts=frozenset(hosts),
        folders=frozenset(folders),
        paths=paths,
        ws_path=paths[0],
        opened=_opened,
        request=_request,
        topic=_topic,
        encode=_encode_data,
        stand_in=_stand_in,  # at the spot market nobody asks for such a topic
        rest_key=_rest_key,
        rest_topic=_rest_topic,
        rest_missing=_rest_missing,
        binary=True,
    )


SPOT = _dialect(
    "htx",
    {"api.huobi.pro", "api-aws.huobi.pro", "api.htx.com"},
    {"htx", "huobi"},
    ("/ws", "/feed", "/v1/common", "/market"),
)
USDM = _dialect(
    "htx-usdm",
    {"api.hbdm.com"},
    set(),
    ("/linear-swap-ws", "/linear-swap-api", "/v2/linear-swap-ex"),
)
COINM = _dialect("htx-coinm", {"api.hbdm.com"}, set(), ("/swap-ws", "/swap-api", "/v2/swap-ex"))
