"""Whose turn it is: queues in front of budgets, and hosts to stay away from. Pure."""

from collections.abc import Callable

from msgspec import Struct

from ingest.limits.budget import Budget
from ingest.limits.messages import Lane

# Who asks, and its number for what it asks.
Ticket = tuple[int, int]
# Of a lane: so much in any so many seconds.
LimitOf = Callable[[Lane], tuple[int, float]]


class _Queue(Struct):
    """Who waits for one budget, in order."""

    host: str
    budget: Budget
    waiting: dict[Ticket, int]  # weight
    is_answered: bool  # every turn's use is followed by `Turns.answered`


class Turns:
    """First come, first served, at each budget.

    Lanes of one kind at one host with one limit have one budget, whatever the venues'
    names: it is the address that is counted. A ban is the host's, for all its lanes.
    A queue is as long as there are askers who wait: one for each connection that is to
    be opened, and for each REST request.
    """

    def __init__(self, limit_of: LimitOf) -> None:
        self._limit_of = limit_of
        self._queues: dict[tuple[str, str, int, float], _Queue] = {}
        self._where: dict[Ticket, _Queue] = {}
        self._banned: dict[str, float] = {}  # until when, by host
        # REST requests whose turn it was and that are not answered yet: weight, since when.
        self._under_way: dict[Ticket, tuple[_Queue, int, float]] = {}

    def ask(self, ticket: Ticket, lane: Lane, weight: int) -> None:
        """Take a place in the queue."""
        queue = self._queue(lane)
        queue.waiting[ticket] = weight
        self._where[ticket] = queue

    def withdraw(self, ticket: Ticket) -> None:
        """Give the place up; nothing happens if it was this one's turn already."""
        self._under_way.pop(ticket, None)
        queue = self._where.pop(ticket, None)
        if queue is not None:
            del queue.waiting[ticket]

    def answered(self, ticket: Ticket, now_s: float) -> None:
        """Count a request from now on. It was sent at its turn, but it arrived later."""
        found = self._under_way.pop(ticket, None)
        if found is not None:
            queue, weight, used_s = found
            queue.budget.move(weight, used_s, now_s)

    def forget(self, owner: int) -> None:
        """Give up all places of one who is gone. What it used stays used."""
        for ticket in [ticket for ticket in self._under_way if ticket[0] == owner]:
            del self._under_way[ticket]
        for ticket in [ticket for ticket in self._where if ticket[0] == owner]:
            self.withdraw(ticket)

    def ban(self, host: str, until_s: float) -> bool:
        """Nobody may go to *host* before then; return whether that is news."""
        if self._banned.get(host, float("-inf")) >= until_s:
            return False
        self._banned[host] = until_s
        return True

    def believe(self, lane: Lane, used: int, now_s: float) -> None:
        """See `Budget.believe`."""
        self._queue(lane).budget.believe(used, now_s)

    def due(self, now_s: float) -> list[Ticket]:
        """Return whose turn it is now, in order; their uses are booked."""
        due: list[Ticket] = []
        for queue in self._queues.values():
            while queue.waiting and self._wait_s(queue, now_s) <= 0:
                ticket, weight = next(iter(queue.waiting.items()))
                queue.budget.use(weight, now_s)
                self.withdraw(ticket)
                if queue.is_answered:
                    self._under_way[ticket] = (queue, weight, now_s)
                due.append(ticket)
        return due

    def next_in_s(self, now_s: float) -> float | None:
        """Return how long it takes until it is somebody's turn; None: nobody waits."""
        waits = [self._wait_s(queue, now_s) for queue in self._queues.values() if queue.waiting]
        return min(waits, default=None)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._where)

    def _wait_s(self, queue: _Queue, now_s: float) -> float:
        """Return how long the first of the queue has to wait."""
        weight = next(iter(queue.waiting.values()))
        banned_s = self._banned.get(queue.host, now_s) - now_s
        return max(banned_s, queue.budget.wait_s(weight, now_s))

    def _queue(self, lane: Lane) -> _Queue:
        limit, window_s = self._limit_of(lane)
        key = (lane.kind, lane.host, limit, window_s)
        queue = self._queues.get(key)
        if queue is None:
            budget = Budget(limit, window_s)
            queue = self._queues[key] = _Queue(lane.host, budget, {}, lane.kind == "rest")
        return queue
