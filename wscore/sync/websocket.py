"""`WebSocket`: blocking, and callable from several threads."""

import json
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from wscore.codes import CurlECode, CurlWsFlag, WsCloseCode
from wscore.connection import Batch, Counters
from wscore.cookies import Cookies
from wscore.endings import frame_of, json_of, json_text, text_of
from wscore.errors import CurlError, WebSocketClosed, WebSocketError
from wscore.extensions import DeflateParameters
from wscore.options import ConnectOptions, WebSocketOptions
from wscore.payload import Payload, to_bytes
from wscore.sync.callbacks import Callback, Callbacks
from wscore.sync.fragment import CurlWsFrame
from wscore.sync.handshake import open_connection
from wscore.sync.link import Link
from wscore.sync.settings import part
from wscore.websocket import Opened

_TEXT, _CLOSE = int(CurlWsFlag.TEXT), int(CurlWsFlag.CLOSE)


class WebSocket:
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

    # -- receiving -----------------------------------------------------------

    def recv(self, *, timeout: float | None = None) -> tuple[bytes, int]:
        """Return the next message and its `CurlWsFlag`.

        The peer's CLOSE is delivered once, as its body and `CLOSE`.

        Raises:
            WebSocketClosed: the connection is closed and nothing is left.
            WebSocketTimeout: nothing came within *timeout* seconds.
            WebSocketError: the connection failed.
        """
        link = self._open_link()
        message = link.take(link.inbox.take_one, self._within(timeout))
        if message[1] == _CLOSE:
            link.settle(timeout)
        return message

    def recv_many(self, *, timeout: float | None = None) -> list[bytes]:
        """Return all data messages that are there, at least one; raises as `recv`."""
        link = self._open_link()
        inbox = link.inbox

        def take_data() -> list[bytes]:
            messages: list[bytes] = []
            while True:
                batch = inbox.take_batch()
                if batch.kind != _CLOSE:
                    messages.extend(batch.messages)  # ours alone: its batch is gone
                    if inbox.count:
                        continue
                elif messages:
                    inbox.put_back(batch)
                else:
                    continue  # behind a CLOSE is the end: taking it raises
                return messages

        return link.take(take_data, self._within(timeout))

    def recv_batch(self, *, timeout: float | None = None) -> Batch:
        """Return data messages with the times at which they were read; raises as `recv`."""
        link = self._open_link()
        while True:
            batch = link.take(link.inbox.take_batch, self._within(timeout))
            if batch.kind != _CLOSE:
                return batch

    def recv_fragment(self, *, timeout: float | None = None) -> tuple[bytes, CurlWsFrame]:
        """Return the next message and what there is to say of it; see `CurlWsFrame`."""
        payload, flags = self.recv(timeout=timeout)
        return payload, CurlWsFrame(flags, len(payload))

    def recv_str(self, *, timeout: float | None = None) -> str:
        """Return the next message, which must be text; raises as `recv`.

        Raises:
            WebSocketError: 1007, the message is not text.
        """
        payload, flags = self.recv(timeout=timeout)
        if flags & CurlWsFlag.CLOSE:
            raise self._open_link().ended_error()
        return text_of(payload, flags)

    def recv_json(
        self, *, loads: Callable[[str], Any] = json.loads, timeout: float | None = None
    ) -> Any:
        """Return the next message, which must be JSON text; raises as `recv_str`."""
        return json_of(self.recv_str(timeout=timeout), loads)

    def __iter__(self) -> Self:
        link = self._open_link()
        if link.closed and not link.inbox.count:
            raise link.ended_error()
        return self

    def __next__(self) -> bytes:
        try:
            payload, flags = self.recv()
        except WebSocketClosed:
            raise StopIteration from None
        if flags == _CLOSE:
            raise StopIteration
        return payload

    # -- sending ---------------------------------------------------------------

    def send(
        self, payload: Payload, flags: int = CurlWsFlag.BINARY, timeout: float | None = None
    ) -> int:
        """Send one message; return its size in bytes once it is in the socket.

        With `CONT` among the flags it is a part of a message that the next call
        continues. If the peer does not take the data in time, the error says whether
        the message is still queued: then it goes first with the next call.

        Raises:
            WebSocketTimeout: the peer did not take the data within *timeout* seconds.
            WebSocketClosed: the connection is closed or closing.
            WebSocketError: the connection failed, or a control payload is too long.
        """
        data = to_bytes(payload)
        link = self._open_link()
        opcode, fin = frame_of(flags, len(data), link.message_kind)
        link.transmit(opcode, data, fin, self._within(timeout))
        return len(data)

    def send_str(self, payload: str, timeout: float | None = None) -> int:
        """Send a text message; see `send`."""
        return self.send(payload, CurlWsFlag.TEXT, timeout)

    def send_bytes(self, payload: Payload, timeout: float | None = None) -> int:
        """Send a binary message; see `send`."""
        return self.send(payload, CurlWsFlag.BINARY, timeout)

    send_binary = send_bytes

    def send_json(
        self,
        payload: Any,
        *,
        dumps: Callable[[Any], str | bytes] | None = None,
        timeout: float | None = None,
    ) -> int:
        """Send *payload* as JSON text; see `send`."""
        return self.send(json_text(payload, dumps), CurlWsFlag.TEXT, timeout)

    def ping(
        self, payload: Payload = b"", *, wait: bool = False, timeout: float | None = None
    ) -> float | None:
        """Send a PING; without a payload, a unique one.

        With *wait* return the latency in seconds, once the answer is here; what comes
        before it can be received afterwards, up to `recv_queue_size` messages.
        Without, `latency` has it when a later call has read the answer.
        """
        data = bytes(to_bytes(payload))
        frame_of(CurlWsFlag.PING, len(data), None)
        link = self._open_link()
        pending = link.ping(data, self._within(timeout))
        return link.wait_for_pong(pending, self._within(timeout)) if wait else None

    def pong(self, payload: Payload = b"", timeout: float | None = None) -> int:
        """Send an unsolicited PONG. PINGs are answered without it."""
        return self.send(payload, CurlWsFlag.PONG, timeout)

    def flush(self, timeout: float | None = None) -> None:
        """Wait until everything sent so far is in the socket; raises as `send`."""
        self._open_link().flush(self._within(timeout))

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
        self.keep_running = True
        try:
            self._callbacks.call("on_open")
            self._receive_all(link)
        except CurlError as error:
            self._callbacks.call("on_error", error)
            raise
        finally:
            self.keep_running = False
            if not link.closed:  # Ctrl-C, or the like
                self.close(WsCloseCode.GOING_AWAY)
            link.join()
            code = link.closing.code or WsCloseCode.NO_STATUS_RECEIVED
            self._callbacks.call("on_close", int(code), link.closing.reason or "")

    def _receive_all(self, link: Link) -> None:
        while self.keep_running:
            try:
                payload, flags = link.take(link.inbox.take_one, None)
            except WebSocketClosed:
                if link.failure is not None and self.keep_running:
                    raise
                return  # closed by ourselves
            self._callbacks.call("on_data", payload, CurlWsFrame(flags, len(payload)))
            if flags == _CLOSE:
                return
            text = flags == _TEXT and not self._skip_utf8_validation
            self._callbacks.call("on_message", payload.decode() if text else payload)
        self.close()

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
