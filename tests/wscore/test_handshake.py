"""The rules for the answer to the opening handshake."""

import base64

import pytest

from wscore import HandshakeError
from wscore.handshake import accept_for, check_response, make_key

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GOOD = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
}


def check(changes: dict[str, str | None], offered: tuple[str, ...] = ()) -> str | None:
    headers = {**GOOD, **changes}
    given = [(name, value) for name, value in headers.items() if value is not None]
    return check_response(101, given, KEY, subprotocols=offered).subprotocol


def test_the_example_of_the_rfc() -> None:
    """Source: RFC 6455, section 1.3."""
    assert accept_for(KEY) == GOOD["Sec-WebSocket-Accept"]
    assert base64.b64decode(make_key(bytes(range(16)))) == bytes(range(16))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"Upgrade": "WebSocket"},
        {"Upgrade": "h2c, websocket"},
        {"Connection": "keep-alive, upgrade"},
        {"Sec-WebSocket-Accept": "  s3pPLMBiTxaQ9kYGzzhZRbK+xOo= "},
        {"Sec-WebSocket-Extensions": ""},
        {"Server": "nginx"},
    ],
)
def test_accepted(changes: dict[str, str | None]) -> None:
    assert check(changes) is None


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"Upgrade": None}, "Upgrade: websocket"),
        ({"Upgrade": "websockets"}, "Upgrade: websocket"),
        ({"Connection": None}, "Connection: Upgrade"),
        ({"Connection": "close"}, "Connection: Upgrade"),
        ({"Sec-WebSocket-Accept": None}, "found None"),
        ({"Sec-WebSocket-Accept": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="}, "Sec-WebSocket-Accept"),
        ({"Sec-WebSocket-Accept": GOOD["Sec-WebSocket-Accept"].lower()}, "Sec-WebSocket-Accept"),
        ({"Sec-WebSocket-Extensions": "permessage-deflate"}, "expected none"),
        ({"Sec-WebSocket-Protocol": "chat"}, "a subprotocol out of []"),
        ({"sec-websocket-accept": GOOD["Sec-WebSocket-Accept"]}, "one sec-websocket-accept"),
    ],
)
def test_refused(changes: dict[str, str | None], what: str) -> None:
    with pytest.raises(HandshakeError, match="invalid handshake") as caught:
        check(changes)
    assert what in str(caught.value)
    assert caught.value.status == 101
    assert len(caught.value.headers) >= 2


def test_subprotocols_are_compared_exactly() -> None:
    assert check({"Sec-WebSocket-Protocol": "b"}, ("a", "b")) == "b"
    assert check({}, ("a", "b")) is None
    for wrong in ("B", "a, b", "c"):
        with pytest.raises(HandshakeError, match="a subprotocol out of"):
            check({"Sec-WebSocket-Protocol": wrong}, ("a", "b"))


def test_other_statuses_are_refused_with_their_headers() -> None:
    with pytest.raises(HandshakeError) as caught:
        check_response(429, [("Retry-After", "7"), ("retry-after", "8")], KEY)
    assert caught.value.status == 429
    assert caught.value.header("RETRY-AFTER") == "7"
    assert caught.value.header("X-Other") is None
