"""Which message is due when. Pure: times come from the caller, in monotonic ns.

Every topic has ONE position, shared by all who listen, as at a live venue.
"""

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Generic, TypeVar

from msgspec import Struct

from ingest.replay.tracks import Track

# Recorded time between two rounds of a loop: the next must not begin while messages of
# the last are due, and a recording of a single moment must not loop in no time at all.
_LOOP_PAUSE_NS = 1_000_000_000


class Cursor(Struct, eq=False):
    """The position of one topic. Moved by `Playback` alone."""

    venue: str
    topic: str  # as subscribed: a stand-in's own name, not the recorded one
    track: Track
    index: int = 0  # of the next message
    origin_ns: int | None = None  # when the axis was, or would have been, at 0
    held: bool = False

    @property
    def started(self) -> bool:
        return self.origin_ns is not None

    @property
    def remaining(self) -> int:
        return len(self.track) - self.index

    @property
    def payload(self) -> bytes:
        """The next message; only while `remaining`."""
        return self.track.payloads[self.index]

    @property
    def recorded_ns(self) -> int | None:
        """The recorded time reached, Unix ns: of the next message, or at the end the last."""
        times = self.track.recorded_ns
        return times[min(self.index, len(times) - 1)] if self.started and times else None


C = TypeVar("C", bound=Cursor)


class Playback(Generic[C]):
    """Interleaves the topics that have been started.

    *speed* is recorded seconds per second, None for as fast as `pop` is called:
    then time is virtual, going from message to message.
    """

    def __init__(self, *, speed: float | None, loop: bool) -> None:
        if speed is not None and speed <= 0:
            raise ValueError(f"speed is {speed}; use a number above 0, or None for no pacing")
        self._speed = speed
        self._loop = loop
        self._virtual_ns = 0
        # (due, order, tie-break, cursor): a cursor is here, or held, or at its end.
        self._due: list[tuple[int, int, int, C]] = []
        self._pushed = 0
        # Cursors started and not at their end; 0 again once everything has been taken.
        self.unfinished = 0

    def start(self, cursors: Iterable[C], now_ns: int) -> None:
        """Set those going, together, that were never started; release held ones."""
        for cursor in cursors:
            if cursor.origin_ns is None:
                cursor.origin_ns = self._virtual_ns if self._speed is None else now_ns
                if cursor.remaining:
                    self.unfinished += 1
                    self._push(cursor)
            else:
                self.release(cursor)

    def pop(self, now_ns: int) -> C | None:
        """Take out the cursor whose message is due next, or None if none is by *now_ns*.

        The caller then calls either `advance` or `hold`.
        """
        if not self._due:
            return None
        due_ns = self._due[0][0]
        if self._speed is None:
            self._virtual_ns = max(self._virtual_ns, due_ns)
        elif due_ns > now_ns:
            return None
        return heappop(self._due)[3]

    def advance(self, cursor: C) -> None:
        """Move past the message of a cursor just popped."""
        cursor.index += 1
        if cursor.index == len(cursor.track):
            if not self._loop:
                self.unfinished -= 1
                return
            cursor.index = 0
            assert cursor.origin_ns is not None
            cursor.origin_ns += self._scaled(cursor.track.length_ns + _LOOP_PAUSE_NS)
        self._push(cursor)

    def hold(self, cursor: C) -> None:
        """Put a cursor just popped aside: its message stays its next until `release`."""
        cursor.held = True

    def release(self, cursor: C) -> None:
        """End a `hold`; nothing happens to a cursor that is not held."""
        if cursor.held:
            cursor.held = False
            self._push(cursor)

    def next_due_ns(self) -> int | None:
        """When `pop` will have something, or None: not before a `start` or `release`."""
        if not self._due:
            return None
        return 0 if self._speed is None else self._due[0][0]

    def _push(self, cursor: C) -> None:
        assert cursor.origin_ns is not None
        # Always from the origin: rounding does not add up, so pacing does not drift.
        due_ns = cursor.origin_ns + self._scaled(cursor.track.axis_ns[cursor.index])
        self._pushed += 1
        heappush(self._due, (due_ns, cursor.track.order[cursor.index], self._pushed, cursor))

    def _scaled(self, axis_ns: int) -> int:
        return axis_ns if self._speed is None else int(axis_ns / self._speed)
