"""What can be set, and what is refused."""

from typing import Any

import pytest

from wscore import ConnectOptions, CurlError, CurlOpt, WebSocketOptions
from wscore.easy import Easy


@pytest.fixture
def easy() -> Any:
    easy = Easy()
    yield easy
    easy.close()


@pytest.mark.parametrize("name", ["recv_queue_size", "send_queue_size", "max_message_size"])
@pytest.mark.parametrize("value", [0, -1])
def test_sizes_below_one_are_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not {value}"):
        WebSocketOptions(**{name: value})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"proxy": "http://127.0.0.1:3128"},
        {"proxy": "socks5h://user:pass@127.0.0.1:1080"},
        {"interface": "lo"},
        {"verify": False},
        {"impersonate": "chrome131"},
        {"impersonate": "chrome131", "default_headers": False},
        {"headers": {"X": "y"}, "subprotocols": ("a", "b"), "timeout": 0.0001},
        {"curl_options": {CurlOpt.MAX_RECV_SPEED_LARGE: 1 << 40, CurlOpt.USERAGENT: b"me"}},
        {"curl_options": {CurlOpt.RESOLVE: ["example.com:80:127.0.0.1"]}},
    ],
)
def test_what_libcurl_accepts(easy: Easy, options: dict[str, Any]) -> None:
    ConnectOptions(**options).apply(easy, "wss://example.com/", "key")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"impersonate": "mosaic"}, "unknown impersonation target 'mosaic'"),
        ({"curl_options": {CurlOpt.HTTPHEADER: "X: y"}}, "CURLOPT_HTTPHEADER = 'X: y'"),
        ({"curl_options": {CurlOpt.USERAGENT: ["a"]}}, "CURLOPT_USERAGENT"),
        ({"curl_options": {99_999: 1}}, "cannot be set to int"),
        ({"curl_options": {9_999: 1}}, "CURLOPT_9999 = 1"),
        ({"curl_options": {CurlOpt.NOSIGNAL: "1"}}, "takes an int, not str"),
        ({"curl_options": {CurlOpt.URL: 1}}, "cannot be set to int"),
    ],
)
def test_what_is_refused_and_why(easy: Easy, options: dict[str, Any], text: str) -> None:
    with pytest.raises((CurlError, TypeError), match=text):
        ConnectOptions(**options).apply(easy, "wss://example.com/", "key")
