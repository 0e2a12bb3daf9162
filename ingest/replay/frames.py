"""WebSocket frames of a server: unmasked, never fragmented."""

_TEXT = 0x81  # FIN, opcode 1


def text_frame(payload: bytes) -> bytes:
    """Return *payload* (UTF-8, not checked) as one text frame.

    Made once per message and written to every listener; `websockets` would make it
    again for each, which is most of the cost of a send.

    Source: RFC 6455, section 5.2.
    """
    size = len(payload)
    if size < 126:
        return bytes((_TEXT, size)) + payload
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload
