"""The C connection: frames in and out, no event loop."""

import warnings
from bisect import bisect_left
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ffi import ffi, lib
from wscore.easy import Easy
from wscore.extensions import DeflateParameters

BATCH_MAX = 4096  # messages a single pump can return (ffi/src/batch.h)


class PumpStatus(IntEnum):
    """Why a pump returned (ffi/src/conn.h)."""

    AGAIN = lib.WS_PUMP_AGAIN
    MORE = lib.WS_PUMP_MORE
    CLOSED = lib.WS_PUMP_CLOSED
    EOF = lib.WS_PUMP_EOF
    FAILED = lib.WS_PUMP_FAILED
    IO_ERROR = lib.WS_PUMP_IO_ERROR


class Opcode(IntEnum):
    """Source: RFC 6455, section 5.2."""

    CONT = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


@dataclass(frozen=True, slots=True)
class Counters:
    """Totals of one connection since its handshake."""

    frames_in: int
    messages_in: int
    payload_bytes_in: int
    wire_bytes_in: int
    pings_in: int
    pongs_in: int
    frames_out: int
    wire_bytes_out: int
    pongs_out: int
    pongs_skipped: int


_BINARY = 2  # the last `CurlWsFlag` of data; those of control frames are greater


class Batch:
    """Whole messages from one pump call.

    `kind` is the `CurlWsFlag` of all of them, or 0 if they differ; then `kinds`
    holds one byte each. `reads` says when they came: the messages before
    `reads[i][0]`, and not before `reads[i-1][0]`, were complete when a read ended
    at `reads[i][1]`, Unix ns.
    """

    __slots__ = ("kind", "kinds", "messages", "reads")

    def __init__(
        self, messages: list[bytes], kind: int, kinds: bytes, reads: list[tuple[int, int]]
    ) -> None:
        self.messages = messages
        self.kind = kind
        self.kinds = kinds
        self.reads = reads

    def kind_of(self, index: int) -> int:
        """Return the `CurlWsFlag` of one message."""
        return self.kind or self.kinds[index]

    def without(self, indices: list[int]) -> "Batch":
        """Return this batch less some messages; *indices* ascend."""
        gone = set(indices)
        keep = [i for i in range(len(self.messages)) if i not in gone]
        return self._of(
            [self.messages[i] for i in keep],
            bytes(self.kind_of(i) for i in keep),
            [(bisect_left(keep, end), ns) for end, ns in self.reads],
        )

    def part(self, start: int, end: int) -> "Batch":
        """Return the messages from *start* up to, not including, *end*."""
        messages = self.messages[start:end]
        return self._of(
            messages,
            bytes([self.kind]) * len(messages) if self.kind else self.kinds[start:end],
            [(min(at, end) - start, ns) for at, ns in self.reads],
        )

    @staticmethod
    def _of(messages: list[bytes], kinds: bytes, reads: list[tuple[int, int]]) -> "Batch":
        marks, before = [], 0
        for end, ns in reads:
            if end > before:  # else nothing of that read is left
                marks.append((end, ns))
                before = end
        kind = kinds[0] if kinds and kinds.count(kinds[0]) == len(kinds) else 0
        return Batch(messages, kind, kinds, marks)


class PumpBuffer:
    """Scratch memory of pump calls. One per event loop serves all its connections."""

    def __init__(self) -> None:
        # Zeroing 128 KiB is not needed, and C resets the rest at every call.
        self.c: Any = ffi.new_allocator(should_clear_after_alloc=False)("ws_batch *")


