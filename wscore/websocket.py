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
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ffi import lib
from wscore.codes import CurlECode, CurlWsFlag, WsCloseCode
from wscore.connection import BATCH_MAX, Batch, Connection, Counters, Opcode, PumpBuffer, PumpStatus
from wscore.errors import WebSocketClosed, WebSocketError, WebSocketTimeout
from wscore.inbox import Inbox
from wscore.keepalive import Keepalive, Verdict
from wscore.payload import Payload, close_body, parse_close, to_bytes

if TYPE_CHECKING:
    from wscore.options import WebSocketOptions
    from wscore.session import AsyncSession

# A peer that has sent its CLOSE should also end the TCP connection (RFC 6455,
# section 7.1.1); one that does not is not waited for any longer than this.
_EOF_WAIT_S = 1.0
# Fairness between connections of one loop: bytes one of them may read in a row.
_PUMP_BYTES = 1 << 20
_MAX_PINGS = 1024  # unanswered ones that are remembered
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
        subprotocol: str | None,
        response_headers: list[tuple[str, str]],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._fd = fd
        self._options = options
        self._session = session
        self._buffer = buffer
        self.subprotocol = subprotocol
        self.response_headers = response_headers

        self._inbox = Inbox(options.recv_queue_size, self._on_room)
        self._reading = False
        self._repump: asyncio.Handle | None = None
        self._writing = False
        self._queued = 0  # bytes ever queued
        self._queued_ends: deque[int] = deque()  # where each unsent message ends, of those
        self._room_waiters: deque[asyncio.Future[None]] = deque()
        self._drained_waiters: list[asyncio.Future[None]] = []

        self._failure: BaseException | None = None
        self._closing = False  # a CLOSE of ours is queued or sent
        self._close_called = False  # by the user, before the peer's CLOSE came
        self._peer_closed = False
        self._torn_down = False
        self._close_code: int | None = None
        self._close_reason = ""
        self._ended = asyncio.Event()  # no more messages will come
        self._closed = asyncio.Event()  # everything is released
        self._final_counters: Counters | None = None

        self._pings: deque[tuple[bytes, float, asyncio.Future[float]]] = deque()
        self._ping_count = 0
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
        if self._torn_down:
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
        elif status != PumpStatus.AGAIN:
            self._on_end(status)

    @property
    def _discarding(self) -> bool:
        # After our own close() without drain_on_error nobody wants the rest; it is
        # still read, because the peer's CLOSE is behind it.
        return self._close_called and not self._options.drain_on_error

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
            if kind > CurlWsFlag.BINARY:
                controls.append(index)
                if kind == CurlWsFlag.PONG:
                    self._on_pong(payload)
                elif kind == CurlWsFlag.CLOSE:
                    self._close_code, self._close_reason = parse_close(payload)
        self._flush()
        return batch.without(controls)

    def _on_end(self, status: int) -> None:
        """The stream of messages is over, one way or another."""
        if status == PumpStatus.CLOSED:
            self._on_peer_close()
        elif status == PumpStatus.EOF:
            if self._peer_closed:
                self._teardown()
            else:
                self._fail(self._abnormal("the connection ended without a CLOSE frame"), None)
        elif status == PumpStatus.FAILED:
            code, text = self._connection.failure
            error = CurlECode.TOO_LARGE if code == WsCloseCode.MESSAGE_TOO_BIG else code
            self._fail(WebSocketError(text, error), code)
        else:
            code = self._connection.curl_code
            self._fail(WebSocketError(f"receiving failed: libcurl error {code}", code), None)

    def _on_peer_close(self) -> None:
        if self._peer_closed:
            return
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
        with contextlib.suppress(MemoryError):
            self._connection.send(Opcode.CLOSE, body)  # ignored if one is sent already
        self._flush()

    def _wait_for_eof(self) -> None:
        if self._teardown_timer is None and not self._torn_down:
            self._teardown_timer = self._loop.call_later(_EOF_WAIT_S, self._teardown)
            self._pump_soon()

    def _abnormal(self, why: str) -> WebSocketClosed:
        self._close_code = self._close_code or WsCloseCode.ABNORMAL_CLOSURE
        return WebSocketClosed(why, WsCloseCode.ABNORMAL_CLOSURE)

    def _fail(self, error: WebSocketError, close_code: int | None) -> None:
        """End the connection with *error*; tell the peer why if there is a code for it."""
        if self._torn_down:
            return
        if close_code is not None and not self._connection.close_sent:
            with contextlib.suppress(MemoryError):
                self._connection.send(Opcode.CLOSE, close_body(close_code, str(error).encode()))
            self._connection.flush()
        if self._close_code is None:
            self._close_code = close_code or WsCloseCode.ABNORMAL_CLOSURE
        if self._failure is None:
            self._failure = error
        self._finish(error, discard=not self._options.drain_on_error)
        self._teardown()

    def _finish(self, error: BaseException, *, discard: bool) -> None:
        self._inbox.finish(error, discard=discard)
        self._ended.set()

    # -- sending -----------------------------------------------------------

    async def send(
        self, payload: Payload, flags: int = CurlWsFlag.BINARY, timeout: float | None = None
    ) -> None:
        """Queue one message and write as much as the socket takes.

        Waits only while `send_queue_size` messages are unsent already.

        Raises:
            WebSocketTimeout: no room within *timeout* seconds.
            WebSocketClosed: the connection is closed or closing.
            WebSocketError: the connection failed, or a control payload is too long.
        """
        data = to_bytes(payload)
        fin = not flags & CurlWsFlag.CONT
        kind = flags & ~CurlWsFlag.CONT
        opcode = _OPCODES.get(CurlWsFlag(kind))
        if opcode is None:
            raise WebSocketError(
                f"flags must be TEXT, BINARY, PING or PONG, not {flags!r}",
                CurlECode.BAD_FUNCTION_ARGUMENT,
            )
        if opcode >= Opcode.CLOSE and len(data) > 125:
            raise WebSocketError(
                f"a control payload holds at most 125 bytes, not {len(data)}", CurlECode.TOO_LARGE
            )
        self._check_open()
        if len(self._queued_ends) >= self._options.send_queue_size or self._room_waiters:
            await self._wait_for_room(timeout)
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

        It is cancelled if the connection ends first. Without a payload a unique
        one is made.
        """
        data = bytes(to_bytes(payload)) or self._next_ping()
        await self.send(data, CurlWsFlag.PING)
        return self._await_pong(data)

    async def pong(self, payload: Payload = b"") -> None:
        """Send an unsolicited PONG. PINGs are answered without it."""
        await self.send(payload, CurlWsFlag.PONG)

    async def flush(self, timeout: float | None = None) -> None:
        """Wait until everything sent so far is in the socket.

        Raises:
            WebSocketTimeout: it is not within *timeout* seconds.
            WebSocketError: the error that stopped the writing.
        """
        if self._failure is not None:
            raise self._failure
        if self._torn_down or not self._connection.unsent:
            return
        future: asyncio.Future[None] = self._loop.create_future()
        self._drained_waiters.append(future)
        await self._deadline(future, timeout, "the peer does not take the data")

    def _enqueue(self, opcode: Opcode, data: bytes | bytearray | memoryview, fin: bool) -> None:
        connection = self._connection
        before = connection.unsent
        connection.send(opcode, data, fin)
        self._queued += connection.unsent - before
        self._queued_ends.append(self._queued)
        if not self._writing:
            self._flush()

    def _flush(self) -> None:
        if self._torn_down:
            return
        io = self._connection.flush()
        if io == lib.WS_IO_ERROR:
            code = self._connection.curl_code
            # What the peer sent before it went away is still to be read, and its
            # CLOSE says more than a broken pipe: let the reader end this.
            self._queued_ends.clear()
            error = WebSocketError(f"sending failed: libcurl error {code}", code)
            self._failure = self._failure or error
            self._stop_writing()
            self._wake_writers(self._failure)
            return
        unsent = self._connection.unsent
        sent = self._queued - unsent
        while self._queued_ends and self._queued_ends[0] <= sent:
            self._queued_ends.popleft()
        if unsent and not self._writing:
            self._loop.add_writer(self._fd, self._flush)
            self._writing = True
        elif not unsent:
            self._stop_writing()
        self._wake_writers(None)

    def _stop_writing(self) -> None:
        if self._writing:
            self._loop.remove_writer(self._fd)
            self._writing = False

    def _wake_writers(self, error: BaseException | None) -> None:
        room = self._options.send_queue_size - len(self._queued_ends)
        while self._room_waiters and (room > 0 or error):
            future = self._room_waiters.popleft()
            if not future.done():
                room -= 1
                _settle(future, error)
        if error or not self._connection.unsent:
            waiters, self._drained_waiters = self._drained_waiters, []
            for future in waiters:
                if not future.done():
                    _settle(future, error)

    async def _wait_for_room(self, timeout: float | None) -> None:
        future: asyncio.Future[None] = self._loop.create_future()
        self._room_waiters.append(future)
        await self._deadline(future, timeout, "the send queue is full")
        self._check_open()

    async def _deadline(
        self, future: "asyncio.Future[None]", timeout: float | None, why: str
    ) -> None:
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError as exc:
            raise WebSocketTimeout(f"{why} after {timeout:g} s") from exc

    def _check_open(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closing or self._torn_down:
            raise self._closed_error()

    # -- pings ---------------------------------------------------------------

    def _next_ping(self) -> bytes:
        self._ping_count += 1
        return self._ping_count.to_bytes(8, "big")

    def _await_pong(self, data: bytes) -> "asyncio.Future[float]":
        future: asyncio.Future[float] = self._loop.create_future()
        if len(self._pings) == _MAX_PINGS:
            self._pings.popleft()[2].cancel()
        self._pings.append((data, time.perf_counter(), future))
        return future

    def _on_pong(self, payload: bytes) -> None:
        if not any(data == payload for data, _, _ in self._pings):
            return  # unsolicited, or an answer that is no longer awaited
        now = time.perf_counter()
        # A pong answers every ping before it, too (RFC 6455, section 5.5.3).
        data = None
        while data != payload:
            data, sent_at, future = self._pings.popleft()
            self.latency = now - sent_at
            if not future.done():
                future.set_result(self.latency)
        if self._keepalive is not None:
            self._keepalive.answered()

    def _on_timer(self) -> None:
        assert self._keepalive is not None
        if self._ended.is_set() or self._closing:
            return
        verdict = self._keepalive.check(self._loop.time())
        if verdict is Verdict.DEAD:
            reason = "keepalive ping timeout"
            self._fail(WebSocketClosed(reason, WsCloseCode.INTERNAL_ERROR), 1011)
            return
        if verdict is Verdict.PING:
            data = self._next_ping()
            self._await_pong(data)
            self._connection.send(Opcode.PING, data)
            self._flush()
        self._timer = self._loop.call_at(self._keepalive.next_check(), self._on_timer)

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
            if self._peer_closed:
                self._wait_for_eof()
            else:
                self._close_called = True
                self._close_code = int(code)
            self._send_close(body)
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
        if self._closed.is_set():
            return
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._loop:
            self._terminate_here()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._terminate_here)

    def _terminate_here(self) -> None:
        if self._torn_down:
            return
        if self._inbox.end is None:
            self._finish(
                self._abnormal("the connection was terminated")
                if not self._closing
                else self._closed_error(),
                discard=not self._options.drain_on_error,
            )
        self._teardown()

    def _teardown(self) -> None:
        if self._torn_down:
            return
        self._torn_down = True
        self._pause_reading()
        self._stop_writing()
        for timer in (self._timer, self._teardown_timer, self._repump):
            if timer is not None:
                timer.cancel()
        self._final_counters = self._connection.counters()
        self._connection.close()
        self._queued_ends.clear()
        error = self._failure or self._closed_error()
        for waiter in [*self._room_waiters, *self._drained_waiters]:
            if not waiter.done():
                _settle(waiter, error)
        self._room_waiters.clear()
        self._drained_waiters.clear()
        for _, _, future in self._pings:
            future.cancel()
        self._pings.clear()
        if self._inbox.end is None:
            self._finish(error, discard=False)
        self._session.release(self)
        self._closed.set()

    def _closed_error(self) -> WebSocketClosed:
        code = self._close_code or WsCloseCode.ABNORMAL_CLOSURE
        text = f"the connection is closed: {code}" + (
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
        """The close code; None while open."""
        return self._close_code

    @property
    def close_reason(self) -> str:
        """The peer's reason, as it sent it."""
        return self._close_reason

    @property
    def send_queue_size(self) -> int:
        """Messages that are not yet in the socket."""
        return len(self._queued_ends)

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


def _settle(future: "asyncio.Future[None]", error: BaseException | None) -> None:
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def _echo_of(code: int | None) -> int:
    return WsCloseCode.OK if code in (None, WsCloseCode.NO_STATUS_RECEIVED) else code


def _raw_close(code: int | None, reason: str) -> bytes:
    if code is None or code == WsCloseCode.NO_STATUS_RECEIVED:
        return b""
    return code.to_bytes(2, "big") + reason.encode()
