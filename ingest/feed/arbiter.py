"""Which events of several legs go out in one stream: each once, in order. Pure.

A leg is one connection's share. All legs of a stream bring the same events, one a
little ahead of another; one of them may lose some, or end. What follows what was
published goes out at once, whoever brings it. What does not is held back as long as
another leg may bring what lies between, but not for long, and not much of it.

Times are those of one monotonic clock, in seconds, and come from the caller.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from msgspec import Struct, field

from ingest.books.tracker import BookTracker
from ingest.feed.orders import (
    BookOrder,
    Item,
    KeyOrder,
    NumberOrder,
    Order,
    Position,
    TradeOrder,
    number_of,
)
from ingest.model import AnyEvent, Book, Liquidation, Trade
from ingest.trades.tracker import TradeTracker
from ingest.venues.base import BookRule

# One leg is behind another by less than this, or does not bring it any more.
HOLD_S: Final = 2.0
MOST_HELD: Final = 2_000
# From a subscription on: whatever was sent before it has come by then.
SETTLE_S: Final = 1.0


class Jump(Struct, frozen=True):
    """Stands before a snapshot that follows nothing: what lies between is missing."""


class Doubt(Struct, frozen=True):
    """Stands before an event of which nobody has shown what it follows.

    The legs that could have are silent, and may have been for longer than anybody knows: a
    connection on which nothing arrives any more is found dead only after a while.
    """


_JUMP, _DOUBT = Jump(), Doubt()
Out = list[AnyEvent | Jump | Doubt]


class Arbiter(Protocol):
    """Decides for one stream. A leg is known by its number."""

    repeats: int  # events left out because they were known; the caller's to reset

    def open(self, leg: int, now_s: float, *, joined: bool = False) -> None:
        """The venue feeds the stream on *leg*; *joined*: and did so before we began."""
        ...

    def close(self, leg: int, now_s: float) -> Out:
        """It does not any more; return what is to be published now."""
        ...

    def take(self, leg: int, events: Sequence[AnyEvent], now_s: float) -> Out:
        """Return what is to be published now that *leg* has brought *events*."""
        ...

    def expire(self, now_s: float) -> Out:
        """Return what has waited long enough."""
        ...

    def covers(self, leg: int, now_s: float) -> bool:
        """Tell whether nothing is missing if *leg* goes on alone."""
        ...

    def is_open(self, leg: int) -> bool:
        """Tell whether the venue feeds the stream on *leg*."""
        ...

    @property
    def holding(self) -> bool:
        """Whether something waits."""
        ...


class _Leg(Struct):
    opened_s: float  # when the venue began to feed the stream on it
    position: Position
    held: deque[Item] = field(default_factory=deque)
    held_since_s: float = 0.0


class OrderedArbiter:
    """For streams whose events say where they belong."""

    def __init__(self, order: Order, *, hold_s: float = HOLD_S, most_held: int = MOST_HELD) -> None:
        """*most_held*: of one leg."""
        self.repeats = 0
        self._order = order
        self._hold_s = hold_s
        self._most_held = most_held
        self._legs: dict[int, _Leg] = {}
        self._heard_s: float | None = None

    def open(self, leg: int, now_s: float, *, joined: bool = False) -> None:
        """See `Arbiter`."""
        if leg not in self._legs:
            self._legs[leg] = _Leg(now_s, Position(joined=joined))

    def is_open(self, leg: int) -> bool:
        """See `Arbiter`."""
        return leg in self._legs

    @property
    def holding(self) -> bool:
        """See `Arbiter`."""
        return any(leg.held for leg in self._legs.values())

    def covers(self, leg: int, now_s: float) -> bool:
        """See `Arbiter`: it has met the others, or nothing came since it is there."""
        state = self._legs.get(leg)
        if state is None:
            return False
        if state.position.joined:
            return not state.held or self._spans(state.held[0])
        heard_s = self._heard_s
        quiet = heard_s is None or heard_s < state.opened_s
        return quiet and now_s - state.opened_s >= SETTLE_S

    def take(self, leg: int, events: Sequence[AnyEvent], now_s: float) -> Out:
        """See `Arbiter`."""
        self.open(leg, now_s)
        state, order, out = self._legs[leg], self._order, Out()
        order.begin()
        if events:
            self._heard_s = now_s
        for event in events:
            item = order.item(event, state.position)
            if isinstance(event, Book) and event.type == "snapshot":
                state.held.clear()  # it says all that they do
            if state.held:
                state.held.append(item)
            elif not self._offer(state, item, out):
                state.held.append(item)
                state.held_since_s = now_s
        self._settle(out, now_s)
        return out

    def close(self, leg: int, now_s: float) -> Out:
        """See `Arbiter`."""
        out, state = Out(), self._legs.pop(leg, None)
        if state is None:
            return out
        self._order.begin()
        if not any(other.position.joined for other in self._legs.values()):
            # Nobody is sure to bring what it holds.
            while state.held:
                self._let_go(state, out, now_s)
        self._settle(out, now_s)
        return out

    def expire(self, now_s: float) -> Out:
        """See `Arbiter`."""
        out = Out()
        self._order.begin()
        for state in list(self._legs.values()):
            if state.held and now_s - state.held_since_s >= self._hold_s:
                self._let_go(state, out, now_s)
                self._settle(out, now_s)
        return out

    def _offer(self, state: _Leg, item: Item, out: Out) -> bool:
        """Deal with the next event of a leg; False if it has to wait."""
        position = state.position
        place = self._order.place(item, joined=position.joined)
        if place == "known":
            position.joined = True
            self.repeats += 1
            return True
        if place in ("beyond", "spans"):
            return False
        clear = position.joined or self._order.strict or place == "start"
        if not clear and self._another_joined(state):
            return False
        self._pass(state, item, out)
        return True

    def _spans(self, item: Item) -> bool:
        self._order.begin()
        return self._order.place(item, joined=True) == "spans"

    def _pass(self, state: _Leg, item: Item, out: Out) -> None:
        self._order.passed(item)
        state.position.joined = True
        out.append(item.event)

    def _another_joined(self, state: _Leg) -> bool:
        return any(leg.position.joined for leg in self._legs.values() if leg is not state)

    def _settle(self, out: Out, now_s: float) -> None:
        """Publish what can be, now that others may have come to where it waits."""
        while True:
            moved = False
            for state in self._legs.values():
                if state.held:
                    moved |= self._advance(state, out, now_s)
            if moved:
                continue
            stuck = [state for state in self._legs.values() if state.held]
            if not stuck or len(stuck) < len(self._legs):
                # Somebody may still bring what is missing; but there is an end to all.
                stuck = [state for state in stuck if len(state.held) > self._most_held]
            if not stuck:
                return
            self._let_go(min(stuck, key=_first_number), out, now_s)

    def _advance(self, state: _Leg, out: Out, now_s: float) -> bool:
        """Take from a leg's held events what need not wait; whether there was any."""
        before, held = len(state.held), state.held
        if not (self._order.strict or state.position.joined):
            self._join(state)
        while held and self._offer(state, held[0], out):
            held.popleft()
        if len(held) == before:
            return False
        state.held_since_s = now_s
        return True

    def _join(self, state: _Leg) -> None:
        """Find what another leg has brought meanwhile: all before it is known, too."""
        order, held = self._order, state.held
        for behind in range(len(held) - 1, -1, -1):
            if order.place(held[behind], joined=False) == "known":
                for _ in range(behind):
                    held.popleft()
                    self.repeats += 1
                return

    def _let_go(self, state: _Leg, out: Out, now_s: float) -> None:
        """Publish a leg's first held event, whatever is missing before it."""
        item = state.held.popleft()
        if isinstance(item.event, Book) and item.event.type == "snapshot":
            out.append(_JUMP)
        elif not (state.position.joined or self._order.strict):
            out.append(_DOUBT)
        self._pass(state, item, out)
        state.held_since_s = now_s


