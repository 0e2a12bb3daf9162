"""The opening handshake against servers that answer rightly, wrongly or not at all."""

import asyncio
import threading
import time
from typing import Any

import pytest

from tests.servers.frames import TEXT, close_frame, frame
from tests.servers.raw import Peer, RawServer
from wscore import (
    AsyncSession,
    CurlError,
    CurlOpt,
    HandshakeError,
    RequestException,
    SessionClosed,
)

# An abandoned handshake's thread needs a second to notice; not worth a second on both.
ONE_LOOP = pytest.mark.asyncio(loop_factories=["uvloop"])


async def friendly(peer: Peer) -> None:
    await peer.accept()
    await peer.answer_close()


def handshake_threads() -> int:
    return sum(thread.name == "wscore-handshake" for thread in threading.enumerate())


# -- right answers --------------------------------------------------------------


async def test_what_the_request_says(session: AsyncSession) -> None:
    seen: list[dict[str, str]] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.accept(Sec_WebSocket_Protocol="b"))
        await peer.answer_close()

    async with RawServer(script) as server:
        url = server.url + "path?query=1"
        headers = {"X-Mine": "yes"}
        async with session.ws_connect(url, headers=headers, subprotocols=("a", "b")) as ws:
            assert ws.subprotocol == "b"
            assert ("Upgrade", "websocket") in ws.response_headers
            assert ws.is_alive()
            assert not ws.closed
            assert ws.close_code is None
    (request,) = seen
    assert request["upgrade"].lower() == "websocket"
    assert "upgrade" in request["connection"].lower()
    assert request["sec-websocket-version"] == "13"
    assert request["sec-websocket-protocol"] == "a, b"
    assert request["x-mine"] == "yes"
    assert "sec-websocket-extensions" not in request


async def test_keys_differ(session: AsyncSession) -> None:
    keys = set()

    async def script(peer: Peer) -> None:
        keys.add((await peer.accept())["sec-websocket-key"])
        await peer.answer_close()

    async with RawServer(script) as server:
        for _ in range(3):
            async with session.ws_connect(server.url):
                pass
    assert len(keys) == 3


async def test_headers_of_the_session_and_the_call_are_merged() -> None:
    seen: list[dict[str, str]] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.accept())
        await peer.answer_close()

    async with (
        RawServer(script) as server,
        AsyncSession(headers={"X-A": "1", "X-B": "1"}) as session,
        session.ws_connect(server.url, headers={"X-B": "2"}),
    ):
        pass
    assert (seen[0]["x-a"], seen[0]["x-b"]) == ("1", "2")


@pytest.mark.parametrize("together", [1, 500])
async def test_frames_glued_to_the_101_are_received(session: AsyncSession, together: int) -> None:
    """They are in libcurl's buffer: the socket does not announce them."""

    async def script(peer: Peer) -> None:
        await peer.accept(glued=b"".join(frame(TEXT, b"%d" % i) for i in range(together)))
        await peer.answer_close()

    async with RawServer(script) as server, session.ws_connect(server.url) as ws:
        for i in range(together):
            assert await ws.recv(timeout=5) == (b"%d" % i, 1)


async def test_a_close_glued_to_the_101(session: AsyncSession) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(glued=frame(TEXT, b"bye") + close_frame(4000, b"full"))
        assert await peer.close_code() == 4000

    async with RawServer(script) as server, session.ws_connect(server.url) as ws:
        assert [message async for message in ws] == [b"bye"]
        assert (ws.close_code, ws.close_reason) == (4000, "full")


# -- wrong answers --------------------------------------------------------------

