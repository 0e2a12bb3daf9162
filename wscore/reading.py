"""The reading side of a connection: called by the event loop, it fills the inbox."""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING

from wscore.codes import CurlECode, WsCloseCode
from wscore.connection import BATCH_MAX, Batch, Connection, PumpBuffer, PumpStatus
from wscore.errors import WebSocketError
from wscore.inbox import Inbox

if TYPE_CHECKING:
    from wscore.options import WebSocketOptions

# Bytes that are read in a row: for fairness between the connections of one loop, and so
# that large messages are taken, and their memory used again, while the processor's
# cache has it. At 1 MiB a message of 64 KiB took 17 µs instead of 10.5.
_PUMP_BYTES = 1 << 18
# With a limit on the speed: so many seconds' worth of bytes at a time.
_SPEED_SLICE_S = 0.05


class Reader:
    """Pumps messages out of C into `inbox`, and stops while nobody takes them.

    Three callbacks: *on_control* acts on the control messages of a batch and returns
    the rest; *on_end* is told the status that ended the stream; *on_overflow* that a
    message found no room.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: Connection,
        fd: int,
        options: "WebSocketOptions",
        *,
        buffer: PumpBuffer,
        max_speed: int,
        on_control: Callable[[Batch], Batch],
        on_end: Callable[[int], None],
        on_overflow: Callable[[WebSocketError, int], None],
    ) -> None:
        self._loop = loop
        self._connection = connection
        self._fd = fd
        self._buffer = buffer
        self._capacity = options.recv_queue_size
        self._blocks = options.block_on_recv_queue_full
        self._drains = options.drain_on_error
        self._slice_ns = int(options.recv_time_slice * 1e9)
        self._on_control = on_control
        self._on_end = on_end
        self._on_overflow = on_overflow
        self._busy_poll_s = options.busy_poll
        self._max_speed = max_speed
        self._pump_bytes = _PUMP_BYTES
        if max_speed:
            self._pump_bytes = min(_PUMP_BYTES, max(1, int(max_speed * _SPEED_SLICE_S)))
        self._bytes_read = 0
        self._watching = False
        self._stopped = False
        self._failing = False  # a violation was found; it takes effect in a moment
        self._again: asyncio.Handle | None = None
        self.inbox = Inbox(options.recv_queue_size, self._on_room)
        self.closing = False  # the peer's CLOSE is waited for
        self.failed_receives = 0  # in a row; of `WebSocketRetryStrategy`

    @property
    def unread(self) -> bool:
        """Whether more has arrived, or may have, than was read."""
        return not self._watching or self._again is not None

    def resume(self) -> None:
        """Have the loop call when there is something to read."""
        if not self._watching and not self._stopped:
            self._loop.add_reader(self._fd, self.pump)
            self._watching = True

    def pause(self) -> None:
        """Leave what comes in the socket; TCP makes the peer wait."""
        if self._watching:
            self._loop.remove_reader(self._fd)
            self._watching = False

    def stop(self) -> None:
        """Read no more, for ever: the connection is about to go."""
        self.pause()
        self._stopped = True
        if self._again is not None:
            self._again.cancel()

    def pump_soon(self) -> None:
        """Read in the loop's next round, also what the file descriptor does not announce."""
        if self._again is None and not self._stopped:
            self._again = self._loop.call_soon(self._on_again)

    def pump_after(self, delay_s: float) -> None:
        """Read again after so long, and not before."""
        self.pause()
        if self._again is not None:
            self._again.cancel()
        self._again = self._loop.call_later(delay_s, self._on_again)

    def _on_again(self) -> None:
        self._again = None
        self.resume()
        self.pump()

    def _on_room(self) -> None:
        if not self._stopped and self.inbox.end is None:
            self.resume()
            self.pump_soon()

    def pump(self) -> None:
        """Read what there is, within the limits."""
        if self._stopped or self._failing:
            return
        limit = BATCH_MAX
        if self._blocks and not self.discarding:
            limit = self._capacity - self.inbox.count
            if self.closing:
                # The peer's CLOSE is behind what it sent before, and nobody may be
                # taking any more: as much again may be kept.
                limit += self._capacity
            if limit <= 0:
                self.pause()
                self.inbox.want_room()
                return
        status, batch, has_control = self._connection.pump(
            self._buffer, limit, self._pump_bytes, self._slice_ns
        )
        if batch is not None:
            self.failed_receives = 0
            if has_control:
                batch = self._on_control(batch)
            if batch.messages and not self._deliver(batch):
                return
        if status == PumpStatus.MORE:
            self.pump_soon()
        elif status == PumpStatus.FAILED:
            self._fail_after_delivery()
            return
        elif status != PumpStatus.AGAIN:
            self._on_end(status)
            return
        if self._max_speed:
            self._slow_down()

    def busy_poll(self) -> None:
        """Read until there is a message or an end, for no longer than `busy_poll` says."""
        deadline = perf_counter() + self._busy_poll_s
        while self._watching and not self.inbox.ready() and perf_counter() < deadline:
            self.pump()

    def _fail_after_delivery(self) -> None:
        """Let the receiver have, and answer, what came whole before the violation.

        It came in the same round of the loop, or the same read, only by chance; without
        this it would be lost.
        """
        self._failing = True
        self.pause()
        self._loop.call_soon(self._on_violation)  # behind the receivers just woken

    def _on_violation(self) -> None:
        self._failing = False
        if not self._stopped:
            self._on_end(PumpStatus.FAILED)

    @property
    def discarding(self) -> bool:
        """Whether nobody wants the rest.

        After a failure, or our own close() without drain_on_error. It is still read,
        because the peer's CLOSE or EOF is behind it.
        """
        return self.inbox.end is not None or (self.closing and not self._drains)

    def _deliver(self, batch: Batch) -> bool:
        if self.discarding:
            return True
        room = self.inbox.room
        if len(batch.messages) > room and not self._blocks:
            if room > 0:
                self.inbox.put(batch.part(0, room))
            text = (
                f"receive queue full ({self._capacity} messages) "
                "and block_on_recv_queue_full is off"
            )
            error = WebSocketError(text, CurlECode.OUT_OF_MEMORY)
            self._on_overflow(error, WsCloseCode.TRY_AGAIN_LATER)
            return False
        self.inbox.put(batch)
        return True

    def _slow_down(self) -> None:
        """Stay away until what was read is as old as the allowed speed makes it.

        libcurl's own limit is not in force for a stream that it does not carry.
        """
        if self._stopped or self.inbox.end is not None:
            return
        before, self._bytes_read = self._bytes_read, self._connection.counters().wire_bytes_in
        if self._bytes_read > before:
            self.pump_after((self._bytes_read - before) / self._max_speed)
