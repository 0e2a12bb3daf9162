"""Received messages on their way to whoever awaits them. No event loop calls but futures."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from wscore.connection import Batch

Message = tuple[bytes, int]


class Inbox:
    """A bounded queue of batches with strictly first-come, first-served takers.

    The bound is the writer's to keep: it asks `room` before it reads. Batches
    are kept whole, so that taking many messages costs no work per message.
    """

    def __init__(self, capacity: int, on_room: Callable[[], None]) -> None:
        """*on_room* is called whenever messages were taken."""
        self._capacity = capacity
        self._on_room = on_room
        self._batches: deque[Batch] = deque()
        self._taken = 0  # messages already taken from the front batch
        self._count = 0
        self._waiters: deque[tuple[asyncio.Future[Any], Callable[[], Any]]] = deque()
        self._end: BaseException | None = None

    def __len__(self) -> int:
        return self._count

    @property
    def room(self) -> int:
        """How many more messages fit."""
        return self._capacity - self._count

    @property
    def end(self) -> BaseException | None:
        """What takers get when nothing is left; None while more may come."""
        return self._end

    def put(self, batch: Batch) -> None:
        """Append a batch and hand messages to those who wait, in their order."""
        self._batches.append(batch)
        self._count += len(batch.messages)
        self._serve()

    def put_back(self, value: Any) -> None:
        """Return what a taker was given but, being cancelled, did not use."""
        batch = value if isinstance(value, Batch) else _batch_of(value)
        if self._batches and self._taken:
            front = self._batches[0]
            taken = list(range(self._taken))
            self._batches[0] = front.without(taken)
        self._taken = 0
        self._batches.appendleft(batch)
        self._count += len(batch.messages)
        self._serve()

    def finish(self, error: BaseException, *, discard: bool) -> None:
        """Let takers get *error* once nothing is left; with *discard*, at once."""
        if self._end is None:
            self._end = error
        if discard:
            self._batches.clear()
            self._count = self._taken = 0
        self._serve()

    def ready(self) -> bool:
        """Tell whether a taker who comes now is served without waiting."""
        return not self._waiters and (self._count > 0 or self._end is not None)

    def take_one(self) -> Message:
        """Return the oldest message; raise the end if nothing is left. See `ready`."""
        if not self._count:
            raise self._ended()
        batch = self._batches[0]
        at = self._taken
        message = batch.messages[at], batch.kind or batch.kinds[at]
        at += 1
        self._count -= 1
        if at == len(batch.messages):
            self._batches.popleft()
            at = 0
        self._taken = at
        self._on_room()
        return message

    def take_batch(self) -> Batch:
        """Return what is left of the oldest batch; raise the end if nothing is left."""
        if not self._count:
            raise self._ended()
        batch = self._batches.popleft()
        if self._taken:
            batch = batch.without(list(range(self._taken)))
            self._taken = 0
        self._count -= len(batch.messages)
        self._on_room()
        return batch

    def wait(self, take: Callable[[], Any]) -> "asyncio.Future[Any]":
        """Return a future for the result of *take*, behind those who wait already."""
        future = asyncio.get_running_loop().create_future()
        self._waiters.append((future, take))
        return future

    def abandon(self, future: "asyncio.Future[Any]") -> None:
        """A taker stopped waiting; what it was already given goes back."""
        if future.done() and not future.cancelled() and future.exception() is None:
            self.put_back(future.result())
            return
        future.cancel()
        self._waiters = deque(waiter for waiter in self._waiters if waiter[0] is not future)

    def _serve(self) -> None:
        while self._waiters and (self._count or self._end is not None):
            future, take = self._waiters.popleft()
            if future.done():
                continue
            try:
                future.set_result(take())
            except BaseException as exc:  # noqa: BLE001 - it is handed to the one who waits
                future.set_exception(exc)

    def _ended(self) -> BaseException:
        assert self._end is not None
        return self._end


def _batch_of(message: Message) -> Batch:
    return Batch([message[0]], message[1], b"", [(1, 0)])
