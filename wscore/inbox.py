"""Received messages on their way to whoever awaits them. No event loop calls but futures."""

import asyncio
from collections import deque
from collections.abc import Callable

from wscore.connection import Batch

Message = tuple[bytes, int]

_NEVER = -1


class Inbox:
    """A bounded queue of batches with strictly first-come, first-served takers.

    The bound is the writer's to keep: it asks `room` before it reads, and
    `want_room` when there is none. Batches are kept whole, so that taking many
    messages costs no work per message.

    Whenever messages are left, nobody waits for one: who comes then takes at once.
    """

    __slots__ = (
        "_batches",
        "_capacity",
        "_end",
        "_notify_at",
        "_on_room",
        "_taken",
        "_waiters",
        "count",
    )

    def __init__(self, capacity: int, on_room: Callable[[], None]) -> None:
        """*on_room*: see `want_room`."""
        self._capacity = capacity
        self._on_room = on_room
        self._notify_at = -1  # the count at which *on_room* is due; -1: nobody asked
        self._batches: deque[Batch] = deque()
        self._taken = 0  # messages already taken from the front batch
        self.count = 0  # messages that are here; only to be read
        self._waiters: deque[tuple[asyncio.Future[Batch], Callable[[], Batch]]] = deque()
        self._end: BaseException | None = None

    @property
    def room(self) -> int:
        """How many more messages fit."""
        return self._capacity - self.count

    @property
    def end(self) -> BaseException | None:
        """What takers get when nothing is left; None while more may come."""
        return self._end

    def put(self, batch: Batch) -> None:
        """Append a batch and hand messages to those who wait, in their order."""
        if self._waiters and len(batch.messages) == 1:
            # The usual case of a quiet connection: whatever the first of them takes is this.
            future = self._waiters.popleft()[0]
            if not future.done():
                future.set_result(batch)
                return
        self._batches.append(batch)
        self.count += len(batch.messages)
        self._serve()

    def put_back(self, batch: Batch) -> None:
        """Return to the front what a taker was given but, being cancelled, did not use."""
        if self._taken:
            self._batches[0] = self._rest_of_front()
            self._taken = 0
        self._batches.appendleft(batch)
        self.count += len(batch.messages)
        self._serve()

    def finish(self, error: BaseException, *, discard: bool) -> None:
        """Let takers get *error* once nothing is left; with *discard*, at once."""
        if self._end is None:
            self._end = error
        if discard:
            self._batches.clear()
            self.count = self._taken = 0
        self._serve()

    def want_room(self) -> None:
        """Have *on_room* called, once, when half the room is free.

        Not sooner: a consumer that takes one message at a time must not stop and
        start the reading for each.
        """
        self._notify_at = self._capacity // 2

    def ready(self) -> bool:
        """Tell whether a taker who comes now is served without waiting."""
        return self.count > 0 or (self._end is not None and not self._waiters)

    def take_one(self) -> Message:
        """Return the oldest message; raise the end if nothing is left. See `ready`."""
        if not self.count:
            raise self._ended()
        at = self._taken
        batch = self._batches[0]
        messages = batch.messages
        message = messages[at], batch.kind or batch.kinds[at]
        at += 1
        if at == len(messages):
            self._batches.popleft()
            at = 0
        self._taken = at
        self.count -= 1
        if self.count <= self._notify_at:
            self._notify()
        return message

    def take_single(self) -> Batch:
        """Return the oldest message as a batch of its own, with its time; see `take_one`."""
        at = self._taken
        if self.count and at == 0 and len(self._batches[0].messages) == 1:
            return self.take_batch()  # the usual case of a quiet connection: no copy
        batch = self._batches[0].part(at, at + 1) if self.count else None
        self.take_one()
        assert batch is not None
        return batch

    def take_batch(self) -> Batch:
        """Return what is left of the oldest batch; raise the end if nothing is left."""
        if not self.count:
            raise self._ended()
        batch = self._rest_of_front() if self._taken else self._batches[0]
        self._batches.popleft()
        self._taken = 0
        self.count -= len(batch.messages)
        if self.count <= self._notify_at:
            self._notify()
        return batch

    def wait(self, take: Callable[[], Batch]) -> "asyncio.Future[Batch]":
        """Return a future for the result of *take*, behind those who wait already."""
        future: asyncio.Future[Batch] = asyncio.get_running_loop().create_future()
        self._waiters.append((future, take))
        return future

    def abandon(self, future: "asyncio.Future[Batch]") -> None:
        """A taker stopped waiting; what it was already given goes back."""
        if future.done() and not future.cancelled() and future.exception() is None:
            self.put_back(future.result())
            return
        future.cancel()
        self._waiters = deque(waiter for waiter in self._waiters if waiter[0] is not future)

    def _serve(self) -> None:
        while self._waiters and (self.count or self._end is not None):
            future, take = self._waiters.popleft()
            if future.done():
                continue
            try:
                future.set_result(take())
            except BaseException as exc:  # noqa: BLE001 - it is handed to the one who waits
                future.set_exception(exc)

    def _rest_of_front(self) -> Batch:
        front = self._batches[0]
        return front.part(self._taken, len(front.messages))

    def _notify(self) -> None:
        self._notify_at = _NEVER
        self._on_room()

    def _ended(self) -> BaseException:
        assert self._end is not None
        # Raised again and again, its traceback would grow each time.
        return self._end.with_traceback(None)
