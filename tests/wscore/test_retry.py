"""`ws_retry`: failed receives of a living connection only."""

import asyncio
from typing import Any

import pytest

from tests.servers.frames import TEXT, frame
from tests.servers.upgrade import Stream, upgrading
from wscore import (
    AsyncSession,
    CurlECode,
    WebSocketClosed,
    WebSocketError,
    WebSocketRetryStrategy,
    WsRetryOnRecvError,
)
from wscore.connection import Connection, PumpStatus


def test_delays_double_and_end() -> None:
    strategy = WebSocketRetryStrategy(retry=True, delay=1, count=3)
    code = CurlECode.RECV_ERROR
    lowest = [strategy.delay_s(n, code, jitter=lambda: 0.0) for n in (1, 2, 3, 4)]
    assert lowest == pytest.approx([0.9, 1.8, 3.6, None])
    highest = strategy.delay_s(1, code, jitter=lambda: 0.999_999)
    assert highest == pytest.approx(1.1)
    assert strategy.delay_s(1, CurlECode.GOT_NOTHING) is None
    assert WebSocketRetryStrategy().delay_s(1, code) is None


def test_the_older_name() -> None:
    strategy = WsRetryOnRecvError(True, 0.5, 7, {CurlECode.AGAIN})
    assert isinstance(strategy, WebSocketRetryStrategy)
    assert (strategy.retry, strategy.delay, strategy.count) == (True, 0.5, 7)
    assert strategy.codes == {CurlECode.AGAIN}
    assert WsRetryOnRecvError().codes == {CurlECode.RECV_ERROR}


def failing(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """Lets so many reads fail as libcurl sometimes does when there is nothing to read."""
    calls: list[int] = []
    pump = Connection.pump

    def pump_or_fail(self: Connection, *arguments: Any, **limits: Any) -> Any:
        calls.append(1)
        if len(calls) <= times:
            return PumpStatus.EOF, None, False
        return pump(self, *arguments, **limits)

    monkeypatch.setattr(Connection, "pump", pump_or_fail)
    monkeypatch.setattr(Connection, "curl_code", property(lambda _: CurlECode.RECV_ERROR))
    return calls


async def greet(stream: Stream) -> None:
    stream.writer.write(frame(TEXT, b"here"))
    await stream.frames()


async def test_a_living_connection_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = failing(monkeypatch, 2)
    retry = WebSocketRetryStrategy(retry=True, delay=0.01)
    async with upgrading(greet) as url, AsyncSession() as session:
        async with session.ws_connect(url, ws_retry=retry) as ws:
            assert ws.ws_retry is retry
            assert await ws.recv_str(timeout=5) == "here"
            assert len(calls) >= 3


async def test_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = failing(monkeypatch, 100)

    async def script(stream: Stream) -> None:
        await stream.reader.read()

    retry = WebSocketRetryStrategy(retry=True, delay=0.001, count=2)
    async with upgrading(script) as url, AsyncSession() as session:
        ws = await session.ws_connect(url, ws_retry=retry)
        with pytest.raises(WebSocketError):
            await ws.recv(timeout=5)
    assert len(calls) == 3


async def test_a_dead_connection_is_not_read_for_seconds() -> None:
    async def script(stream: Stream) -> None:
        stream.writer.transport.abort()

    retry = WebSocketRetryStrategy(retry=True, delay=5)
    async with upgrading(script) as url, AsyncSession() as session:
        ws = await session.ws_connect(url, ws_retry=retry)
        began = asyncio.get_running_loop().time()
        with pytest.raises(WebSocketClosed) as caught:
            await ws.recv(timeout=5)
        assert caught.value.code == 1006
        assert asyncio.get_running_loop().time() - began < 1
