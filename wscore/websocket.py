"""`AsyncWebSocket`: one open connection on an asyncio event loop.

No tasks of its own: the loop calls the reader, which pumps whole messages out of C
into the inbox, and the writer, which writes what did not fit. A consumer that
falls behind fills the inbox; reading then stops, and TCP makes the peer wait.

Here is what becomes of the connection as a whole: who closes it, when, and why.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from wscore.closing import CloseState, still_stands
from wscore.codes import WsCloseCode
from wscore.compat import AsyncNames
from wscore.connection import Batch, Connection, Counters, Opcode, PumpBuffer, PumpStatus
from wscore.curl import Curl
from wscore.easy import Easy
from wscore.endings import (
    EOF_WAIT_S,
    close_message,
    ping_timeout_error,
    pump_error,
    sort_controls,
    write_error,
)
from wscore.errors import CurlError, WebSocketError
from wscore.payload import close_body
from wscore.pinging import Pinger
from wscore.reading import Reader
from wscore.receiving import Receiving
from wscore.response import Request, Response
from wscore.retry import WebSocketRetryStrategy
from wscore.sending import Sending
from wscore.stats import Stats
from wscore.writing import Writer

if TYPE_CHECKING:
    from wscore.handshake import Agreement
    from wscore.options import WebSocketOptions
    from wscore.session import AsyncSession


@dataclass(frozen=True, slots=True)
class Opened:
    """What a handshake leaves behind. The socket made of it owns the connection."""

    easy: Easy
    connection: Connection
    request: Request
    response: Response
    agreed: "Agreement"
    max_recv_speed: int = 0
    debug: bool = False


class AsyncWebSocket(Receiving, Sending, AsyncNames):
    """An open WebSocket. Made by `AsyncSession.ws_connect`; use on its own loop only."""

    def __init__(
        self,
        opened: Opened,
        options: "WebSocketOptions",
        *,
        session: "AsyncSession[Any]",
        buffer: PumpBuffer,
        on_released: "Callable[[AsyncWebSocket], None]",
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = opened.connection
        self._fd = opened.easy.socket
        self._curl = Curl.of(opened.easy)
        self._options = options
        self._session = session
        self._on_released = on_released
        self.request = opened.request
        self.response = opened.response
        self.subprotocol = opened.agreed.subprotocol
        self.deflate = opened.agreed.deflate  # what permessage-deflate was agreed on, if any
        self.debug = opened.debug
        self.ws_retry = options.ws_retry or WebSocketRetryStrategy()

        self._failure: BaseException | None = None
        self._close_state = CloseState()
        self._torn_down = False
        self._ended = asyncio.Event()  # no more messages will come
        self._closed = asyncio.Event()  # everything is released
        self._teardown_timer: asyncio.TimerHandle | None = None
        self._final_counters: Counters | None = None

        self._reader = Reader(
            self._loop,
            self._connection,
            self._fd,
            options,
            buffer=buffer,
            max_speed=opened.max_recv_speed,
            on_control=self._on_control,
            on_end=self._on_end,
            on_overflow=self._fail,
        )
        self._inbox = self._reader.inbox
        self._busy_polls = options.busy_poll > 0
        self._writer = Writer(self._loop, self._connection, self._fd, options, self._on_write_error)
        self._pinger = Pinger(
            self._loop,
            send=lambda payload: self._writer.control(Opcode.PING, payload),
            look=self._look,
            on_dead=self._on_dead,
        )
        self._reader.resume()
        # Frames may have arrived together with the 101: libcurl holds them, and
        # the file descriptor does not announce them.
        self._reader.pump_soon()
        if options.ping_interval is not None:
            self._pinger.keep_alive(options.ping_interval, options.ping_timeout)

    # -- what arrives besides data -------------------------------------------

    def _on_control(self, batch: Batch) -> Batch:
        """Act on PONG and CLOSE and return the data; PINGs were answered in C."""
        data, pongs, close = sort_controls(batch)
        for payload in pongs:
            self._pinger.on_pong(payload)
        if close is not None:
            self._close_state.on_received(close)
        self._writer.flush()
        return data

    def _on_end(self, status: int) -> None:
        """The stream of messages is over, one way or another."""
        if status == PumpStatus.CLOSED:
            self._on_peer_close()
        elif self._ended.is_set():  # both sides are done
            self._teardown()
        elif status == PumpStatus.FAILED or not self._receive_again():
            self._fail(*pump_error(status, self._connection))

    def _receive_again(self) -> bool:
        """Whether `ws_retry` has a receive tried again that failed on a living connection."""
        if not self.ws_retry.retry or not still_stands(self._fd):
            return False
        attempt = self._reader.failed_receives + 1
        delay_s = self.ws_retry.delay_s(attempt, self._connection.curl_code)
        if delay_s is None:
            return False
        self._reader.failed_receives = attempt
        self._reader.pump_after(delay_s)
        return True

    def _on_peer_close(self) -> None:
        state = self._close_state
        state.received = True
        if not self._reader.discarding:
            self._inbox.put(close_message(state.body))
        self._finish(state.error(), discard=False)
        if self._options.autoclose or state.sent:
            self._send_close(close_body(state.echo_code, b""))
            self._wait_for_eof()
        else:
            self._reader.pause()  # until the user calls close()

    def _look(self) -> tuple[bool, bool]:
        alive = not (self._ended.is_set() or self._close_state.sent)
        return alive, self._reader.unread

    def _on_dead(self) -> None:
        self._fail(ping_timeout_error(), WsCloseCode.INTERNAL_ERROR)
        self._teardown()  # nobody is there to wait for

    # -- failing -------------------------------------------------------------

    def _fail(self, error: CurlError, close_code: int | None) -> None:
        """End the connection with *error*; tell the peer why if there is a code for it."""
        if self._torn_down:
            return
        self._close_state.on_failed(close_code)
        if self._failure is None:
            self._failure = error
        self._writer.outbox.fail(self._failure)
        self._finish(error, discard=not self._options.drain_on_error)
        if close_code is None:
            self._teardown()
        else:
            self._send_close(close_body(close_code, str(error)))
            # Not closed at once: see read_and_discard in ffi/src/conn.c.
            self._wait_for_eof()

    def _on_write_error(self, code: int) -> None:
        error = write_error(code)
        self._failure = self._failure or error
        self._writer.outbox.fail(self._failure)
        # What the peer sent before it went away is still to be read, and its CLOSE
        # says more than a broken pipe: let the reader end this, but not for ever.
        self._loop.call_later(EOF_WAIT_S, self._after_write_error, error)

    def _after_write_error(self, error: WebSocketError) -> None:
        if self._ended.is_set():
            return
        if self._reader.unread:
            self._loop.call_later(EOF_WAIT_S, self._after_write_error, error)
        else:
            self._fail(error, None)

    def _finish(self, error: BaseException, *, discard: bool) -> None:
        self._inbox.finish(error, discard=discard)
        self._ended.set()

    def _check_open(self) -> None:
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        if self._close_state.sent or self._torn_down:
            raise self._close_state.error()

    # -- closing -------------------------------------------------------------

    async def close(
        self,
        code: int = WsCloseCode.OK,
        message: str | bytes = b"",
        timeout: float = 3.0,
    ) -> None:
        """Send what is queued, then CLOSE; wait for the peer's CLOSE; release everything.

        Takes at most *timeout* seconds. Idempotent. With `drain_on_error` what the
        peer sent before its CLOSE can still be received afterwards.

        Raises:
            WebSocketError: *message* is not UTF-8.
        """
        body = close_body(code, message)
        state = self._close_state
        if not self._torn_down and not state.sent:
            if not state.received:
                state.called = self._reader.closing = True
            self._send_close(body)
            if state.received:
                self._wait_for_eof()
            self._reader.resume()
            self._reader.pump_soon()
        try:
            async with asyncio.timeout(timeout):
                await self._closed.wait()
        except TimeoutError:
            pass  # a peer that does not answer is left without ceremony
        finally:
            self.terminate()

    def terminate(self) -> None:
        """Release everything at once, without a CLOSE. Idempotent, callable from any thread."""
        if self._torn_down:
            return
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:  # none in this thread
            running = None
        if running is self._loop:
            self._terminate_here()
            return
        try:
            self._loop.call_soon_threadsafe(self._terminate_here)
        except RuntimeError:
            # The loop is closed: nobody waits, and nothing of ours can run any more.
            self._release()

    def _send_close(self, body: bytes) -> None:
        self._close_state.on_sent(body)
        with contextlib.suppress(MemoryError):
            self._writer.control(Opcode.CLOSE, body)  # ignored if one is sent already

    def _wait_for_eof(self) -> None:
        if self._teardown_timer is None and not self._torn_down:
            self._teardown_timer = self._loop.call_later(EOF_WAIT_S, self._teardown)
            self._reader.resume()
            self._reader.pump_soon()

    def _terminate_here(self) -> None:
        if not self._torn_down and self._inbox.end is None:
            sent = self._close_state.sent
            why = "the peer did not answer our CLOSE" if sent else "terminated"
            error = self._close_state.abnormal(why)
            self._finish(error, discard=not self._options.drain_on_error)
        self._teardown()

    def _teardown(self) -> None:
        if self._torn_down:
            return
        self._reader.stop()
        self._writer.stop()
        self._pinger.stop()
        if self._teardown_timer is not None:
            self._teardown_timer.cancel()
        self._release()
        error = self._failure or self._close_state.error()
        self._writer.outbox.fail(error)
        self._pinger.fail(error)
        if self._inbox.end is None:
            self._finish(error, discard=False)
        self._closed.set()

    def _release(self) -> None:
        self._torn_down = True
        self._final_counters = self._connection.counters()
        self._connection.close()
        self._on_released(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is None:
            await self.close()
        else:
            # The body's error is the one to report.
            with contextlib.suppress(CurlError):
                await self.close()

    # -- state ---------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """No more messages will arrive and none can be sent.

        With `autoclose` off the peer's CLOSE does not make it so, but our answer to it.
        """
        state = self._close_state
        return state.sent or self._torn_down or (self._ended.is_set() and not state.received)

    @property
    def close_code(self) -> int | None:
        """The peer's close code, ours if we failed the connection, else 1006; None while open."""
        return self._close_state.code

    @property
    def close_reason(self) -> str | None:
        """The peer's reason, as it sent it; None if there was no CLOSE (yet)."""
        return self._close_state.reason

    @property
    def close_event(self) -> asyncio.Event:
        """Set once the connection is closed and everything of it released."""
        return self._closed

    @property
    def send_queue_size(self) -> int:
        """Messages that are not yet in the socket."""
        return len(self._writer.outbox)

    @property
    def recv_queue_size(self) -> int:
        """Messages that nobody has received yet."""
        return self._inbox.count

    @property
    def latency(self) -> float | None:
        """Seconds between the last answered PING and its PONG; None if there was none."""
        return self._pinger.latency

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop this connection lives on."""
        return self._loop

    @property
    def session(self) -> "AsyncSession[Any]":
        """The session that opened it."""
        return self._session

    @property
    def curl(self) -> Curl:
        """The libcurl handle below, to ask it; it is closed with the connection."""
        return self._curl

    @property
    def response_headers(self) -> list[tuple[str, str]]:
        """The headers of the answer to the handshake, in order."""
        return list(self.response.headers)

    @property
    def autoclose(self) -> bool:
        """Whether the peer's CLOSE is answered without being asked."""
        return self._options.autoclose

    @property
    def drain_on_error(self) -> bool:
        """Whether what was received before an error can still be taken."""
        return self._options.drain_on_error

    @property
    def skip_utf8_validation(self) -> bool:
        """Whether text messages may be anything."""
        return self._options.skip_utf8_validation

    @property
    def counters(self) -> Counters:
        """Totals since the handshake; final once the connection is released."""
        return self._final_counters or self._connection.counters()

    def stats(self) -> Stats:
        """Return everything that a monitor would show, as of now."""
        return Stats(
            counters=self.counters,
            recv_queue_size=self.recv_queue_size,
            send_queue_size=self.send_queue_size,
            unsent_bytes=0 if self._torn_down else self._connection.unsent,
            latency_s=self.latency,
        )

    def is_alive(self) -> bool:
        """Tell whether messages can be sent and received."""
        return not (self._ended.is_set() or self.closed) and self._failure is None
