"""What a failed attempt or a lost session is called, and how long to stay away. Pure."""

from datetime import datetime

from ingest.errors import DecodeError, RestError
from ingest.feed.heartbeat import HeartbeatLost
from ingest.redact import redact_text
from ingest.retry_after import retry_after_seconds
from wscore import CurlECode, CurlError, HandshakeError, WebSocketClosed, WebSocketError
from wscore import WsCloseCode as Close

# A venue that asks for more than this is not taken at its word: somebody must look.
MAX_RETRY_AFTER_S = 900.0

_CURL_REASONS: dict[int, str] = {
    CurlECode.COULDNT_RESOLVE_HOST: "dns",
    CurlECode.COULDNT_RESOLVE_PROXY: "dns",
    CurlECode.COULDNT_CONNECT: "refused",
    CurlECode.OPERATION_TIMEDOUT: "timeout",
    CurlECode.PEER_FAILED_VERIFICATION: "tls",
    CurlECode.SSL_CONNECT_ERROR: "tls",
    CurlECode.PROXY: "proxy",
    # Connected, and then what came was not HTTP, or nothing at all.
    CurlECode.WEIRD_SERVER_REPLY: "bad_handshake",
    CurlECode.UNSUPPORTED_PROTOCOL: "bad_handshake",
    CurlECode.GOT_NOTHING: "dropped_in_handshake",
    CurlECode.RECV_ERROR: "dropped_in_handshake",
    CurlECode.SEND_ERROR: "dropped_in_handshake",
}
# What broke the rules on an open connection.
_BREACHES: dict[int, str] = {
    Close.PROTOCOL_ERROR: "protocol_error",
    Close.INVALID_DATA: "bad_utf8",
    CurlECode.TOO_LARGE: "message_too_large",
}


# Why we leave a connection that the venue would go on with.
_OURS = ("resync", "stale")


class VenueLeaving(Exception):
    """The venue announced that this connection will go away, or we have reason to leave it."""


def disconnect_reason(error: Exception) -> str:
    """Return a short, bounded word for the counters: `http_429`, `close_1001`, `timeout`, …"""
    match error:
        case VenueLeaving():
            return str(error) if str(error) in _OURS else "venue_leaving"
        case HeartbeatLost():
            return "ping_timeout"
        case HandshakeError():
            return "bad_handshake" if error.status == 101 else f"http_{error.status}"
        case WebSocketClosed():
            return "ping_timeout" if is_ping_timeout(error) else f"close_{error.code}"
        case WebSocketError():
            return _BREACHES.get(error.code, "io_error")
        case RestError() | DecodeError():
            return "no_ticket"
        case CurlError():
            return _CURL_REASONS.get(error.code, "connect_error")
    return "error"


def is_ping_timeout(error: WebSocketClosed) -> bool:
    """Tell our own giving up on a silent peer from a 1011 that the peer sent."""
    return error.code == Close.INTERNAL_ERROR and str(error) == "keepalive ping timeout"


def retry_after_s(error: Exception, now: datetime) -> float:
    """Return how long the server asked us to stay away, 0 if it did not."""
    value = error.header("retry-after") if isinstance(error, HandshakeError) else None
    if value is None:
        return 0.0
    return min(MAX_RETRY_AFTER_S, retry_after_seconds(value, now))


def asks_all_s(error: Exception, now: datetime) -> float:
    """Return how long the server asked all of us to stay away: it counts our address."""
    if isinstance(error, HandshakeError) and error.status in (418, 429):
        return retry_after_s(error, now)
    return 0.0


def describe(error: Exception) -> str:
    """Return the error's text in one line of bounded length, for the log and for readers."""
    return " ".join(redact_text(str(error)).split())[:300] or type(error).__name__
