"""Binance USD-M futures, public market-data streams, as the server.

The protocol is the spot market's; what differs is that streams are served at two
paths. At the wrong one a stream is acknowledged and stays silent, and a connection
that names no path is served as `/public` (measured by github.com/jabdori/maxt on
2026-07-30; the paths: developers.binance.com, change notice of 2026-03-06).
"""

from collections.abc import Sequence

from msgspec.structs import replace

from ingest.replay.dialects import binance
from ingest.replay.dialects.base import (
    Action,
    Session,
    SetForm,
    Subscribe,
)

_PUBLIC, _MARKET = "public", "market"
_AT_PUBLIC = ("trade", "bookTicker", "depth")
# hftbacktest recorded the fastest books, which are not documented; messages are alike.
_OFFERED, _RECORDED = "@depth@100ms", "@depth@0ms"


def _path_of(topic: str) -> str:
    stream = topic.partition("@")[2]
    # depth, depth@100ms, depth20@100ms
    return _PUBLIC if stream.startswith(_AT_PUBLIC) else _MARKET


def _at(path: str, actions: Sequence[Action]) -> Sequence[Action]:
    """Keep the path in the connection's form, and only its streams."""
    kept: list[Action] = []
    for action in actions:
        if isinstance(action, SetForm):
            kept.append(SetForm(f"{path} {action.form}"))
        elif isinstance(action, Subscribe):
            kept.append(Subscribe(tuple(t for t in action.topics if _path_of(t) == path)))
        else:
            kept.append(action)
    return kept


def _opened(path: str, query: str) -> Sequence[Action]:
    first, _, rest = path.removeprefix("/").partition("/")
    if first in (_PUBLIC, _MARKET):
        return _at(first, binance.DIALECT.opened(f"/{rest}", query))
    return _at(_PUBLIC, binance.DIALECT.opened(path, query))


def _request(payload: bytes, session: Session) -> Sequence[Action]:
    path, _, form = session.form.partition(" ")
    return _at(path, binance.DIALECT.request(payload, replace(session, form=form)))


def _stand_in(topic: str) -> str | None:
    symbol, found, rest = topic.partition(_OFFERED)
    return f"{symbol}{_RECORDED}" if found and not rest else None


def _encode(payload: bytes, topic: str, form: str) -> bytes:
    if topic.endswith(_OFFERED):
        # Once: the envelope comes first.
        payload = payload.replace(f'{_RECORDED}"'.encode(), f'{_OFFERED}"'.encode(), 1)
    return binance.DIALECT.encode(payload, topic, form.partition(" ")[2])


DIALECT = replace(
    binance.DIALECT,
    name="binance-usdm",
    hosts=frozenset({"fstream.binance.com", "fapi.binance.com"}),
    folders=frozenset({"binance-usdm", "binance_futures"}),
    paths=("/public", "/market", "/fapi/v1"),
    ws_path="/public/stream",
    opened=_opened,
    request=_request,
    encode=_encode,
    stand_in=_stand_in,
)
