"""Where curl_cffi has its sessions: `wscore.requests` for `curl_cffi.requests`.

A program moves over by replacing the name of the package in its imports.
"""

from wscore.cookies import Cookies
from wscore.fingerprint import ExtraFingerprints
from wscore.proxies import ProxySpec
from wscore.requests.exceptions import (
    RequestException,
    SessionClosed,
    Timeout,
    WebSocketClosed,
    WebSocketError,
    WebSocketTimeout,
)
from wscore.requests.websockets import (
    AsyncWebSocket,
    CurlWsFlag,
    WebSocket,
    WebSocketRetryStrategy,
    WsCloseCode,
)
from wscore.response import Request, Response
from wscore.session import AsyncSession
from wscore.sync import Session

__all__ = [
    "AsyncSession",
    "AsyncWebSocket",
    "Cookies",
    "CurlWsFlag",
    "ExtraFingerprints",
    "ProxySpec",
    "Request",
    "RequestException",
    "Response",
    "Session",
    "SessionClosed",
    "Timeout",
    "WebSocket",
    "WebSocketClosed",
    "WebSocketError",
    "WebSocketRetryStrategy",
    "WebSocketTimeout",
    "WsCloseCode",
]
