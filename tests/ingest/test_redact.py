"""Nothing that people read shows a secret."""

from collections.abc import Iterator

import pytest

from ingest.redact import hide_environment, is_secret_key, redact_text, redact_url


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
        ("wss://h/?listenKey=a&api_key=b#c", "wss://h/?listenKey=***&api_key=***#c"),
        ("wss://h:9443/ws/btcusdt@trade", "wss://h:9443/ws/btcusdt@trade"),
        ("ws://[::1]:9000/a@b", "ws://[::1]:9000/a@b"),
        ("http://hunter2@h", "http://***@h"),
        ("http://hunter2:@h", "http://***@h"),
        ("redis://joe:@hunter2@h", "redis://joe:***@h"),
        (
            "https://h/v1?a=1&signature=x&sig=y&X-Amz-Credential=z",
            "https://h/v1?a=1&signature=***&sig=***&X-Amz-Credential=***",
        ),
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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://joe:hunter2", "redis://***"),
        ("redis://:hunter2", "redis://***"),
        ("hunter2", "***"),
        ("host:1:joe:hunter2", "***"),
        ("redis//joe:hunter2@h", "***@h"),
        ("redis://joe:hun/ter2@h:x/0", "redis://***@h:x/***"),
        ("redis://a:1,b:2/hunter2?hunter2", "redis://a:1,b:2/***?***"),
        ("redis://h?pw=hunter2&db=0", "redis://h?pw=***&db=***"),
        ("ftp://h:1/hunter2#hunter2", "ftp://h:1/***"),
        ("hun ter2://h", "***://h"),
        ("localhost:6379", "localhost:6379"),
        ("https://stream.example.com:9443", "https://stream.example.com:9443"),
        ("ws://[::1]:99999", "ws://[::1]:99999"),
        ("", "***"),
    ],
)
def test_redact_url(text: str, shown: str) -> None:
    """Of what was to be a URL only scheme and host are shown, and the names of a query."""
    assert redact_url(text) == shown


@pytest.fixture
def environment() -> Iterator[None]:
    hide_environment(
        {
            **{"MIRROR_TOKEN": "s3cr3t/tok", "REDIS_PASS": "pa%40sswd", "API_KEY": "key-of-mine"},
            **{"PWD": "/home/joe", "A_SECRET": "off", "HOST": "example.com"},
        }
    )
    yield
    hide_environment({})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("wss://example.com/s3cr3t/tok/ws", "wss://example.com/***/ws"),
        ("https://example.com/s3cr3t%2Ftok", "https://example.com/***"),
        ("the server said pa@sswd, or pa%40sswd", "the server said ***, or ***"),
        ("key-of-mine", "***"),
        ("off from /home/joe", "off from /home/joe"),
    ],
)
@pytest.mark.usefixtures("environment")
def test_secrets_of_the_environment(text: str, shown: str) -> None:
    """By the variables' names, wherever they stand, encoded or not; short ones are words."""
    assert redact_text(text) == shown
