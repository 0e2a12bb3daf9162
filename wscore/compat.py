"""What programs and test suites made for curl_cffi look at besides its documented API.

They read the state of a connection from members with an underscore. Here those members
say how things are; nobody in this library uses them.
"""

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from wscore.inbox import Inbox, Message

if TYPE_CHECKING:
    from wscore.errors import CurlError
    from wscore.writing import Writer


class FrameSizeName:
    """For both APIs."""

    # Theirs splits messages here, and suites choose the sizes of payloads by it. Ours
    # splits only where `max_frame_size` says so.
    _MAX_CURL_FRAME_SIZE = 65_536


class AsyncNames(FrameSizeName):
    """For `AsyncWebSocket`."""

    _inbox: Inbox
    _writer: "Writer"
    _torn_down: bool

    async def recv(self, *, timeout: float | None = None) -> Message:
        """Return the next message."""
        raise NotImplementedError

    def _fail(self, error: "CurlError", close_code: int | None) -> None:
        raise NotImplementedError

    @property
    def _terminated(self) -> bool:
        return self._torn_down

    @property
    def _receive_queue(self) -> "ReceiveQueue":
        return ReceiveQueue(self)

    @property
    def _write_task(self) -> "WriteTask":
        return WriteTask(self._writer)

    def _finalize_connection(self, error: "CurlError") -> None:
        self._fail(error, None)


class ReceiveQueue(NamedTuple):
    """The inbox, as an `asyncio.Queue` is asked."""

    socket: AsyncNames

    async def get(self) -> Message:
        """Return the next message, once it is there."""
        return await self.socket.recv()

    def get_nowait(self) -> Message:
        """Return the next message; raise `asyncio.QueueEmpty` if there is none."""
        if self.empty():
            raise asyncio.QueueEmpty
        return self.socket._inbox.take_one()

    def qsize(self) -> int:
        """Return how many messages nobody has received yet."""
        return self.socket._inbox.count

    def empty(self) -> bool:
        """Tell whether there is none."""
        return not self.qsize()


class WriteTask(NamedTuple):
    """The writer, as an `asyncio.Task` is asked. There is no task: the loop calls it."""

    writer: "Writer"

    def done(self) -> bool:
        """Tell whether nothing will be written any more."""
        return self.writer.stopped
