"""`Link`: an open connection and the threads that wait on it.

No event loop and no thread of its own. Of the threads that wait for something
one polls the socket, for all of them; the others sleep until it has changed
something. When the one has what it wanted, another polls on. So a thread may send
while a second receives and a third closes, and a sender whose peer does not read
still receives, as far as the queue has room: two peers that send at each other do
not lock up.
"""

import contextlib
import math
import select
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from ffi import lib
from wscore.closing import CloseState, still_stands
from wscore.codes import WsCloseCode
from wscore.connection import BATCH_MAX, Batch, Counters, Opcode, PumpBuffer, PumpStatus
from wscore.endings import (
    EOF_WAIT_S,
    close_message,
    ping_timeout_error,
    pump_error,
    sort_controls,
    write_error,
)
from wscore.errors import WebSocketError, WebSocketTimeout
from wscore.inbox import Inbox
from wscore.keepalive import Keepalive, Verdict
from wscore.options import WebSocketOptions
from wscore.payload import close_body
from wscore.ping_log import PingLog
from wscore.retry import WebSocketRetryStrategy
from wscore.sync.waker import Waker
from wscore.websocket import Opened

T = TypeVar("T")

_PUMP_BYTES = 1 << 20  # a thread that waits to send has to wait for no more than this


class PendingPing:
    """A PING on its way: `latency` in seconds once it is answered."""

    latency: float | None = None
    lost = False


class _Scratch(threading.local):
    """Scratch memory of pumps; one per thread serves all its connections."""

    def __init__(self) -> None:
        self.buffer = PumpBuffer()


_scratch = _Scratch()


