"""A WebSocket client library on libcurl: RFC 6455 in C, asyncio on top.

    async with AsyncSession() as session:
        async with session.ws_connect("wss://example.com/feed") as ws:
            async for message in ws:
                ...

Knows nothing of markets.
"""

from wscore.backoff import Backoff
from wscore.codes import CurlECode, CurlInfo, CurlOpt, CurlWsFlag, WsCloseCode
from wscore.connection import Batch, Counters
from wscore.errors import (
    CurlError,
    HandshakeError,
    RequestException,
    SessionClosed,
    Timeout,
    WebSocketClosed,
    WebSocketError,
    WebSocketTimeout,
)
from wscore.extensions import Deflate
from wscore.options import ConnectOptions, WebSocketOptions
from wscore.session import AsyncSession, AsyncWebSocketContext
from wscore.sync import CurlWsFrame, Session, WebSocket, WebSocketApp, create_connection
from wscore.websocket import AsyncWebSocket

__all__ = [
    "AsyncSession",
    "AsyncWebSocket",
    "AsyncWebSocketContext",
    "Backoff",
    "Batch",
    "ConnectOptions",
    "Counters",
    "CurlECode",
    "CurlError",
    "CurlInfo",
    "CurlOpt",
    "CurlWsFlag",
    "CurlWsFrame",
    "Deflate",
    "HandshakeError",
    "RequestException",
    "Session",
    "SessionClosed",
    "Timeout",
    "WebSocket",
    "WebSocketApp",
    "WebSocketClosed",
    "WebSocketError",
    "WebSocketOptions",
    "WebSocketTimeout",
    "WsCloseCode",
    "create_connection",
]
