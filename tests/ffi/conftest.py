"""The protocol core over the memory transport: bytes in, messages out."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wscore.connection import Batch, Connection, PumpBuffer, PumpStatus
from wscore.extensions import DeflateParameters
from wscore.provider import ensure_loaded


class Core:
    """One connection without a socket."""

    def __init__(
        self,
        *,
        max_message_size: int = 1 << 20,
        validate_utf8: bool = True,
        deflate: DeflateParameters | None = None,
    ) -> None:
        if deflate is not None:
            ensure_loaded()
        self.connection = Connection(
            None, max_message_size=max_message_size, validate_utf8=validate_utf8, deflate=deflate
        )
        self._buffer = PumpBuffer()

    def pump(
        self, *, max_messages: int = 4096, max_bytes: int = 1 << 30, max_ns: int = 10**10
    ) -> tuple[int, Batch | None, bool]:
        return self.connection.pump(
            self._buffer, max_messages=max_messages, max_bytes=max_bytes, max_ns=max_ns
        )

    def receive(self, *chunks: bytes, eof: bool = False) -> tuple[int, list[tuple[int, bytes]]]:
        """Pump after each chunk. Return the last status and all (kind, payload)."""
        messages: list[tuple[int, bytes]] = []
        status = int(PumpStatus.AGAIN)
        for index, chunk in enumerate(chunks):
            self.connection.feed(chunk, eof=eof and index == len(chunks) - 1)
            while True:
                status, batch, has_control = self.pump()
                if batch is not None:
                    kinds = [batch.kind_of(i) for i in range(len(batch.messages))]
                    assert has_control == any(kind > 2 for kind in kinds)
                    messages += zip(kinds, batch.messages, strict=True)
                if status != PumpStatus.MORE:
                    break
            if status != PumpStatus.AGAIN:
                break
        return status, messages

    @property
    def failure_code(self) -> int:
        code, text = self.connection.failure
        assert text
        return code


@pytest.fixture
def new_core() -> Iterator[Callable[..., Core]]:
    """Makes connections that are closed at the end of the test."""
    made: list[Core] = []

    def new(**options: Any) -> Core:
        made.append(Core(**options))
        return made[-1]

    yield new
    for core in made:
        core.connection.close()


@pytest.fixture
def core(new_core: Callable[..., Core]) -> Core:
    return new_core()
