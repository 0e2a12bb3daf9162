"""`ws_reconnect`: what leads to another attempt, what ends it, and how long it waits."""

import asyncio
from datetime import UTC, datetime

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from tests.servers.echo import echoing
from wscore import (
    AsyncSession,
    Backoff,
    CurlECode,
    CurlError,
    HandshakeError,
    RequestException,
    SessionClosed,
    WebSocketClosed,
)
from wscore.reconnect import is_fatal, retry_after_s


def quick() -> Backoff:
    return Backoff(base_s=0.001, cap_s=0.002, healthy_after_s=0.05)


async def test_every_turn_has_a_new_connection_and_the_last_is_closed() -> None:
    async with echoing() as echo, AsyncSession(max_clients=1) as session:
        seen = []
        async for ws in session.ws_reconnect(echo.url(), backoff=quick(), recv_queue_size=7):
            await ws.send_str("x")
            assert await ws.recv_str(timeout=5) == "x"
            seen.append(ws)
            if len(seen) == 3:
                break
        assert [ws.closed for ws in seen] == [True, True, False]
        assert len(set(map(id, seen))) == 3


async def test_refusals_for_now_are_tried_again() -> None:
    answers = [503, 429, 500]

    def answer(connection: ServerConnection, _request: Request) -> Response | None:
        return connection.respond(answers.pop(), "later\n") if answers else None

    async with echoing(answer=answer) as echo, AsyncSession() as session:
        turns = session.ws_reconnect(echo.url(), backoff=quick())
        async for ws in turns:
            assert ws.is_alive()
            assert isinstance(turns.last_error, HandshakeError)
            assert turns.last_error.status == 503
            assert turns.failures == 3
            break
    assert len(echo.requests) == 4


async def test_only_a_session_that_lasted_resets_the_wait() -> None:
    async with echoing() as echo, AsyncSession() as session:
        turns = session.ws_reconnect(echo.url(), backoff=quick())
        failures = []
        async for _ws in turns:
            failures.append(turns.failures)
            if len(failures) == 3:
                await asyncio.sleep(0.06)
            if len(failures) == 4:
                break
        await turns.aclose()
    assert failures == [0, 1, 2, 1]


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_refusals_for_good_are_raised(status: int) -> None:
    def answer(connection: ServerConnection, _request: Request) -> Response:
        return connection.respond(status, "never\n")

    async with echoing(answer=answer) as echo, AsyncSession() as session:
        with pytest.raises(HandshakeError) as caught:
            await anext(session.ws_reconnect(echo.url()))
    assert caught.value.status == status
    assert len(echo.requests) == 1


async def test_bad_arguments_and_closed_sessions_are_raised() -> None:
    session = AsyncSession()
    with pytest.raises(TypeError):
        await anext(session.ws_reconnect("ws://127.0.0.1/", nonsense=1))
    with pytest.raises(CurlError) as caught:
        await anext(session.ws_reconnect("gopher://127.0.0.1/"))
    assert caught.value.code == CurlECode.UNSUPPORTED_PROTOCOL
    await session.close()
    with pytest.raises(SessionClosed):
        await anext(session.ws_reconnect("ws://127.0.0.1/"))


async def test_cancellation_ends_the_wait() -> None:
    patient = Backoff(base_s=60, cap_s=60, random=lambda: 0.99)
    async with AsyncSession() as session:
        task = asyncio.ensure_future(
            anext(session.ws_reconnect("ws://127.0.0.1:1/", backoff=patient))
        )
        await asyncio.sleep(0.05)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_an_error_in_the_body_leaves_the_loop() -> None:
    async with echoing() as echo, AsyncSession() as session:
        with pytest.raises(WebSocketClosed):
            async for ws in session.ws_reconnect(echo.url()):
                await ws.close()
                await ws.recv()


@pytest.mark.parametrize(
    ("error", "fatal"),
    [
        (CurlError("", CurlECode.COULDNT_CONNECT), False),
        (CurlError("", CurlECode.COULDNT_RESOLVE_HOST), False),
        (CurlError("", CurlECode.OPERATION_TIMEDOUT), False),
        (CurlError("", CurlECode.PEER_FAILED_VERIFICATION), True),
        (CurlError("", CurlECode.URL_MALFORMAT), True),
        (RequestException("full", CurlECode.FAILED_INIT), True),
        (HandshakeError("", 101, []), True),
        (HandshakeError("", 408, []), False),
        (HandshakeError("", 502, []), False),
        (HandshakeError("", 302, []), True),
    ],
)
def test_which_errors_are_final(error: CurlError, fatal: bool) -> None:
    assert is_fatal(error) is fatal


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("999999", 3600),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0),
        ("soon", 0),
        ("-5", 0),
    ],
)
def test_retry_after(value: str, wait_s: float) -> None:
    """Source: RFC 9110, section 10.2.3."""
    now = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)
    error = HandshakeError("", 503, [("Retry-After", value)])
    assert retry_after_s(error, now) == wait_s
    assert retry_after_s(HandshakeError("", 503, []), now) == 0
    assert retry_after_s(CurlError(), now) == 0
