"""The members of `AsyncWebSocket` as the API's reference lists them."""

import asyncio
import inspect

import pytest

from tests.servers.echo import echoing
from tests.servers.frames import BINARY, TEXT, close_frame, frame
from tests.servers.upgrade import Stream, upgrading
from wscore import (
    AsyncSession,
    CurlECode,
    CurlError,
    RequestException,
    SessionClosed,
    Timeout,
    WebSocketClosed,
    WebSocketError,
    WebSocketRetryStrategy,
    WebSocketTimeout,
)

DEFAULTS = {
    "recv_queue_size": 128,
    "send_queue_size": 128,
    "max_send_batch_size": 64,
    "recv_time_slice": 0.01,
    "send_time_slice": 0.005,
    "max_message_size": 4 * 1024 * 1024,
    "coalesce_frames": False,
    "drain_on_error": False,
    "block_on_recv_queue_full": True,
    "autoclose": True,
    "ws_retry": None,
    "skip_utf8_validation": False,
    "params": None,
    "headers": None,
    "proxy": None,
}


def test_the_defaults_can_be_seen() -> None:
    parameters = inspect.signature(AsyncSession.ws_connect).parameters
    assert {name: parameters[name].default for name in DEFAULTS} == DEFAULTS


def test_the_family_of_errors() -> None:
    assert issubclass(WebSocketClosed, (WebSocketError, SessionClosed))
    assert issubclass(WebSocketTimeout, (WebSocketError, Timeout))
    assert issubclass(RequestException, (CurlError, OSError))
    assert WebSocketError("text").code == 0
    assert WebSocketTimeout("text").code == CurlECode.OPERATION_TIMEDOUT
    assert str(WebSocketError("text", 1007)) == "text"


async def test_properties_of_an_open_and_a_closed_connection() -> None:
    async with echoing() as echo, AsyncSession() as session:
        async with session.ws_connect(echo.url()) as ws:
            assert ws.loop is asyncio.get_running_loop()
            assert ws.session is session
            assert (ws.autoclose, ws.drain_on_error, ws.debug) == (True, False, False)
            assert ws.skip_utf8_validation is False
            assert ws.ws_retry == WebSocketRetryStrategy()
            assert (ws.close_code, ws.close_reason, ws.closed) == (None, None, False)
            assert (ws.send_queue_size, ws.recv_queue_size, ws.latency) == (0, 0, None)
            assert not ws.close_event.is_set()
            assert ws.is_alive()
            stats = ws.stats()
            assert (stats.recv_queue_size, stats.unsent_bytes) == (0, 0)
        assert (ws.close_code, ws.close_reason, ws.closed) == (1000, "", True)
        assert ws.close_event.is_set()
        assert ws.stats().counters.frames_out == 1
        with pytest.raises(WebSocketClosed):
            aiter(ws)
        with pytest.raises(NotImplementedError):
            ws.recv_fragment()


async def test_one_failure_wakes_all_with_the_same_error() -> None:
    async def script(stream: Stream) -> None:
        stream.writer.write(frame(TEXT, b"\xff"))
        with pytest.raises(asyncio.IncompleteReadError):
            while True:
                await stream.frame()

    async with upgrading(script) as url, AsyncSession() as session:
        ws = await session.ws_connect(url)
        waiting = [asyncio.ensure_future(ws.recv()) for _ in range(5)]
        errors = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
        assert len({id(error) for error in errors}) == 1
        assert isinstance(errors[0], WebSocketError)
        assert errors[0].code == 1007
        with pytest.raises(WebSocketError) as caught:
            await ws.send(b"")
        assert caught.value is errors[0]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (frame(BINARY, b"{}"), "Not a valid text frame"),
        (frame(TEXT, b""), "invalid JSON: the message is empty"),
        (frame(TEXT, b"{"), "invalid JSON"),
    ],
)
async def test_what_is_no_json(message: bytes, text: str) -> None:
    """1007, and the connection lives on."""

    async def script(stream: Stream) -> None:
        stream.writer.write(message + frame(TEXT, b"[1]"))
        await stream.frames()

    async with upgrading(script) as url, AsyncSession() as session:
        async with session.ws_connect(url) as ws:
            with pytest.raises(WebSocketError, match=text) as caught:
                await ws.recv_json(timeout=5)
            assert caught.value.code == 1007
            assert await ws.recv_json(timeout=5) == [1]


async def test_text_that_is_not_checked_fails_where_it_is_read() -> None:
    async def script(stream: Stream) -> None:
        stream.writer.write(frame(TEXT, b"\xff") * 2)
        await stream.frames()

    async with upgrading(script) as url, AsyncSession() as session:
        async with session.ws_connect(url, skip_utf8_validation=True) as ws:
            with pytest.raises(WebSocketError, match="UTF-8") as caught:
                await ws.recv_str(timeout=5)
            assert caught.value.code == 1007
            assert (await ws.recv(timeout=5))[0] == b"\xff"


async def test_recv_str_meets_the_close() -> None:
    async def script(stream: Stream) -> None:
        stream.writer.write(close_frame(4001, b"enough"))
        await stream.frame()

    async with upgrading(script) as url, AsyncSession() as session:
        ws = await session.ws_connect(url)
        with pytest.raises(WebSocketClosed, match="enough") as caught:
            await ws.recv_str(timeout=5)
        assert (caught.value.code, caught.value.reason) == (4001, "enough")


@pytest.mark.parametrize("form", ["context", "socket"])
async def test_the_error_of_the_block_is_the_one_that_counts(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with echoing() as echo, AsyncSession() as session:
        context = session.ws_connect(echo.url())
        entered = context if form == "context" else await context
        with pytest.raises(KeyError):
            async with entered as ws:
                real_close = ws.close

                async def close() -> None:
                    await real_close()
                    raise WebSocketError("from close")

                monkeypatch.setattr(ws, "close", close)
                raise KeyError("from the block")
        assert ws.closed
