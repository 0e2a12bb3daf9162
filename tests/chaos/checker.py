"""What a stream holds against what the venue sent. Pure.

A checker takes a stream's entries in order and says what is wrong with them: loss that
no marker tells of, repetitions, wrong order, contents that the venue did not send,
markers that say what is not so. What markers mean is docs/streams.md's.
"""

import json
from collections import Counter, deque
from collections.abc import Callable, Mapping

from tests.chaos.market import SPAN, Instrument, apply

_MARKERS = ("gap", "resume", "reset")
_LAST = ("removed", "reloaded")  # gaps, behind which somebody begins anew
_CONTEXT = 12  # entries shown before one that is wrong
_MOST_PROBLEMS = 20

Fields = Mapping[str, str]


class Checker:
    """Common to all channels: ids, markers, context."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.problems: list[str] = []
        self.entries = 0
        self.markers: Counter[str] = Counter()
        self.unmarked_until = 0  # highest number of the venue's that was seen
        self.position = "0-0"
        self._ended = ""  # the gap that stands before, if it is the last of a process's entries
        self._recent: deque[tuple[str, Fields]] = deque(maxlen=_CONTEXT)

    @property
    def whole(self) -> bool:
        """Nothing is marked as missing from here on."""
        return True

    def take(self, entry_id: str, fields: Fields) -> None:
        """Look at the next entry."""
        self.entries += 1
        self._recent.append((entry_id, fields))
        if _parsed(entry_id) <= _parsed(self.position):
            self._wrong(f"id {entry_id} is not above {self.position}")
        self.position = entry_id
        if not fields.get("rx", "").isdecimal():
            self._wrong("no `rx`")
        kind = fields.get("type", "")
        # Of a stream that is conflated only the newest word is kept.
        newest_only = (kind, fields.get("reason")) == ("gap", "conflated")
        if self._ended and kind != "reset" and not newest_only:
            self._wrong(f"behind a gap ({self._ended}) is no reset")
        self._ended = ""
        if kind in _MARKERS:
            if kind == "gap" and fields.get("reason") in _LAST:
                self._ended = fields["reason"]
            self.markers[f"{kind} {fields.get('reason', '')}"] += 1
            self._marker(kind, fields.get("reason", ""), fields)
        else:
            try:
                self._data(fields)
            except (KeyError, ValueError) as exc:
                self._wrong(f"cannot be read: {exc!r}")

    def _marker(self, kind: str, reason: str, fields: Fields) -> None:
        raise NotImplementedError

    def _data(self, fields: Fields) -> None:
        raise NotImplementedError

    def _compare(self, fields: Fields, expected: Fields) -> None:
        found = {name: value for name, value in fields.items() if name not in ("rx", "backfill")}
        if found != expected:
            self._wrong(f"the venue sent {expected}")

    def _wrong(self, text: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            before = "\n    ".join(f"{at} {dict(each)}"[:300] for at, each in self._recent)
            self.problems.append(f"{self.key}: {text}; the entries up to it:\n    {before}")


class QuoteChecker(Checker):
    """Best prices: consecutive, but where a marker stands between."""

    def __init__(self, key: str, instrument: Instrument) -> None:
        super().__init__(key)
        self._expected = instrument.quote
        self._excused = True  # where a stream begins, nothing is missing
        self._excuse = ""
        self._in_gap = ""
        self.missing: Counter[str] = Counter()  # by the last marker that stands there

    @property
    def whole(self) -> bool:
        return not self._in_gap

    def _marker(self, kind: str, reason: str, fields: Fields) -> None:
        self._excused, self._excuse = True, reason
        self._in_gap = reason if kind == "gap" else ""

    def _data(self, fields: Fields) -> None:
        number, last = int(fields["seq"]), self.unmarked_until
        if number <= last:
            self._wrong(f"number {number} came after {last}")
        elif number > last + 1 and not self._excused:
            self._wrong(f"{last + 1} to {number - 1} are missing, and nothing says so")
        elif last and number > last + 1:
            self.missing[self._excuse] += number - last - 1
        # Behind what was lost of what had been taken, entries wait already.
        if self._in_gap not in ("", "dropped"):
            self._wrong(f"data in a gap ({self._in_gap}) that nothing has ended")
            self._in_gap = ""
        self._excused = False
        self.unmarked_until = max(number, last)
        self._compare(fields, self._expected(number))


class BookChecker(Checker):
    """Updates that are consecutive, and a book as readers are told to keep it."""

    def __init__(self, key: str, instrument: Instrument, *, forget: bool = False) -> None:
        """*forget*: what was compared is not needed again; the instrument's hashes go."""
        super().__init__(key)
        self._instrument = instrument
        self._forget = forget
        self._forgotten = 0
        self._excused = True
        self._in_gap = ""
        self._sides: dict[str, dict[str, str]] | None = None
        self._hash = 0
        self._at = 0
        self.compared = 0  # books that were the venue's

    @property
    def whole(self) -> bool:
        return self._sides is not None and not self._in_gap

    def _marker(self, kind: str, reason: str, fields: Fields) -> None:
        self._sides = None
        self._excused = True
        if kind == "gap":
            self._in_gap = reason
        else:
            self._in_gap = ""

    def _data(self, fields: Fields) -> None:
        seq = int(fields["seq"])
        if fields["type"] == "snapshot":
            self._snapshot(seq, fields)
        else:
            self._delta(seq, fields)

    def _snapshot(self, seq: int, fields: Fields) -> None:
        last = self.unmarked_until
        if seq < last:
            self._wrong(f"a snapshot as of {seq} behind the update {last}")
        # One that was waited for may know updates that are still on their way: they are
        # passed over then.
        if seq > last and self._sides is not None and not self._excused:
            self._wrong(f"{last + 1} to {seq} are missing, and only a snapshot says so")
        if self._in_gap:
            self._wrong(f"a snapshot in a gap ({self._in_gap}) that nothing has ended")
        self._sides = {"b": {}, "a": {}}
        self._hash = 0
        for side, name in (("b", "bids"), ("a", "asks")):
            self._hash ^= apply(self._sides[side], side, json.loads(fields[name]))
        # Deltas that it knows are passed over: the next one is behind it.
        self.unmarked_until = self._at = max(seq, last)
        self._excused = False
        self._compare_book(seq)

    def _delta(self, seq: int, fields: Fields) -> None:
        last, first = self.unmarked_until, int(fields["first_seq"])
        if seq <= last:
            self._wrong(f"update {seq} came after {last}")
        elif first != last + 1 and not (self._excused or self._in_gap):
            self._wrong(f"{last + 1} to {first - 1} are missing, and nothing says so")
        self._excused = False
        self.unmarked_until = max(seq, last)
        expected = self._instrument.update(seq // SPAN)
        bids, asks = json.loads(fields["bids"]), json.loads(fields["asks"])
        self._compare(
            {**fields, "bids": bids, "asks": asks},  # type: ignore[dict-item]
            {**expected, "type": "delta"},
        )
        if self._sides is not None and seq > self._at:
            self._hash ^= apply(self._sides["b"], "b", bids)
            self._hash ^= apply(self._sides["a"], "a", asks)
            self._compare_book(seq)

    def _compare_book(self, seq: int) -> None:
        if self._instrument.hashes.get(seq) != self._hash:
            self._wrong(f"the venue's book at {seq} was another one")
            self._sides = None
            return
        self.compared += 1
        if self._forget:
            for gone in range(self._forgotten, seq, SPAN):
                self._instrument.hashes.pop(gone, None)
            self._forgotten = seq


class TradeChecker(Checker):
    """Each trade once; a missing one is inside a range that is marked."""

    def __init__(self, key: str, instrument: Instrument) -> None:
        super().__init__(key)
        self._expected = instrument.trade
        self._excused = ""  # the marker without a range that stands between
        self._ranges: list[tuple[int, int]] = []  # marked, and not said to be whole
        self.missing: dict[int, str] = {}  # by number: "marked", or the marker that excuses it
        self.backfilled = 0
        self._in_dropped: set[int] = set()  # that were missing there, and came late
        self._first: int | None = None

    def _marker(self, kind: str, reason: str, fields: Fields) -> None:
        given = (fields.get("from_seq"), fields.get("to_seq"))
        if given == (None, None):
            if kind == "reset" or reason == "dropped":
                self._excused = f"{kind} {reason}"
            return
        first, last = int(given[0] or ""), int(given[1] or "")
        if kind == "gap":
            self._gap(first, last)
        elif kind == "resume":
            self._resume(first, last)

    def _gap(self, first: int, last: int) -> None:
        if first > last:
            self._wrong(f"a range from {first} to {last}")
        here = [n for n in range(first, min(last, self.unmarked_until) + 1) if self._is_here(n)]
        if here:
            self._wrong(f"marked as missing, but here: {here[:5]}")
        for number in range(first, min(last, self.unmarked_until) + 1):
            self.missing[number] = "marked"
        self._ranges.append((first, last))

    def _resume(self, first: int, last: int) -> None:
        if (first, last) in self._ranges:
            self._ranges.remove((first, last))
        elif not all(number in self._in_dropped for number in range(first, last + 1)):
            self._wrong(f"{first} to {last} was not marked as missing")
        missing = [n for n in range(first, last + 1) if not self._is_here(n)]
        if missing:
            self._wrong(f"said to be whole, but missing: {missing[:5]}")

    def _is_here(self, number: int) -> bool:
        return (
            self._first is not None
            and self._first <= number <= self.unmarked_until
            and number not in self.missing
        )

    def _data(self, fields: Fields) -> None:
        number, top = int(fields["id"]), self.unmarked_until
        late = fields.get("backfill") == "1"
        if self._first is None:
            self._first, top = number, number - 1
        if number > top:
            for passed in range(top + 1, number):
                self.missing[passed] = "marked" if self._marked(passed) else self._excused
            unmarked = [n for n in range(top + 1, number) if not self.missing[n]]
            if unmarked:
                self._wrong(
                    f"{len(unmarked)} trades, {unmarked[0]} to {unmarked[-1]}, are missing, "
                    "and nothing says so"
                )
            self.unmarked_until = number
        elif (excuse := self.missing.pop(number, None)) is None:
            self._wrong(f"trade {number} was here already, or is out of order")
        elif late and excuse.endswith(" dropped"):
            # The gap with its range is among what was dropped.
            self._in_dropped.add(number)
        elif not (late and self._marked(number)):
            self._wrong(f"trade {number} is out of order, and does not say so")
        if late:
            self.backfilled += 1
            if number > top and not self._marked(number):
                self._wrong(f"trade {number} fills no gap that was marked")
        self._excused = ""
        self._compare(fields, self._expected(number))

    def _marked(self, number: int) -> bool:
        return any(first <= number <= last for first, last in reversed(self._ranges))


def make(key: str, instrument: Instrument, *, forget: bool = False) -> Checker:
    """Return the checker of a stream, by its key's channel."""
    channel = key.split(":")[2]
    if channel == "book":
        return BookChecker(key, instrument, forget=forget)
    kinds: dict[str, Callable[[str, Instrument], Checker]] = {
        "trade": TradeChecker,
        "bbo": QuoteChecker,
    }
    return kinds[channel](key, instrument)


def _parsed(entry_id: str) -> tuple[int, int]:
    ms, _, n = entry_id.partition("-")
    return int(ms), int(n)
