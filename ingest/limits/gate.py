"""Where one waits for one's turn."""

import asyncio
from collections.abc import Callable

from ingest.limits.messages import Ask, FromGate, Lane, Outcome, Tell, Withdraw


class Gate:
    """Asks the broker, by whatever way *send* takes; `go` is called with the answers."""

    def __init__(self, send: Callable[[FromGate], None]) -> None:
        self._send = send
        self._number = 0
        self._waiting: dict[int, asyncio.Future[None]] = {}

    async def turn(self, lane: Lane, weight: int = 1, *, who: str = "", timeout_s: float) -> int:
        """Wait until it is our turn, and use it at once: it counts from now.

        Returns a number for `ended`, which is to be called once an attempt to connect, or
        a request, is over, however it ended: others may have to wait for that. *who* is
        the connection's name.

        Raises:
            TimeoutError: not within *timeout_s*; the place in the queue is given up.
        """
        self._number += 1
        number = self._number
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._send(Ask(number, lane, weight, who))
            async with asyncio.timeout(timeout_s):
                await future
        except BaseException:
            self._send(Withdraw(number))
            raise
        finally:
            del self._waiting[number]
        return number

    def ended(self, number: int, *, reached: bool | None) -> None:
        """Say how that turn was used; None: given up, not the host's doing."""
        self._send(Withdraw(number) if reached is None else Outcome(number, reached))

    def tell(
        self,
        lane: Lane,
        *,
        used: int | None = None,
        stay_away_s: float | None = None,
        lost: bool = False,
    ) -> None:
        """Pass on what is known of a host; see `Tell`."""
        self._send(Tell(lane=lane, used=used, stay_away_s=stay_away_s, lost=lost))

    def go(self, number: int) -> None:
        """It is the turn of that ask; it may have been withdrawn meanwhile."""
        future = self._waiting.get(number)
        if future is not None and not future.done():
            future.set_result(None)
