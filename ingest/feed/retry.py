"""What a failed attempt or a lost session is called, and how long to stay away. Pure."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from wscore import CurlECode, CurlError, HandshakeError, WebSocketClosed, WebSocketError

# A venue that asks for more than this is not taken at its word: somebody must look.
MAX_RETRY_AFTER_S = 900.0

_CURL_REASONS = {
    CurlECode.COULDNT_RESOLVE_HOST: "dns",
    CurlECode.COULDNT_RESOLVE_PROXY: "dns",
    CurlECode.COULDNT_CONNECT: "refused",
    CurlECode.OPERATION_TIMEDOUT: "timeout",
    CurlECode.PEER_FAILED_VERIFICATION: "tls",
    CurlECode.SSL_CONNECT_ERROR: "tls",
    CurlECode.PROXY: "proxy",
}


def disconnect_reason(error: Exception) -> str:
    """Return a short, bounded word for the counters: `http_429`, `close_1001`, `timeout`, …"""
    if isinstance(error, HandshakeError):
        return "bad_handshake" if error.status in (0, 101) else f"http_{error.status}"
    if isinstance(error, WebSocketClosed):
        return f"close_{error.code}"
    if isinstance(error, WebSocketError):
        return "protocol_error"
    if isinstance(error, CurlError):
        return _CURL_REASONS.get(CurlECode(error.code), "connect_error") if error.code else "error"
    return "error"


def retry_after_s(error: Exception, now: datetime) -> float:
    """Return how long the server asked us to stay away, 0 if it did not.

    Source: RFC 9110, section 10.2.3: seconds, or a date.
    """
    value = error.header("retry-after") if isinstance(error, HandshakeError) else None
    if value is None:
        return 0.0
    return min(MAX_RETRY_AFTER_S, max(0.0, _seconds(value.strip(), now)))


def _seconds(value: str, now: datetime) -> float:
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    # A date without a zone is UTC (RFC 9110, section 5.6.7).
    return ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds()


def describe(error: Exception) -> str:
    """Return the error's text in one line of bounded length."""
    return " ".join(str(error).split())[:300] or type(error).__name__
