"""`WebSocketApp`: callbacks, keepalive pings and reconnects, as websocket-client has them."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from wscore.codes import CurlECode, CurlWsFlag, WsCloseCode
from wscore.connection import Opcode
from wscore.cookies import Cookies
from wscore.errors import WebSocketClosed, WebSocketError
from wscore.payload import Payload, to_bytes
from wscore.sync.app_run import AppRun
from wscore.sync.callbacks import Callback, Callbacks
from wscore.sync.compat import Headers
from wscore.sync.dispatch import Dispatched, Dispatcher
from wscore.sync.websocket import WebSocket

_FLAGS = {
    int(Opcode.TEXT): CurlWsFlag.TEXT,
    int(Opcode.BINARY): CurlWsFlag.BINARY,
    int(Opcode.PING): CurlWsFlag.PING,
    int(Opcode.PONG): CurlWsFlag.PONG,
}


class WebSocketApp:
    """Runs a connection on the calling thread and calls callbacks, *app* first.

    | called | with | when |
    |---|---|---|
    | `on_open` | app | connected |
    | `on_reconnect` | app | connected again; without it, `on_open` |
    | `on_data` | app, message, opcode, True | a message, before `on_message` |
    | `on_message` | app, message | str for text, bytes for binary |
    | `on_ping`, `on_pong` | app, payload | a PING, already answered; a PONG |
    | `on_error` | app, exception | an attempt or a connection failed; a callback did |
    | `on_close` | app, code, reason | once, at the end; None, None without a CLOSE |

    Messages come whole: `on_cont_message` is accepted and never called, `on_message`
    gets all fragments at once.
    """

    def __init__(
        self,
        url: str,
        header: Headers | Callable[[], Headers] | None = None,
        on_open: Callback | None = None,
        on_reconnect: Callback | None = None,
        on_message: Callback | None = None,
        on_error: Callback | None = None,
        on_close: Callback | None = None,
        on_ping: Callback | None = None,
        on_pong: Callback | None = None,
        on_cont_message: Callback | None = None,
        keep_running: bool = True,  # noqa: ARG002 - obsolete there, too
        get_mask_key: None = None,
        cookie: str | None = None,
        subprotocols: Sequence[str] | None = None,
        on_data: Callback | None = None,
        socket: None = None,
        **options: Any,
    ) -> None:
        """*header*: a dict, lines `Name: value`, or a function that is asked for
        either before each attempt. *options*: what `WebSocket.connect` takes.

        Raises:
            ValueError: a *get_mask_key* or a *socket* is given; keys come from the
                kernel, and libcurl opens the socket.
        """
        if get_mask_key is not None or socket is not None:
            raise ValueError("get_mask_key and socket are not supported")
        self.url = url
        self.header = header
        self.cookie = cookie
        self.subprotocols = subprotocols
        self.on_open = on_open
        self.on_reconnect = on_reconnect
        self.on_message = on_message
        self.on_error = on_error
        self.on_close = on_close
        self.on_ping = on_ping
        self.on_pong = on_pong
        self.on_cont_message = on_cont_message
        self.on_data = on_data
        self.keep_running = False
        self.sock: WebSocket | None = None
        self._callbacks = Callbacks(self)
        self._options = options
        self._jar = Cookies()
        self._stopped = threading.Event()

    def send(self, data: Payload, opcode: int = Opcode.TEXT) -> None:
        """Send a message; callable from any thread and from callbacks.

        Raises:
            WebSocketClosed: there is no connection, or it is closed.
            WebSocketError: the connection failed, or *opcode* cannot be sent.
        """
        sock = self.sock
        if sock is None:
            raise WebSocketClosed("not connected", CurlECode.NO_CONNECTION_AVAILABLE)
        flags = _FLAGS.get(int(opcode))
        if flags is None:
            raise WebSocketError(
                f"opcode must be 1, 2, 9 or 10, not {opcode}", CurlECode.BAD_FUNCTION_ARGUMENT
            )
        sock.send(data, flags)

    def send_text(self, text: str) -> None:
        """Send a text message; raises as `send`."""
        self.send(text, Opcode.TEXT)

    def send_bytes(self, data: Payload) -> None:
        """Send a binary message; raises as `send`."""
        self.send(data, Opcode.BINARY)

    def close(
        self, status: int = WsCloseCode.OK, reason: str | bytes = b"", timeout: float = 3.0
    ) -> None:
        """Close the connection and end `run_forever`; from any thread or callback."""
        self.keep_running = False
        self._stopped.set()
        sock = self.sock
        if sock is not None:
            sock.close(status, reason, timeout)

    def run_forever(
        self,
        *,
        ping_interval: float = 0,
        ping_timeout: float | None = None,
        ping_payload: str | bytes = "",
        dispatcher: Dispatcher | None = None,
        reconnect: float | None = None,
        **options: Any,
    ) -> bool:
        """Connect and receive until the end. Return True if an error ended it.

        *reconnect*: seconds before the first new attempt once the connection is lost,
        whoever ended it, until `close`. Doubled, at most to a minute, for each attempt
        that does not lead to a good session, and jittered; None or 0: no reconnects.
        *ping_interval*: seconds between PINGs, 0: none; the connection is lost when
        none is answered within *ping_timeout* seconds. *dispatcher*: an event loop
        with `read` and `timeout`, such as the module `rel`: returns at once, the
        dispatcher does the rest. *options*: what `WebSocket.connect` takes, and
        websocket-client's names for it.

        Ctrl-C closes the connection; it is reported to `on_error`, False is returned.

        Raises:
            WebSocketError: it is running already, or the ping times make no sense.
            ValueError: an option asks for something that libcurl does not do.
        """
        if self.sock is not None or self.keep_running:
            raise WebSocketError("run_forever is running already")
        run = AppRun(
            self,
            self._callbacks,
            self._jar,
            self._stopped,
            options={**self._options, **options},
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            ping_payload=bytes(to_bytes(ping_payload)),
            reconnect=reconnect,
        )
        self._stopped.clear()
        self.keep_running = True
        if dispatcher is not None:
            Dispatched(run, dispatcher, ping_interval).start()
            return False
        return run.to_the_end()