WRONG_101 = {
    "wrong accept": {"Sec_WebSocket_Accept": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="},
    "no accept": {"Sec_WebSocket_Accept": None},
    "no upgrade": {"Upgrade": None},
    "other upgrade": {"Upgrade": "h2c"},
    "no connection header": {"Connection": None},
    "subprotocol not offered": {"Sec_WebSocket_Protocol": "chat"},
    "extension not offered": {"Sec_WebSocket_Extensions": "permessage-deflate"},
}


@pytest.mark.parametrize("name", WRONG_101)
async def test_a_101_that_is_not_an_answer_to_us_is_refused(
    session: AsyncSession, name: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(**WRONG_101[name])
        await peer.end_of_stream()

    async with RawServer(script) as server:
        with pytest.raises(HandshakeError, match="invalid handshake") as caught:
            await session.ws_connect(server.url)
    assert caught.value.status == 101


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 429, 500, 503])
async def test_a_refusal_shows_status_and_headers(session: AsyncSession, status: int) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(
            b"HTTP/1.1 %d Nope\r\nRetry-After: 7\r\nX-Two: a\r\nX-Two: b\r\n"
            b"Location: http://127.0.0.1:1/\r\nContent-Length: 4\r\n\r\nbody" % status
        )

    async with RawServer(script) as server:
        with pytest.raises(HandshakeError, match=f"answered {status}") as caught:
            await session.ws_connect(server.url, allow_redirects=False)
    assert caught.value.status == status
    assert caught.value.header("retry-after") == "7"
    assert [v for k, v in caught.value.headers if k.lower() == "x-two"] == ["a", "b"]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 101 Switch",
        b"garbage\r\n\r\n",
        b"\x00\xff" * 100,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n" + b"X: " + b"y" * 500_000 + b"\r\n\r\n",
        b"HTTP/9.9 101 Switching Protocols\r\n\r\n",
    ],
)
async def test_garbage_and_ends_instead_of_an_answer(session: AsyncSession, answer: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        peer.writer.write(answer)
        if not answer:
            peer.reset()

    async with RawServer(script) as server:
        with pytest.raises(CurlError) as caught:
            await session.ws_connect(server.url)
    assert caught.value.code > 0
    assert len(str(caught.value)) > 20


async def test_a_port_where_nobody_listens(session: AsyncSession) -> None:
    async with RawServer(friendly) as server:
        url = server.url
    with pytest.raises(CurlError, match="failed") as caught:
        await session.ws_connect(url)
    assert caught.value.code == 7


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/", "ftp://127.0.0.1/", "file:///etc/passwd", "", "ws://", "ws://a b/"],
)
async def test_urls_that_are_none_of_ours(session: AsyncSession, url: str) -> None:
    with pytest.raises(CurlError) as caught:
        await session.ws_connect(url)
    assert caught.value.code > 0


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b"])
async def test_headers_cannot_smuggle_others_in(session: AsyncSession, value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        await session.ws_connect("ws://127.0.0.1:1/", headers={"X": value})


# -- no answer ------------------------------------------------------------------


@ONE_LOOP
async def test_silence_ends_with_the_timeout(session: AsyncSession) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.end_of_stream()

    async with RawServer(script) as server:
        started = time.monotonic()
        with pytest.raises(CurlError) as caught:
            await session.ws_connect(server.url, timeout=0.2)
        assert caught.value.code == 28
        assert 0.15 < time.monotonic() - started < 2


async def test_cancelling_is_prompt_and_leaves_nothing_behind(
    session: AsyncSession, until: Any
) -> None:
    """The server sees the connection end, and the thread is gone, soon after."""
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.read_request()
        arrived.set()
        await peer.end_of_stream()
        gone.set()

    async with RawServer(script) as server:
        before = handshake_threads()
        task = asyncio.ensure_future(_open(session, server.url))
        await arrived.wait()
        assert handshake_threads() == before + 1
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - started < 0.5  # libcurl notices after a second
        await asyncio.wait_for(gone.wait(), 3)
        await until(lambda: handshake_threads() == before)


def test_a_loop_that_ends_during_a_handshake_leaves_nothing_behind() -> None:
    """The thread closes the connection if nobody else can."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"

        async def main() -> None:
            task = asyncio.ensure_future(_open(AsyncSession(), url))
            await asyncio.to_thread(lambda: accepted.append(listener.accept()[0]))
            task.cancel()
            await asyncio.sleep(0)

        accepted: list[socket.socket] = []
        asyncio.run(main())
        with accepted[0] as server_side:
            server_side.settimeout(5)
            while server_side.recv(65536):
                pass


async def _open(session: AsyncSession, url: str) -> Any:
    return await session.ws_connect(url)


# -- sessions -------------------------------------------------------------------


async def test_max_clients_are_refused_at_once_and_come_free_again() -> None:
    async with RawServer(friendly) as server, AsyncSession(max_clients=2) as session:
        first = await session.ws_connect(server.url)
        second = await session.ws_connect(server.url)
        with pytest.raises(RequestException, match="all 2 connections"):
            await session.ws_connect(server.url)
        await first.close()
        async with session.ws_connect(server.url):
            pass
        await second.close()


@ONE_LOOP
async def test_failed_and_cancelled_handshakes_give_their_place_back() -> None:
    arrived = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.read_request()
        arrived.set()
        await peer.end_of_stream()

    async with RawServer(script) as server, AsyncSession(max_clients=1) as session:
        for _ in range(3):
            with pytest.raises(CurlError):
                await session.ws_connect("ws://127.0.0.1:1/")
        task = asyncio.ensure_future(_open(session, server.url))
        await arrived.wait()
        with pytest.raises(RequestException):
            await session.ws_connect(server.url)
        task.cancel()
        await asyncio.wait([task])
        with pytest.raises(CurlError) as caught:
            await session.ws_connect("ws://127.0.0.1:1/")
        assert caught.value.code == 7


async def test_closing_a_session_says_1001_to_all() -> None:
    codes: list[int | None] = []

    async def script(peer: Peer) -> None:
        await peer.accept()
        codes.append(await peer.answer_close())

    async with RawServer(script) as server:
        session = AsyncSession()
        sockets = [await session.ws_connect(server.url) for _ in range(5)]
        await session.close()
        assert all(socket.closed for socket in sockets)
        with pytest.raises(SessionClosed):
            await session.ws_connect(server.url)
        await session.close()
    assert codes == [1001] * 5


async def test_a_session_closed_during_a_handshake() -> None:
    arrived, proceed = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        arrived.set()
        await proceed.wait()
        await peer.accept()
        assert await peer.answer_close() == 1001

    async with RawServer(script) as server:
        session = AsyncSession()
        task = asyncio.ensure_future(_open(session, server.url))
        await arrived.wait()
        await session.close()
        proceed.set()
        with pytest.raises(SessionClosed):
            await task


async def test_unknown_settings_are_named() -> None:
    with pytest.raises(TypeError, match="unknown setting 'vreify'"):
        AsyncSession(vreify=False)
    async with AsyncSession() as session:
        with pytest.raises(TypeError, match="recv_quue_size"):
            session.ws_connect("ws://127.0.0.1/", recv_quue_size=1)
        with pytest.raises(ValueError, match="recv_queue_size must be at least 1"):
            session.ws_connect("ws://127.0.0.1/", recv_queue_size=0)


async def test_every_way_to_open(session: AsyncSession) -> None:
    async with RawServer(friendly) as server:
        async with session.ws_connect(server.url) as ws:
            assert ws.is_alive()
        async with await session.ws_connect(server.url) as ws:
            assert ws.is_alive()
        assert ws.closed
        ws = await session.ws_connect(server.url)
        assert ws.session is session
        assert ws.loop is asyncio.get_running_loop()
        await ws.close()


async def test_the_body_s_error_is_the_one_that_is_seen(session: AsyncSession) -> None:
    async with RawServer(friendly) as server:
        with pytest.raises(KeyError, match="mine"):
            async with session.ws_connect(server.url):
                raise KeyError("mine")


async def test_curl_options_are_checked_before_they_can_do_harm(session: AsyncSession) -> None:
    """libcurl would take a string for a list and follow it into nowhere."""
    for option, value in [
        (CurlOpt.HTTPHEADER, "X: y"),
        (CurlOpt.POSTFIELDS, "x"),
        (CurlOpt.ERRORBUFFER, b"x"),
        (CurlOpt.TCP_NODELAY, "1"),
        (CurlOpt.WRITEFUNCTION, 1),
        (CurlOpt.SSLCERT_BLOB, b"x"),
        (9999, 1),
        (CurlOpt.USERAGENT, 1),
        (CurlOpt.MAX_RECV_SPEED_LARGE, "1"),
    ]:
        with pytest.raises((CurlError, TypeError)):
            await session.ws_connect("ws://127.0.0.1:1/", curl_options={option: value})
    agents = []

    async def script(peer: Peer) -> None:
        agents.append((await peer.accept())["user-agent"])
        await peer.answer_close()

    async with (
        RawServer(script) as server,
        session.ws_connect(server.url, curl_options={CurlOpt.USERAGENT: "me"}),
    ):
        pass
    assert agents == ["me"]


async def test_a_refusal_with_thousands_of_headers_does_not_stop_the_loop(
    session: AsyncSession,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        lines = "".join(f"X-Many: {n}\r\n" for n in range(4900))
        await peer.send(f"HTTP/1.1 429 Slow down\r\nRetry-After: 7\r\n{lines}\r\n".encode())

    async with RawServer(script) as server:
        began_s = time.monotonic()
        with pytest.raises(HandshakeError) as refused:
            await session.ws_connect(server.url)
    assert refused.value.status == 429
    assert refused.value.header("retry-after") == "7"
    assert len(refused.value.headers) <= 500
    # Walking all headers for each of all headers took minutes.
    assert time.monotonic() - began_s < 5
