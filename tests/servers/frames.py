"""RFC 6455 frames, written plainly and independently of the code under test."""

import base64
import hashlib
from dataclasses import dataclass

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


@dataclass(frozen=True)
class Frame:
    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0
    masked: bool = False


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    key: bytes | None = None,
    size: int | None = None,
) -> bytes:
    """One frame's bytes; *size* overrides the length that its header claims."""
    size = len(payload) if size is None else size
    mask_bit = 0 if key is None else 0x80
    head = bytes([fin << 7 | rsv << 4 | opcode])
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 1 << 16:
        head += bytes([mask_bit | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([mask_bit | 127]) + size.to_bytes(8, "big")
    if key is None:
        return head + payload
    return head + key + masked(payload, key)


def masked(payload: bytes, key: bytes) -> bytes:
    """The plain loop of RFC 6455, section 5.3."""
    return bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def parse_one(data: bytes) -> tuple[Frame, int] | None:
    """The first frame and its size in bytes; None until all of it is there."""
    if len(data) < 2:
        return None
    at, size = 2, data[1] & 0x7F
    if size > 125:
        at = 4 if size == 126 else 10
        size = int.from_bytes(data[2:at], "big")
    is_masked = bool(data[1] & 0x80)
    key_at = at
    at += 4 * is_masked
    if len(data) < at or len(data) < at + size:
        return None
    payload = data[at : at + size]
    if is_masked:
        key = int.from_bytes((data[key_at:at] * (size // 4 + 1))[:size], "big")
        payload = (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")
    return Frame(data[0] & 0xF, payload, data[0] >= 0x80, data[0] >> 4 & 7, is_masked), at + size


def parse_all(data: bytes) -> list[Frame]:
    """All frames; the data must end with the last one."""
    found = []
    while data:
        parsed = parse_one(data)
        assert parsed is not None, f"a cut frame at the end: {data[:20]!r}"
        found.append(parsed[0])
        data = data[parsed[1] :]
    return found


def accept_for(key: str) -> str:
    """The Sec-WebSocket-Accept of RFC 6455, section 4.2.2."""
    text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()
