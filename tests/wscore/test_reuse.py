"""Requests one after the other on one connection, whatever the server does with it meanwhile."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.servers.certificates import self_signed
from tests.servers.raw import Peer, RawServer
from wscore import AsyncSession, RequestException
from wscore.easy import Easy
from wscore.options import ConnectOptions
from wscore.reuse import IdleHandles, reuse_key

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answers(requests: list[str], *, first: int = 1_000_000) -> Callable[[Peer], Awaitable[None]]:
    """Answer the *first* requests of each connection, then end it."""

    async def script(peer: Peer) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            for _ in range(first):
                await peer.read_request()
                requests.append(peer.request.decode().split(" HTTP")[0])
                await peer.send(OK)

    return script


def http(server: RawServer) -> str:
    return server.url.replace("ws", "http", 1)


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """A server's side, and what a client is to trust."""
    pem = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context, str(pem)


async def test_one_handshake_for_many_requests(tls: Any, record_property: Any) -> None:
    """Over TLS, one after the other; several at once have one each, and those are kept, too."""
    context, trusted = tls
    requests: list[str] = []
    async with (
        RawServer(answers(requests), tls=context) as server,
        AsyncSession(verify=trusted) as session,
    ):
        began = time.perf_counter()
        for number in range(50):
            answer = await session.request("GET", f"{http(server)}{number}")
            assert answer.body == b"ok"
        each_ms = (time.perf_counter() - began) / 50 * 1000
        assert server.connections == 1
        await asyncio.gather(*(session.request("GET", http(server)) for _ in range(4)))
        await asyncio.gather(*(session.request("GET", http(server)) for _ in range(4)))
        assert server.connections <= 4
        record_property("ms a request", round(each_ms, 2))
        print(f"{each_ms:.2f} ms a request")
    assert requests[:50] == [f"GET /{number}" for number in range(50)]


async def test_the_server_closes_an_idle_connection() -> None:
    """Between two requests: the second has a new one, and nobody notices."""
    requests: list[str] = []
    async with RawServer(answers(requests, first=1)) as server, AsyncSession() as session:
        for _ in range(5):
            assert (await session.request("GET", http(server))).body == b"ok"
        assert server.connections == 5
    assert len(requests) == 5


@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_the_server_closes_as_the_request_comes(how: str) -> None:
    """It has taken the request and gives no answer: a GET is sent once more."""

    async def script(peer: Peer) -> None:
        for number in range(2):
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await peer.read_request()
                if number == 0:
                    await peer.send(OK)
        if how == "rst":
            peer.reset()

    async with RawServer(script) as server, AsyncSession() as session:
        for _ in range(4):
            assert (await session.request("GET", http(server))).body == b"ok"
        assert server.connections == 4


async def test_once_more_is_enough() -> None:
    """A server that never answers again is an error, not a loop."""

    async def script(peer: Peer) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            await peer.read_request()
            if server.connections == 1:
                await peer.send(OK)
                await peer.read_request()

    async with RawServer(script) as server, AsyncSession() as session:
        await session.request("GET", http(server))
        with pytest.raises(RequestException):
            await session.request("GET", http(server))
        assert server.connections == 2


async def test_what_may_not_be_repeated_has_its_own() -> None:
    """A POST is never sent on a connection that may be dead."""
    async with RawServer(answers([])) as server, AsyncSession() as session:
        await session.request("GET", http(server))
        for _ in range(2):
            await session.request("POST", http(server), body=b"")
        assert server.connections == 3
        await session.request("HEAD", http(server))
        assert server.connections == 3


async def test_nothing_of_one_request_is_in_the_next() -> None:
    """Neither headers, nor credentials, nor a limit on the body."""
    seen: list[dict[str, str]] = []

    async def script(peer: Peer) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                seen.append(await peer.read_request())
                await peer.send(OK)

    async with RawServer(script) as server, AsyncSession() as session:
        first = {"auth": ("u", "p"), "cookies": {"a": "1"}, "referer": "http://r"}
        await session.request("GET", http(server), headers={"X-One": "1"}, max_body=2, **first)
        answer = await session.request("GET", http(server), max_body=1000)
        assert server.connections == 1
    assert answer.body == b"ok"
    assert {"authorization", "cookie", "referer", "x-one"} <= set(seen[0])
    assert not {"authorization", "cookie", "referer", "x-one"} & set(seen[1])


async def test_other_settings_have_another(tls: Any) -> None:
    """One that was not verified is not used where it is to be."""
    context, trusted = tls
    async with RawServer(answers([]), tls=context) as server, AsyncSession() as session:
        await session.request("GET", http(server), verify=False)
        with pytest.raises(RequestException):
            await session.request("GET", http(server), verify=True)
        await session.request("GET", http(server), verify=trusted)
        connections = server.connections
        await session.request("GET", http(server), verify=False)
        await session.request("GET", http(server), verify=trusted)
        assert server.connections == connections


async def test_closed_with_the_session() -> None:
    """And no sooner: the server sees it."""
    ended = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(OK)
        await peer.end_of_stream()
        ended.set()

    async with RawServer(script) as server:
        async with AsyncSession() as session:
            await session.request("GET", http(server))
            assert not ended.is_set()
        async with asyncio.timeout(5):
            await ended.wait()


KEY = reuse_key("http://h/x", ConnectOptions())


async def test_handles_grow_old(until: Any) -> None:
    """Each is closed after its time, though nobody asks."""
    idle = IdleHandles(for_s=0.02)
    handles = [Easy(), Easy()]
    for easy in handles:
        idle.put(KEY, easy)
    await until(lambda: len(idle) == 0)
    assert [easy.handle for easy in handles] == [None, None]
    idle.put(KEY, Easy())
    await until(lambda: len(idle) == 0)


async def test_handles_are_counted() -> None:
    """Of too many the oldest goes; the newest of a key is taken first."""
    idle = IdleHandles(most=3)
    handles = [Easy() for _ in range(4)]
    keys = [
        KEY,
        KEY,
        reuse_key("http://h/y", ConnectOptions()),
        reuse_key("https://h/", ConnectOptions()),
    ]
    for key, easy in zip(keys, handles, strict=True):
        idle.put(key, easy)
    assert handles[0].handle is None
    assert idle.take(KEY) is handles[2]  # the path does not count
    assert idle.take(KEY) is handles[1]
    assert idle.take(KEY) is None
    idle.close()
    assert len(idle) == 0
    idle.put(KEY, handles[1])
    assert handles[1].handle is None
    handles[2].close()
