"""PINGs whose answers are awaited. No event loop calls but futures."""

import asyncio

from wscore.errors import WebSocketError
from wscore.ping_log import PingLog


class Pings:
    """The unanswered PINGs in the order they were sent, as futures."""

    def __init__(self) -> None:
        self._log: PingLog[asyncio.Future[float]] = PingLog()

    def next_payload(self) -> bytes:
        """Return a payload that tells its PING from the others."""
        return self._log.next_payload()

    def sent(self, payload: bytes, now_s: float) -> "asyncio.Future[float]":
        """Return a future of the latency in seconds.

        A peer that never answers costs bounded memory: of more than 1024 unanswered
        PINGs the oldest is given up, with a `WebSocketError`.
        """
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        given_up = self._log.sent(payload, now_s, future)
        if given_up is not None:
            _fail(given_up, WebSocketError("too many unanswered pings; this one is given up"))
        return future

    def answered(self, payload: bytes, now_s: float) -> float | None:
        """Settle what a PONG answers. Return its latency, None if it answers nothing of ours."""
        latency = None
        for future, latency in self._log.answered(payload, now_s):
            if not future.done():
                future.set_result(latency)
        return latency

    def fail(self, error: BaseException) -> None:
        """No answers will come."""
        for future in self._log.give_up():
            _fail(future, error)


def _fail(future: "asyncio.Future[float]", error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # nobody has to await a ping: no complaint if it is dropped
