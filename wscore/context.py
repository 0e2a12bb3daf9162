"""What `ws_connect` returns."""

import contextlib
from collections.abc import Awaitable, Callable, Generator
from types import TracebackType
from typing import Any

from wscore.errors import CurlError
from wscore.websocket import AsyncWebSocket


class AsyncWebSocketContext:
    """A WebSocket that is not open yet: `await` it, or use it with `async with`."""

    def __init__(self, open_socket: Callable[[], Awaitable[AsyncWebSocket]]) -> None:
        self._open = open_socket
        self._socket: AsyncWebSocket | None = None

    def __await__(self) -> Generator[Any, None, AsyncWebSocket]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncWebSocket:
        self._socket = await self
        return self._socket

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._socket is not None
        if exc is None:
            await self._socket.close()
        else:
            # The body's error is the one to report.
            with contextlib.suppress(CurlError):
                await self._socket.close()
