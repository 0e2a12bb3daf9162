"""One run of a `WebSocketApp`: its connections, one after the other."""

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wscore.backoff import Backoff
from wscore.codes import CurlWsFlag, WsCloseCode
from wscore.cookies import Cookies
from wscore.errors import CurlError, WebSocketError
from wscore.options import ConnectOptions
from wscore.sync.callbacks import Callbacks
from wscore.sync.compat import header_dict, translate
from wscore.sync.reconnecting import reconnect_backoff
from wscore.sync.settings import part
from wscore.sync.websocket import WebSocket

if TYPE_CHECKING:
    from wscore.sync.app import WebSocketApp

_TEXT, _CLOSE, _PING, _PONG = map(
    int, (CurlWsFlag.TEXT, CurlWsFlag.CLOSE, CurlWsFlag.PING, CurlWsFlag.PONG)
)


class AppRun:
    """`to_the_end` takes all the steps; a dispatcher takes them one by one.

    The app's `sock` is the current connection, set here. Its `keep_running` says
    whether to go on: any callback and any thread may end that.
    """

    def __init__(
        self,
        app: "WebSocketApp",
        callbacks: Callbacks,
        jar: Cookies,
        stopped: threading.Event,
        *,
        options: Mapping[str, Any],
        ping_interval: float,
        ping_timeout: float | None,
        ping_payload: bytes,
        reconnect: float | None,
    ) -> None:
        """*stopped* ends a wait for the next attempt. The rest: `WebSocketApp.run_forever`.

        Raises:
            WebSocketError: the ping times make no sense.
            ValueError: an option asks for something that libcurl does not do.
        """
        _check_pings(ping_interval, ping_timeout)
        self._app = app
        self._callbacks = callbacks
        self._jar = jar
        self._stopped = stopped
        self._options = dict(options)
        if ping_interval:
            self._options["ping_interval"] = ping_interval
            self._options["ping_timeout"] = ping_timeout
        part(ConnectOptions(), translate(self._options))  # a mistake is told at once
        self._ping_payload = ping_payload
        self._backoff: Backoff | None = reconnect_backoff(reconnect) if reconnect else None
        self._opened_before = False
        self._connected_at: float | None = None
        self._close: tuple[int | None, str | None] = None, None

    @property
    def wanted(self) -> bool:
        """Whether nobody has ended it."""
        return self._app.keep_running

    @property
    def sock(self) -> WebSocket | None:
        """The current connection."""
        return self._app.sock

    def to_the_end(self) -> bool:
        """Connect and receive until the end. Return whether an error ended it."""
        failed = False
        try:
            failed = self._until_lost_for_good()
        except KeyboardInterrupt as error:
            self._callbacks.report(error, "interrupted")
        finally:
            self.finish()
        return failed

    def _until_lost_for_good(self) -> bool:
        while True:
            error: CurlError | None = None
            try:
                self.connect()
                while self.wanted and self.receive(None):
                    pass
            except CurlError as exc:
                error = exc
            delay_s = self.lost(error)
            if delay_s is None:
                return self.wanted and error is not None
            if self._stopped.wait(delay_s):
                return False

    # The steps.

    def connect(self) -> None:
        """Make one attempt and tell `on_open` or `on_reconnect`.

        Raises:
            CurlError: it failed.
        """
        app = self._app
        self._connected_at = None
        header = app.header() if callable(app.header) else app.header
        ours = translate(
            {**self._options, "header": header_dict(header or ()), "cookie": app.cookie}
        )
        if app.subprotocols:
            ours["subprotocols"] = tuple(app.subprotocols)
        settings, websocket = part(ConnectOptions(), ours)
        sock = WebSocket()
        sock.connect_with(
            app.url,
            settings,
            websocket,
            self._jar,
            ping_payload=self._ping_payload,
            deliver_controls=True,
        )
        app.sock = sock
        if not self.wanted:  # closed meanwhile
            sock.close()
            return
        self._connected_at = time.monotonic()
        again = self._opened_before and app.on_reconnect is not None
        self._opened_before = True
        self._callbacks.call("on_reconnect" if again else "on_open")

    def receive(self, timeout: float | None) -> bool:
        """Handle one message. Return False if it was the peer's CLOSE.

        Raises:
            WebSocketTimeout: nothing came within *timeout* seconds.
            WebSocketError: the connection failed or is closed.
        """
        assert self._app.sock is not None
        payload, kind = self._app.sock.next_message(timeout)
        if kind == _CLOSE:
            return False
        if kind in (_PING, _PONG):
            self._callbacks.call("on_ping" if kind == _PING else "on_pong", payload)
            return True
        skip = self._options.get("skip_utf8_validation", False)
        message = payload.decode() if kind == _TEXT and not skip else payload
        self._callbacks.call("on_data", message, kind, True)
        self._callbacks.call("on_message", message)
        return True

    def lost(self, error: BaseException | None) -> float | None:
        """Report the end of a connection. Return the seconds to wait before the next.

        *error* None: the peer said CLOSE. None is returned when there is no next.
        """
        sock, lasted = self._app.sock, 0.0
        if self._connected_at is not None:
            lasted = time.monotonic() - self._connected_at
        if sock is not None:
            sock.join()
            if sock.peer_closed:
                code = sock.close_code
                no_code = code == WsCloseCode.NO_STATUS_RECEIVED
                self._close = (None, None) if no_code else (code, sock.close_reason)
                error = error or sock.ended_error()
        if not self.wanted:
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
        app = self._app
        app.keep_running = False
        sock = app.sock
        if sock is not None:
            sock.close(WsCloseCode.GOING_AWAY)
        app.sock = None
        self._callbacks.call("on_close", *self._close)

    def _drop_socket(self) -> None:
        sock, self._app.sock = self._app.sock, None
        if sock is not None:
            sock.terminate()


def _check_pings(interval: float, timeout: float | None) -> None:
    if interval < 0 or (timeout is not None and timeout <= 0):
        raise WebSocketError("ping_interval and ping_timeout must not be negative")
    if interval and timeout and interval <= timeout:
        raise WebSocketError(
            f"ping_timeout must be less than ping_interval ({interval:g} s), not {timeout:g} s"
        )
