"""What a feed needs of the world: somewhere to connect, and somewhere to put entries.

`AsyncSession`, `AsyncWebSocket` and `RedisStreamsSink` are these in the service; what
records puts itself before the first two, and takes the place of the third.
"""

from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

from wscore import Batch


class EntryWriter(Protocol):
    """One stream of a sink."""

    dropped: int  # entries of this stream that were lost: its owner marks the gap

    def add(self, rx_ns: int, count: int, encoded: bytes) -> bool:
        """Hand over one entry, see `StreamWriter.add`; False if it was dropped."""
        ...


class FeedSink(Protocol):
    """Takes entries without ever waiting; whoever reads on while it is `full` loses some."""

    @property
    def full(self) -> bool:
        """Whether to stop reading."""
        ...

    @property
    def slow(self) -> bool:
        """Whether it keeps entries elsewhere, or only the newest, until it has caught up."""
        ...

    async def wait_writable(self, *, caught_up: bool = False) -> None:
        """Return once it takes more; with *caught_up*, not while it is `slow`, either."""
        ...

    def open_stream(
        self,
        key: str,
        *,
        preface: tuple[int, int, bytes] | None = None,
        beside: Any = None,
        maxlen: int | None = None,
        follows: Any = None,
        conflated: Any = None,
        lost: Any = None,
    ) -> EntryWriter:
        """Return the writer of stream *key*; see `RedisStreamsSink.open_stream`.

        *beside* and *follows*: writers of the same sink.
        """
        ...

    async def newest(self, keys: Sequence[str], count: int) -> list[list[dict[bytes, bytes]]]:
        """Return the newest entries of streams; see `RedisStreamsSink.newest`."""
        ...


class FeedSocket(Protocol):
    """An open WebSocket."""

    @property
    def latency(self) -> float | None:
        """Seconds that the last answered PING took."""
        ...

    async def recv_batch(self) -> Batch:
        """Return what has come, at least one message; the connection's end is an exception."""
        ...

    async def send_str(self, payload: str) -> None:
        """Send a text message."""
        ...

    async def close(self, code: int = ..., *, timeout: float = ...) -> None:
        """Send CLOSE and wait for the peer's; what came before it can still be received."""
        ...

    def terminate(self) -> None:
        """Release everything at once."""
        ...


class Connector(Protocol):
    """Opens WebSockets."""

    def ws_connect(self, url: str, **options: Any) -> Awaitable[FeedSocket]:
        """Open one; see `AsyncSession.ws_connect`."""
        ...
