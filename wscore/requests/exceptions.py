"""`wscore.requests.exceptions` for `curl_cffi.requests.exceptions`."""

from wscore.errors import (
    CurlError,
    RequestException,
    SessionClosed,
    Timeout,
    WebSocketClosed,
    WebSocketError,
    WebSocketTimeout,
)

__all__ = [
    "CurlError",
    "RequestException",
    "SessionClosed",
    "Timeout",
    "WebSocketClosed",
    "WebSocketError",
    "WebSocketTimeout",
]
