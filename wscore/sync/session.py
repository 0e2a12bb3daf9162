"""`Session`: settings and cookies shared by blocking connections."""

import threading
from types import TracebackType
from typing import Any, Generic, Self

from wscore.codes import CurlECode, WsCloseCode
from wscore.cookies import Cookies, CookieTypes
from wscore.errors import RequestException, SessionClosed
from wscore.response import R
from wscore.sync.callbacks import Callback
from wscore.sync.settings import connect_options, part
from wscore.sync.websocket import WebSocket

_CLOSE_TIMEOUT_S = 0.5


class Session(Generic[R]):
    """Opens WebSockets that share settings and cookies. Callable from any thread.

    Keyword arguments are those of `ConnectOptions`; `ws_connect` can override
    each for one connection, headers are merged. Subscripts, `Session[Response]()`,
    change nothing.
    """

    def __init__(
        self,
        *,
        max_clients: int = 10,
        cookies: CookieTypes | Cookies | None = None,
        **settings: Any,
    ) -> None:
        """*max_clients*: connections, opening ones included, at a time."""
        self.cookies = Cookies(cookies)
        self._settings = connect_options(settings)
        self._max_clients = max_clients
        self._lock = threading.Lock()
        self._sockets: set[WebSocket] = set()
        self._closed = False

    def ws_connect(
        self,
        url: str,
        *,
        on_message: Callback | None = None,
        on_error: Callback | None = None,
        on_open: Callback | None = None,
        on_close: Callback | None = None,
        on_data: Callback | None = None,
        **options: Any,
    ) -> WebSocket:
        """Return an open WebSocket; `run_forever` on it calls the callbacks.

        Takes the fields of `ConnectOptions` and of `WebSocketOptions`, too.

        Raises:
            HandshakeError: the server refused, or its answer is not to us.
            CurlError: the connection failed (7: refused, 28: timed out, …).
            RequestException: all `max_clients` connections are in use.
            SessionClosed: the session is closed.
        """
        settings, websocket = part(self._settings, options)
        socket = WebSocket(
            on_open=on_open,
            on_message=on_message,
            on_error=on_error,
            on_close=on_close,
            on_data=on_data,
        )
        self._hold(socket)
        try:
            socket.connect_with(
                url, settings, websocket, self.cookies, on_release=lambda: self._let_go(socket)
            )
        except BaseException:
            self._let_go(socket)
            raise
        with self._lock:
            closed = self._closed
        if closed:  # meanwhile
            socket.close(WsCloseCode.GOING_AWAY, timeout=_CLOSE_TIMEOUT_S)
            raise SessionClosed("the session was closed during the handshake")
        return socket

    def close(self) -> None:
        """Close every open connection with 1001; the session opens no more."""
        with self._lock:
            self._closed = True
            sockets = list(self._sockets)
        for socket in sockets:
            socket.close(WsCloseCode.GOING_AWAY, timeout=_CLOSE_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _hold(self, socket: WebSocket) -> None:
        with self._lock:
            if self._closed:
                raise SessionClosed("the session is closed")
            if len(self._sockets) >= self._max_clients:
                raise RequestException(
                    f"all {self._max_clients} connections of this session are in use; "
                    "raise max_clients or close one",
                    CurlECode.FAILED_INIT,
                )
            self._sockets.add(socket)

    def _let_go(self, socket: WebSocket) -> None:
        with self._lock:
            self._sockets.discard(socket)
