"""Redirected handshakes: followed within limits, and credentials stay at home."""

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from tests.servers.echo import echoing, redirect
from wscore import AsyncSession, CurlECode, CurlError, HandshakeError
from wscore.url import resolved, same_origin


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_relative_redirects_are_followed(status: int) -> None:
    def answer(_connection: ServerConnection, request: Request) -> Response | None:
        return redirect("../there?x=1", status) if request.path == "/a/b/here" else None

    async with echoing(answer=answer) as echo, AsyncSession(auth=("u", "p")) as session:
        async with session.ws_connect(echo.url("/a/b/here"), params={"q": 1}) as ws:
            pass
        async with session.ws_connect(echo.url("/a/b/here")) as ws:
            assert ws.response.url == echo.url("/a/there?x=1")
            assert list(ws.response.history) == [echo.url("/a/b/here")]
    assert [request.path for request in echo.requests] == [
        "/a/b/here?q=1",
        "/a/b/here",
        "/a/there?x=1",
    ]
    assert echo.header("Authorization") is not None
    keys = {request.headers["Sec-WebSocket-Key"] for request in echo.requests}
    assert len(keys) == 3


async def test_credentials_do_not_follow_to_another_origin() -> None:
    async with echoing() as other:
        there = f"http://127.0.0.1:{other.port}/p"  # as servers write it
        async with echoing(answer=lambda *_: redirect(there)) as echo:
            async with AsyncSession(auth=("u", "p"), cookies={"s": "1"}) as session:
                headers = {"Authorization": "Bearer x", "Cookie": "c=1", "X-A": "1"}
                for own in ({}, {"headers": headers, "cookies": {"own": "1"}}):
                    async with session.ws_connect(echo.url(), **own):
                        pass
    assert echo.header("Authorization") == "Bearer x"
    for index in (0, 1):
        assert other.header("Authorization", index) is None
        assert other.header("Cookie", index) is None
    assert other.header("X-A") == "1"


async def test_limits() -> None:
    async with echoing(answer=lambda *_: redirect("/")) as echo, AsyncSession() as session:
        with pytest.raises(CurlError, match="more than 3 redirects") as caught:
            await session.ws_connect(echo.url(), max_redirects=3)
        assert caught.value.code == CurlECode.TOO_MANY_REDIRECTS
        assert len(echo.requests) == 4
        with pytest.raises(HandshakeError) as refused:
            await session.ws_connect(echo.url(), allow_redirects=False)
        assert (refused.value.status, refused.value.header("location")) == (302, "/")


async def test_only_websocket_urls_are_gone_to() -> None:
    async with echoing(answer=lambda *_: redirect("file:///etc/passwd")) as echo:
        async with AsyncSession() as session:
            with pytest.raises(CurlError) as caught:
                await session.ws_connect(echo.url())
    assert caught.value.code == CurlECode.UNSUPPORTED_PROTOCOL


@pytest.mark.parametrize(
    ("base", "reference", "url"),
    [
        ("ws://h/a/b?q", "c", "ws://h/a/c"),
        ("ws://h/a", "https://x/y", "wss://x/y"),
        ("wss://h/a", "//x/y", "wss://x/y"),
        ("wss://h/a", "ws://x/", "ws://x/"),
    ],
)
def test_resolving(base: str, reference: str, url: str) -> None:
    assert resolved(base, reference) == url


def test_origins() -> None:
    assert same_origin("ws://h/a", "ws://h:80/b")
    assert not same_origin("ws://h/", "wss://h/")
    assert not same_origin("ws://h/", "ws://h:81/")
    assert not same_origin("ws://h/", "ws://g/")
