"""`AsyncSession`: settings shared by connections, and how one is opened."""

import asyncio
import contextlib
import os
import threading
from collections.abc import Generator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from wscore.codes import CurlECode, WsCloseCode
from wscore.connection import Connection, PumpBuffer
from wscore.easy import Easy
from wscore.errors import CurlError, HandshakeError, RequestException, SessionClosed
from wscore.handshake import check_response, make_key
from wscore.options import ConnectOptions, WebSocketOptions
from wscore.websocket import AsyncWebSocket

_CONNECT_FIELDS = frozenset(ConnectOptions.__dataclass_fields__)
_CLOSE_TIMEOUT_S = 0.5


class AsyncSession:
    """Opens WebSockets that share settings; belongs to one event loop.

    Keyword arguments are those of `ConnectOptions`; `ws_connect` can override
    each for one connection, headers are merged.
    """

    def __init__(self, *, max_clients: int = 10, **settings: Any) -> None:
        """*max_clients*: connections, opening ones included, at a time."""
        _refuse_unknown(settings, _CONNECT_FIELDS)
        self._settings = ConnectOptions(**settings)
        self._max_clients = max_clients
        self._held = 0
        self._sockets: set[AsyncWebSocket] = set()
        self._buffer = PumpBuffer()
        self._closed = False

    def ws_connect(self, url: str, **options: Any) -> "AsyncWebSocketContext":
        """Open a WebSocket: `await` the result, or use it with `async with`.

        Takes the fields of `ConnectOptions` and of `WebSocketOptions`.

        Raises, when awaited:
            HandshakeError: the server refused, or its answer is not to us.
            CurlError: the connection failed (7: refused, 28: timed out, …).
            RequestException: all `max_clients` connections are in use.
            SessionClosed: the session is closed.
        """
        connect = {name: options.pop(name) for name in list(options) if name in _CONNECT_FIELDS}
        if "headers" in connect:
            connect["headers"] = {**self._settings.headers, **(connect["headers"] or {})}
        settings = replace(self._settings, **connect)
        return AsyncWebSocketContext(self, url, settings, WebSocketOptions(**options))

    async def close(self) -> None:
        """Close every open connection with 1001; the session opens no more."""
        self._closed = True
        await asyncio.gather(
            *(
                socket.close(WsCloseCode.GOING_AWAY, timeout=_CLOSE_TIMEOUT_S)
                for socket in list(self._sockets)
            )
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def release(self, socket: AsyncWebSocket) -> None:
        """Give a slot back; called by the connection when it is gone."""
        if socket in self._sockets:
            self._sockets.discard(socket)
            self._held -= 1

    def _is_closed(self) -> bool:
        return self._closed

    async def _open(
        self, url: str, settings: ConnectOptions, options: WebSocketOptions
    ) -> AsyncWebSocket:
        if self._is_closed():
            raise SessionClosed("the session is closed")
        if self._held >= self._max_clients:
            raise RequestException(
                f"all {self._max_clients} connections of this session are in use; "
                "raise max_clients or close one",
                CurlECode.FAILED_INIT,
            )
        self._held += 1
        try:
            socket = await self._handshake(url, settings, options)
        except BaseException:
            self._held -= 1
            raise
        self._sockets.add(socket)
        if self._is_closed():  # meanwhile
            await socket.close(WsCloseCode.GOING_AWAY, timeout=_CLOSE_TIMEOUT_S)
            raise SessionClosed("the session was closed during the handshake")
        return socket

    async def _handshake(
        self, url: str, settings: ConnectOptions, options: WebSocketOptions
    ) -> AsyncWebSocket:
        easy = Easy()
        try:
            key = make_key(os.urandom(16))
            settings.apply(easy, url, key)
        except BaseException:
            easy.close()
            raise
        try:
            code = await _Perform(easy).result(settings.timeout)
        except TimeoutError as exc:
            raise CurlError(
                f"connecting to {url} failed: no answer within {settings.timeout:g} s",
                CurlECode.OPERATION_TIMEDOUT,
            ) from exc
        owner: Easy | Connection = easy
        try:
            headers = easy.headers()
            status = easy.status
            if code == CurlECode.HTTP_RETURNED_ERROR or (code == CurlECode.OK and status != 101):
                raise HandshakeError(f"the server answered {status} to {url}", status, headers)
            if code != CurlECode.OK:
                raise CurlError(f"connecting to {url} failed: {easy.describe(code)}", code)
            subprotocol = check_response(status, headers, key, settings.subprotocols)
            owner = connection = Connection(
                easy,
                max_message_size=options.max_message_size,
                validate_utf8=not options.skip_utf8_validation,
            )
            return AsyncWebSocket(
                connection,
                easy.socket,
                options,
                session=self,
                buffer=self._buffer,
                subprotocol=subprotocol,
                response_headers=headers,
            )
        except BaseException:
            owner.close()
            raise


class _Perform:
    """Runs the blocking handshake on a thread of its own.

    A thread per handshake, not a pool: threads of a pool that wait for servers
    which do not answer would hold up everybody else's handshake.
    """

    def __init__(self, easy: Easy) -> None:
        self._easy = easy
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[int] = self._loop.create_future()
        # Who closes the handle of an abandoned handshake: whoever comes second, the
        # thread at its end or the one who gave up. Never both, never nobody, even if
        # the loop is closed meanwhile.
        self._lock = threading.Lock()
        self._performed = self._abandoned = False
        # Daemon: a handshake that hangs must not hold up the interpreter's exit.
        threading.Thread(target=self._run, name="wscore-handshake", daemon=True).start()

    async def result(self, timeout_s: float) -> int:
        """Return libcurl's code. If cancelled, the handle is closed when the thread ends.

        Raises:
            TimeoutError: the deadline is kept here, because libcurl's own is not in
                force once a CONNECT_ONLY transfer has its TCP connection (8.23):
                a server that accepts and says nothing would be waited for for ever.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._done
        except BaseException:
            with self._lock:
                self._abandoned = True
                performed = self._performed
                if not performed:
                    self._easy.abort()
            if performed:
                self._easy.close()
            raise

    def _run(self) -> None:
        code = self._easy.perform()
        with self._lock:
            self._performed = True
            abandoned = self._abandoned
        if abandoned:
            self._easy.close()
            return
        try:
            self._loop.call_soon_threadsafe(self._finish, code)
        except RuntimeError:  # the loop is closed: nobody waits any more
            self._easy.close()

    def _finish(self, code: int) -> None:
        if not self._done.done():
            self._done.set_result(code)


class AsyncWebSocketContext:
    """What `ws_connect` returns: awaitable, and an async context manager."""

    def __init__(
        self,
        session: AsyncSession,
        url: str,
        settings: ConnectOptions,
        options: WebSocketOptions,
    ) -> None:
        self._session = session
        self._arguments = (url, settings, options)
        self._socket: AsyncWebSocket | None = None

    def __await__(self) -> Generator[Any, None, AsyncWebSocket]:
        return self._session._open(*self._arguments).__await__()

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


def _refuse_unknown(settings: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(set(settings) - known)
    if unknown:
        raise TypeError(f"unknown setting {unknown[0]!r}; known: {', '.join(sorted(known))}")
