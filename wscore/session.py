"""`AsyncSession`: settings and cookies shared by connections."""

import asyncio
import inspect
from dataclasses import fields
from types import TracebackType
from typing import Any, Generic, Self

from wscore.backoff import Backoff
from wscore.codes import WsCloseCode
from wscore.connection import PumpBuffer
from wscore.context import AsyncWebSocketContext
from wscore.cookies import Cookies, CookieTypes
from wscore.errors import SessionClosed
from wscore.opening import open_connection
from wscore.options import NOT_SET, ConnectOptions, Headers, Timeout, WebSocketOptions
from wscore.pool import Pool
from wscore.reconnect import Reconnecting
from wscore.requesting import Outgoing, send_request
from wscore.response import HttpResponse, R
from wscore.reuse import IdleHandles
from wscore.websocket import AsyncWebSocket

_CONNECT_FIELDS = frozenset(field.name for field in fields(ConnectOptions))
_SOCKET_FIELDS = frozenset(field.name for field in fields(WebSocketOptions))
_CLOSE_TIMEOUT_S = 0.5
_MAX_BODY_BYTES = 16 * 1024 * 1024


class AsyncSession(Generic[R]):
    """Opens WebSockets and asks over HTTP; all share settings and cookies. Of one event loop.

    Keyword arguments are those of `ConnectOptions`; `ws_connect` can override each for
    one connection, headers are merged. Subscripts, `AsyncSession[Response]()`, change
    nothing.
    """

    def __init__(
        self,
        *,
        max_clients: int = 10,
        cookies: CookieTypes | Cookies | None = None,
        **settings: Any,
    ) -> None:
        """*max_clients*: connections, opening ones and requests included, at a time.

        Raises:
            TypeError: an unknown setting.
        """
        _refuse_unknown(settings, _CONNECT_FIELDS)
        self.cookies = Cookies(cookies)
        self._settings = ConnectOptions().inherit(**settings)
        self.pool = Pool(max_clients)
        self._websockets: set[AsyncWebSocket] = set()
        self._requests: set[Outgoing] = set()
        self._idle = IdleHandles()
        self._buffer = PumpBuffer()
        self._closed = False

    @property
    def settings(self) -> ConnectOptions:
        """What connections have in common."""
        return self._settings

    @property
    def headers(self) -> dict[str, str | None]:
        """The headers of every handshake; see `settings`."""
        return dict(self._settings.header_pairs())

    def ws_connect(self, url: str, **options: Any) -> AsyncWebSocketContext:
        """Open a WebSocket: `await` the result, or use it with `async with`.

        Takes the fields of `ConnectOptions` and of `WebSocketOptions`.

        Raises:
            TypeError: an unknown option.

        Raises, when awaited:
            HandshakeError: the server refused, or its answer is not to us.
            CurlError: the connection failed (7: refused, 28: timed out, …).
            RequestException: all `max_clients` connections are in use.
            SessionClosed: the session is closed.
        """
        _refuse_unknown(options, _CONNECT_FIELDS | _SOCKET_FIELDS)
        connect = {name: options.pop(name) for name in list(options) if name in _CONNECT_FIELDS}
        settings = self._settings.inherit(**connect)
        socket_options = WebSocketOptions(**options)
        return AsyncWebSocketContext(lambda: self._open(url, settings, socket_options))

    def ws_reconnect(
        self,
        url: str,
        *,
        backoff: Backoff | None = None,
        **options: Any,
    ) -> Reconnecting:
        """Keep a WebSocket open: `async for ws in session.ws_reconnect(url): …`.

        Each turn has a new connection; see `Reconnecting`. *options* are those of
        `ws_connect`; *backoff* is by default 0.5 s to 60 s, reset by a session of 10 s.
        """
        return Reconnecting(lambda: self.ws_connect(url, **options), backoff)

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes = b"",
        headers: Headers | None = None,
        timeout: Timeout = NOT_SET,
        max_body: int = _MAX_BODY_BYTES,
        **options: Any,
    ) -> HttpResponse:
        """Ask over HTTP and return the whole answer, whatever its status.

        *options* are other fields of `ConnectOptions`. *timeout* is for all of it,
        redirects and the body included. *max_body*: bytes, once decoded. A
        Content-Type is sent only if *headers* has one. A GET or HEAD uses a connection
        of one before it, if there is one to that server that has been idle for less
        than a minute.

        Raises:
            Timeout: no whole answer in time.
            SessionClosed: the session is closed, or was meanwhile.
            RequestException: the request failed (7: refused, 100: the body is larger
                than *max_body*, …), or all `max_clients` connections are in use.
            CurlError: a setting or the URL is not usable.
            TypeError: an unknown option.
        """
        _refuse_unknown(options, _CONNECT_FIELDS)
        settings = self._settings.inherit(headers=headers, timeout=timeout, **options)
        outgoing = Outgoing(method, body, max_body)
        self._take_slot()
        self._requests.add(outgoing)
        try:
            return await send_request(outgoing, url, settings, self.cookies, self._idle)
        finally:
            self._requests.discard(outgoing)
            self.pool.put_back()

    async def close(self) -> None:
        """Close every open connection with 1001, end requests; the session opens no more."""
        self._closed = True
        for request in self._requests:
            request.abort()
        self._idle.close()
        await asyncio.gather(
            *(
                socket.close(WsCloseCode.GOING_AWAY, timeout=_CLOSE_TIMEOUT_S)
                for socket in list(self._websockets)
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

    def _is_closed(self) -> bool:
        return self._closed

    def _release(self, socket: AsyncWebSocket) -> None:
        if socket in self._websockets:
            self._websockets.discard(socket)
            self.pool.put_back()

    def _take_slot(self) -> None:
        if self._is_closed():
            raise SessionClosed("the session is closed")
        self.pool.take()

    async def _open(
        self, url: str, settings: ConnectOptions, options: WebSocketOptions
    ) -> AsyncWebSocket:
        self._take_slot()
        try:
            opened = await open_connection(url, settings, options, self.cookies)
            socket = AsyncWebSocket(
                opened,
                options,
                session=self,
                buffer=self._buffer,
                on_released=self._release,
            )
        except BaseException:
            self.pool.put_back()
            raise
        self._websockets.add(socket)
        if self._is_closed():  # meanwhile
            await socket.close(WsCloseCode.GOING_AWAY, timeout=_CLOSE_TIMEOUT_S)
            raise SessionClosed("the session was closed during the handshake")
        return socket


def _signature() -> inspect.Signature:
    """Return what `help` and editors show for `ws_connect`: all options with their defaults."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        inspect.Parameter("url", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=str),
    ]
    for field in fields(ConnectOptions):
        default = NOT_SET if field.name == "timeout" else None
        parameters.append(
            inspect.Parameter(field.name, keyword, default=default, annotation=field.type)
        )
    for field in fields(WebSocketOptions):
        parameters.append(
            inspect.Parameter(field.name, keyword, default=field.default, annotation=field.type)
        )
    return inspect.Signature(parameters, return_annotation=AsyncWebSocketContext)


AsyncSession.ws_connect.__signature__ = _signature()  # type: ignore[attr-defined] # a function takes attributes


def _refuse_unknown(settings: dict[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(set(settings) - known)
    if unknown:
        raise TypeError(f"unknown setting {unknown[0]!r}; known: {', '.join(sorted(known))}")
