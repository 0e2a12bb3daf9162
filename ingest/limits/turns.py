"""Whose turn it is: queues in front of budgets, and hosts to stay away from. Pure."""

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from ingest.limits.budget import Budget, Use
from ingest.limits.messages import Kind, Lane
from ingest.limits.reach import Reach, Ticket

# Of a lane: so much in any so many seconds.
LimitOf = Callable[[Lane], tuple[int, float]]


class Counted(Struct, frozen=True):
    """What is counted together: attempts, or requests, of venues of one group at one host."""

    kind: Kind
    group: str
    host: str


class _Asked(Struct, frozen=True):
    weight: int
    who: str


class _Queue:
    """Who waits for one budget, in order. Of venues that share it, the sharpest limit counts."""

    def __init__(self, counted: Counted, reach: Reach | None, past: Sequence[Use]) -> None:
        self.counted = counted
        self.reach = reach  # of attempts to connect
        self.waiting: dict[Ticket, _Asked] = {}
        self._budgets: dict[tuple[int, float], Budget] = {}
        self._past = past

    def limit(self, limit: int, window_s: float) -> None:
        """Keep to this limit, too; what was used already counts."""
        if (limit, window_s) not in self._budgets:
            self._budgets[limit, window_s] = Budget(limit, window_s, self.uses())

    def uses(self) -> Sequence[Use]:
        """Return the uses of the longest window, in order; some older ones may be among them."""
        longest = max(self._budgets.values(), key=lambda budget: budget.window_s, default=None)
        return self._past if longest is None else longest.uses

    def first(self) -> Ticket:
        """Return who is next; somebody waits."""
        if self.reach is not None:
            for ticket, asked in self.waiting.items():
                if self.reach.prefers(asked.who):
                    return ticket
        return next(iter(self.waiting))

    def wait_s(self, now_s: float) -> float:
        """Return how long the next one has to wait."""
        weight = self.waiting[self.first()].weight
        waits_s = [budget.wait_s(weight, now_s) for budget in self._budgets.values()]
        return max(*waits_s, 0.0 if self.reach is None else self.reach.wait_s(now_s))

    def use(self, ticket: Ticket, now_s: float) -> None:
        """Book a use."""
        asked = self.waiting[ticket]
        for budget in self._budgets.values():
            budget.use(asked.weight, now_s)
        if self.reach is not None:
            self.reach.begin(ticket, asked.who, now_s)

    def move(self, weight: int, used_s: float, now_s: float) -> None:
        """See `Budget.move`."""
        for budget in self._budgets.values():
            budget.move(weight, used_s, now_s)

    def believe(self, used: int, now_s: float) -> None:
        """See `Budget.believe`."""
        for budget in self._budgets.values():
            budget.believe(used, now_s)


class _Trying(Struct, frozen=True):
    """An attempt to connect, or a request, whose turn it was: it was booked then."""

    queue: _Queue
    weight: int
    since_s: float


