"""What the settings of a session and of a connection do, as the server sees it."""

import base64

import pytest

from tests.servers.echo import Echo, echoing
from wscore import (
    AsyncSession,
    ConnectOptions,
    CurlECode,
    CurlError,
    CurlInfo,
    CurlOpt,
    RequestException,
    Response,
    SessionClosed,
)


async def talk(session: AsyncSession, echo: Echo, path: str = "/", **options: object) -> Response:
    async with session.ws_connect(echo.url(path), **options) as ws:
        await ws.send_str("hello")
        assert await ws.recv_str(timeout=5) == "hello"
        return ws.response


async def test_headers_merge_without_regard_to_case_and_none_removes() -> None:
    async with echoing() as echo, AsyncSession(headers={"X-A": "1", "X-B": "1"}) as session:
        await talk(session, echo, headers={"x-a": None, "X-B": "2", "X-C": "", "Accept": None})
    assert echo.header("X-A") is None
    assert echo.header("X-B") == "2"
    assert echo.header("X-C") == ""
    assert echo.header("Accept") is None


async def test_params_are_appended_to_the_query_and_quoted() -> None:
    async with echoing() as echo, AsyncSession(params={"key": "k&"}) as session:
        await talk(session, echo, "/a b?x=ü&y=%41%20%", params={"list": [1, 2], "no": None})
        await talk(session, echo, "/p", params=[("a", "1"), ("a", "2")])
    assert echo.requests[0].path == "/a%20b?x=%C3%BC&y=A%20%25&key=k%26&list=1&list=2"
    assert echo.requests[1].path == "/p?key=k%26&a=1&a=2"


@pytest.mark.parametrize(
    ("quote", "path"), [(False, "/p?a=(b)~|"), ("", "/p?a=(b)~%7C"), ("()", "/p?a=%28b%29~%7C")]
)
async def test_quote(quote: str | bool, path: str) -> None:
    """False leaves the URL alone; a string names characters to encode as well."""
    async with echoing() as echo, AsyncSession() as session:
        await talk(session, echo, "/p?a=(b)~|", quote=quote)
    assert echo.requests[0].path == path


async def test_base_url() -> None:
    async with echoing() as echo, AsyncSession(base_url=echo.url("/v1/")) as session:
        async with session.ws_connect("feed"):
            pass
        async with session.ws_connect("/root"):
            pass
    assert [request.path for request in echo.requests] == ["/v1/feed", "/root"]


async def test_basic_auth_of_session_and_connection() -> None:
    async with echoing() as echo, AsyncSession(auth=("user", "päss:word")) as session:
        await talk(session, echo)
        await talk(session, echo, auth=("other", ""))
    found = [echo.header("Authorization", index) for index in (0, 1)]
    assert [base64.b64decode(value.split()[1]).decode() for value in found if value] == [
        "user:päss:word",
        "other:",
    ]


async def test_referer_encoding_and_subprotocol_header() -> None:
    async with echoing(subprotocols=["b"]) as echo, AsyncSession() as session:
        async with session.ws_connect(
            echo.url(),
            referer="https://example.com/",
            accept_encoding="gzip",
            headers={"Sec-WebSocket-Protocol": "a, b"},
        ) as ws:
            assert ws.subprotocol == "b"
    assert echo.header("Referer") == "https://example.com/"
    assert echo.header("Accept-Encoding") == "gzip"


async def test_names_can_be_given_addresses_and_the_interface_chosen() -> None:
    async with echoing() as echo, AsyncSession(interface="127.0.0.1") as session:
        url = echo.url(host="venue.test")
        async with session.ws_connect(url, dns={"venue.test": "127.0.0.1"}) as ws:
            assert ws.curl.getinfo(CurlInfo.PRIMARY_IP) == "127.0.0.1"
            assert ws.curl.getinfo(CurlInfo.LOCAL_IP) == "127.0.0.1"
    assert echo.header("Host") == f"venue.test:{echo.port}"


async def test_curl_options_come_last() -> None:
    async with echoing() as echo, AsyncSession(curl_options={CurlOpt.USERAGENT: "a"}) as session:
        await talk(session, echo, curl_options={CurlOpt.REFERER: "r"})
    assert (echo.header("User-Agent"), echo.header("Referer")) == ("a", "r")


