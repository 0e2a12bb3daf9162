"""Programs that import from where curl_cffi has things get the very same things."""

import importlib

import pytest

import wscore


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("const", "CurlECode CurlInfo CurlOpt CurlWsFlag"),
        ("curl", "Curl CurlError"),
        (
            "requests",
            "AsyncSession AsyncWebSocket Session WebSocket Response WsCloseCode ProxySpec",
        ),
        ("requests.exceptions", "RequestException SessionClosed Timeout WebSocketTimeout"),
        ("requests.websockets", "AsyncWebSocket CurlWsFlag WebSocket WebSocketClosed"),
    ],
)
def test_it_is_there_and_the_same(module: str, names: str) -> None:
    place = importlib.import_module(f"wscore.{module}")
    for name in names.split():
        assert getattr(place, name) is getattr(wscore, name)


@pytest.mark.parametrize("module", ["const", "requests", "requests.exceptions"])
def test_what_is_promised_is_there(module: str) -> None:
    place = importlib.import_module(f"wscore.{module}")
    for name in place.__all__:
        assert getattr(place, name) is getattr(wscore, name)
