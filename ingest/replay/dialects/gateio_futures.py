"""Gate perpetuals, WebSocket v4, as the server: one for each settlement currency.

A topic is written `channel:` and what a request names it by, the contract last.

Source: https://www.gate.com/docs/developers/futures/ws/en/
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

# Payloads: a list of contracts; a list of streams; an interval and a contract; a contract
# and an interval, or how often and how deep.
_LISTS = (
    "futures.trades",
    "futures.tickers",
    "futures.book_ticker",
    "futures.public_liquidates",
)
_STREAMS = "futures.obu"
_BOOK = "futures.order_book_update"
_CANDLES = "futures.candlesticks"
_STATS = "futures.contract_stats"
_INTERVALS = ("10s", "1m", "5m", "15m", "30m", "1h", "4h", "8h", "1d", "7d")
_DEPTHS = ("50", "400")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.decode


def _opened(_path: str, _query: str) -> Sequence[Action]:
    return []


def _request(payload: bytes, session: Session) -> Sequence[Action]:
    try:
        request = _decode(payload)
    except msgspec.DecodeError:
        request = None
    if not isinstance(request, dict):
        return [_error({}, 1, "invalid argument struct")]
    channel, event = str(request.get("channel")), request.get("event")
    if channel == "futures.ping":
        return [_reply(request, channel="futures.pong", event="", result=None)]
    if event not in ("subscribe", "unsubscribe"):
        return [_error(request, 2, f"unknown event {event}")]
    listed = request.get("payload")
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        return [_error(request, 1, "request payload does not follow json schema")]
    topics = _topics(channel, listed)
    if topics is None:
        return [_error(request, 2, "invalid argument")]
    for topic in topics:
        contract = _contract(topic)
        if not any(session.serves(other) for other in _all_topics(contract)):
            # One that is not known has the whole request refused.
            return [_error(request, 2, f"unknown contract {contract}")]
    if event == "unsubscribe":
        return [_reply(request, result={"status": "success"}), Unsubscribe(topics)]
    twice = next((t for t in topics if channel == _STREAMS and t in session.subscribed), None)
    if twice is not None:
        return [_error(request, 2, f"Alert sub {twice.partition(':')[2]}")]
    return [_reply(request, result={"status": "success"}), Subscribe(topics)]


def _topics(channel: str, listed: list[str]) -> tuple[str, ...] | None:
    """Return what a request names, None where its payload is not one of the channel."""
    if channel in _LISTS and listed:
        return tuple(f"{channel}:{contract}" for contract in listed)
    if channel == _STREAMS and listed:
        parts = [stream.split(".") for stream in listed]
        if all(len(p) == 3 and p[0] == "ob" and p[2] in _DEPTHS for p in parts):
            return tuple(f"{channel}:{stream}" for stream in listed)
    if channel == _CANDLES and len(listed) == 2 and listed[0] in _INTERVALS:
        return (f"{channel}:{listed[0]}:{listed[1]}",)
    if (channel == _BOOK and len(listed) in (2, 3)) or (channel == _STATS and len(listed) == 2):
        return (f"{channel}:{listed[0]}",)
    return None


def _contract(topic: str) -> str:
    name = topic.rpartition(":")[2]
    return name.split(".")[1] if topic.startswith(f"{_STREAMS}:") else name


def _all_topics(contract: str) -> list[str]:
    return [
        *(f"{channel}:{contract}" for channel in (*_LISTS, _BOOK, _STATS)),
        *(f"{_STREAMS}:ob.{contract}.{depth}" for depth in _DEPTHS),
        *(f"{_CANDLES}:{interval}:{contract}" for interval in _INTERVALS),
    ]


def _error(request: dict[str, Any], code: int, message: str) -> Reply:
    error = {"code": code, "message": message}
    return _reply(request, error=error, result={"status": "fail"})


def _reply(request: dict[str, Any], **more: Any) -> Reply:
    # Our clock is the client's own `time`.
    kept = {n: request[n] for n in ("time", "id", "channel", "event", "payload") if n in request}
    return Reply(_encode(kept | more))


def _topic(payload: bytes) -> str | None:
    try:
        message = _decode(payload)
    except msgspec.DecodeError:
        return None
    if not isinstance(message, dict) or message.get("event") != "update":
        return None
    result, channel = message.get("result"), message.get("channel")
    first = result[0] if isinstance(result, list) and result else result
    if not isinstance(first, dict):
        return None
    if channel == _CANDLES:
        interval, _, contract = str(first.get("n", "")).partition("_")
        return f"{channel}:{interval}:{contract}"
    name = first.get("contract", first.get("s"))
    return f"{channel}:{name}" if channel and name else None


def _encode_data(payload: bytes, _topic: str, _form: str) -> bytes:
    return payload


def _rest_key(path: str, query: str) -> str | None:
    """Name an answer by its path and query; what was recorded is all there is, so no `limit`."""
    _, found, endpoint = path.rstrip("/").partition("/api/v4/")
    if not found:
        return None
    wanted = sorted((key, value) for key, value in parse_qsl(query) if key != "limit")
    return f"{endpoint}?{urlencode(wanted)}" if wanted else endpoint


def _rest_topic(key: str) -> str | None:
    endpoint, _, query = key.partition("?")
    contract = dict(parse_qsl(query)).get("contract", "")
    return f"{_BOOK}:{contract}" if endpoint.endswith("/order_book") and contract else None


def _rest_missing(_key: str | None) -> bytes:
    # Our own words in the venue's shape.
    return _encode({"label": "NOT_FOUND", "message": "Not recorded: no answer to replay"})


def _dialect(settle: str) -> Dialect:
    return Dialect(
        name=f"gateio-{settle}",
        # That of the REST interface is the spot market's too.
        hosts=frozenset({"fx-ws.gateio.ws", "api.gateio.ws"}),
        folders=frozenset({f"gateio-{settle}"}),
        paths=(f"/v4/ws/{settle}", f"/api/v4/futures/{settle}"),
        ws_path=f"/v4/ws/{settle}",
        opened=_opened,
        request=_request,
        topic=_topic,
        encode=_encode_data,
        rest_key=_rest_key,
        rest_topic=_rest_topic,
        rest_missing=_rest_missing,
    )


USDT = _dialect("usdt")
BTC = _dialect("btc")
