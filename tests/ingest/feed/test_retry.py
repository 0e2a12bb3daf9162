"""What a lost connection is called, and what a server's Retry-After is worth."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.feed.heartbeat import HeartbeatLost
from ingest.feed.retry import (
    MAX_RETRY_AFTER_S,
    VenueLeaving,
    describe,
    disconnect_reason,
    retry_after_s,
)
from wscore import CurlECode, CurlError, HandshakeError, WebSocketClosed, WebSocketError

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (HandshakeError("", 403, []), "http_403"),
        (HandshakeError("", 429, []), "http_429"),
        (HandshakeError("", 503, []), "http_503"),
        (HandshakeError("wrong accept", 101, []), "bad_handshake"),
        (CurlError("", CurlECode.COULDNT_RESOLVE_HOST), "dns"),
        (CurlError("", CurlECode.COULDNT_CONNECT), "refused"),
        (CurlError("", CurlECode.OPERATION_TIMEDOUT), "timeout"),
        (CurlError("", CurlECode.PEER_FAILED_VERIFICATION), "tls"),
        (CurlError("", CurlECode.GOT_NOTHING), "dropped_in_handshake"),
        (CurlError("", CurlECode.OUT_OF_MEMORY), "connect_error"),
        (CurlError("", 99_999), "connect_error"),
        (CurlError(""), "connect_error"),
        (WebSocketClosed("closed: 1001", 1001), "close_1001"),
        (WebSocketClosed("no CLOSE", 1006), "close_1006"),
        (WebSocketClosed("the connection is closed: 1011 (keepalive)", 1011), "close_1011"),
        (WebSocketClosed("keepalive ping timeout", 1011), "ping_timeout"),
        (WebSocketError("masked", 1002), "protocol_error"),
        (WebSocketError("not UTF-8", 1007), "bad_utf8"),
        (WebSocketError("too large", CurlECode.TOO_LARGE), "message_too_large"),
        (WebSocketError("receiving failed", 55), "io_error"),
        (HeartbeatLost("nothing heard"), "ping_timeout"),
        (VenueLeaving("maintenance"), "venue_leaving"),
        (VenueLeaving("stale"), "stale"),
    ],
)
def test_reasons(error: Exception, reason: str) -> None:
    """Each failure has a short word of a bounded set, which becomes a metric's label."""
    assert disconnect_reason(error) == reason


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 120 ", 120),
        ("99999999999999999999", MAX_RETRY_AFTER_S),
        ("Fri, 02 Jan 2026 03:05:05 GMT", 60),
        ("Fri, 02 Jan 2026 03:05:05", 60),
        ("Fri, 02 Jan 2026 03:04:05 GMT", 0),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 0),
        ("Fri, 02 Jan 2099 00:00:00 GMT", MAX_RETRY_AFTER_S),
        ("Fri, 02 Jan 2026 03:05:05 +99999999999999", 0),
        ("soon", 0),
        ("-5", 0),
        ("1.5", 0),
        ("²", 0),
        ("", 0),
    ],
)
def test_retry_after(value: str, seconds: float) -> None:
    """Seconds or a date, never negative, never above the cap; anything else counts as absent."""
    error = HandshakeError("", 429, [("Retry-After", value)])

    assert retry_after_s(error, NOW) == seconds


@given(st.text(max_size=60))
def test_no_retry_after_can_hurt(value: str) -> None:
    """Whatever a server puts there: a number of seconds comes out."""
    error = HandshakeError("", 503, [("retry-after", value)])

    assert 0 <= retry_after_s(error, NOW) <= MAX_RETRY_AFTER_S


def test_without_retry_after() -> None:
    """Not sent, or not even an HTTP answer."""
    assert retry_after_s(HandshakeError("", 503, []), NOW) == 0
    assert retry_after_s(CurlError("", 7), NOW) == 0


def test_description_is_one_bounded_line() -> None:
    """A server's words cannot break the log's lines, nor fill it."""
    assert describe(CurlError("a\r\n  b\tc")) == "a b c"
    assert len(describe(CurlError("x" * 5000))) == 300
    assert describe(CurlError("")) == "CurlError"


def test_description_holds_no_secret() -> None:
    """It stands in a stream as well: what a ticket or a user put into the URL stays out."""
    error = HandshakeError("the server answered 403 to wss://u:pw@h/ws?token=abc&x=1", 403, [])

    assert describe(error) == "the server answered 403 to wss://u:***@h/ws?token=***&x=1"