class _Standby(Struct):
    opened_s: float
    book: BookTracker | None
    newest: Book | None = None

    @property
    def whole(self) -> bool:
        return self.newest is not None and self.book is not None and self.book.whole


class LeadArbiter:
    """For streams whose events say nothing of their order: one leg's go out.

    Of a book, those of the others are kept, as the book that they make: when the leg
    ends, that of another takes its place as a whole.
    """

    holding = False

    def __init__(self, book: BookRule | None) -> None:
        """*book*: how the books of the stream are made; None: they are none."""
        self.repeats = 0
        self._rule = book
        self._legs: dict[int, _Standby] = {}
        self._lead: int | None = None
        self._heard_s: float | None = None

    def open(self, leg: int, now_s: float, *, joined: bool = False) -> None:  # noqa: ARG002
        """See `Arbiter`."""
        if leg not in self._legs:
            tracker = None if self._rule is None else BookTracker(self._rule, keep=True)
            self._legs[leg] = _Standby(now_s, tracker)
            if self._lead is None:
                self._lead = leg

    def is_open(self, leg: int) -> bool:
        """See `Arbiter`."""
        return leg in self._legs

    def take(self, leg: int, events: Sequence[AnyEvent], now_s: float) -> Out:
        """See `Arbiter`."""
        self.open(leg, now_s)
        if events:
            self._heard_s = now_s
        if leg == self._lead:
            return list(events)
        self.repeats += len(events)
        standby = self._legs[leg]
        if standby.book is not None:
            for event in events:
                assert isinstance(event, Book)
                standby.book.step(event)
                standby.newest = event
        return []

    def close(self, leg: int, now_s: float) -> Out:  # noqa: ARG002
        """See `Arbiter`."""
        if self._legs.pop(leg, None) is None or leg != self._lead:
            return []
        whole = [other for other, standby in self._legs.items() if standby.whole]
        self._lead = next(iter(whole or self._legs), None)
        return [_book_of(self._legs[whole[0]])] if whole else []

    def expire(self, now_s: float) -> Out:  # noqa: ARG002
        """See `Arbiter`."""
        return []

    def covers(self, leg: int, now_s: float) -> bool:
        """See `Arbiter`: it is the one, or has a book to go on with, or nothing came."""
        standby = self._legs.get(leg)
        if standby is None:
            return False
        if leg == self._lead or standby.whole:
            return True
        quiet = self._heard_s is None or self._heard_s < standby.opened_s
        return quiet and now_s - standby.opened_s >= SETTLE_S


