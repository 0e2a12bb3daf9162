"""Crypto.com Exchange v1, market data, as the server. A topic is the venue's: `trade.BTC_USD`.

What was recorded as the answer to a subscription and holds its first data is sent as it
was, the recorder's request number included.

Source: https://exchange-developer.crypto.com/exchange/v1/docs (websocket)
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

# How many parts a topic has; the symbol is the second, of candles the last.
_CHANNELS = {"trade": 2, "ticker": 2, "book": 3, "candlestick": 3, "mark": 2, "funding": 2}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.decode


def _request(payload: bytes, _session: Session) -> Sequence[Action]:
    try:
        request = _decode(payload)
    except msgspec.DecodeError:
        request = None
    if not isinstance(request, dict):
        return [_reply({"id": -1, "method": "ERROR"}, code=40003, message="Invalid request")]
    method = request.get("method")
    if method == "public/respond-heartbeat":
        return []
    if method not in ("subscribe", "unsubscribe"):
        return [_reply(request, code=40003, message="No such method")]
    params = request.get("params")
    names = params.get("channels") if isinstance(params, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return [_reply(request, code=40003, message="Invalid request")]
    if method == "unsubscribe":
        return [_reply(request, code=0), Unsubscribe(tuple(names))]
    known = [name for name in names if _is_topic(name)]
    # Each channel has an answer of its own.
    return [
        *(
            _reply(request, code=0, channel=name)
            if name in known
            else _reply(request, code=40003, message="Unknown symbol", channel=name)
            for name in names
        ),
        Subscribe(tuple(known)),
    ]


def _is_topic(name: str) -> bool:
    parts = name.split(".")
    return all(parts) and len(parts) == _CHANNELS.get(parts[0])


def _reply(request: dict[str, Any], **more: Any) -> Reply:
    kept = {name: request[name] for name in ("id", "method") if name in request}
    return Reply(_encode(kept | more))


def _topic(payload: bytes) -> str | None:
    try:
        message = _decode(payload)
    except msgspec.DecodeError:
        return None
    result = message.get("result") if isinstance(message, dict) else None
    if not isinstance(result, dict) or "data" not in result:
        return None
    name = result.get("subscription")
    return name if isinstance(name, str) and _is_topic(name) else None


def _rest_key(path: str, query: str) -> str | None:
    _, found, endpoint = path.rstrip("/").partition("/exchange/v1/public/")
    wanted = urlencode(sorted(parse_qsl(query)))
    return (f"{endpoint}?{wanted}" if wanted else endpoint) if found else None


def _rest_missing(_key: str | None) -> bytes:
    # Our own words in the venue's shape.
    return _encode({"id": -1, "code": 40401, "message": "Not recorded: no answer to replay."})


DIALECT = Dialect(
    name="crypto-com",
    hosts=frozenset({"stream.crypto.com", "api.crypto.com"}),
    folders=frozenset({"crypto-com", "crypto_com"}),
    paths=("/exchange/v1",),
    ws_path="/exchange/v1/market",
    opened=lambda _path, _query: [],
    request=_request,
    topic=_topic,
    encode=lambda payload, _topic, _form: payload,
    rest_key=_rest_key,
    rest_missing=_rest_missing,
)
