"""The blocking side: connections without an event loop."""

from wscore.sync.app import WebSocketApp
from wscore.sync.create import create_connection
from wscore.sync.fragment import CurlWsFrame
from wscore.sync.session import Session
from wscore.sync.websocket import WebSocket

__all__ = ["CurlWsFrame", "Session", "WebSocket", "WebSocketApp", "create_connection"]
