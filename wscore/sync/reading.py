"""The reading side of a blocking connection: fills the inbox."""

import threading
import time
from collections.abc import Callable

from wscore.closing import CloseState, still_stands
from wscore.connection import BATCH_MAX, Batch, Connection, PumpBuffer, PumpStatus
from wscore.inbox import Inbox
from wscore.options import WebSocketOptions
from wscore.retry import WebSocketRetryStrategy

_PUMP_BYTES = 1 << 20  # a thread that waits to send has to wait for no more than this


class _Scratch(threading.local):
    """Scratch memory of pumps; one per thread serves all its connections."""

    def __init__(self) -> None:
        self.buffer = PumpBuffer()


_scratch = _Scratch()


class Reader:
    """Pumps messages out of C into `inbox`, as far as it has room.

    Two callbacks: *on_control* acts on the control messages of a batch and returns
    what is to be received; *on_end* is told the status that ended the stream.
    *closing* is only looked at.
    """

    def __init__(
        self,
        connection: Connection,
        fd: int,
        options: WebSocketOptions,
        closing: CloseState,
        *,
        on_control: Callable[[Batch], Batch],
        on_end: Callable[[int], None],
    ) -> None:
        self._connection = connection
        self._fd = fd
        self._closing = closing
        self._on_control = on_control
        self._on_end = on_end
        self._slice_ns = int(options.recv_time_slice * 1e9)
        self._retry = options.ws_retry or WebSocketRetryStrategy()
        self._failed_receives = 0  # in a row
        self.retry_at: float | None = None
        self.inbox = Inbox(options.recv_queue_size, lambda: None)
        # Whether there may be more than the file descriptor announces. At first there
        # may: frames that arrived together with the 101 are held by libcurl.
        self.more = True

    def wants_input(self, now: float) -> bool:
        """Whether to read what there is, at that time of the monotonic clock."""
        if self.retry_at is not None and now < self.retry_at:
            return False
        if self._closing.received and not self._closing.sent:
            return False  # until the user calls close()
        return self.inbox.room > 0 or self.discarding or self._closing.called

    @property
    def discarding(self) -> bool:
        """Whether nobody gets the rest.

        It is still read, because the peer's CLOSE or the end of the stream is behind it.
        """
        return self.inbox.end is not None

    def pump(self) -> None:
        """Read what there is, within the limits."""
        self.retry_at = None
        room = 0 if self.discarding else self.inbox.room
        status, batch, has_control = self._connection.pump(
            _scratch.buffer,
            max_messages=room if room > 0 else BATCH_MAX,
            max_bytes=_PUMP_BYTES,
            max_ns=self._slice_ns,
        )
        self.more = status == PumpStatus.MORE
        if batch is not None:
            self._failed_receives = 0
            if has_control:
                batch = self._on_control(batch)
            if batch.messages and room > 0:
                self.inbox.put(batch)
        if status not in (PumpStatus.AGAIN, PumpStatus.MORE):
            self._on_end(status)

    def receive_again(self) -> bool:
        """Whether `ws_retry` has a receive tried again that failed on a living connection."""
        if not self._retry.retry or not still_stands(self._fd):
            return False
        self._failed_receives += 1
        delay_s = self._retry.delay_s(self._failed_receives, self._connection.curl_code)
        if delay_s is None:
            return False
        self.retry_at = time.monotonic() + delay_s
        self.more = True
        return True
