"""`wscore.requests.websockets` for `curl_cffi.requests.websockets`."""

from wscore.codes import CurlWsFlag, WsCloseCode
from wscore.context import AsyncWebSocketContext
from wscore.errors import WebSocketClosed, WebSocketError, WebSocketTimeout
from wscore.retry import WebSocketRetryStrategy
from wscore.sync import CurlWsFrame, WebSocket
from wscore.websocket import AsyncWebSocket

__all__ = [
    "AsyncWebSocket",
    "AsyncWebSocketContext",
    "CurlWsFlag",
    "CurlWsFrame",
    "WebSocket",
    "WebSocketClosed",
    "WebSocketError",
    "WebSocketRetryStrategy",
    "WebSocketTimeout",
    "WsCloseCode",
]
