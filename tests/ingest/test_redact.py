"""Nothing that people read shows a secret."""

import pytest

from ingest.redact import is_secret_key, redact_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://joe:hunter2@h:6379/0", "redis://joe:***@h:6379/0"),
        ("redis://:hunter2@h", "redis://:***@h"),
        ("redis://:hun/ter@2@h", "redis://:***@h"),
        (
            "Error 111 connecting to redis://:x@h:1. Refused",
            "Error 111 connecting to redis://:***@h:1. Refused",
        ),
        ("wss://h/ws?token=abc&x=1", "wss://h/ws?token=***&x=1"),
        ("wss://h/?listenKey=a&api_key=b#c", "wss://h/?listenKey=a&api_key=***#c"),
        ("wss://h:9443/ws/btcusdt@trade", "wss://h:9443/ws/btcusdt@trade"),
        ("ws://[::1]:9000/a@b", "ws://[::1]:9000/a@b"),
        ("joe:hunter2@h", "joe:hunter2@h"),
        ("plain", "plain"),
    ],
)
def test_redact_text(text: str, shown: str) -> None:
    """Passwords in URLs are masked; ports and topics with an @ are not taken for them."""
    assert redact_text(text) == shown


@pytest.mark.parametrize("key", ["password", "redis_passwd", "API_KEY", "apiKey", "Authorization"])
def test_secret_keys(key: str) -> None:
    """Names under which secrets are usually kept."""
    assert is_secret_key(key)


@pytest.mark.parametrize("key", ["key", "keys", "connection", "reason", "venue"])
def test_other_keys(key: str) -> None:
    """A stream's key is not a secret."""
    assert not is_secret_key(key)
