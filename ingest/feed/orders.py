"""By what the events of one stream are recognised, and put in order, whichever leg brings them.

Pure. An event is "known" if it was published already, "next" if nothing is missing
between what was published and it, "beyond" if something is, by the venue's numbers. It
"spans" what was published last where legs do not cut the same changes alike. With a
"start" the stream begins, whatever was before.
"""

from collections import deque
from collections.abc import Hashable
from typing import Any, Literal, Protocol

from msgspec import Struct, structs

from ingest.books.tracker import BookTracker
from ingest.model import AnyEvent, Book, Candle, Liquidation, Trade
from ingest.trades.tracker import TradeTracker
from ingest.trades.tracker import number_of as number_of_trade

Place = Literal["known", "next", "start", "beyond", "spans"]

# Events of one stream that are recognised when another leg brings them, where nothing
# but that shows that they are old; of trades also those of the last seconds, within reason.
_REMEMBERED = 256
_MOST_REMEMBERED = 8192
_REMEMBERED_NS = 10_000_000_000


class Position(Struct):
    """Where one leg is in a stream, as long as its subscription lasts."""

    joined: bool = False  # it has shown something that is known, or follows what is
    number: int | None = None  # of its last event
    ts: int | None = None  # of the trades in `alike`
    alike: dict[Hashable, int] = {}  # how often trades came that are the same in all


class Item(Struct, frozen=True):
    """An event as one leg brought it."""

    event: Any
    key: Hashable  # the same in all legs
    number: int | None = None
    is_back: bool = False  # the leg's own numbers go back: maybe they count anew


class Order(Protocol):
    """The rule of one stream. `begin` comes before the others, each time."""

    @property
    def strict(self) -> bool:
        """Whether numbers alone show now that an event follows.

        Otherwise a leg has to show something that is known before it is clear where it is.
        """
        ...

    def begin(self) -> None:
        """Look where the stream stands: others publish in it, too."""
        ...

    def item(self, event: Any, position: Position) -> Item:
        """Take an event of a leg in; once for each, in the leg's order."""
        ...

    def place(self, item: Item, *, joined: bool) -> Place:
        """Tell where an event stands. *joined*: its leg's `Position.joined`."""
        ...

    def passed(self, item: Item) -> None:
        """Note that an event goes out."""
        ...


class BookOrder:
    """Updates of books, by the venue's rule; where that shows no loss, by `seq` alone."""

    def __init__(self, tracker: BookTracker) -> None:
        self._tracker = tracker
        self._continuity = tracker.rule.continuity
        self._last: int | None = None
        self._recent = _Recent()

    @property
    def strict(self) -> bool:
        """See `Order`."""
        return self._continuity != "none" and self._last is not None

    def begin(self) -> None:
        """See `Order`."""
        self._last = self._tracker.last

    def item(self, event: Book, position: Position) -> Item:
        """See `Order`."""
        # A keep-alive has the number of the update before it.
        return _numbered(event, (event.type, event.seq, event.ts), event.seq, position)

    def place(self, item: Item, *, joined: bool) -> Place:
        """See `Order`."""
        book: Book = item.event
        seq, last = book.seq, self._last
        if book.type == "snapshot" and not self._tracker.synchronised:
            return "start"
        if last is None or seq is None:
            return "next"
        if item.key in self._recent:
            return "known"
        if book.type == "snapshot":
            if joined and item.is_back:
                return "start"  # the venue counts anew
            return "known" if seq <= last else "beyond"
        if self._follows(book, seq, last):
            return "next"
        if seq <= last:
            return "known"
        return "spans" if self._before(book, seq) < last else "beyond"

    def passed(self, item: Item) -> None:
        """See `Order`."""
        if item.number is not None:
            if item.is_back and item.event.type == "snapshot":
                self._recent = _Recent()
            self._last = item.number
            self._recent.add(item.key)

    def _follows(self, book: Book, seq: int, last: int) -> bool:
        return seq > last if self._continuity == "none" else self._before(book, seq) == last

    def _before(self, book: Book, seq: int) -> int:
        """Return the number behind which *book* comes, by the venue's rule."""
        match self._continuity:
            case "prev_seq" if book.prev_seq is not None:
                return book.prev_seq
            case "first_seq" if book.first_seq is not None:
                return book.first_seq - 1
        return seq - 1


