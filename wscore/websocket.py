"""`AsyncWebSocket`: one open connection on an asyncio event loop.

No tasks of its own: the loop calls `_on_readable`, which pumps whole messages
out of C into the inbox, and `_on_writable`, which writes what did not fit. A
consumer that falls behind fills the inbox; reading then stops, and TCP makes the
peer wait.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ffi import lib
from wscore.codes import CurlECode, CurlWsFlag, WsCloseCode
from wscore.connection import BATCH_MAX, Batch, Connection, Counters, Opcode, PumpBuffer, PumpStatus
from wscore.errors import WebSocketClosed, WebSocketError, WebSocketTimeout
from wscore.handshake import Agreement
from wscore.inbox import Inbox
from wscore.keepalive import Keepalive, Verdict
from wscore.outbox import Outbox
from wscore.payload import Payload, close_body, parse_close, to_bytes
from wscore.pings import Pings

if TYPE_CHECKING:
    from wscore.options import WebSocketOptions
    from wscore.session import AsyncSession

# Once both sides are done, the server ends the TCP connection (RFC 6455, section
# 7.1.1); one that does not is not waited for any longer than this.
_EOF_WAIT_S = 1.0
# Fairness between connections of one loop: bytes one of them may read in a row.
_PUMP_BYTES = 1 << 20
# Reaching an enum's member and comparing with it costs more than receiving a
# message does; plain numbers where it is done for each.
_BINARY, _CONT, _CLOSE, _PONG = map(
    int, (CurlWsFlag.BINARY, CurlWsFlag.CONT, CurlWsFlag.CLOSE, CurlWsFlag.PONG)
)
_OPCODES = {
    int(CurlWsFlag.TEXT): Opcode.TEXT,
    int(CurlWsFlag.BINARY): Opcode.BINARY,
    int(CurlWsFlag.PING): Opcode.PING,
    int(CurlWsFlag.PONG): Opcode.PONG,
}


class AsyncWebSocket:
    """An open WebSocket. Made by `AsyncSession.ws_connect`; use on its own loop only.

    Receiving: `recv`, `recv_str`, `recv_json`, `recv_many`, `recv_batch`, or
    `async for`. Several receivers are served strictly in the order they came.
    """

    def __init__(
        self,
        connection: Connection,
        fd: int,
        options: "WebSocketOptions",
        *,
        session: "AsyncSession",
        buffer: PumpBuffer,
        agreed: Agreement,
        response_headers: list[tuple[str, str]],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._fd = fd
        self._options = options
        self._session = session
        self._buffer = buffer
        self.subprotocol = agreed.subprotocol
        self.deflate = agreed.deflate  # what permessage-deflate was agreed on, if any
        self.response_headers = response_headers

        self._inbox = Inbox(options.recv_queue_size, self._on_room)
        self._reading = False
        self._repump: asyncio.Handle | None = None
        self._failing = False  # a violation was found; it takes effect in a moment
        self._writing = False
        self._write_failed = False
        self._outbox = Outbox(options.send_queue_size)
        self._fragmenting = False  # the last data frame sent was not final

        self._failure: BaseException | None = None
        self._closing = False  # a CLOSE of ours is queued or sent
        self._close_called = False  # by the user, before the peer's CLOSE came
        self._sent_code: int | None = None  # of our CLOSE
        self._peer_closed = False
        self._torn_down = False
        self._close_code: int | None = None
        self._close_reason = ""
        self._ended = asyncio.Event()  # no more messages will come
        self._closed = asyncio.Event()  # everything is released
        self._final_counters: Counters | None = None

        self._pings = Pings()
        self.latency: float | None = None  # seconds, of the last answered ping
        self._keepalive: Keepalive | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._teardown_timer: asyncio.TimerHandle | None = None

        self._resume_reading()
        # Frames may have arrived together with the 101: libcurl holds them, and
        # the file descriptor does not announce them.
        self._pump_soon()
        if options.ping_interval is not None:
            self._keepalive = Keepalive(
                interval_s=options.ping_interval,
                timeout_s=options.ping_timeout,
                now=self._loop.time(),
            )
            self._timer = self._loop.call_at(self._keepalive.next_check(), self._on_timer)

    # -- receiving ---------------------------------------------------------

    async def recv(self, *, timeout: float | None = None) -> tuple[bytes, int]:
        """Return the next message and its `CurlWsFlag`.

        The peer's CLOSE is delivered once, as its body and `CLOSE`.

        Raises:
            WebSocketClosed: the connection is closed and nothing is left.
            WebSocketTimeout: nothing came within *timeout* seconds.
            WebSocketError: the connection failed.
        """
        if self._inbox.ready():
            return self._inbox.take_one()
        batch = await self._wait(self._inbox.take_single, timeout)
        return batch.messages[0], batch.kind

    async def recv_many(self, *, timeout: float | None = None) -> list[bytes]:
        """Return all data messages that are there, at least one; raises as `recv`."""
        messages = (await self._take_data(timeout)).messages
        while self._inbox.count:
            following = self._inbox.take_batch()
            if following.kind == _CLOSE:
                self._inbox.put_back(following)
                break
            messages.extend(following.messages)  # ours alone: its batch is gone
        return messages

    async def recv_batch(self, *, timeout: float | None = None) -> Batch:
        """Return data messages with the times at which they were read; raises as `recv`."""
        return await self._take_data(timeout)

    async def _take_data(self, timeout: float | None) -> Batch:
        while True:
            if self._inbox.ready():
                batch = self._inbox.take_batch()
            else:
                batch = await self._wait(self._inbox.take_batch, timeout)
            # A CLOSE is a batch of its own (see `_on_peer_close`); these takers want
            # data, and get the end instead.
            if batch.kind != _CLOSE:
                return batch

    async def recv_str(self, *, timeout: float | None = None) -> str:
        """Return the next message, which must be text; raises as `recv`.

        Raises:
            WebSocketError: 1007, the message is not text.
        """
        payload, flags = await self.recv(timeout=timeout)
        if flags & CurlWsFlag.CLOSE:
            raise self._closed_error()
        if not flags & CurlWsFlag.TEXT:
            raise WebSocketError("Not a valid text frame", WsCloseCode.INVALID_DATA)
        try:
            return payload.decode()
        except UnicodeDecodeError as exc:
            raise WebSocketError(f"invalid UTF-8: {exc}", WsCloseCode.INVALID_DATA) from exc

    async def recv_json(
        self, *, loads: Callable[[str], Any] = json.loads, timeout: float | None = None
    ) -> Any:
        """Return the next message, which must be JSON text; raises as `recv_str`."""
        text = await self.recv_str(timeout=timeout)
        try:
            return loads(text)
        except ValueError as exc:
            raise WebSocketError(f"invalid JSON: {exc}", WsCloseCode.INVALID_DATA) from exc

    def __aiter__(self) -> Self:
        if self.closed and not self._inbox.count:
            raise self._closed_error()
        return self

    async def __anext__(self) -> bytes:
        inbox = self._inbox
        if inbox.count:
            payload, kind = inbox.take_one()
        else:
            try:
                payload, kind = await self.recv()
            except WebSocketClosed:
                raise StopAsyncIteration from None
        if kind == _CLOSE:
            raise StopAsyncIteration
        return payload

    async def _wait(self, take: Callable[[], Batch], timeout: float | None) -> Batch:
        if timeout is not None and timeout <= 0:
            raise WebSocketTimeout("nothing to receive")
        future = self._inbox.wait(take)
        timer = None
        if timeout is not None:
            timer = self._loop.call_later(timeout, self._expire, future, timeout)
        try:
            return await future
        except BaseException:
            self._inbox.abandon(future)
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def _expire(self, future: "asyncio.Future[Batch]", timeout: float) -> None:
        # A loop that was busy elsewhere may come here before it looks at the socket.
        self._on_readable()
        if not future.done():
            future.set_exception(WebSocketTimeout(f"nothing received within {timeout:g} s"))

    # -- reading: called by the loop -----------------------------------------

    def _resume_reading(self) -> None:
        if not self._reading and not self._torn_down:
            self._loop.add_reader(self._fd, self._on_readable)
            self._reading = True

    def _pause_reading(self) -> None:
        if self._reading:
            self._loop.remove_reader(self._fd)
            self._reading = False

    def _pump_soon(self) -> None:
        if self._repump is None:
            self._repump = self._loop.call_soon(self._on_repump)

    def _on_repump(self) -> None:
        self._repump = None
        self._on_readable()

    def _on_room(self) -> None:
        if not self._torn_down and self._inbox.end is None:
            self._resume_reading()
            self._pump_soon()

    def _on_readable(self) -> None:
        if self._torn_down or self._failing:
            return
        options = self._options
        limit = BATCH_MAX
        if self._discarding:
            pass
        elif options.block_on_recv_queue_full:
            limit = self._inbox.room
            if limit <= 0:
                self._pause_reading()
                self._inbox.want_room()
                return
        status, batch, has_control = self._connection.pump(
            self._buffer,
            max_messages=limit,
            max_bytes=_PUMP_BYTES,
            max_ns=int(options.recv_time_slice * 1e9),
        )
        if batch is not None:
            if has_control:
                batch = self._handle_control(batch)
            if batch.messages and not self._deliver(batch):
                return
        if status == PumpStatus.MORE:
            self._pump_soon()
        elif status == PumpStatus.FAILED and batch is not None and batch.messages:
            self._fail_after_delivery()
        elif status != PumpStatus.AGAIN:
            self._on_end(status)

    def _fail_after_delivery(self) -> None:
        """Let the receiver have, and answer, what came whole before the violation.

        It came in the same read only by chance; without this it would be lost.
        """
        self._failing = True
        self._pause_reading()
        self._loop.call_soon(self._on_violation)  # behind the receivers just woken

    def _on_violation(self) -> None:
        self._failing = False
        if not self._torn_down:
            self._on_end(PumpStatus.FAILED)

    @property
    def _discarding(self) -> bool:
        # After a failure, or our own close() without drain_on_error, nobody wants
        # the rest; it is still read, because the peer's CLOSE or EOF is behind it.
        return self._inbox.end is not None or (
            self._close_called and not self._options.drain_on_error
        )

    def _deliver(self, batch: Batch) -> bool:
        if self._discarding:
            return True
        if len(batch.messages) > self._inbox.room and not self._options.block_on_recv_queue_full:
            room = self._inbox.room
            if room > 0:
                self._inbox.put(batch.part(0, room))
            self._fail(
                WebSocketError(
                    f"receive queue full ({self._options.recv_queue_size} messages) "
                    "and block_on_recv_queue_full is off",
                    CurlECode.OUT_OF_MEMORY,
                ),
                WsCloseCode.TRY_AGAIN_LATER,
            )
            return False
        self._inbox.put(batch)
        return True

    def _handle_control(self, batch: Batch) -> Batch:
        """Act on PONG and CLOSE and return the data; PINGs were answered in C."""
        controls = []
        for index, payload in enumerate(batch.messages):
            kind = batch.kind_of(index)
            if kind > _BINARY:
                controls.append(index)
                if kind == _PONG:
                    self._on_pong(payload)
                elif kind == _CLOSE:
                    self._close_code, self._close_reason = parse_close(payload)
        self._flush()
        return batch.without(controls)

    def _on_end(self, status: int) -> None:
        """The stream of messages is over, one way or another."""
        if status == PumpStatus.CLOSED:
            self._on_peer_close()
        elif self._ended.is_set():  # both sides are done
            self._teardown()
        elif status == PumpStatus.EOF:
            self._fail(self._abnormal("the connection ended without a CLOSE frame"), None)
        elif status == PumpStatus.FAILED:
            code, text = self._connection.failure
            error = CurlECode.TOO_LARGE if code == WsCloseCode.MESSAGE_TOO_BIG else code
            self._fail(WebSocketError(text, error), code)
        else:
            code = self._connection.curl_code
            self._fail(WebSocketError(f"receiving failed: libcurl error {code}", code), None)

    def _on_peer_close(self) -> None:
        self._peer_closed = True
        if not self._discarding:
            body = _raw_close(self._close_code, self._close_reason)
            self._inbox.put(Batch([body], CurlWsFlag.CLOSE, b"", [(1, 0)]))
        self._finish(self._closed_error(), discard=False)
        if self._options.autoclose or self._closing:
            self._send_close(close_body(_echo_of(self._close_code), b""))
            self._wait_for_eof()
        else:
            self._pause_reading()  # until the user calls close()

    def _send_close(self, body: bytes) -> None:
        self._closing = True
        self._sent_code = int.from_bytes(body[:2], "big")
        with contextlib.suppress(MemoryError):
            self._connection.send(Opcode.CLOSE, body)  # ignored if one is sent already
        self._flush()

    def _wait_for_eof(self) -> None:
        if self._teardown_timer is None and not self._torn_down:
            self._teardown_timer = self._loop.call_later(_EOF_WAIT_S, self._teardown)
            self._resume_reading()
            self._pump_soon()

    def _abnormal(self, why: str) -> WebSocketClosed:
        self._close_code = self._close_code or WsCloseCode.ABNORMAL_CLOSURE
        return WebSocketClosed(why, WsCloseCode.ABNORMAL_CLOSURE)

    def _fail(self, error: WebSocketError, close_code: int | None) -> None:
        """End the connection with *error*; tell the peer why if there is a code for it."""
        if self._torn_down:
            return
        if self._close_code is None:
            self._close_code = close_code or WsCloseCode.ABNORMAL_CLOSURE
        if self._failure is None:
            self._failure = error
        self._outbox.fail(self._failure)
        self._finish(error, discard=not self._options.drain_on_error)
        if close_code is None:
            self._teardown()
        else:
            self._send_close(close_body(close_code, str(error)))
            # Not closed at once: see read_and_discard in ffi/src/conn.c.
            self._wait_for_eof()

    def _finish(self, error: BaseException, *, discard: bool) -> None:
        self._inbox.finish(error, discard=discard)
        self._ended.set()

    # -- sending -----------------------------------------------------------

    async def send(
        self, payload: Payload, flags: int = CurlWsFlag.BINARY, timeout: float | None = None
    ) -> None:
        """Queue one message and write as much as the socket takes.

        Waits only while `send_queue_size` messages are unsent already. With `CONT`
        among the flags it is a part of a message that the next call continues.

        Raises:
            WebSocketTimeout: no room within *timeout* seconds.
            WebSocketClosed: the connection is closed or closing.
            WebSocketError: the connection failed, or a control payload is too long.
        """
        data = to_bytes(payload)
        kind = int(flags)
        fin = not kind & _CONT
        opcode = _OPCODES.get(kind & ~_CONT)
        if opcode is None:
            raise WebSocketError(
                f"flags must be TEXT, BINARY, PING or PONG, not {flags!r}",
                CurlECode.BAD_FUNCTION_ARGUMENT,
            )
        if opcode >= Opcode.CLOSE and not (fin and len(data) <= 125):
            raise WebSocketError(
                f"a control payload holds at most 125 bytes in one frame, not {len(data)}"
                + ("" if fin else " in a fragment"),
                CurlECode.TOO_LARGE,
            )
        self._check_open()
        if self._outbox.full:
            await self._within(timeout, self._outbox.wait_for_room(), "the send queue is full")
            self._check_open()
        self._enqueue(opcode, data, fin)

    async def send_str(self, payload: str, timeout: float | None = None) -> None:
        """Send a text message; see `send`."""
        await self.send(payload, CurlWsFlag.TEXT, timeout)

    async def send_bytes(self, payload: Payload, timeout: float | None = None) -> None:
        """Send a binary message; see `send`."""
        await self.send(payload, CurlWsFlag.BINARY, timeout)

    send_binary = send_bytes

    async def send_json(
        self,
        payload: Any,
        *,
        dumps: Callable[[Any], str | bytes] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Send *payload* as JSON text; see `send`."""
        text = dumps(payload) if dumps else json.dumps(payload, separators=(",", ":"))
        await self.send(text, CurlWsFlag.TEXT, timeout)

    async def ping(self, payload: Payload = b"") -> "asyncio.Future[float]":
        """Send a PING. Return a future of its answer: the latency in seconds.

        It raises a `WebSocketError` if the connection ends first. Without a payload a
        unique one is made.
        """
        data = bytes(to_bytes(payload)) or self._pings.next_payload()
        await self.send(data, CurlWsFlag.PING)
        return self._pings.sent(data, time.perf_counter())

    async def pong(self, payload: Payload = b"") -> None:
        """Send an unsolicited PONG. PINGs are answered without it."""
        await self.send(payload, CurlWsFlag.PONG)

    async def flush(self, timeout: float | None = None) -> None:
        """Wait until everything sent so far is in the socket.

        Raises:
            WebSocketTimeout: it is not within *timeout* seconds.
            WebSocketError: the error that stopped the writing.
        """
        await self._within(
            timeout, self._outbox.wait_until_sent(), "the peer does not take the data"
        )

    def _enqueue(self, opcode: Opcode, data: bytes | bytearray | memoryview, fin: bool) -> None:
        connection = self._connection
        if opcode <= Opcode.BINARY:
            if self._fragmenting:
                opcode = Opcode.CONT
            self._fragmenting = not fin
        before = connection.unsent
        connection.send(opcode, data, fin)
        self._outbox.added(connection.unsent - before)
        if not self._writing:
            self._flush()

    def _flush(self) -> None:
        if self._torn_down or self._write_failed:
            return
        io = self._connection.flush()
        if io == lib.WS_IO_ERROR:
            self._on_write_error(self._connection.curl_code)
            return
        unsent = self._connection.unsent
        if unsent and not self._writing:
            self._loop.add_writer(self._fd, self._flush)
            self._writing = True
        elif not unsent:
            self._stop_writing()
        self._outbox.progress(unsent)

    def _on_write_error(self, code: int) -> None:
        self._write_failed = True
        self._stop_writing()
        error = WebSocketError(f"sending failed: libcurl error {code}", code)
        self._failure = self._failure or error
        self._outbox.fail(self._failure)
        # What the peer sent before it went away is still to be read, and its CLOSE
        # says more than a broken pipe: let the reader end this, but not for ever.
        self._loop.call_later(_EOF_WAIT_S, self._after_write_error, error)

    def _after_write_error(self, error: WebSocketError) -> None:
        if self._ended.is_set():
            return
        self._on_readable()
        if self._unread:
            self._loop.call_later(_EOF_WAIT_S, self._after_write_error, error)
        elif not self._ended.is_set():
            self._fail(error, None)

    def _stop_writing(self) -> None:
        if self._writing:
            self._loop.remove_writer(self._fd)
            self._writing = False

    async def _within(self, timeout: float | None, wait: Awaitable[None], why: str) -> None:
        try:
            async with asyncio.timeout(timeout):
                await wait
        except TimeoutError as exc:
            raise WebSocketTimeout(f"{why} after {timeout:g} s") from exc

    def _check_open(self) -> None:
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        if self._closing or self._torn_down:
            raise self._closed_error()

    # -- pings ---------------------------------------------------------------

    def _on_pong(self, payload: bytes) -> None:
        latency = self._pings.answered(payload, time.perf_counter())
        if latency is not None:
            self.latency = latency
            if self._keepalive is not None:
                self._keepalive.answered()

    def _on_timer(self) -> None:
        assert self._keepalive is not None
        # A loop that was busy elsewhere may come here before it looks at the socket.
        self._on_readable()
        if self._ended.is_set() or self._closing:
            return
        verdict = self._keepalive.check(self._loop.time(), unread=self._unread)
        if verdict is Verdict.DEAD:
            reason = "keepalive ping timeout"
            self._fail(WebSocketClosed(reason, WsCloseCode.INTERNAL_ERROR), 1011)
            self._teardown()  # nobody is there to wait for
            return
        if verdict is Verdict.PING:
            data = self._pings.next_payload()
            self._pings.sent(data, time.perf_counter())
            self._connection.send(Opcode.PING, data)
            self._flush()
        self._timer = self._loop.call_at(self._keepalive.next_check(), self._on_timer)

    @property
    def _unread(self) -> bool:
        """Whether more has arrived, or may have, than was read."""
        return not self._reading or self._repump is not None

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
        if not self._torn_down and not self._closing:
            if not self._peer_closed:
                self._close_called = True
            self._send_close(body)
            if self._peer_closed:
                self._wait_for_eof()
            self._resume_reading()
            self._pump_soon()
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

    def _terminate_here(self) -> None:
        if not self._torn_down and self._inbox.end is None:
            why = "the peer did not answer our CLOSE" if self._closing else "terminated"
            self._finish(self._abnormal(why), discard=not self._options.drain_on_error)
        self._teardown()

    def _teardown(self) -> None:
        if self._torn_down:
            return
        self._pause_reading()
        self._stop_writing()
        for timer in (self._timer, self._teardown_timer, self._repump):
            if timer is not None:
                timer.cancel()
        self._release()
        error = self._failure or self._closed_error()
        self._outbox.fail(error)
        self._pings.fail(error)
        if self._inbox.end is None:
            self._finish(error, discard=False)
        self._closed.set()

    def _release(self) -> None:
        self._torn_down = True
        self._final_counters = self._connection.counters()
        self._connection.close()
        self._session.release(self)

    def _closed_error(self) -> WebSocketClosed:
        code = self._close_code or self._sent_code or WsCloseCode.ABNORMAL_CLOSURE
        text = f"the connection is closed: {int(code)}" + (
            f" ({self._close_reason})" if self._close_reason else ""
        )
        return WebSocketClosed(text, code, self._close_reason)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # -- state ---------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """No more messages will arrive and none can be sent."""
        return self._ended.is_set() or self._closing

    @property
    def close_code(self) -> int | None:
        """The peer's close code, ours if we failed the connection, else 1006; None while open."""
        return self._close_code

    @property
    def close_reason(self) -> str:
        """The peer's reason, as it sent it."""
        return self._close_reason

    @property
    def send_queue_size(self) -> int:
        """Messages that are not yet in the socket."""
        return len(self._outbox)

    @property
    def recv_queue_size(self) -> int:
        """Messages that nobody has received yet."""
        return self._inbox.count

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop this connection lives on."""
        return self._loop

    @property
    def session(self) -> "AsyncSession":
        """The session that opened it."""
        return self._session

    @property
    def counters(self) -> Counters:
        """Totals since the handshake; final once the connection is released."""
        return self._final_counters or self._connection.counters()

    def is_alive(self) -> bool:
        """Tell whether messages can be sent and received."""
        return not self.closed and self._failure is None


def _echo_of(code: int | None) -> int:
    return WsCloseCode.OK if code in (None, WsCloseCode.NO_STATUS_RECEIVED) else code


def _raw_close(code: int | None, reason: str) -> bytes:
    if code is None or code == WsCloseCode.NO_STATUS_RECEIVED:
        return b""
    return code.to_bytes(2, "big") + reason.encode()
