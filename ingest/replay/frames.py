"""WebSocket frames of a server: unmasked, never fragmented."""

_TEXT = 0x81  # FIN, opcode 1
_BINARY = 0x82


def message_frame(payload: bytes, *, binary: bool = False) -> bytes:
    """Return *payload* (UTF-8, not checked, unless *binary*) as one frame.

    Made once per message and written to every listener; `websockets` would make it
    again for each, which is most of the cost of a send.

    Source: RFC 6455, section 5.2.
    """
    size, first = len(payload), _BINARY if binary else _TEXT
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, 0x7E)) + size.to_bytes(2, "big") + payload
    return bytes((first, 0x7F)) + size.to_bytes(8, "big") + payload
