"""`AsyncSession.request`, against a real HTTP server."""

import asyncio
import gzip
import os
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.servers.certificates import self_signed
from tests.servers.http_site import answering
from tests.servers.proxies import http_proxy, socks5_proxy
from tests.servers.raw import Peer, RawServer
from wscore import AsyncSession, CurlECode, CurlError, RequestException, SessionClosed, Timeout

BODY = b'{"symbols": []}' * 1000


def threads() -> int:
    return sum(thread.name == "wscore-request" for thread in threading.enumerate())


async def hello(request: web.Request) -> web.Response:
    return web.Response(body=BODY, headers={"X-Used": "7", "Set-Cookie": "sid=42; Path=/"})


async def test_a_get(session: AsyncSession) -> None:
    """Status, headers by any case, body, where from; and the body's absence is b\"\"."""
    async with answering(hello) as site:
        answer = await session.request("GET", f"{site.url}/api?x=1", headers={"X-Own": "1"})

    assert (answer.status, answer.ok, answer.body) == (200, True, BODY)
    assert answer.header("x-used") == answer.header("X-USED") == "7"
    assert answer.header("nothing") is None
    assert (answer.url, list(answer.history)) == (f"{site.url}/api?x=1", [])
    [(method, path, headers, body)] = site.requests
    assert (method, path, body, headers["x-own"]) == ("GET", "/api?x=1", b"", "1")
    assert "content-type" not in headers
    assert dict(session.cookies) == {"sid": "42"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("body", [b"", b"a\0b" * 300_000])
async def test_a_body_goes_as_it_is(session: AsyncSession, method: str, body: bytes) -> None:
    """NULs included; nothing is said of its type that the caller has not said."""
    async with answering(hello) as site:
        await session.request(method, site.url, body=body)
        await session.request(method, site.url, body=body, headers={"content-type": "a/b"})

    assert [request[3] for request in site.requests] == [body, body]
    assert [request[0] for request in site.requests] == [method, method]
    assert [r[2].get("content-type") for r in site.requests] == [None, "a/b"]
    assert "expect" not in site.requests[0][2]


async def test_head(session: AsyncSession) -> None:
    async with answering(hello) as site:
        answer = await session.request("HEAD", site.url)

    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("content-length") == str(len(BODY))


@pytest.mark.parametrize("status", [204, 304, 400, 401, 404, 418, 429, 500, 503])
async def test_every_status_is_an_answer(session: AsyncSession, status: int) -> None:
    """A refusal has headers and a body that matter: Retry-After, a text."""

    async def refuse(request: web.Request) -> web.Response:
        body = b"" if status in (204, 304) else b"why"
        return web.Response(status=status, body=body, headers={"Retry-After": "3"})

    async with answering(refuse) as site:
        answer = await session.request("GET", site.url)

    assert answer.status == status
    assert answer.ok == (status == 204)
    assert answer.header("retry-after") == "3"
    assert answer.body == (b"" if status in (204, 304) else b"why")


def redirecting(status: int) -> Callable[[web.Request], Any]:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/there":
            return web.Response(body=b"there")
        return web.Response(status=status, body=b"here", headers={"Location": "/there"})

    return handler


@pytest.mark.parametrize(
    ("method", "status", "then"),
    [
        *(("GET", status, "GET") for status in (301, 302, 303, 307, 308)),
        *(("POST", status, "GET") for status in (301, 302, 303)),
        *(("POST", status, "POST") for status in (307, 308)),
        ("PUT", 302, "PUT"),
        ("PUT", 303, "GET"),
    ],
)
async def test_redirects(session: AsyncSession, method: str, status: int, then: str) -> None:
    """Followed with the method that RFC 9110 says; the body goes along only if it stays."""
    body = b"" if method == "GET" else b"body"
    async with answering(redirecting(status)) as site:
        answer = await session.request(
            method, f"{site.url}/here", body=body, headers={"Content-Type": "a/b"}
        )

    assert (answer.status, answer.body, answer.url) == (200, b"there", f"{site.url}/there")
    assert list(answer.history) == [f"{site.url}/here"]
    assert [request[0] for request in site.requests] == [method, then]
    assert site.requests[1][3] == (body if then == method else b"")


async def test_redirects_not_followed(session: AsyncSession) -> None:
    async with answering(redirecting(302)) as site:
        answer = await session.request("GET", site.url, allow_redirects=False)
        with pytest.raises(CurlError, match="more than 0 redirects") as caught:
            await session.request("GET", site.url, max_redirects=0)

    assert (answer.status, answer.body, answer.header("location")) == (302, b"here", "/there")
    assert caught.value.code == CurlECode.TOO_MANY_REDIRECTS


async def test_credentials_stay_at_home() -> None:
    async with answering(hello) as other:

        async def away(request: web.Request) -> web.Response:
            return web.Response(status=302, headers={"Location": other.url})

        async with answering(away) as site, AsyncSession(auth=("u", "p")) as session:
            await session.request("GET", site.url, headers={"Cookie": "a=1", "X-A": "1"})

    assert "authorization" in site.requests[0][2]
    headers = other.requests[0][2]
    assert "authorization" not in headers and "cookie" not in headers
    assert headers["x-a"] == "1"


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/"])
async def test_only_http_is_gone_to(session: AsyncSession, target: str) -> None:
    async def away(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": target})

    async with answering(away) as site:
        with pytest.raises(CurlError) as caught:
            await session.request("GET", site.url)
    assert caught.value.code == CurlECode.UNSUPPORTED_PROTOCOL
    with pytest.raises(CurlError):
        await session.request("GET", target)


async def test_gzip(session: AsyncSession) -> None:
    """Asked for, and undone; `max_body` counts what it unpacks to."""

    async def packed(request: web.Request) -> web.Response:
        assert "gzip" in request.headers["Accept-Encoding"]
        return web.Response(body=gzip.compress(BODY), headers={"Content-Encoding": "gzip"})

    async with answering(packed) as site:
        answer = await session.request("GET", site.url)
        with pytest.raises(RequestException, match="larger than 14,999 bytes"):
            await session.request("GET", site.url, max_body=len(BODY) - 1)

    assert answer.body == BODY


async def test_gzip_that_is_none(session: AsyncSession) -> None:
    async def packed(request: web.Request) -> web.Response:
        return web.Response(body=b"not packed", headers={"Content-Encoding": "gzip"})

    async with answering(packed) as site:
        with pytest.raises(RequestException):
            await session.request("GET", site.url)


async def test_oversize(session: AsyncSession) -> None:
    """One byte more than allowed is an error, however it comes; just as much is not."""

    async def chunked(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(10):
            await response.write(b"x" * 100)
        return response

    for handler, size in ((hello, len(BODY)), (chunked, 1000)):
        async with answering(handler) as site:
            assert len((await session.request("GET", site.url, max_body=size)).body) == size
            with pytest.raises(RequestException, match="larger than") as caught:
                await session.request("GET", site.url, max_body=size - 1)
        assert caught.value.code == CurlECode.TOO_LARGE


@pytest.mark.parametrize("after", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
async def test_a_stall(session: AsyncSession, until: Any, after: bytes) -> None:
    """The deadline is for all of it; no thread stays behind."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(after)
        await peer.end_of_stream()

    async with RawServer(script) as server:
        with pytest.raises(Timeout, match=r"no whole answer within 0.2 s"):
            await session.request("GET", server.url.replace("ws", "http"), timeout=0.2)
    await until(lambda: threads() == 0)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"", CurlECode.GOT_NOTHING),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", CurlECode.PARTIAL_FILE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf", None),
        (b"not HTTP\r\n\r\n", CurlECode.UNSUPPORTED_PROTOCOL),
    ],
)
async def test_an_end_too_soon(session: AsyncSession, sent: bytes, code: int | None) -> None:
    """Half an answer is never taken for one."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(sent)

    async with RawServer(script) as server:
        with pytest.raises(RequestException) as caught:
            await session.request("GET", server.url.replace("ws", "http"))
    assert code is None or caught.value.code == code


async def test_a_reset_in_the_body(session: AsyncSession) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await asyncio.sleep(0.05)  # or the reset overtakes what was sent
        peer.reset()

    async with RawServer(script) as server:
        with pytest.raises(RequestException) as caught:
            await session.request("GET", server.url.replace("ws", "http"))
    assert caught.value.code == CurlECode.RECV_ERROR


async def test_nobody_there(session: AsyncSession) -> None:
    with pytest.raises(RequestException) as caught:
        await session.request("GET", "http://127.0.0.1:1/")
    assert caught.value.code == CurlECode.COULDNT_CONNECT


async def stalling(request: web.Request) -> web.Response:
    await asyncio.sleep(60)
    return web.Response()


async def test_cancelled(session: AsyncSession, until: Any) -> None:
    """The task ends at once, the thread within about a second, and the slot is free again."""
    async with answering(stalling) as site:
        async with AsyncSession(max_clients=1) as small:
            for _ in range(3):
                asking = asyncio.create_task(small.request("GET", site.url))
                await until(lambda: threads() > 0)
                asking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asking
        await until(lambda: threads() == 0)


async def test_the_session_is_closed_meanwhile(until: Any) -> None:
    async with answering(stalling) as site:
        async with AsyncSession() as session:
            asking = asyncio.create_task(session.request("GET", site.url))
            await until(lambda: len(site.requests) == 1)
        with pytest.raises(SessionClosed):
            await asking
        with pytest.raises(SessionClosed):
            await session.request("GET", site.url)
    await until(lambda: threads() == 0)


async def test_slots() -> None:
    """A request holds one of `max_clients` while it lasts."""
    async with answering(stalling) as site, AsyncSession(max_clients=1) as session:
        asking = asyncio.create_task(session.request("GET", site.url))
        await asyncio.sleep(0)
        with pytest.raises(RequestException, match="in use"):
            await session.request("GET", site.url)
        asking.cancel()


@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_proxies(kind: str) -> None:
    """As WebSockets go: a tunnel through an HTTP proxy, which sees no headers."""
    proxies = http_proxy() if kind == "http" else socks5_proxy()
    async with answering(hello) as site, proxies as proxy:
        async with AsyncSession(proxy=proxy.url) as session:
            answer = await session.request("GET", site.url, headers={"X-Secret": "1"})
    assert answer.body == BODY
    assert answer.header("x-used") == "7"
    assert proxy.targets == [f"127.0.0.1:{site.port}"]
    assert not any(b"x-secret" in request.lower() for request in proxy.requests)


async def test_tls_is_checked(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def on_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(on_client, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, AsyncSession(verify=str(certificate)) as session:
        assert (await session.request("GET", url)).body == b"ok"
        assert (await session.request("GET", url, verify=False)).body == b"ok"
        with pytest.raises(CurlError) as caught:
            await session.request("GET", url, verify=True)
    assert caught.value.code == CurlECode.PEER_FAILED_VERIFICATION


async def test_base_url_and_params() -> None:
    """As with `ws_connect`; a base that is a WebSocket's means the same host over HTTP."""
    async with answering(hello) as site:
        for base in (site.url, site.url.replace("http", "ws")):
            async with AsyncSession(base_url=f"{base}/v1/") as session:
                await session.request("GET", "depth", params={"limit": 5})
    assert [request[1] for request in site.requests] == ["/v1/depth?limit=5"] * 2


async def test_mistakes(session: AsyncSession) -> None:
    for method in ("get", "G T", ""):
        with pytest.raises(ValueError, match="a word in capitals"):
            await session.request(method, "http://127.0.0.1:1/")
    with pytest.raises(ValueError, match="line break"):
        await session.request("GET", "http://127.0.0.1:1/", headers={"a": "b\r\nc: d"})
    with pytest.raises(TypeError, match="unknown setting 'bodyy'"):
        await session.request("GET", "http://127.0.0.1:1/", bodyy=b"")
    with pytest.raises(ValueError, match="max_body"):
        await session.request("GET", "http://127.0.0.1:1/", max_body=-1)
    for url in ("nonsense", "http://", "http://h:x/"):
        with pytest.raises(CurlError):
            await session.request("GET", url)


async def test_many_leave_nothing_behind(session: AsyncSession, until: Any) -> None:
    """Descriptors, above all."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs Linux's /proc")

    def held() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only the count

    async with answering(hello) as site:
        await session.request("GET", site.url)
        before = held()
        for _ in range(50):
            await session.request("GET", site.url)
            with pytest.raises(RequestException):
                await session.request("GET", site.url, max_body=10)
        await until(lambda: held() <= before + 1)
