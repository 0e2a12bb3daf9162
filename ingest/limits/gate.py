"""Where one waits for one's turn."""

import asyncio
from collections.abc import Callable

from ingest.limits.messages import Answered, Ask, FromGate, Lane, Tell, Withdraw


class Gate:
    """Asks the broker, by whatever way *send* takes; `go` is called with the answers."""

    def __init__(self, send: Callable[[FromGate], None]) -> None:
        self._send = send
        self._number = 0
        self._waiting: dict[int, asyncio.Future[None]] = {}

    async def turn(self, lane: Lane, weight: int = 1, *, timeout_s: float) -> int:
        """Wait until it is our turn, and use it at once: it counts from now.

        Returns its number, for `answered`.

        Raises:
            TimeoutError: not within *timeout_s*; the place in the queue is given up.
        """
        self._number += 1
        number = self._number
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._send(Ask(number, lane, weight))
            async with asyncio.timeout(timeout_s):
                await future
        except BaseException:
            self._send(Withdraw(number))
            raise
        finally:
            del self._waiting[number]
        return number

    def answered(self, number: int) -> None:
        """Say that what this turn was for is over. It may have been late: it counts from now."""
        self._send(Answered(number))

    def tell(
        self, lane: Lane, *, used: int | None = None, stay_away_s: float | None = None
    ) -> None:
        """Pass on what the venue said about its limits; see `Tell`."""
        self._send(Tell(lane=lane, used=used, stay_away_s=stay_away_s))

    def go(self, number: int) -> None:
        """It is the turn of that ask; it may have been withdrawn meanwhile."""
        future = self._waiting.get(number)
        if future is not None and not future.done():
            future.set_result(None)
