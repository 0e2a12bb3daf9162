"""Deribit, public channels over JSON-RPC, as the server. A topic is the venue's channel.

Source: https://docs.deribit.com and the recordings.
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

# In the recordings every change comes at once, which needs a login today. The
# public channels, of every 100 ms, have messages of the same shape.
_PUBLIC, _RECORDED = ".100ms", ".raw"
_RESULTS: dict[str, Any] = {
    "public/set_heartbeat": "ok",
    "public/disable_heartbeat": "ok",
    "public/test": {"version": "1.2.26"},
}


class _Params(msgspec.Struct):
    channel: str = ""


class _Message(msgspec.Struct):
    method: str = ""
    params: _Params | None = None


_decode_message = msgspec.json.Decoder(_Message).decode
_encode = msgspec.json.Encoder().encode


def _request(payload: bytes, session: Session) -> Sequence[Action]:
    try:
        request = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return [_error(None, -32700, "Parse error")]
    if not isinstance(request, dict) or "method" not in request:
        return [_error(None, -32600, "Invalid Request")]
    number, method = request.get("id"), request["method"]
    if method in _RESULTS:
        return [_result(number, _RESULTS[method])]
    if method not in ("public/subscribe", "public/unsubscribe"):
        return [_error(number, -32601, "Method not found")]
    params = request.get("params")
    channels = params.get("channels") if isinstance(params, dict) else None
    if not isinstance(channels, list) or not all(isinstance(name, str) for name in channels):
        return [_error(number, -32602, "Invalid params")]
    # What does not exist is left out of the answer, which is sorted.
    topics = tuple(name for name in channels if session.serves(name))
    answer = _result(number, sorted(topics, reverse=True))
    change = Subscribe if method == "public/subscribe" else Unsubscribe
    return [answer, change(topics)] if topics else [answer]


def _result(number: Any, result: Any) -> Reply:
    return Reply(_encode({"jsonrpc": "2.0", "id": number, "result": result, "testnet": False}))


def _error(number: Any, code: int, message: str) -> Reply:
    error = {"code": code, "message": message}
    return Reply(_encode({"jsonrpc": "2.0", "id": number, "error": error, "testnet": False}))


def _topic(payload: bytes) -> str | None:
    try:
        message = _decode_message(payload)
    except msgspec.DecodeError:
        return None
    if message.method != "subscription" or message.params is None:
        return None
    return message.params.channel or None


def _encode_data(payload: bytes, topic: str, _form: str) -> bytes:
    recorded = _stand_in(topic)
    if recorded is None:
        return payload
    # Once: the channel is named in `params` only, before its data.
    return payload.replace(f'"{recorded}"'.encode(), f'"{topic}"'.encode(), 1)


def _stand_in(topic: str) -> str | None:
    return topic.removesuffix(_PUBLIC) + _RECORDED if topic.endswith(_PUBLIC) else None


def _rest_key(path: str, query: str) -> str | None:
    _, found, method = path.rstrip("/").partition("/api/v2/public/")
    if not found:
        return None
    # Instruments were recorded by currency; who wants those of any gets one of them.
    left_out = ("currency", "expired") if method == "get_instruments" else ()
    wanted = sorted((key, value) for key, value in parse_qsl(query) if key not in left_out)
    return f"{method}?{urlencode(wanted)}" if wanted else method


def _rest_missing(_key: str | None) -> bytes:
    error = {"code": 404, "message": "Not recorded: no answer to replay."}
    return _encode({"jsonrpc": "2.0", "error": error, "testnet": False})


DIALECT = Dialect(
    name="deribit",
    hosts=frozenset({"www.deribit.com"}),
    folders=frozenset({"deribit"}),
    paths=("/ws/api/v2", "/api/v2/public"),
    ws_path="/ws/api/v2",
    opened=lambda _path, _query: [],
    request=_request,
    topic=_topic,
    # A channel that was recorded under its own name is served under it.
    encode=_encode_data,
    stand_in=_stand_in,
    rest_key=_rest_key,
    rest_missing=_rest_missing,
)
