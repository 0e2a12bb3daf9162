"""Parts keyword arguments into those of the handshake and those of the connection. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from wscore.options import ConnectOptions, WebSocketOptions

_CONNECT = frozenset(field.name for field in fields(ConnectOptions))
_WEBSOCKET = frozenset(field.name for field in fields(WebSocketOptions))


def connect_options(settings: Mapping[str, Any]) -> ConnectOptions:
    """Return the settings of a session.

    Raises:
        TypeError: one of them is unknown.
    """
    _refuse_unknown(settings, _CONNECT)
    return ConnectOptions().inherit(**settings)


def part(
    base: ConnectOptions, options: Mapping[str, Any]
) -> tuple[ConnectOptions, WebSocketOptions]:
    """Return *base* with what *options* change, headers merged, and the connection's options.

    Raises:
        TypeError: an option is unknown.
    """
    _refuse_unknown(options, _CONNECT | _WEBSOCKET)
    connect = {name: value for name, value in options.items() if name in _CONNECT}
    rest = {name: value for name, value in options.items() if name not in _CONNECT}
    return base.inherit(**connect), WebSocketOptions(**rest)


def _refuse_unknown(given: Iterable[str], known: frozenset[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise TypeError(f"unknown setting {unknown[0]!r}; known: {', '.join(sorted(known))}")
