"""The blocking side: connections without an event loop.

From the outside in: `WebSocketApp` runs one `WebSocket` after the other (`AppRun`); a
`WebSocket` makes blocking calls on a `Link`; the `Link` waits for its `Endpoint` by
`Turns`, which has the lock; the `Endpoint` reads, writes, pings and ends, and never
waits.
"""

from wscore.sync.app import WebSocketApp
from wscore.sync.create import create_connection
from wscore.sync.fragment import CurlWsFrame
from wscore.sync.session import Session
from wscore.sync.websocket import WebSocket

__all__ = ["CurlWsFrame", "Session", "WebSocket", "WebSocketApp", "create_connection"]
