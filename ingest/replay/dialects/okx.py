"""OKX v5, public channels, as the server. A topic is written `channel:instId`.

Source: https://www.okx.com/docs-v5/en/#overview-websocket-subscribe and the
recordings; the wording of error 60018 is that of live answers quoted in
github.com/sieblyio/okx-api issue 106.
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

# In the recordings public books are `books-l2-tbt`, which needs a login today. The
# public channel is `books`; its messages have the same shape.
_STAND_INS = {"books": "books-l2-tbt"}


class _Arg(msgspec.Struct):
    channel: str
    instId: str = ""


class _Message(msgspec.Struct):
    arg: _Arg | None = None
    data: msgspec.Raw = msgspec.Raw()  # empty: acks and errors have none


_decode_message = msgspec.json.Decoder(_Message).decode
_encode = msgspec.json.Encoder().encode


def _opened(_path: str, _query: str) -> Sequence[Action]:
    return []


def _request(payload: bytes, session: Session) -> Sequence[Action]:
    if payload == b"ping":
        return [Reply(b"pong")]
    try:
        request = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return [_invalid(payload, session)]
    op = request.get("op") if isinstance(request, dict) else None
    args = request.get("args") if isinstance(request, dict) else None
    if op not in ("subscribe", "unsubscribe") or not isinstance(args, list) or not args:
        return [_invalid(payload, session)]
    replies: list[Action] = []
    topics: list[str] = []
    for arg in args:
        if not isinstance(arg, dict) or not isinstance(arg.get("channel"), str):
            replies.append(_invalid(payload, session))
            continue
        topic = f"{arg['channel']}:{arg.get('instId', '')}"
        if session.serves(topic):
            topics.append(topic)
            replies.append(_reply({"event": op, "arg": arg}, request, session))
        else:
            replies.append(_unknown(arg, request, session))
    change = Subscribe if op == "subscribe" else Unsubscribe
    return [*replies, change(tuple(topics))] if topics else replies


def _unknown(arg: dict[str, Any], request: dict[str, Any], session: Session) -> Reply:
    described = ",".join(f"{key}:{value}" for key, value in arg.items())
    message = (
        f"Wrong URL or {described} doesn't exist. Please use the correct URL, channel and "
        "parameters referring to API document."
    )
    return _reply({"event": "error", "msg": message, "code": "60018"}, request, session)


def _invalid(payload: bytes, session: Session) -> Reply:
    message = f"Invalid request: {payload.decode(errors='replace')}"
    return _reply({"event": "error", "msg": message, "code": "60012"}, {}, session)


def _reply(body: dict[str, Any], request: dict[str, Any], session: Session) -> Reply:
    # Where the client numbered its request, the answer carries the number back.
    number = {"id": request["id"]} if "id" in request else {}
    return Reply(_encode({**number, **body, "connId": session.connection_id}))


def _topic(payload: bytes) -> str | None:
    try:
        message = _decode_message(payload)
    except msgspec.DecodeError:
        return None
    if message.arg is None or not message.data:
        return None
    return f"{message.arg.channel}:{message.arg.instId}"


def _encode_data(payload: bytes, topic: str, _form: str) -> bytes:
    channel = topic.partition(":")[0]
    recorded = _STAND_INS.get(channel)
    if recorded is None:
        return payload
    # Once: the channel is named in `arg` only, which comes first.
    return payload.replace(f'"channel":"{recorded}"'.encode(), f'"channel":"{channel}"'.encode(), 1)


def _stand_in(topic: str) -> str | None:
    channel, _, instrument = topic.partition(":")
    recorded = _STAND_INS.get(channel)
    return None if recorded is None else f"{recorded}:{instrument}"


def _rest_key(path: str, query: str) -> str | None:
    _, found, endpoint = path.rstrip("/").partition("/api/v5/")
    if not found:
        return None
    # Options were listed by `uly` when the recordings were made; it is `instFamily` now.
    wanted = sorted(
        ("instFamily" if key == "uly" else key, value)
        for key, value in parse_qsl(query)
        if key != "limit"
    )
    return f"{endpoint}?{urlencode(wanted)}" if wanted else endpoint


def _rest_missing(_key: str | None) -> bytes:
    # Our own words in the venue's shape: its answer to an unknown path is not documented.
    return _encode({"code": "404", "data": [], "msg": "Not recorded: no answer to replay."})


DIALECT = Dialect(
    name="okx",
    hosts=frozenset(
        {"ws.okx.com", "ws.okex.com", "www.okx.com", "www.okex.com", "aws.okx.com", "aws.okex.com"}
    ),
    folders=frozenset({"okx", "okex"}),
    paths=("/ws/v5", "/api/v5"),
    ws_path="/ws/v5/public",
    opened=_opened,
    request=_request,
    topic=_topic,
    encode=_encode_data,
    stand_in=_stand_in,
    rest_key=_rest_key,
    rest_missing=_rest_missing,
)
