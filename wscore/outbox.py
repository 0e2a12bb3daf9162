"""Messages on their way to the socket, counted. No event loop calls but futures."""

import asyncio
from collections import deque


class Outbox:
    """How many messages are not in the socket yet, and who waits for that to change.

    The bytes themselves wait in C. Only their number is known, pings and pongs
    of our own among them: a message may count as unsent a little longer than it
    is, never shorter.
    """

    def __init__(self, capacity: int) -> None:
        """*capacity*: messages that may be unsent before senders have to wait."""
        self._capacity = capacity
        self._queued = 0  # bytes ever queued
        self._sent = 0  # of those, bytes that are in the socket for certain
        self._ends: deque[int] = deque()  # where each unsent message ends
        self._held = 0  # messages that are not queued yet: they wait for neighbours
        self.senders: deque[asyncio.Future[None]] = deque()  # who wait for room; only to be read
        self._admitted = 0  # senders whose wait is over but who have not queued yet
        self._flushers: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._error: BaseException | None = None

    def __len__(self) -> int:
        return len(self._ends) + self._held

    @property
    def full(self) -> bool:
        """Whether a sender who comes now has to wait, behind those who do already."""
        return bool(self.senders) or len(self._ends) + self._held + self._admitted >= self._capacity

    def added(self, size: int, messages: int = 1) -> None:
        """So many messages, as a rule one, took *size* bytes of the queue."""
        self._queued += size
        self._ends.extend([self._queued] * messages)

    def hold(self) -> None:
        """A message is kept outside of the queue for now."""
        self._held += 1

    def release(self, messages: int) -> None:
        """Messages that were held are about to be `added`."""
        self._held -= messages

    def progress(self, unsent: int) -> None:
        """So many bytes are left in the queue."""
        self._sent = max(self._sent, self._queued - unsent)
        while self._ends and self._ends[0] <= self._sent:
            self._ends.popleft()
        while self._flushers and self._flushers[0][0] <= self._sent:
            _settle(self._flushers.popleft()[1], None)
        self._admit()

    def fail(self, error: BaseException) -> None:
        """Nothing more will be sent: everybody who waits gets *error*.

        If messages are lost, those get it, too, who ask later.
        """
        if self._ends or self._held:
            self._error = error
        self._ends.clear()
        self._held = 0
        for future in [*self.senders, *(future for _, future in self._flushers)]:
            _settle(future, error)
        self.senders.clear()
        self._flushers.clear()

    async def wait_for_room(self) -> None:
        """Wait, first come, first served. The caller then queues without another await."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.senders.append(future)
        try:
            await future
        except BaseException:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._admitted -= 1
                self._admit()  # our place goes to the next
            raise
        self._admitted -= 1

    async def wait_until_sent(self) -> None:
        """Wait until all that is queued now is in the socket."""
        if self._error is not None:
            raise self._error.with_traceback(None)
        if self._ends:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._flushers.append((self._queued, future))
            await future

    def _admit(self) -> None:
        while self.senders and len(self) + self._admitted < self._capacity:
            future = self.senders.popleft()
            if not future.done():
                self._admitted += 1
                future.set_result(None)


def _settle(future: "asyncio.Future[None]", error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
        future.exception()  # one who is cancelled meanwhile will not look at it
