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
from wscore.context import AsyncWebSocketContext
from wscore.cookies import Cookies
from wscore.curl import Curl
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
from wscore.fingerprint import ExtraFingerprints
from wscore.options import NOT_SET, ConnectOptions, WebSocketOptions
from wscore.proxies import ProxySpec
from wscore.reconnect import Reconnecting
from wscore.response import HttpResponse, Request, Response
from wscore.retry import WebSocketRetryStrategy, WsRetryOnRecvError
from wscore.session import AsyncSession
from wscore.stats import Stats
from wscore.sync import CurlWsFrame, Session, WebSocket, WebSocketApp, create_connection
from wscore.websocket import AsyncWebSocket

__all__ = [
    "NOT_SET",
    "AsyncSession",
    "AsyncWebSocket",
    "AsyncWebSocketContext",
    "Backoff",
    "Batch",
    "ConnectOptions",
    "Cookies",
    "Counters",
    "Curl",
    "CurlECode",
    "CurlError",
    "CurlInfo",
    "CurlOpt",
    "CurlWsFlag",
    "CurlWsFrame",
    "Deflate",
    "ExtraFingerprints",
    "HandshakeError",
    "HttpResponse",
    "ProxySpec",
    "Reconnecting",
    "Request",
    "RequestException",
    "Response",
    "Session",
    "SessionClosed",
    "Stats",
    "Timeout",
    "WebSocket",
    "WebSocketApp",
    "WebSocketClosed",
    "WebSocketError",
    "WebSocketOptions",
    "WebSocketRetryStrategy",
    "WebSocketTimeout",
    "WsCloseCode",
    "WsRetryOnRecvError",
    "create_connection",
]
