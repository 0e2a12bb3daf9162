"""`WebSocket`: blocking, and callable from several threads."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from wscore.codes import CurlECode, WsCloseCode
from wscore.compat import FrameSizeName
from wscore.connection import Counters
from wscore.cookies import Cookies
from wscore.errors import CurlError, WebSocketClosed, WebSocketError
from wscore.extensions import DeflateParameters
from wscore.options import ConnectOptions, WebSocketOptions
from wscore.sync.callbacks import Callback, Callbacks
from wscore.sync.handshake import open_connection
from wscore.sync.link import Link
from wscore.sync.receiving import Receiving
from wscore.sync.running import run
from wscore.sync.sending import Sending
from wscore.sync.settings import part
from wscore.websocket import Opened


class WebSocket(Receiving, Sending, FrameSizeName):
    """A WebSocket that is opened by `connect`, or by `run_forever` with a URL.

    One thread may send while another receives and a third closes. PINGs are
    answered, and keepalive pings are sent, whenever some call waits.

    Every blocking call takes a *timeout* in seconds; None stands for that of
    `settimeout`, which is at first: for ever.
    """

    def __init__(
        self,
        *,
        on_open: Callback | None = None,
        on_message: Callback | None = None,
        on_error: Callback | None = None,
        on_close: Callback | None = None,
        on_data: Callback | None = None,
        **options: Any,
    ) -> None:
        """The callbacks are for `run_forever`; *options*: what `connect` takes."""
        self.on_open = on_open
        self.on_message = on_message
        self.on_error = on_error
        self.on_close = on_close
        self.on_data = on_data
        self.keep_running = False
        self._callbacks = Callbacks(self)
        self._options = options
        self._settings = ConnectOptions()
        self._jar = Cookies()
        self._timeout: float | None = None
        self._link: Link | None = None
        self._opened: Opened | None = None
        self._skip_utf8_validation = False
        self._connecting = threading.Lock()

    # -- opening -------------------------------------------------------------

    def connect(self, url: str, **options: Any) -> Self:
        """Open the connection; after it has ended, a new one.

        Takes the fields of `ConnectOptions` and `WebSocketOptions`, on top of those
        given when this was made. `timeout` is the handshake's.

        Raises:
            HandshakeError: the server refused, or its answer is not to us.
            CurlError: the connection failed (7: refused, 28: timed out, …).
            WebSocketError: it is open already.
        """
        settings, websocket = part(self._settings, {**self._options, **options})
        return self.connect_with(url, settings, websocket, self._jar)

    def connect_with(
        self,
        url: str,
        settings: ConnectOptions,
        options: WebSocketOptions,
        jar: Cookies,
        *,
        ping_payload: bytes = b"",
        deliver_controls: bool = False,
        on_release: Callable[[], None] = lambda: None,
    ) -> Self:
        """Open the connection with ready-made settings; see `connect` and `Link`."""
        with self._connecting:
            if self._link is not None and not self._link.released:
                raise WebSocketError("this WebSocket is open; close it first")
            self._link = None
            self._opened = opened = open_connection(url, settings, options, jar)
            self._skip_utf8_validation = options.skip_utf8_validation
            self._link = Link(
                opened,
                options,
                ping_payload=ping_payload,
                deliver_controls=deliver_controls,
                on_release=on_release,
            )
        return self

    # -- closing -----------------------------------------------------------------

    def close(
        self,
        code: int = WsCloseCode.OK,
        message: str | bytes = b"",
        timeout: float = 3.0,
    ) -> None:
        """Send CLOSE, wait for the peer's, release everything: *timeout* seconds at most.

        Idempotent. A receiver in another thread wakes with `WebSocketClosed`; with
        `drain_on_error` it gets what the peer sends before its CLOSE first.

        Raises:
            WebSocketError: *message* is not UTF-8.
        """
        self.keep_running = False
        if self._link is not None:
            self._link.close(code, message, timeout)

    def terminate(self) -> None:
        """Release everything at once, without a CLOSE. Idempotent, from any thread."""
        self.keep_running = False
        if self._link is not None:
            self._link.terminate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- callbacks -----------------------------------------------------------------

    def run_forever(self, url: str = "", **options: Any) -> None:
        """Receive until the end and call the callbacks, on this thread; see `connect`.

        | called | with |
        |---|---|
        | `on_open` | ws |
        | `on_data` | ws, the bytes, a `CurlWsFrame`: every message, CLOSE too |
        | `on_message` | ws, str for text (bytes with `skip_utf8_validation`), else bytes |
        | `on_error` | ws, the exception: of the connection, or of a callback |
        | `on_close` | ws, code, reason: once, at the end |

        `close()` in a callback or another thread ends it. On Ctrl-C the connection is
        closed with 1001.

        Raises:
            WebSocketError: the connection failed; `on_error` has been told.
            CurlError: it could not be opened; likewise.
        """
        try:
            if url:
                self.connect(url, **options)
            link = self._open_link()
        except CurlError as error:
            self._callbacks.call("on_error", error)
            raise
        run(self, link, self._callbacks, decode=not self._skip_utf8_validation)

    # -- state ---------------------------------------------------------------------

    def settimeout(self, timeout: float | None) -> None:
        """Set what a *timeout* of None means, in seconds; None: for ever."""
        self._timeout = timeout

    def gettimeout(self) -> float | None:
        """Return what `settimeout` set."""
        return self._timeout

    @property
    def closed(self) -> bool:
        """No more messages will arrive, or none can be sent."""
        return self._link is None or self._link.closed

    @property
    def connected(self) -> bool:
        """The opposite of `closed`."""
        return not self.closed

    @property
    def close_code(self) -> int | None:
        """The peer's close code, ours if we failed the connection, else 1006; None while open."""
        return None if self._link is None else self._link.closing.code

    @property
    def close_reason(self) -> str | None:
        """The peer's reason, as it sent it; None if there was no CLOSE (yet)."""
        return None if self._link is None else self._link.closing.reason

    @property
    def latency(self) -> float | None:
        """Seconds, of the last answered ping."""
        return None if self._link is None else self._link.latency

    @property
    def counters(self) -> Counters:
        """Totals since the handshake; final once the connection is released."""
        return self._open_link().counters()

    @property
    def recv_queue_size(self) -> int:
        """Messages that are read and that nobody has received yet."""
        return 0 if self._link is None else self._link.inbox.count

    @property
    def subprotocol(self) -> str | None:
        """What the server chose of the `subprotocols`."""
        return None if self._opened is None else self._opened.agreed.subprotocol

    @property
    def deflate(self) -> DeflateParameters | None:
        """What permessage-deflate was agreed on, if any."""
        return None if self._opened is None else self._opened.agreed.deflate

    @property
    def response_status(self) -> int | None:
        """The status of the server's answer to the handshake."""
        return None if self._opened is None else self._opened.response.status_code

    @property
    def response_headers(self) -> list[tuple[str, str]]:
        """The headers of the server's answer, in order."""
        return [] if self._opened is None else list(self._opened.response.headers)

    def fileno(self) -> int:
        """Return the socket's file descriptor, -1 if there is none. libcurl owns it."""
        if self._opened is None or self._link is None or self._link.released:
            return -1
        return self._opened.easy.socket

    def _within(self, timeout: float | None) -> float | None:
        return self._timeout if timeout is None else timeout

    def next_message(self, timeout: float | None) -> tuple[bytes, int]:
        """Return the next message, control frames that are delivered included."""
        link = self._open_link()
        return link.take(link.inbox.take_one, timeout)

    def read_available(self) -> None:
        """Read and write what is possible without waiting."""
        self._open_link().read_available()

    def join(self) -> None:
        """After the end: wait, not for long, until everything is released."""
        self._open_link().join()

    def ended_error(self) -> WebSocketError:
        """Return why nothing can be done any more."""
        return self._open_link().ended_error()

    @property
    def peer_closed(self) -> bool:
        """Whether the peer's CLOSE came."""
        return self._link is not None and self._link.closing.received

    def _open_link(self) -> Link:
        if self._link is None:
            raise WebSocketClosed("not connected", CurlECode.NO_CONNECTION_AVAILABLE)
        return self._link
