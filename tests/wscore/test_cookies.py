"""Cookies: what goes out, what is stored, and what stays away from strangers."""

import pytest

from tests.servers.echo import echoing, redirect
from wscore import AsyncSession, Cookies


def parsed(header: str | None) -> dict[str, str]:
    return dict(item.split("=", 1) for item in (header or "").split("; ") if item)  # type: ignore[misc]


async def test_session_and_connection_cookies_are_merged() -> None:
    """Those of the connection win, and are gone with it."""
    async with echoing() as echo, AsyncSession(cookies={"a": "1", "b": "1"}) as session:
        async with session.ws_connect(echo.url(), cookies={"b": "2", "c": "3"}):
            pass
        async with session.ws_connect(echo.url()):
            pass
    assert parsed(echo.header("Cookie", 0)) == {"a": "1", "b": "2", "c": "3"}
    assert parsed(echo.header("Cookie", 1)) == {"a": "1", "b": "1"}


async def test_a_handshake_s_cookies_are_kept_for_where_they_belong() -> None:
    cookie = "sid=42; Path=/private; HttpOnly"
    async with echoing(extra_headers={"Set-Cookie": cookie}) as echo, AsyncSession() as session:
        for path in ("/", "/private/x", "/public"):
            async with session.ws_connect(echo.url(path)):
                pass
        assert session.cookies["sid"] == "42"
    assert [echo.header("Cookie", i) for i in range(3)] == [None, "sid=42", None]


@pytest.mark.parametrize(
    ("cookie", "sent"),
    [
        ("a=1; Max-Age=60", "a=1"),
        ("a=1; Max-Age=0", None),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("a=1; Domain=example.com", None),
        ("a=1; Secure", None),
    ],
)
async def test_expiry_domain_and_secure_are_kept_to(cookie: str, sent: str | None) -> None:
    async with echoing(extra_headers={"Set-Cookie": cookie}) as echo, AsyncSession() as session:
        for _ in range(2):
            async with session.ws_connect(echo.url()):
                pass
    assert echo.header("Cookie") == sent


async def test_a_refusal_s_cookies_count_too() -> None:
    answers = [redirect("/again", Set_Cookie="seen=yes")]
    async with echoing(answer=lambda *_: answers.pop() if answers else None) as echo:
        async with AsyncSession() as session, session.ws_connect(echo.url()) as ws:
            assert list(ws.response.history) == [echo.url()]
    assert echo.header("Cookie") == "seen=yes"


async def test_a_cookie_header_of_one_s_own_is_all_that_is_sent() -> None:
    async with echoing() as echo, AsyncSession(cookies={"a": "1"}) as session:
        async with session.ws_connect(echo.url(), headers={"Cookie": "mine=1"}):
            pass
    assert echo.requests[0].headers.get_all("Cookie") == ["mine=1"]


def test_cookies_by_name() -> None:
    cookies = Cookies({"a": "1"})
    cookies.set("b", "2", domain=".example.com", path="/x", secure=True)
    assert dict(cookies) == {"a": "1", "b": "2"}
    assert cookies.header_for("wss://www.example.com/x/y") == "a=1; b=2"
    assert cookies.header_for("ws://www.example.com/x/y") == "a=1"
    assert cookies.header_for("wss://www.example.com/x", anywhere=False) == "b=2"
    del cookies["b"]
    assert cookies == {"a": "1"}
    with pytest.raises(KeyError):
        del cookies["b"]


def test_the_most_specific_of_one_name_wins() -> None:
    cookies = Cookies({"a": "everywhere"})
    cookies.set("a", "root", domain="example.com")
    cookies.set("a", "deep", domain="example.com", path="/deep")
    assert cookies.header_for("ws://example.com/deep/er") == "a=deep"
    assert cookies.header_for("ws://example.com/") == "a=root"
    assert cookies.header_for("ws://example.org/") == "a=everywhere"
    assert Cookies(cookies).header_for("ws://example.com/") == "a=root"
