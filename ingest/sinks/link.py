"""One connection: whole bytes out, a known number of replies in."""

import asyncio
from collections.abc import Callable
from typing import Any

from hiredis import HiredisError, PushNotification, Reader

from ingest.sinks.adopt import Server
from ingest.sinks.errors import Unavailable

_READ_BYTES = 256 * 1024


class Link:
    """A connection in use by one task. It is not repaired: once lost, open another."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        reply_timeout_s: float,
        on_lost: Callable[[], None],
    ) -> None:
        """Take over the byte streams. *on_lost* is called once, also while nothing is asked."""
        self._writer = writer
        self._reply_timeout_s = reply_timeout_s
        self._on_lost = on_lost
        self._lost: str | None = None
        self._replies: list[Any] = []
        self._wanted = 0
        self._progress = asyncio.Event()
        self._task = asyncio.create_task(self._read(reader), name="sink-replies")

    @classmethod
    async def open(
        cls, server: Server, *, reply_timeout_s: float, on_lost: Callable[[], None]
    ) -> "Link":
        """Connect to *server*.

        Raises:
            Unavailable: there is no connection.
        """
        reader, writer = await server.connect()
        return cls(reader, writer, reply_timeout_s=reply_timeout_s, on_lost=on_lost)

    @property
    def lost(self) -> str | None:
        """Why the connection is unusable; None while it is fine."""
        return self._lost

    async def call(self, data: bytes, replies: int, *, blocks_s: float = 0.0) -> list[Any]:
        """Write whole commands and return their replies, error replies as values.

        *blocks_s*: how long a command among them may make the server wait.

        Raises:
            Unavailable: lost before the last reply came, or the server sent nothing
                for `reply_timeout_s`. What it has executed is unknown then.
        """
        silence_s = self._reply_timeout_s + blocks_s
        if self._lost is not None:
            raise Unavailable(self._lost)
        self._replies = []
        self._wanted = replies
        if self._writer.transport.is_closing():  # nobody has read its end yet
            self.give_up("closed by the server")
            raise Unavailable(str(self._lost))
        # No drain: a batch is bounded, and the replies must be read meanwhile.
        self._writer.write(data)
        while len(self._replies) < replies:
            self._progress.clear()
            try:
                async with asyncio.timeout(silence_s):
                    await self._progress.wait()
            except TimeoutError as exc:
                self.give_up(f"no reply within {silence_s:g} s")
                raise Unavailable(str(self._lost)) from exc
            if self._lost is not None:
                raise Unavailable(self._lost)
        self._wanted = 0
        return self._replies

    async def close(self) -> None:
        """Close at once; anything unsent is dropped. Never raises, never waits long."""
        self.give_up("closed")
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _read(self, reader: asyncio.StreamReader) -> None:
        nothing_yet = object()  # the default, False, is also a RESP3 value
        parser = Reader(notEnoughData=nothing_yet)
        reason = "closed by the server"
        try:
            while self._lost is None:
                data = await reader.read(_READ_BYTES)
                if not data:
                    break
                parser.feed(data)
                while (reply := parser.gets()) is not nothing_yet:
                    if type(reply) is PushNotification:
                        continue
                    self._replies.append(reply)
                if len(self._replies) > self._wanted:
                    # A server that is about to hang up says why unasked.
                    reason = f"unexpected reply: {str(self._replies[-1])[:200]}"
                    break
                self._progress.set()
        except (OSError, HiredisError) as exc:
            reason = str(exc) or type(exc).__name__
        self.give_up(reason)

    def give_up(self, reason: str) -> None:
        """Make it unusable at once, unless it is already."""
        if self._lost is not None:
            return
        self._lost = reason
        # abort, not close: what is still unsent will be sent on another connection.
        self._writer.transport.abort()
        self._progress.set()
        self._on_lost()
