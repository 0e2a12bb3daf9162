"""Bybit v5, public topics, as the server.

Source: https://bybit-exchange.github.io/docs/v5/ws/connect; the wording of errors is
that of live answers quoted in github.com/nautechsystems/nautilus_trader issue 1793.
"""

import re
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

# The archive has books of 500 levels; the depth offered since is 200.
_OFFERED = re.compile(r"orderbook\.200\.(.+)").fullmatch

_encode = msgspec.json.Encoder().encode


class _Message(msgspec.Struct):
    topic: str = ""
    ts: int | None = None


_decode_message = msgspec.json.Decoder(_Message).decode


def _opened(_path: str, _query: str) -> Sequence[Action]:
    return []


def _request(payload: bytes, session: Session) -> Sequence[Action]:
    try:
        request = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        request = None
    if not isinstance(request, dict):
        return [_answer({}, session, False, "Params Error")]
    op, args = request.get("op"), request.get("args")
    if op == "ping":
        return [_answer(request, session, True, "pong")]
    valid = isinstance(args, list) and all(isinstance(name, str) for name in args)
    if op not in ("subscribe", "unsubscribe") or not valid or not args:
        return [_answer(request, session, False, "Params Error")]
    for name in args:
        if not session.serves(name):
            return [_answer(request, session, False, f"error:handler not found,topic:{name}")]
    change = Subscribe if op == "subscribe" else Unsubscribe
    return [_answer(request, session, True, ""), change(tuple(args))]


def _answer(request: dict[str, Any], session: Session, success: bool, message: str) -> Reply:
    return Reply(
        _encode(
            {
                "success": success,
                "ret_msg": message,
                "conn_id": session.connection_id,
                "req_id": request.get("req_id", ""),
                "op": request.get("op", ""),
            }
        )
    )


def _topic(payload: bytes) -> str | None:
    try:
        message = _decode_message(payload)
    except msgspec.DecodeError:
        return None
    # Without `ts` it is of API v2, which nobody can subscribe to any more.
    return message.topic if message.topic and message.ts is not None else None


def _encode_data(payload: bytes, topic: str, _form: str) -> bytes:
    recorded = _stand_in(topic)
    if recorded is None:
        return payload
    # Once: the topic comes first, and is named nowhere else.
    return payload.replace(f'"topic":"{recorded}"'.encode(), f'"topic":"{topic}"'.encode(), 1)


def _stand_in(topic: str) -> str | None:
    offered = _OFFERED(topic)
    return f"orderbook.500.{offered[1]}" if offered else None


def _rest_key(path: str, query: str) -> str | None:
    _, found, endpoint = path.rstrip("/").partition("/v5/")
    if not found:
        return None
    wanted = sorted((key, value) for key, value in parse_qsl(query) if key != "limit")
    return f"{endpoint}?{urlencode(wanted)}" if wanted else endpoint


def _rest_missing(_key: str | None) -> bytes:
    # Our own words in the venue's shape.
    return _encode({"retCode": 404, "retMsg": "Not recorded: no answer to replay", "result": {}})


DIALECT = Dialect(
    name="bybit",
    hosts=frozenset({"stream.bybit.com", "api.bybit.com"}),
    folders=frozenset({"bybit"}),
    paths=("/v5/public", "/v5/market"),
    ws_path="/v5/public/linear",
    opened=_opened,
    request=_request,
    topic=_topic,
    encode=_encode_data,
    stand_in=_stand_in,
    rest_key=_rest_key,
    rest_missing=_rest_missing,
)