def _book_of(standby: _Standby) -> Book:
    newest, tracker = standby.newest, standby.book
    assert newest is not None and tracker is not None and tracker.ladder is not None
    return Book(
        rx=newest.rx,
        ts=newest.ts,
        type="snapshot",
        bids=tracker.ladder.bids(),
        asks=tracker.ladder.asks(),
        seq=newest.seq,
    )


def arbiter_for(
    event: AnyEvent, book: BookTracker | None, trades: TradeTracker | None
) -> OrderedArbiter | LeadArbiter:
    """Return the arbiter for a stream of such events, with what tracks it if anything does."""
    if book is not None:
        # Without a rule that shows a loss, a book that is fetched has at least an order.
        if book.rule.continuity == "none" and book.comes_in_stream:
            return LeadArbiter(book.rule)
        return OrderedArbiter(BookOrder(book))
    if trades is not None:
        return OrderedArbiter(TradeOrder(trades))
    if isinstance(event, Trade | Liquidation):
        known = event.id is not None or event.ts is not None
        return OrderedArbiter(KeyOrder()) if known else LeadArbiter(None)
    return OrderedArbiter(NumberOrder()) if number_of(event) is not None else LeadArbiter(None)


def _first_number(state: _Leg) -> int:
    return state.held[0].number or 0
