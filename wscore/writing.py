"""The writing side of a connection: queues frames in C and hands them to the socket."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ffi import lib
from wscore.connection import Connection, Opcode
from wscore.outbox import Outbox

if TYPE_CHECKING:
    from wscore.options import WebSocketOptions

Data = bytes | bytearray | memoryview

_BINARY = int(Opcode.BINARY)


class Writer:
    """Writes at once what the socket takes, and the rest when the loop says so.

    With `coalesce_frames` messages wait until the loop's next round, so that
    neighbours of one kind can be joined. *on_error* is told libcurl's code.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: Connection,
        fd: int,
        options: "WebSocketOptions",
        on_error: Callable[[int], None],
    ) -> None:
        self._loop = loop
        self._connection = connection
        self._fd = fd
        self._on_error = on_error
        self._slice_ns = int(options.send_time_slice * 1e9)
        self._max_frame = options.max_frame_size or 1 << 62
        self._max_batch = options.max_send_batch_size
        self._coalesces = options.coalesce_frames
        self._held: list[tuple[int, Data, bool]] = []
        self._send_held_soon: asyncio.Handle | None = None
        self._watching = False
        self._stopped = False
        self._in_message: int | None = None  # opcode, while fragments of it are to come
        self.outbox = Outbox(options.send_queue_size)

    @property
    def message_kind(self) -> int | None:
        """The opcode of the message that the next fragment continues, None if none."""
        return self._in_message

    @property
    def stopped(self) -> bool:
        """Whether nothing will be written any more."""
        return self._stopped

    def message(self, opcode: int, data: Data, fin: bool) -> None:
        """Queue a message, a fragment of one, or a control frame, and write."""
        if opcode <= _BINARY:
            self._in_message = None if fin else opcode
        if self._coalesces:
            self._hold(opcode, data, fin)
            return
        if self._watching or self.outbox.senders or len(data) > self._max_frame:
            self._queue(opcode, data, fin)
            if not self._watching:
                self.flush()
            return
        unsent = self._connection.write(opcode, data, fin, self._slice_ns)
        if unsent:
            self.outbox.added(self._connection.unsent)
            if unsent < 0:
                self._give_up()
            else:
                self._watch()

    def control(self, opcode: int, data: Data) -> None:
        """Queue a control frame of the library's own behind everything, and write."""
        if self._stopped:
            return
        self._join_held()
        self._connection.send(opcode, data)
        self.flush()

    def flush(self) -> None:
        """Write as much as the socket takes, and see to the rest."""
        if self._stopped:
            return
        io = self._connection.flush(self._slice_ns)
        if io == lib.WS_IO_ERROR:
            self._give_up()
            return
        unsent = self._connection.unsent
        if unsent:
            self._watch()
        else:
            self._unwatch()
        self.outbox.progress(unsent)
        if not unsent and self._held:
            self.flush_held()

    def flush_held(self) -> None:
        """Write also what still waits for neighbours."""
        self._join_held()
        self.flush()

    def stop(self) -> None:
        """Write no more, for ever."""
        self._unwatch()
        self._stopped = True
        self._held.clear()
        if self._send_held_soon is not None:
            self._send_held_soon.cancel()

    def _give_up(self) -> None:
        self.stop()
        self._on_error(self._connection.curl_code)

    def _watch(self) -> None:
        if not self._watching:
            self._loop.add_writer(self._fd, self.flush)
            self._watching = True

    def _unwatch(self) -> None:
        if self._watching:
            self._loop.remove_writer(self._fd)
            self._watching = False

    def _queue(self, opcode: int, data: Data, fin: bool, messages: int = 1) -> None:
        connection = self._connection
        before = connection.unsent
        size = len(data)
        if size <= self._max_frame or opcode > _BINARY:
            connection.send(opcode, data, fin)
        else:
            view = memoryview(data)
            for start in range(0, size, self._max_frame):
                end = start + self._max_frame
                connection.send(opcode, view[start:end], fin and end >= size)
        self.outbox.added(connection.unsent - before, messages)

    # -- coalescing ------------------------------------------------------------

    def _hold(self, opcode: int, data: Data, fin: bool) -> None:
        self._held.append((opcode, bytes(data), fin))  # a buffer may change meanwhile
        self.outbox.hold()
        if self._send_held_soon is None:
            self._send_held_soon = self._loop.call_soon(self._on_held)

    def _on_held(self) -> None:
        self._send_held_soon = None
        if not self._watching:  # else: when the socket takes more, with more neighbours
            self.flush_held()

    def _join_held(self) -> None:
        held, self._held = self._held, []
        for opcode, payloads, fin in join_neighbours(held, self._max_batch):
            self.outbox.release(len(payloads))
            data = payloads[0] if len(payloads) == 1 else b"".join(payloads)
            self._queue(opcode, data, fin, len(payloads))


def join_neighbours(
    held: list[tuple[int, Data, bool]], most: int
) -> list[tuple[int, list[Data], bool]]:
    """Return (opcode, payloads, fin): up to *most* neighbouring messages of one kind each.

    Control frames and fragments stay alone, and the order is kept.
    """
    groups: list[tuple[int, list[Data], bool]] = []
    in_message = False
    joinable = False  # the last group may take more
    for opcode, data, fin in held:
        whole = opcode <= _BINARY and fin and not in_message
        if whole and joinable and groups[-1][0] == opcode and len(groups[-1][1]) < most:
            groups[-1][1].append(data)
            continue
        groups.append((opcode, [data], fin))
        joinable = whole
        if opcode <= _BINARY:
            in_message = not fin
    return groups
