"""Turns for the messages of one connection, where the venue counts those of all together."""

import asyncio
from collections.abc import Callable

from ingest.limits import Gate, Lane

_PATIENCE_S = 1000.0  # longer than any venue's window


class MessageTurns:
    """One turn at a time, so that no connection keeps the others waiting for all it has.

    The first message needs none: `Limits.messages_per_host` leaves room for it. A venue
    that wants to hear something soon would not wait for the messages of the others.
    """

    def __init__(self, gate: Gate, lane: Lane, on_turn: Callable[[], None]) -> None:
        """*on_turn* is called when `take` is worth another try."""
        self._gate = gate
        self._lane = lane
        self._on_turn = on_turn
        self._is_first = True
        self._turn: asyncio.Future[int] | None = None

    @property
    def waiting(self) -> bool:
        """Whether a turn has been asked for, and is not ours yet."""
        return self._turn is not None and not self._turn.done()

    def take(self) -> bool:
        """Return whether a message may go out now, at once; else ask for a turn."""
        if self._is_first:
            self._is_first = False
            return True
        turn = self._turn
        if turn is None:
            waiting = self._gate.turn(self._lane, timeout_s=_PATIENCE_S)
            self._turn = asyncio.ensure_future(waiting)
            self._turn.add_done_callback(lambda _: self._on_turn())
            return False
        if not turn.done():
            return False
        self._turn = None
        # Without an answer for so long, it is asked for again.
        return turn.exception() is None

    def close(self) -> None:
        """Give up the place in the queue."""
        if self._turn is not None:
            self._turn.cancel()