class Connection:
    """Owns one `ws_conn` and the handle below it. Use from one thread at a time.

    With *easy* None the transport is memory (`feed`, `take`), for tests.
    """

    def __init__(
        self,
        easy: Easy | None,
        *,
        max_message_size: int,
        validate_utf8: bool,
        deflate: DeflateParameters | None = None,
    ) -> None:
        # None when closed: cffi refuses it as a pointer, where C would follow NULL.
        self._conn: Any = None
        self._easy = easy
        handle = easy.handle if easy is not None else ffi.NULL
        conn = lib.ws_conn_new(handle, max_message_size, int(validate_utf8))
        if conn == ffi.NULL:
            raise MemoryError("no memory for a WebSocket connection")
        self._conn = conn
        if deflate is not None:
            self._compress(deflate)

    def _compress(self, agreed: DeflateParameters) -> None:
        code = lib.ws_conn_compress(
            self._conn,
            agreed.server_bits,
            int(agreed.server_takeover),
            agreed.client_bits,
            int(agreed.client_takeover),
            agreed.level,
        )
        if code != 0:
            self.close()
            raise MemoryError("no memory for permessage-deflate")

    def pump(
        self, buffer: PumpBuffer, max_messages: int, max_bytes: int, max_ns: int
    ) -> tuple[int, Batch | None, bool]:
        """Read what there is. Return a `PumpStatus`, the messages, whether any is a control.

        The limits on bytes and ns are soft by one read. Answers to PINGs are
        queued: call `flush`.
        """
        c = buffer.c
        messages: list[bytes] = []
        most = max_messages if max_messages < BATCH_MAX else BATCH_MAX
        status = lib.ws_conn_pump(self._conn, c, id(messages), most, max_bytes, max_ns)
        if not messages:
            return status, None, False
        kind = c.kind
        if kind and c.mark_count == 1:  # the usual case of a quiet connection
            reads = [(len(messages), c.mark_ns[0])]
            return status, Batch(messages, kind, b"", reads), kind > _BINARY
        kinds = b"" if kind else ffi.buffer(c.kinds, len(messages))[:]
        reads = [(c.mark_end[i], c.mark_ns[i]) for i in range(c.mark_count)]
        return status, Batch(messages, kind, kinds, reads), c.control_count > 0

    def send(self, opcode: int, payload: bytes | bytearray | memoryview, fin: bool = True) -> None:
        """Queue one frame. After a CLOSE nothing more is queued."""
        data = ffi.from_buffer(payload)
        if lib.ws_conn_send(self._conn, int(fin), opcode, data, len(data)) != 0:
            raise MemoryError("no memory for an outgoing frame")

    def write(
        self, opcode: int, payload: bytes | bytearray | memoryview, fin: bool, max_ns: int
    ) -> int:
        """`send` and `flush` in one. Return the bytes that are `unsent`, -1 if writing failed."""
        data = payload if type(payload) is bytes else ffi.from_buffer(payload)
        left = int(lib.ws_conn_write(self._conn, fin, opcode, data, len(payload), max_ns))
        if left >= 0:
            return left
        if left == lib.WS_WRITE_NO_MEMORY:
            raise MemoryError("no memory for an outgoing frame")
        return -1

    def flush(self, max_ns: int = 1 << 62) -> int:
        """Write what is queued. Return WS_IO_OK, WS_IO_AGAIN or WS_IO_ERROR.

        OK with something `unsent`: *max_ns*, soft by one write, have passed.
        """
        return int(lib.ws_conn_flush(self._conn, max_ns))

    @property
    def unsent(self) -> int:
        """Queued bytes that are not yet written."""
        return int(lib.ws_conn_unsent(self._conn))

    @property
    def close_sent(self) -> bool:
        """Whether a CLOSE has been queued."""
        return bool(lib.ws_conn_close_sent(self._conn))

    @property
    def failure(self) -> tuple[int, str]:
        """After `PumpStatus.FAILED`: the close code the peer is owed, and why."""
        return int(lib.ws_conn_fail_code(self._conn)), ffi.string(
            lib.ws_conn_fail_text(self._conn)
        ).decode()

    @property
    def curl_code(self) -> int:
        """libcurl's code of the last failed read or write."""
        return int(lib.ws_conn_curl_code(self._conn))

    def counters(self) -> Counters:
        """Return the totals so far."""
        c = ffi.new("ws_counters *")
        lib.ws_conn_counters(self._conn, c)
        return Counters(*(getattr(c, name) for name in Counters.__slots__))

    def close(self) -> None:
        """Free everything, the network connection included. Idempotent."""
        conn, self._conn = self._conn, None
        if conn is not None:
            lib.ws_conn_free(conn)
        easy, self._easy = self._easy, None
        if easy is not None:
            easy.close()

    def __del__(self, _warn: Any = warnings.warn) -> None:
        if self._easy is not None:
            _warn("a WebSocket was neither closed nor terminated", ResourceWarning, source=self)
        self.close()

    def feed(self, data: bytes, *, eof: bool = False) -> None:
        """Memory transport: let the peer have sent *data*."""
        lib.ws_memory_feed(self._conn, data, len(data), int(eof))

    def take(self, size: int = 1 << 20) -> bytes:
        """Memory transport: return what was written to the peer."""
        target = ffi.new("unsigned char[]", size)
        return bytes(ffi.buffer(target, lib.ws_memory_take(self._conn, target, size)))

    def limit(self, *, read_chunk: int = 0, write_capacity: int = 1 << 62) -> None:
        """Memory transport: how much one read returns, how much writes still take."""
        lib.ws_memory_limits(self._conn, read_chunk, write_capacity)