class TradeOrder:
    """Trades whose ids are consecutive integers."""

    def __init__(self, tracker: TradeTracker) -> None:
        self._tracker = tracker
        self._due: int | None = None

    @property
    def strict(self) -> bool:
        """See `Order`."""
        return self._due is not None

    def begin(self) -> None:
        """See `Order`."""
        self._due = self._tracker.due

    def item(self, event: Trade, position: Position) -> Item:
        """See `Order`."""
        return _numbered(event, event.id, number_of_trade(event), position)

    def place(self, item: Item, *, joined: bool) -> Place:  # noqa: ARG002
        """See `Order`."""
        number, due = item.number, self._due
        if number is None or due is None or number == due:
            return "next"
        if number > due:
            return "beyond"
        # What fills a hole, or counts anew, is the tracker's to say.
        return "next" if item.is_back or self._tracker.misses(number) else "known"

    def passed(self, item: Item) -> None:
        """See `Order`."""
        if item.number is not None:
            self._due = max(self._due or 0, item.number + 1)


class KeyOrder:
    """Trades by their id; those without one by all they say, and how often they say it."""

    strict = False

    def __init__(self) -> None:
        self._recent = _Recent()

    def begin(self) -> None:
        """See `Order`."""

    def item(self, event: Trade | Liquidation, position: Position) -> Item:
        """See `Order`."""
        if event.id is not None:
            return Item(event, event.id)
        if position.ts != event.ts:
            position.ts, position.alike = event.ts, {}
        content = _content(event)
        position.alike[content] = nth = position.alike.get(content, 0) + 1
        return Item(event, (content, nth))

    def place(self, item: Item, *, joined: bool) -> Place:  # noqa: ARG002
        """See `Order`."""
        known = item.key in self._recent or self._recent.is_before(item.event.ts)
        return "known" if known else "next"

    def passed(self, item: Item) -> None:
        """See `Order`."""
        self._recent.add(item.key, item.event.ts)


class NumberOrder:
    """States (best prices, tickers, bars): by the venue's number, else by its time.

    Several with one number are told apart by what they say.
    """

    strict = False

    def __init__(self) -> None:
        self._last: int | None = None
        self._recent = _Recent()

    def begin(self) -> None:
        """See `Order`."""

    def item(self, event: AnyEvent, position: Position) -> Item:
        """See `Order`."""
        number = number_of(event)
        return _numbered(event, (number, _content(event)), number, position)

    def place(self, item: Item, *, joined: bool) -> Place:  # noqa: ARG002
        """See `Order`."""
        if item.key in self._recent:
            return "known"
        number, last = item.number, self._last
        is_old = number is not None and last is not None and number < last
        return "known" if is_old and not item.is_back else "next"

    def passed(self, item: Item) -> None:
        """See `Order`."""
        self._last = item.number
        self._recent.add(item.key)


def number_of(event: AnyEvent) -> int | None:
    """Return what orders the states of a stream; None: the venue sends nothing that would."""
    seq: int | None = getattr(event, "seq", None)
    if seq is not None:
        return seq
    if event.ts is not None:
        return event.ts
    return event.start if isinstance(event, Candle) else None


class _Recent:
    """The newest keys, and up to which time there were others."""

    __slots__ = ("_keys", "_queue", "_until")

    def __init__(self) -> None:
        self._queue: deque[tuple[Hashable, int | None]] = deque()
        self._keys: set[Hashable] = set()
        self._until: int | None = None

    def __contains__(self, key: Hashable) -> bool:
        return key in self._keys

    def add(self, key: Hashable, ts: int | None = None) -> None:
        if key in self._keys:
            return
        queue = self._queue
        self._keys.add(key)
        queue.append((key, ts))
        while len(queue) > _MOST_REMEMBERED or (
            len(queue) > _REMEMBERED and not _is_recent(queue[0][1], ts)
        ):
            self._forget(ts)

    def _forget(self, now: int | None) -> None:
        """Forget the oldest, and all of its moment: what is of that is known to be old then."""
        queue = self._queue
        oldest, then = queue.popleft()
        self._keys.discard(oldest)
        if then is None or then == now:
            return  # more of this moment may come, and be new
        while queue and queue[0][1] == then:
            self._keys.discard(queue.popleft()[0])
        if self._until is None or then > self._until:
            self._until = then

    def is_before(self, ts: int | None) -> bool:
        """Whether nothing of that time is remembered any more: it is too long ago to be new."""
        return ts is not None and self._until is not None and ts <= self._until


def _is_recent(then: int | None, now: int | None) -> bool:
    return then is not None and now is not None and then > now - _REMEMBERED_NS


def _numbered(event: AnyEvent, key: Hashable, number: int | None, position: Position) -> Item:
    before = position.number
    is_back = number is not None and before is not None and number < before
    if number is not None:
        position.number = number
    return Item(event, key, number, is_back)


def _content(event: AnyEvent) -> Hashable:
    if isinstance(event, Book):  # whole each time; its levels are lists
        return event.ts, str(event.bids), str(event.asks)
    return structs.replace(event, rx=0)
