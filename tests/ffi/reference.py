"""What a stream of bytes must become: a plain reading of RFC 6455 and RFC 7692.

It works on the whole stream at once: it has no state to get wrong between reads,
which is just what the C code has plenty of. Compression is Python's zlib.
"""

import zlib
from dataclasses import dataclass, field

from tests.servers.frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame, parse_one
from wscore.connection import PumpStatus

TAIL = b"\x00\x00\xff\xff"  # RFC 7692, section 7.2.1


@dataclass
class Expected:
    status: PumpStatus = PumpStatus.AGAIN
    code: int = 0  # of a failure
    messages: list[tuple[int, bytes]] = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)


class Inflater:
    """One direction's decompression. A peer's blocks may be final: the window stays."""

    def __init__(self, bits: int, takeover: bool) -> None:
        self._bits, self._takeover = bits, takeover
        self._stream = zlib.decompressobj(wbits=-bits)
        self._window = b""

    def peek(self, payload: bytes, limit: int) -> bytes:
        """Inflate the start of a message, at most *limit* bytes; remember nothing."""
        return self._inflate(payload, limit)[0]

    def end(self, payload: bytes, limit: int) -> bytes:
        """Inflate a whole message, for the next one to build upon."""
        out, stream = self._inflate(payload + TAIL, limit)
        if self._takeover:
            self._stream = stream
            self._window = (self._window + out)[-(1 << self._bits) :]
        return out

    def _inflate(self, data: bytes, limit: int) -> tuple[bytes, "zlib._Decompress"]:
        stream, out = self._stream.copy(), b""
        while True:
            out += stream.decompress(data, limit - len(out))
            if len(out) == limit or not stream.eof:
                return out, stream
            window = (self._window + out)[-(1 << self._bits) :]
            data = stream.unused_data
            stream = zlib.decompressobj(wbits=-self._bits, zdict=window)


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def could_become_utf8(data: bytes) -> bool:
    """Whether some continuation makes it valid."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True


def may_be_received(code: int) -> bool:
    return code in {*range(1000, 1015)} - {1004, 1005, 1006} or 3000 <= code < 5000


def header_violation(head: Frame, size: int, open_kind: int, with_deflate: bool) -> int:
    """1002 if a header alone earns it, or 0."""
    rsv1 = 4 if with_deflate and head.opcode in (TEXT, BINARY) else 0
    if head.rsv & ~rsv1 or head.masked:
        return 1002
    if head.opcode >= 8:
        return 1002 if head.opcode > PONG or not head.fin or size > 125 else 0
    if head.opcode > BINARY or (head.opcode == CONT) != bool(open_kind) or size >= 1 << 63:
        return 1002
    return 0


def read_header(data: bytes) -> tuple[Frame, int, int] | None:
    """A frame without its payload, the payload's size, and where it begins."""
    if len(data) < 2:
        return None
    size, at = data[1] & 0x7F, 2
    if size > 125:
        at = 4 if size == 126 else 10
        size = int.from_bytes(data[2:at], "big")
    is_masked = data[1] >= 0x80
    at += 4 * is_masked
    if len(data) < at:
        return None
    return Frame(data[0] & 15, b"", data[0] >= 0x80, data[0] >> 4 & 7, is_masked), size, at


def expect(data: bytes, *, max_message_size: int, inflater: Inflater | None = None) -> Expected:
    """What must come of a stream, whatever the cuts."""
    expected = Expected()
    kind, compressed, parts = 0, False, b""

    def failed(code: int) -> Expected:
        expected.status, expected.code = PumpStatus.FAILED, code
        return expected

    while (header := read_header(data)) is not None:
        head, size, start = header
        if code := header_violation(head, size, kind, inflater is not None):
            return failed(code)
        payload = data[start : start + size]
        whole = parse_one(data) is not None
        if head.opcode < 8:
            kind, compressed = (kind, compressed) if kind else (head.opcode, head.rsv == 4)
            if not compressed and len(parts) + size > max_message_size:
                return failed(1009)
            parts += payload
            content = parts
            if compressed:
                assert inflater is not None
                inflate = inflater.end if head.fin and whole else inflater.peek
                try:
                    content = inflate(parts, max_message_size + 1)
                except zlib.error:
                    return failed(1007)
            if kind == TEXT and not could_become_utf8(content):
                return failed(1007)
            if len(content) > max_message_size:
                return failed(1009)
        if not whole:
            break
        data = data[start + size :]
        if head.opcode == CLOSE:
            if size == 1 or (size and not may_be_received(int.from_bytes(payload[:2], "big"))):
                return failed(1002)
            if not is_utf8(payload[2:]):
                return failed(1007)
            expected.messages.append((8, payload))
            expected.status = PumpStatus.CLOSED
            return expected
        if head.opcode == PING:
            expected.messages.append((16, payload))
            expected.pongs.append(payload)
        elif head.opcode == PONG:
            expected.messages.append((64, payload))
        elif head.fin:
            if kind == TEXT and not is_utf8(content):
                return failed(1007)
            expected.messages.append((kind, content))
            kind, parts = 0, b""
    return expected
