"""`Link`: the blocking calls on an open connection."""

from collections.abc import Callable
from typing import TypeVar

from wscore.connection import Counters, Opcode
from wscore.endings import EOF_WAIT_S
from wscore.errors import WebSocketError, WebSocketTimeout
from wscore.options import WebSocketOptions
from wscore.payload import close_body
from wscore.sync.endpoint import Endpoint
from wscore.sync.pinging import PendingPing
from wscore.sync.turns import Turns, deadline_of
from wscore.sync.writing import Data
from wscore.websocket import Opened

T = TypeVar("T")


class Link:
    """An `Endpoint` and the threads that wait on it; callable from any thread.

    Each call takes the connection's one lock, and waits, if it has to, by `Turns`. So
    a thread may send while a second receives and a third closes; and a sender whose
    peer does not read still receives, as far as the queue has room: two peers that
    send at each other do not lock up.
    """

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
        self._endpoint = Endpoint(
            opened,
            options,
            ping_payload=ping_payload,
            deliver_controls=deliver_controls,
            on_release=self._released,
        )
        self._turns = Turns(self._endpoint)
        self._lock = self._turns.lock
        self._writer = self._endpoint.writer
        self._on_release = on_release
        self.inbox = self._endpoint.inbox
        self.closing = self._endpoint.closing

    # Receiving.

    def take(self, take: Callable[[], T], timeout: float | None) -> T:
        """Return what *take* takes from the inbox, once there is something.

        If that is the end, it is raised when everything is freed; see `settle`.
        """
        inbox = self.inbox
        try:
            with self._lock:
                if not inbox.count:
                    self._turns.wait(inbox.ready, timeout, "nothing received")
                if inbox.room <= 0:
                    self._turns.wake()  # there is room again
                return take()
        except WebSocketError:
            if inbox.end is not None and not inbox.count:
                self.settle(timeout)
            raise

    def read_available(self) -> None:
        """Do what can be done without waiting."""
        with self._lock:
            if not self.released and not self._turns.polling:
                self._turns.poll_once(0)

    # Sending.

    def transmit(self, opcode: int, data: Data, fin: bool, timeout: float | None) -> None:
        """Send one frame; return when it is in the socket."""
        deadline = deadline_of(timeout)
        writer = self._writer
        with self._lock:
            self._check_open()
            if writer.unsent:
                why = "the peer does not take the data; this message was not sent"
                self._turns.wait(self._may_queue, timeout, why)
                self._check_open()
            if opcode == Opcode.CLOSE:
                self._say_close(bytes(data))
                return
            end = writer.message(opcode, data, fin)
            if writer.unsent:
                why = "the peer does not take the data; the rest of this message is still queued"
                self._turns.wake()  # to poll for room, too
                self._turns.wait_until(lambda: writer.has_sent(end) or writer.ended, deadline, why)
            if not writer.has_sent(end):
                raise self._send_failure()

    def flush(self, timeout: float | None) -> None:
        """Wait until everything queued is in the socket."""
        with self._lock:
            self._turns.wait(self._may_queue, timeout, "the peer does not take the data")
            if self._writer.unsent:
                raise self._send_failure()

    def ping(self, payload: bytes, timeout: float | None) -> PendingPing:
        """Send a PING, a unique one without a *payload*."""
        with self._lock:
            self._check_open()
            data = payload or self._endpoint.pinger.next_payload()
            pending = self._endpoint.pinger.sent(data)
        self.transmit(Opcode.PING, data, True, timeout)
        return pending

    def wait_for_pong(self, pending: PendingPing, timeout: float | None) -> float:
        """Return the latency in seconds."""
        with self._lock:
            self._turns.wait(
                lambda: pending.latency is not None or pending.lost or self.released,
                timeout,
                "no answer to the ping",
            )
            if pending.latency is None:
                raise self.ended_error()
            return pending.latency

    def _may_queue(self) -> bool:
        return not self._writer.unsent or self._writer.ended

    def _check_open(self) -> None:
        if self.failure is not None or self.closing.sent or self.released:
            raise self.ended_error()
        if self._writer.error is not None:
            raise self._send_failure()

    def _send_failure(self) -> WebSocketError:
        """Return why a write failed: a CLOSE that was not read yet says more than a broken pipe."""
        if not self._turns.polling and not self.released and self.inbox.end is None:
            self._turns.poll_once(0)
        if self.failure is not None or self.closing.received or self.released:
            return self.ended_error()
        assert self._writer.error is not None
        return self._writer.error.with_traceback(None)

    # Closing.

    def close(self, code: int, message: str | bytes, timeout: float) -> None:
        """Say CLOSE, wait for the peer's, free everything; *timeout* for all of it."""
        body = close_body(code, message)
        with self._lock:
            if self.released:
                return
            try:
                if not self.closing.sent:
                    self._say_close(body)
                self._wait_for_release(timeout)
            except WebSocketTimeout:
                pass  # a peer that does not answer is left without ceremony
            finally:
                self.terminate()

    def terminate(self) -> None:
        """Free everything, without a CLOSE. Safe in a signal handler."""
        with self._lock:
            if not self.released:
                self._endpoint.terminate()
                self._turns.changed()

    def settle(self, timeout: float | None = None) -> None:
        """After the last message: wait for the server to end the stream, then free everything.

        Unless the user wants to close it himself (`autoclose` off), or does so just now.
        """
        with self._lock:
            if self.closing.called or (not self.closing.sent and self.failure is None):
                return
            limit = EOF_WAIT_S if timeout is None else min(timeout, EOF_WAIT_S)
            try:
                self._wait_for_release(limit)
            except WebSocketTimeout:
                self.terminate()

    def join(self) -> None:
        """The same, and wait for a `close` in another thread; it takes as long as it may."""
        self.settle()  # not under the lock: while it waits, others may end it
        with self._lock:
            if self.closing.called:
                self._wait_for_release(None)

    def _say_close(self, body: bytes) -> None:
        self._endpoint.close(body)
        self._turns.changed()

    def _wait_for_release(self, timeout: float | None) -> None:
        self._turns.wait(lambda: self.released, timeout, "not released")

    def _released(self) -> None:
        self._turns.close()
        self._on_release()

    # State.

    @property
    def closed(self) -> bool:
        """No more messages will arrive, or none can be sent."""
        return self.released or self.closing.sent or self.inbox.end is not None

    @property
    def released(self) -> bool:
        """Everything is freed."""
        return self._endpoint.released

    @property
    def failure(self) -> WebSocketError | None:
        """What ended the connection, if that was no CLOSE."""
        return self._endpoint.failure

    @property
    def latency(self) -> float | None:
        """Seconds, of the last answered ping."""
        return self._endpoint.pinger.latency

    @property
    def message_kind(self) -> int | None:
        """The opcode of the message that the next fragment continues, None if none."""
        return self._writer.message_kind

    def counters(self) -> Counters:
        """Return the totals; final once everything is freed."""
        with self._lock:
            return self._endpoint.counters()

    def ended_error(self) -> WebSocketError:
        """Return why nothing can be done any more."""
        return self._endpoint.ended_error()