class Turns:
    """First come, first served, at each budget.

    Lanes of one kind at one host have one budget if their venues are of one group: it is
    the address that is counted. A ban is the host's, for all its lanes.
    A queue is as long as there are askers who wait: one for each connection that is to
    be opened, and for each REST request. Who connects is let in as `Reach` has it.
    """

    def __init__(
        self,
        limit_of: LimitOf,
        *,
        group_of: Callable[[Lane], str] = lambda _: "",
        new_reach: Callable[[], Reach] = lambda: Reach(0.5, 30.0),
    ) -> None:
        self._limit_of = limit_of
        self._group_of = group_of
        self._new_reach = new_reach
        self._queues: dict[Counted, _Queue] = {}
        self._where: dict[Ticket, _Queue] = {}
        self._trying: dict[Ticket, _Trying] = {}  # attempts and requests that are not over
        self._past: dict[Counted, Sequence[Use]] = {}
        self.banned: dict[str, float] = {}  # until when, by host; also what is over

    def ask(self, ticket: Ticket, lane: Lane, weight: int, *, who: str = "") -> None:
        """Take a place in the queue. *who*: the connection that is to be opened."""
        queue = self._queue(lane)
        queue.waiting[ticket] = _Asked(weight, who)
        self._where[ticket] = queue

    def withdraw(self, ticket: Ticket) -> None:
        """Give up the place or, if it was this one's turn already, the attempt."""
        queue = self._where.pop(ticket, None)
        if queue is not None:
            del queue.waiting[ticket]
            return
        trying = self._trying.pop(ticket, None)
        if trying is not None and trying.queue.reach is not None:
            trying.queue.reach.void(ticket)

    def ended(self, ticket: Ticket, reached: bool, now_s: float) -> None:
        """Say how an attempt to connect ended, see `Reach.end`; or that a request is over.

        A request counts from now on: it was sent at its turn, but it arrived later.
        """
        trying = self._trying.pop(ticket, None)
        if trying is None:
            return
        queue = trying.queue
        if queue.reach is not None:
            queue.reach.end(ticket, reached, now_s)
        else:
            queue.move(trying.weight, trying.since_s, now_s)

    def lost(self, lane: Lane) -> None:
        """See `Reach.lost`."""
        reach = self._queue(lane).reach
        if reach is not None:
            reach.lost()

    def failing(self) -> Iterator[tuple[Counted, int]]:
        """Yield what is connected to, and `Reach.failed` of it."""
        for queue in self._queues.values():
            if queue.reach is not None:
                yield queue.counted, queue.reach.failed

    def forget(self, owner: int) -> None:
        """Give up all that one who is gone waited for or tried. What it used stays used."""
        for ticket in [t for t in (*self._where, *self._trying) if t[0] == owner]:
            self.withdraw(ticket)

    def ban(self, host: str, until_s: float) -> bool:
        """Nobody may go to *host* before then; return whether that is news."""
        if self.banned.get(host, float("-inf")) >= until_s:
            return False
        self.banned[host] = until_s
        return True

    def believe(self, lane: Lane, used: int, now_s: float) -> None:
        """See `Budget.believe`."""
        self._queue(lane).believe(used, now_s)

    def due(self, now_s: float) -> list[Ticket]:
        """Return whose turn it is now, in order; their uses are booked."""
        due: list[Ticket] = []
        for queue in self._queues.values():
            while queue.waiting and self._wait_s(queue, now_s) <= 0:
                ticket = queue.first()
                weight = queue.waiting[ticket].weight
                queue.use(ticket, now_s)
                self.withdraw(ticket)
                if queue.counted.kind != "message":
                    self._trying[ticket] = _Trying(queue, weight, now_s)
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

    def uses(self) -> Iterator[tuple[Counted, Sequence[Use]]]:
        """Yield what was used in the last windows; some that is older may be among it."""
        for counted, uses in self._past.items():
            if counted not in self._queues:
                yield counted, uses
        for counted, queue in self._queues.items():
            yield counted, queue.uses()

    def recall(self, counted: Counted, uses: Sequence[Use]) -> None:
        """Count what was used, in order, before there was anybody here to book it."""
        self._past[counted] = uses

    def _wait_s(self, queue: _Queue, now_s: float) -> float:
        """Return how long the first of the queue has to wait."""
        banned_s = self.banned.get(queue.counted.host, now_s) - now_s
        return max(banned_s, queue.wait_s(now_s))

    def _queue(self, lane: Lane) -> _Queue:
        counted = Counted(lane.kind, self._group_of(lane), lane.host)
        queue = self._queues.get(counted)
        if queue is None:
            reach = self._new_reach() if lane.kind == "connect" else None
            queue = _Queue(counted, reach, self._past.get(counted, ()))
            self._queues[counted] = queue
        queue.limit(*self._limit_of(lane))
        return queue
