"""`WebSocketApp`: callbacks, keepalive pings and reconnects, as websocket-client has them."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from wscore.backoff import Backoff
from wscore.codes import CurlECode, CurlWsFlag, WsCloseCode
from wscore.connection import Opcode
from wscore.cookies import Cookies
from wscore.errors import CurlError, WebSocketClosed, WebSocketError
from wscore.options import ConnectOptions
from wscore.payload import Payload, to_bytes
from wscore.sync.callbacks import Callback, Callbacks
from wscore.sync.compat import Headers, header_dict, translate
from wscore.sync.dispatch import Dispatched, Dispatcher
from wscore.sync.reconnecting import reconnect_backoff
from wscore.sync.settings import part
from wscore.sync.websocket import WebSocket

_FLAGS = {
    int(Opcode.TEXT): CurlWsFlag.TEXT,
    int(Opcode.BINARY): CurlWsFlag.BINARY,
    int(Opcode.PING): CurlWsFlag.PING,
    int(Opcode.PONG): CurlWsFlag.PONG,
}
_TEXT, _CLOSE, _PING, _PONG = map(
    int, (CurlWsFlag.TEXT, CurlWsFlag.CLOSE, CurlWsFlag.PING, CurlWsFlag.PONG)
)


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

    Messages are put together before they are handed over, so that `on_cont_message`
    is never called.
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
        self._run_options: dict[str, Any] = {}
        self._ping_payload = b""
        self._jar = Cookies()
        self._stopped = threading.Event()
        self._backoff: Backoff | None = None  # None: no reconnects
        self._opened_before = False
        self._connected_at: float | None = None
        self._close: tuple[int | None, str | None] = None, None

    # What users call.

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
        self._prepare(ping_interval, ping_timeout, ping_payload, options)
        self._backoff = reconnect_backoff(reconnect) if reconnect else None
        if dispatcher is not None:
            Dispatched(self, dispatcher, ping_interval).start()
            return False
        failed = False
        try:
            failed = self._run()
        except KeyboardInterrupt as error:
            self._callbacks.report(error, "interrupted")
        finally:
            self.finish()
        return failed

    # The steps of a run, for `run_forever` and for `Dispatched`.

    def connect(self) -> None:
        """Make one attempt and tell `on_open` or `on_reconnect`.

        Raises:
            CurlError: it failed.
        """
        self._connected_at = None
        header = self.header() if callable(self.header) else self.header
        ours = translate(
            {
                **self._run_options,
                "header": header_dict(header or ()),
                "cookie": self.cookie,
            }
        )
        if self.subprotocols:
            ours["subprotocols"] = tuple(self.subprotocols)
        settings, websocket = part(ConnectOptions(), ours)
        sock = WebSocket()
        sock.connect_with(
            self.url,
            settings,
            websocket,
            self._jar,
            ping_payload=self._ping_payload,
            deliver_controls=True,
        )
        self.sock = sock
        if not self.keep_running:  # closed meanwhile
            sock.close()
            return
        self._connected_at = time.monotonic()
        again = self._opened_before and self.on_reconnect is not None
        self._opened_before = True
        self._callbacks.call("on_reconnect" if again else "on_open")

    def receive(self, timeout: float | None) -> bool:
        """Handle one message. Return False if it was the peer's CLOSE.

        Raises:
            WebSocketTimeout: nothing came within *timeout* seconds.
            WebSocketError: the connection failed or is closed.
        """
        assert self.sock is not None
        payload, kind = self.sock.next_message(timeout)
        if kind == _CLOSE:
            return False
        if kind in (_PING, _PONG):
            self._callbacks.call("on_ping" if kind == _PING else "on_pong", payload)
            return True
        skip = self._run_options.get("skip_utf8_validation", False)
        message = payload.decode() if kind == _TEXT and not skip else payload
        self._callbacks.call("on_data", message, kind, True)
        self._callbacks.call("on_message", message)
        return True

    def lost(self, error: BaseException | None) -> float | None:
        """Report the end of a connection. Return the seconds to wait before the next.

        *error* None: the peer said CLOSE. None is returned when there is no next.
        """
        sock, lasted = self.sock, 0.0
        if self._connected_at is not None:
            lasted = time.monotonic() - self._connected_at
        if sock is not None:
            sock.join()
            if sock.peer_closed:
                code = sock.close_code
                no_code = code == WsCloseCode.NO_STATUS_RECEIVED
                self._close = (None, None) if no_code else (code, sock.close_reason)
                error = error or sock.ended_error()
        if not self.keep_running:
            return None
        if self._backoff is None:
            if error is not None and not (sock is not None and sock.peer_closed):
                self._callbacks.report(error, "the connection is lost")
            return None
        assert error is not None
        self._callbacks.report(error, "the connection is lost")
        self._drop_socket()
        return self._backoff.next_delay_s(connected_for_s=lasted)

    def finish(self) -> None:
        """Release everything and tell `on_close`."""
        self.keep_running = False
        sock = self.sock
        if sock is not None:
            sock.close(WsCloseCode.GOING_AWAY)
        self.sock = None
        self._callbacks.call("on_close", *self._close)

    def _prepare(
        self,
        ping_interval: float,
        ping_timeout: float | None,
        ping_payload: str | bytes,
        options: dict[str, Any],
    ) -> None:
        if self.sock is not None or self.keep_running:
            raise WebSocketError("run_forever is running already")
        if ping_interval < 0 or (ping_timeout is not None and ping_timeout <= 0):
            raise WebSocketError("ping_interval and ping_timeout must not be negative")
        if ping_interval and ping_timeout and ping_interval <= ping_timeout:
            raise WebSocketError(
                f"ping_timeout must be less than ping_interval ({ping_interval:g} s), "
                f"not {ping_timeout:g} s"
            )
        self._run_options = {**self._options, **options}
        if ping_interval:
            self._run_options["ping_interval"] = ping_interval
            self._run_options["ping_timeout"] = ping_timeout
        part(ConnectOptions(), translate(self._run_options))  # a mistake is told at once
        self._ping_payload = bytes(to_bytes(ping_payload))
        self._close = None, None
        self._opened_before = False
        self._stopped.clear()
        self.keep_running = True

    def _run(self) -> bool:
        """Return whether an error ended it."""
        while True:
            error: CurlError | None = None
            try:
                self.connect()
                while self.keep_running and self.receive(None):
                    pass
            except CurlError as exc:
                error = exc
            delay_s = self.lost(error)
            if delay_s is None:
                return self.keep_running and error is not None
            if self._stopped.wait(delay_s):
                return False

    def _drop_socket(self) -> None:
        sock, self.sock = self.sock, None
        if sock is not None:
            sock.terminate()
