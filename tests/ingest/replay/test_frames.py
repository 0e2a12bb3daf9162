"""Frames made by ourselves."""

import pytest
from websockets.frames import Frame, Opcode

from ingest.replay.frames import message_frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 100_000])
def test_same_bytes_as_websockets(size: int) -> None:
    """On both sides of every length encoding, what `websockets` would send."""
    payload = b"x" * size

    assert message_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)
    binary = Frame(Opcode.BINARY, payload).serialize(mask=False)
    assert message_frame(payload, binary=True) == binary