async def test_request_and_response_are_there_to_be_read() -> None:
    async with echoing(extra_headers={"X-Shard": "7"}) as echo, AsyncSession() as session:
        async with session.ws_connect(echo.url("/p"), headers={"X-A": "1"}) as ws:
            assert ws.response.status_code == 101
            assert ws.response.ok
            assert ws.response.header("x-shard") == "7"
            assert ws.response.url == echo.url("/p")
            assert ("X-A", "1") in ws.request.headers
            assert ws.request.url == echo.url("/p")


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"vreify": False}, TypeError, "unknown setting 'vreify'; known: .*verify"),
        ({"proxy": "http://a", "proxies": {"all": "http://b"}}, TypeError, "Cannot specify both"),
        ({"allow_redirects": "safe"}, TypeError, "allow_redirects must be a bool"),
        ({"headers": {"Sec-WebSocket-Key": "x"}}, ValueError, "made by this library"),
    ],
)
def test_what_a_session_refuses(
    settings: dict[str, object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        AsyncSession(**settings)  # type: ignore[arg-type]


async def test_a_connection_refuses_unknown_keywords_at_once() -> None:
    async with AsyncSession() as session:
        with pytest.raises(TypeError, match=r"unknown setting 'recv_queue'; known: .*send_queue"):
            session.ws_connect("ws://127.0.0.1/", recv_queue=1)


@pytest.mark.parametrize(
    ("session_s", "own", "total_s", "connect_s"),
    [
        (5.0, {}, 5, 5),
        (5.0, {"timeout": 2}, 2, 2),
        (5.0, {"timeout": (1, 3)}, 4, 1),
        (5.0, {"timeout": None}, 30, 30),
    ],
)
def test_timeouts(
    session_s: float, own: dict[str, object], total_s: float, connect_s: float
) -> None:
    """A number, or those to connect and for the rest; None is 30 s, not for ever."""
    settings = ConnectOptions(timeout=session_s).inherit(**own)
    assert (settings.timeout_s, settings.connect_timeout_s) == (total_s, connect_s)


def test_a_proxy_of_the_connection_replaces_those_of_the_session() -> None:
    settings = ConnectOptions(proxies={"all": "http://a"})
    assert settings.inherit(proxy="http://b").proxy_map == {"all": "http://b"}
    assert settings.inherit(proxy=None, impersonate=None) == settings.inherit()


async def test_it_subscripts() -> None:
    async with AsyncSession[Response]() as session:
        assert session.cookies == {}


async def test_slots_are_refused_at_once_and_given_back() -> None:
    async with echoing() as echo, AsyncSession(max_clients=1) as session:
        async with session.ws_connect(echo.url()):
            with pytest.raises(RequestException, match="all 1 connections"):
                await session.ws_connect(echo.url())
        async with session.ws_connect(echo.url()) as ws:
            assert ws.session is session


async def test_a_closed_session_connects_no_more() -> None:
    async with echoing() as echo:
        session = AsyncSession()
        ws = await session.ws_connect(echo.url())
        await session.close()
        assert ws.close_event.is_set()
        assert ws.close_code == 1001
        with pytest.raises(SessionClosed):
            await session.ws_connect(echo.url())


async def test_name_servers_need_a_library_that_can() -> None:
    """Refused by libcurl itself, or used: never ignored."""
    async with AsyncSession() as session:
        with pytest.raises(CurlError) as caught:
            await session.ws_connect("ws://venue.test/", dns=["127.0.0.1"], timeout=2)
    assert caught.value.code in (
        CurlECode.NOT_BUILT_IN,
        CurlECode.UNKNOWN_OPTION,
        CurlECode.COULDNT_RESOLVE_HOST,
    )


async def test_a_speed_limit_is_kept() -> None:
    import asyncio

    async with echoing() as echo, AsyncSession(max_recv_speed=400_000) as session:
        async with session.ws_connect(echo.url()) as ws:
            began = asyncio.get_running_loop().time()
            await ws.send(bytes(200_000))
            await ws.send(b"end")
            assert len((await ws.recv(timeout=5))[0]) == 200_000
            assert (await ws.recv(timeout=5))[0] == b"end"
            assert 0.2 < asyncio.get_running_loop().time() - began < 2


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", CurlECode.URL_MALFORMAT),
        ("not a url", CurlECode.URL_MALFORMAT),
        ("ws://", CurlECode.URL_MALFORMAT),
        ("ws://[::1", CurlECode.URL_MALFORMAT),
        ("ws://host:port/", CurlECode.URL_MALFORMAT),
        ("ws://host:99999/", CurlECode.URL_MALFORMAT),
        ("http://127.0.0.1/", CurlECode.UNSUPPORTED_PROTOCOL),
    ],
)
async def test_what_is_no_url_of_a_websocket(url: str, code: int) -> None:
    async with AsyncSession(cookies={"a": "1"}) as session:
        with pytest.raises(CurlError) as caught:
            await session.ws_connect(url)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "options",
    [
        {"referer": "x\r\nEvil: 1"},
        {"accept_encoding": "x\nEvil: 1"},
        {"cookies": {"a": "x\r\nEvil: 1"}},
        {"headers": {"X": "\0"}},
        {"headers": [("X\n", "y")]},
        {"subprotocols": ["a\r\nEvil: 1"]},
    ],
)
async def test_nothing_smuggles_headers_in(options: dict[str, object]) -> None:
    async with AsyncSession() as session:
        with pytest.raises(ValueError, match="line break"):
            await session.ws_connect("ws://127.0.0.1:1/", **options)
