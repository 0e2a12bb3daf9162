"""The writing side of a blocking connection: queues frames in C, hands them to the socket."""

from collections.abc import Callable, Iterator

from ffi import lib
from wscore.connection import Connection, Opcode
from wscore.endings import write_error
from wscore.errors import WebSocketError
from wscore.sync.in_use import InUse

Data = bytes | bytearray | memoryview


class Writer:
    """Writes what the socket takes at once; `flush` goes on with the rest.

    *on_error* is called when a write failed; `error` is set by then.
    """

    def __init__(
        self,
        connection: Connection,
        in_use: InUse,
        *,
        max_frame_size: int | None,
        on_error: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._in_use = in_use
        self._max_frame_size = max_frame_size
        self._on_error = on_error
        self._stopped = False
        self._queued = self._sent = 0  # bytes since the handshake
        self.unsent = 0  # bytes
        self.message_kind: int | None = None  # opcode, while fragments of it are to come
        self.error: WebSocketError | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will be written."""
        return self._stopped or self.error is not None

    def message(self, opcode: int, data: Data, fin: bool) -> int:
        """Queue a message, a fragment of one, or a control frame, and write.

        Return where it ends in the stream, for `has_sent`.
        """
        if opcode <= Opcode.BINARY:
            self.message_kind = None if fin else opcode
        with self._in_use:
            before = self._connection.unsent
            for part, last in fragments(opcode, data, self._max_frame_size):
                self._connection.send(opcode, part, fin and last)
            self._queued += self._connection.unsent - before
            self.flush()
            return self._queued

    def control(self, opcode: int, payload: bytes) -> None:
        """Queue a control frame of the library's own, and write."""
        with self._in_use:
            try:
                self._connection.send(opcode, payload)
            finally:
                self.flush()

    def flush(self) -> None:
        """Write as much as the socket takes."""
        if self.ended:
            return
        io = self._connection.flush()
        # PONGs are not counted as queued: a message may count as unsent a little
        # longer than it is, never shorter.
        self.unsent = 0 if io == lib.WS_IO_OK else self._connection.unsent
        self._sent = max(self._sent, self._queued - self.unsent)
        if io == lib.WS_IO_ERROR:
            self.error = write_error(self._connection.curl_code)
            self._on_error()

    def has_sent(self, end: int) -> bool:
        """Whether what ends there in the stream is in the socket."""
        return self._sent >= end

    def stop(self) -> None:
        """Write no more, for ever: the connection is about to go."""
        self._stopped = True


def fragments(opcode: int, data: Data, most: int | None) -> Iterator[tuple[Data, bool]]:
    """Part a message into fragments of *most* bytes; with each, whether it is the last.

    Control frames stay whole.
    """
    if most is None or len(data) <= most or opcode > Opcode.BINARY:
        yield data, True
        return
    view = memoryview(data)
    for start in range(0, len(data), most):
        yield view[start : start + most], start + most >= len(data)