class Link:
    """Callable from any thread. The names with `_locked` want `lock` held."""

    def __init__(
        self,
        opened: Opened,
        options: WebSocketOptions,
        *,
        ping_payload: bytes = b"",
        deliver_controls: bool = False,
        on_release: Callable[[], None] = lambda: None,
    ) -> None:
        """*deliver_controls*: PINGs and PONGs are received as messages, too.

        *on_release* is called once when the connection is freed, by any thread.
        """
        # Reentrant: a signal handler may call `terminate` on top of anything here.
        self.lock = threading.Condition(threading.RLock())
        self._connection = opened.connection
        self._fd = opened.easy.socket
        self._options = options
        self._deliver_controls = deliver_controls
        self._on_release = on_release
        self._retry = options.ws_retry or WebSocketRetryStrategy()
        self._failed_receives = 0  # in a row
        self._retry_at: float | None = None

        self._polling = False  # some thread does it for all
        self._users = 0  # calls under way, of any thread, that use the connection
        self._doomed = False  # the last of them is to free it
        self._waker = Waker()
        self._poller = select.poll()
        self._poller.register(self._waker.fileno(), select.POLLIN)
        self._polled = 0  # the events that the poller has for the socket; 0: not there

        self.inbox = Inbox(options.recv_queue_size, lambda: None)
        # Frames may have arrived together with the 101: libcurl holds them, and the
        # file descriptor does not announce them.
        self._more = True
        self._queued = self._sent = self._unsent = 0  # bytes
        self.message_kind: int | None = None  # opcode, while fragments of it are to come
        self._write_error: WebSocketError | None = None

        self.failure: WebSocketError | None = None
        self.state = CloseState()
        self.released = False
        self._final_counters: Counters | None = None

        self.latency: float | None = None
        self._ping_payload = ping_payload
        self._pings: PingLog[PendingPing] = PingLog()
        self._keepalive: Keepalive | None = None
        if options.ping_interval is not None:
            self._keepalive = Keepalive(
                interval_s=options.ping_interval,
                timeout_s=options.ping_timeout,
                now=time.monotonic(),
            )

    # What the API calls.

    def take(self, take: Callable[[], T], timeout: float | None) -> T:
        """Return what *take* takes from the inbox, once there is something."""
        with self.lock:
            inbox = self.inbox
            if not inbox.count:
                self.wait_locked(inbox.ready, timeout, "nothing received")
            if self._polling and inbox.room <= 0:
                self._waker.wake()  # there is room again
            return take()

    def read_available(self) -> None:
        """Do what can be done without waiting."""
        with self.lock:
            if not self.released and not self._polling:
                self._step(0)

    def transmit(
        self, opcode: int, data: bytes | bytearray | memoryview, fin: bool, timeout: float | None
    ) -> None:
        """Send one frame; return when it is in the socket."""
        deadline = _deadline(timeout)
        with self.lock:
            self._check_open()
            if self._unsent:
                why = "the peer does not take the data; this message was not sent"
                self.wait_locked(self._may_queue, timeout, why)
                self._check_open()
            if opcode == Opcode.CLOSE:
                self._begin_close(bytes(data))
                return
            end = self._queue(opcode, data, fin)
            if self._unsent:
                why = "the peer does not take the data; the rest of this message is still queued"
                if self._polling:
                    self._waker.wake()  # to poll for room, too
                self._wait_until(lambda: self._sent >= end or self._cannot_send, deadline, why)
            if self._sent < end:
                raise self._send_failure()

    def flush(self, timeout: float | None) -> None:
        """Wait until everything queued is in the socket."""
        with self.lock:
            self.wait_locked(self._may_queue, timeout, "the peer does not take the data")
            if self._unsent:
                raise self._send_failure()

    def ping(self, payload: bytes, timeout: float | None) -> PendingPing:
        """Send a PING, a unique one without a *payload*."""
        pending = PendingPing()
        with self.lock:
            self._check_open()
            data = payload or self._pings.next_payload()
            self._note_ping(data, pending)
        self.transmit(Opcode.PING, data, True, timeout)
        return pending

    def wait_for_pong(self, pending: PendingPing, timeout: float | None) -> float:
        """Return the latency in seconds."""
        with self.lock:
            self.wait_locked(
                lambda: pending.latency is not None or pending.lost or self.released,
                timeout,
                "no answer to the ping",
            )
            if pending.latency is None:
                raise self.ended_error()
            return pending.latency

    def close(self, code: int, message: str | bytes, timeout: float) -> None:
        """Say CLOSE, wait for the peer's, free everything; *timeout* for all of it."""
        body = close_body(code, message)
        with self.lock:
            if self.released:
                return
            try:
                if not self.state.sent:
                    self._begin_close(body)
                self.wait_locked(lambda: self.released, timeout, "")
            except WebSocketTimeout:
                pass  # a peer that does not answer is left without ceremony
            finally:
                self.terminate()

    def terminate(self) -> None:
        """Free everything, without a CLOSE. Safe in a signal handler."""
        with self.lock:
            if self.released:
                return
            self.inbox.finish(self.state.abnormal("terminated"), discard=False)
            self._doomed = True
            if self._users:
                # Another thread polls the socket, or this one is interrupted in the
                # middle of something: it must not be pulled from under them.
                self._waker.wake()
            else:
                self._release()
            self.lock.notify_all()

    def settle(self, timeout: float | None = None) -> None:
        """After the last message: wait for the server to end the stream, then free everything.

        Unless the user wants to close it himself (`autoclose` off), or does so just now.
        """
        with self.lock:
            if self.state.called or (not self.state.sent and self.failure is None):
                return
            limit = EOF_WAIT_S if timeout is None else min(timeout, EOF_WAIT_S)
            try:
                self.wait_locked(lambda: self.released, limit, "")
            except WebSocketTimeout:
                self.terminate()

    def join(self) -> None:
        """The same, and wait for a `close` in another thread; it takes as long as it may."""
        with self.lock:
            self.settle()
            if self.state.called:
                self.wait_locked(lambda: self.released, None, "")

    @property
    def closed(self) -> bool:
        """No more messages will arrive, or none can be sent."""
        return self.released or self.state.sent or self.inbox.end is not None

    def counters(self) -> Counters:
        """Return the totals; final once everything is freed."""
        with self.lock:
            return self._final_counters or self._connection.counters()

    def ended_error(self) -> WebSocketError:
        """Return why nothing can be done any more."""
        if self.failure is not None:
            return self.failure.with_traceback(None)
        return self.state.error()

    # Waiting.

    def wait_locked(self, ready: Callable[[], bool], timeout: float | None, why: str) -> None:
        """Wait for *ready*. What comes at the last moment counts.

        Raises:
            WebSocketTimeout: not within *timeout* seconds; it says *why*.
        """
        self._wait_until(ready, _deadline(timeout), why)

    def _wait_until(self, ready: Callable[[], bool], deadline: float | None, why: str) -> None:
        started, looked = time.monotonic(), False
        while not ready():
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if looked and left == 0:
                raise WebSocketTimeout(f"{why} within {time.monotonic() - started:.3g} s")
            looked = True
            if self._polling:
                self.lock.wait(left)
            else:
                self._step(left)

    def _step(self, left: float | None) -> None:
        """Poll once, for at most *left* seconds, and act on it. The lock is free meanwhile."""
        self._polling = True
        self._users += 1
        try:
            readable = self._poll(left)
            if not self._doomed:
                self._act(readable)
        finally:
            self._polling = False
            self._leave()
            self.lock.notify_all()

    def _leave(self) -> None:
        self._users -= 1
        if self._doomed and not self._users:
            self._release()

    def _poll(self, left: float | None) -> bool:
        """Return whether there is something to read."""
        now = time.monotonic()
        reading = self._wants_input(now)
        writing = bool(self._unsent) and self._write_error is None
        if reading and self._more and not writing:
            return True
        self._poll_for((reading and select.POLLIN) | (writing and select.POLLOUT))
        if reading and self._more:
            left = 0.0
        for at in (self._retry_at, self._next_check()):
            if at is not None:
                left = max(0.0, at - now) if left is None else min(left, max(0.0, at - now))
        self.lock.release()
        try:
            found = self._poller.poll(None if left is None else math.ceil(left * 1000))
        finally:
            self.lock.acquire()
        events = 0
        for fd, event in found:
            if fd == self._fd:
                events = event
            elif not self.released:
                self._waker.clear()
        return reading and (self._more or bool(events & ~select.POLLOUT))

    def _poll_for(self, events: int) -> None:
        if events == self._polled:
            return
        if not events:  # else a hang-up would be reported again and again
            self._poller.unregister(self._fd)
        else:
            self._poller.register(self._fd, events)
        self._polled = events

    def _wants_input(self, now: float) -> bool:
        if self._retry_at is not None and now < self._retry_at:
            return False
        if self.state.received and not self.state.sent:
            return False  # until the user calls close()
        return self.inbox.room > 0 or self._discarding or self.state.called

    def _next_check(self) -> float | None:
        if self._keepalive is None or self.state.sent:
            return None
        return self._keepalive.next_check()

    def _act(self, readable: bool) -> None:
        if readable:
            self._retry_at = None
            self._pump()
        if self._unsent:
            self._flush()
        if self._next_check() is not None and not self.released:
            self._check_keepalive(unread=self._more or not self._wants_input(time.monotonic()))

    # Receiving.

    @property
    def _discarding(self) -> bool:
        # Nobody gets the rest; it is still read, because the peer's CLOSE or the end of
        # the stream is behind it.
        return self.inbox.end is not None

    def _pump(self) -> None:
        room = 0 if self._discarding else self.inbox.room
        status, batch, has_control = self._connection.pump(
            _scratch.buffer,
            room if room > 0 else BATCH_MAX,
            _PUMP_BYTES,
            int(self._options.recv_time_slice * 1e9),
        )
        self._more = status == PumpStatus.MORE
        if batch is not None:
            self._failed_receives = 0
            if has_control:
                batch = self._on_controls(batch)
            if batch.messages and room > 0:
                self.inbox.put(batch)
        if status == PumpStatus.CLOSED:
            self._on_peer_close()
        elif status not in (PumpStatus.AGAIN, PumpStatus.MORE):
            self._on_end(status)

    def _on_controls(self, batch: Batch) -> Batch:
        """Act on PONG and CLOSE and return what is to be received."""
        data, pongs, close = sort_controls(batch)
        now = time.perf_counter()
        for payload in pongs:
            for pending, latency in self._pings.answered(payload, now):
                pending.latency = self.latency = latency
                if self._keepalive is not None:
                    self._keepalive.answered()
        if close is not None:
            self.state.on_received(close)
        self._flush()  # the answers to PINGs
        if self._deliver_controls:
            return batch.part(0, len(batch.messages) - (close is not None))
        return data

    def _on_peer_close(self) -> None:
        self.state.received = True
        if not self._discarding:
            self.inbox.put(close_message(self.state.body))
        self.inbox.finish(self.state.error(), discard=False)
        if self._options.autoclose or self.state.sent:
            self._send_close(close_body(self.state.echo_code, b""))

    def _on_end(self, status: int) -> None:
        if self.state.received or self.failure is not None:  # both sides are done
            self._release()
            return
        if status != PumpStatus.FAILED and self._retry.retry and still_stands(self._fd):
            self._failed_receives += 1
            delay_s = self._retry.delay_s(self._failed_receives, self._connection.curl_code)
            if delay_s is not None:
                self._retry_at = time.monotonic() + delay_s
                self._more = True
                return
        self._fail(*pump_error(status, self._connection))

    def _fail(self, error: WebSocketError, close_code: int | None) -> None:
        """End the connection with *error*; tell the peer why if there is a code for it."""
        self.failure = error
        self.state.on_failed(close_code)
        self.inbox.finish(error, discard=False)
        if close_code is None:
            self._release()
        else:
            # Not freed at once: see read_and_discard in ffi/src/conn.c.
            self._send_close(close_body(close_code, str(error)))

    # Sending.

    @property
    def _cannot_send(self) -> bool:
        return self.released or self._write_error is not None

    def _may_queue(self) -> bool:
        return not self._unsent or self._cannot_send

    def _check_open(self) -> None:
        if self.failure is not None or self.state.sent or self.released:
            raise self.ended_error()
        if self._write_error is not None:
            raise self._send_failure()

    def _queue(self, opcode: int, data: bytes | bytearray | memoryview, fin: bool) -> int:
        """Queue one frame, try to write it, and return where it ends in the stream."""
        if opcode <= Opcode.BINARY:
            self.message_kind = None if fin else opcode
        self._users += 1
        try:
            before = self._connection.unsent
            for part, last in _frames(opcode, data, self._options.max_frame_size):
                self._connection.send(opcode, part, fin and last)
            self._queued += self._connection.unsent - before
            self._flush()
            return self._queued
        finally:
            self._leave()

    def _flush(self) -> None:
        if self._cannot_send:
            return
        io = self._connection.flush()
        # PONGs are not counted as queued: a message may count as unsent a little
        # longer than it is, never shorter.
        self._unsent = 0 if io == lib.WS_IO_OK else self._connection.unsent
        self._sent = max(self._sent, self._queued - self._unsent)
        if io == lib.WS_IO_ERROR:
            self._write_error = write_error(self._connection.curl_code)
            # What the peer sent before it went away is still to be read.
            self._more = True

    def _send_failure(self) -> WebSocketError:
        """Return why a write failed: a CLOSE that was not read yet says more than a broken pipe."""
        if not self._polling and not self.released and not self._discarding:
            self._step(0)
        if self.failure is not None or self.state.received or self.released:
            return self.ended_error()
        assert self._write_error is not None
        return self._write_error.with_traceback(None)

    # Pings.

    def _note_ping(self, payload: bytes, pending: PendingPing) -> None:
        given_up = self._pings.sent(payload, time.perf_counter(), pending)
        if given_up is not None:
            given_up.lost = True

    def _check_keepalive(self, *, unread: bool) -> None:
        assert self._keepalive is not None
        verdict = self._keepalive.check(time.monotonic(), unread=unread)
        if verdict is Verdict.DEAD:
            self._fail(ping_timeout_error(), WsCloseCode.INTERNAL_ERROR)
            self._release()  # nobody is there to wait for
        elif verdict is Verdict.PING:
            payload = self._ping_payload or self._pings.next_payload()
            self._note_ping(payload, PendingPing())
            self._connection.send(Opcode.PING, payload)
            self._flush()

    # Closing.

    def _begin_close(self, body: bytes) -> None:
        if not self.state.received:
            self.state.called = True
        self._send_close(body)
        if not self.state.received and not self._options.drain_on_error:
            self.inbox.finish(self.state.error(), discard=True)
        if self._polling:
            self._waker.wake()
        self.lock.notify_all()

    def _send_close(self, body: bytes) -> None:
        if self.state.sent:
            return
        self.state.on_sent(body)
        self._users += 1
        try:
            with contextlib.suppress(MemoryError):
                self._connection.send(Opcode.CLOSE, body)
            self._flush()
        finally:
            self._leave()

    def _release(self) -> None:
        if self.released:
            return
        self.released = True
        self._final_counters = self._connection.counters()
        self._connection.close()
        self._waker.close()
        self.inbox.finish(self.ended_error(), discard=False)
        for pending in self._pings.give_up():
            pending.lost = True
        self.lock.notify_all()
        self._on_release()


def _deadline(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def _frames(
    opcode: int, data: bytes | bytearray | memoryview, most: int | None
) -> Iterator[tuple[bytes | bytearray | memoryview, bool]]:
    """Part a message into fragments of *most* bytes; with each, whether it is the last."""
    if most is None or len(data) <= most or opcode > Opcode.BINARY:
        yield data, True
        return
    view = memoryview(data)
    for start in range(0, len(data), most):
        yield view[start : start + most], start + most >= len(data)
