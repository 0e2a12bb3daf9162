"""BitMEX, public topics, as the server. A topic is written `table:symbol`, as there.

Source: https://www.bitmex.com/app/wsAPI and the recordings.
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

_WELCOME = (
    b'{"info":"Welcome to the BitMEX Realtime API.","version":"2021-04-15T18:39:36.000Z",'
    b'"timestamp":"2021-04-17T16:41:00.033Z","docs":"https://www.bitmex.com/app/wsAPI",'
    b'"limit":{"remaining":39}}'
)


class _Row(msgspec.Struct):
    symbol: str


class _Message(msgspec.Struct):
    table: str = ""
    data: list[_Row] = []  # acks and notices have none
    filter: dict[str, str] = {}


_decode_message = msgspec.json.Decoder(_Message).decode
_encode = msgspec.json.Encoder().encode


def _opened(_path: str, _query: str) -> Sequence[Action]:
    return [Reply(_WELCOME)]


def _request(payload: bytes, session: Session) -> Sequence[Action]:
    if payload == b"ping":
        return [Reply(b"pong")]
    try:
        request = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return [_error("Unrecognized request.", None)]
    op = request.get("op") if isinstance(request, dict) else None
    args = request.get("args") if isinstance(request, dict) else None
    names = [args] if isinstance(args, str) else args
    if (
        op not in ("subscribe", "unsubscribe")
        or not isinstance(names, list)
        or not all(isinstance(name, str) for name in names)
    ):
        return [_error("Unrecognized request.", request)]
    answers: list[Action] = []
    for name in names:
        if not session.serves(name):
            answers.append(_error(f"Unknown or expired symbol or table: {name}", request))
            continue
        answers.append(Reply(_encode({"success": True, op: name, "request": request})))
        answers.append(Subscribe((name,)) if op == "subscribe" else Unsubscribe((name,)))
    # Together, so that the topics of one request keep their recorded order.
    topics = tuple(action.topics[0] for action in answers if isinstance(action, Subscribe))
    others = [action for action in answers if not isinstance(action, Subscribe)]
    return [*others, Subscribe(topics)] if topics else others


def _error(message: str, request: Any) -> Reply:
    return Reply(_encode({"status": 400, "error": message, "meta": {}, "request": request}))


def _topic(payload: bytes) -> str | None:
    try:
        message = _decode_message(payload)
    except msgspec.DecodeError:
        return None
    if not message.table:
        return None
    # No recorded message holds rows of several symbols.
    symbol = message.data[0].symbol if message.data else message.filter.get("symbol", "")
    return f"{message.table}:{symbol}"


def _encode_data(payload: bytes, _topic: str, _form: str) -> bytes:
    return payload


def _rest_key(path: str, _query: str) -> str | None:
    _, _, endpoint = path.rstrip("/").partition("/api/v1/")
    return endpoint or None


def _rest_missing(_key: str | None) -> bytes:
    # Our own words in the venue's shape.
    message = "Not recorded: no answer to replay."
    return _encode({"error": {"message": message, "name": "HTTPError"}})


DIALECT = Dialect(
    name="bitmex",
    hosts=frozenset({"ws.bitmex.com", "www.bitmex.com"}),
    folders=frozenset({"bitmex"}),
    paths=("/realtime", "/api/v1/instrument"),
    ws_path="/realtime",
    opened=_opened,
    request=_request,
    topic=_topic,
    encode=_encode_data,
    rest_key=_rest_key,
    rest_missing=_rest_missing,
)
