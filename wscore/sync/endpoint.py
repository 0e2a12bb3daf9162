"""Our end of an open connection, without the waiting.

What arrives, and who closes it, when, and why. The asynchronous counterpart is
`wscore/websocket.py`; what both decide alike is in `wscore/endings.py`.
"""

import contextlib
import time
from collections.abc import Callable
from typing import NamedTuple

from wscore.closing import CloseState
from wscore.codes import WsCloseCode
from wscore.connection import Batch, Counters, Opcode, PumpStatus
from wscore.endings import close_message, ping_timeout_error, pump_error, sort_controls
from wscore.errors import WebSocketError
from wscore.keepalive import Verdict
from wscore.options import WebSocketOptions
from wscore.payload import close_body
from wscore.sync.in_use import InUse
from wscore.sync.pinging import Pinger
from wscore.sync.reading import Reader
from wscore.sync.writing import Writer
from wscore.websocket import Opened


class Wants(NamedTuple):
    """What an endpoint waits for."""

    read: bool
    write: bool
    unannounced: bool  # there may be something to read that the socket does not announce
    at: float | None  # act then at the latest, monotonic


class Endpoint:
    """Reads, writes, answers and ends. Never waits, and knows no threads.

    Not safe by itself: its parts share one C connection and one `CloseState`, and
    whoever calls anything here holds the lock of `Turns`. That one asks what it
    `wants` and lets it `act`.
    """

    def __init__(
        self,
        opened: Opened,
        options: WebSocketOptions,
        *,
        ping_payload: bytes,
        deliver_controls: bool,
        on_release: Callable[[], None],
    ) -> None:
        """*deliver_controls*: PINGs and PONGs are received as messages, too.

        *on_release* is called once, when the connection is freed.
        """
        self._connection = opened.connection
        self._autoclose = options.autoclose
        self._drains = options.drain_on_error
        self._deliver_controls = deliver_controls
        self._on_release = on_release
        self._final_counters: Counters | None = None
        self.fd = opened.easy.socket
        self.failure: WebSocketError | None = None
        self.closing = CloseState()
        self.released = False
        self.in_use = InUse(self._release)
        self.reader = Reader(
            self._connection,
            self.fd,
            options,
            self.closing,
            on_control=self._on_control,
            on_end=self._on_end,
        )
        self.inbox = self.reader.inbox
        self.writer = Writer(
            self._connection,
            self.in_use,
            max_frame_size=options.max_frame_size,
            on_error=self._on_write_error,
        )
        self.pinger = Pinger(options.ping_interval, options.ping_timeout, ping_payload)

    # What `Turns` asks.

    def wants(self, now: float) -> Wants:
        """Return what to wait for, at that time of the monotonic clock."""
        read = self.reader.wants_input(now)
        write = bool(self.writer.unsent) and self.writer.error is None
        at, retry_at = self._next_check(), self.reader.retry_at
        if retry_at is not None and (at is None or retry_at < at):
            at = retry_at
        return Wants(read, write, read and self.reader.more, at)

    def act(self, readable: bool) -> None:
        """Do what is due; *readable*: reading finds something, or may."""
        if readable:
            self.reader.pump()
        if self.writer.unsent:
            self.writer.flush()
        if self._next_check() is not None and not self.released:
            self._check_keepalive()

    def _next_check(self) -> float | None:
        return None if self.closing.sent else self.pinger.next_check()

    def _check_keepalive(self) -> None:
        unread = self.reader.more or not self.reader.wants_input(time.monotonic())
        verdict, payload = self.pinger.check(unread=unread)
        if verdict is Verdict.DEAD:
            self._fail(ping_timeout_error(), WsCloseCode.INTERNAL_ERROR)
            self._release()  # nobody is there to wait for
        elif verdict is Verdict.PING:
            self.writer.control(Opcode.PING, payload)

    # What arrives besides data.

    def _on_control(self, batch: Batch) -> Batch:
        """Act on PONG and CLOSE and return what is to be received."""
        data, pongs, close = sort_controls(batch)
        now = time.perf_counter()
        for payload in pongs:
            self.pinger.on_pong(payload, now)
        if close is not None:
            self.closing.on_received(close)
        self.writer.flush()  # the answers to PINGs
        if self._deliver_controls:
            return batch.part(0, len(batch.messages) - (close is not None))
        return data

    def _on_end(self, status: int) -> None:
        """The stream of messages is over, one way or another."""
        if status == PumpStatus.CLOSED:
            self._on_peer_close()
        elif self.closing.received or self.failure is not None:  # both sides are done
            self._release()
        elif status == PumpStatus.FAILED or not self.reader.receive_again():
            self._fail(*pump_error(status, self._connection))

    def _on_peer_close(self) -> None:
        closing = self.closing
        closing.received = True
        if not self.reader.discarding:
            self.inbox.put(close_message(closing.body))
        self.inbox.finish(closing.error(), discard=False)
        if self._autoclose or closing.sent:
            self._send_close(close_body(closing.echo_code, b""))

    def _on_write_error(self) -> None:
        # What the peer sent before it went away is still to be read.
        self.reader.more = True

    # How it ends.

    def close(self, body: bytes) -> None:
        """Say CLOSE. The peer's, and the end of the stream, are then read by `act`."""
        if not self.closing.received:
            self.closing.called = True
        self._send_close(body)
        if not self.closing.received and not self._drains:
            self.inbox.finish(self.closing.error(), discard=True)

    def terminate(self) -> None:
        """Free everything, without a CLOSE, as soon as nobody uses it."""
        self.inbox.finish(self.closing.abnormal("terminated"), discard=False)
        self.in_use.doom()

    def counters(self) -> Counters:
        """Return the totals; final once everything is freed."""
        return self._final_counters or self._connection.counters()

    def ended_error(self) -> WebSocketError:
        """Return why nothing can be done any more."""
        if self.failure is not None:
            return self.failure.with_traceback(None)
        return self.closing.error()

    def _fail(self, error: WebSocketError, close_code: int | None) -> None:
        """End the connection with *error*; tell the peer why if there is a code for it."""
        self.failure = error
        self.closing.on_failed(close_code)
        self.inbox.finish(error, discard=False)
        if close_code is None:
            self._release()
        else:
            # Not freed at once: see read_and_discard in ffi/src/conn.c.
            self._send_close(close_body(close_code, str(error)))

    def _send_close(self, body: bytes) -> None:
        if self.closing.sent:
            return
        self.closing.on_sent(body)
        # Without memory for it, the end of the stream has to say it.
        with contextlib.suppress(MemoryError):
            self.writer.control(Opcode.CLOSE, body)

    def _release(self) -> None:
        if self.released:
            return
        self.released = True
        self._final_counters = self._connection.counters()
        self._connection.close()
        self.writer.stop()
        self.inbox.finish(self.ended_error(), discard=False)
        self.pinger.give_up()
        self._on_release()
