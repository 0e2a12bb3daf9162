"""PINGs that wait for their PONG. Times come from the caller; no event loop calls but futures."""

import asyncio
from collections import deque

from wscore.errors import WebSocketError

_MAX_UNANSWERED = 1024


class Pings:
    """The unanswered PINGs in the order they were sent."""

    def __init__(self) -> None:
        self._count = 0
        self._unanswered: deque[tuple[bytes, float, asyncio.Future[float]]] = deque()

    def next_payload(self) -> bytes:
        """Return a payload that tells its PING from the others."""
        self._count += 1
        return self._count.to_bytes(8, "big")

    def sent(self, payload: bytes, now_s: float) -> "asyncio.Future[float]":
        """Return a future of the latency in seconds.

        A peer that never answers costs bounded memory: of more than 1024 unanswered
        PINGs the oldest is given up, with a `WebSocketError`.
        """
        if len(self._unanswered) == _MAX_UNANSWERED:
            self._fail_oldest(WebSocketError("too many unanswered pings; this one is given up"))
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._unanswered.append((payload, now_s, future))
        return future

    def answered(self, payload: bytes, now_s: float) -> float | None:
        """Settle what a PONG answers. Return its latency, None if it answers nothing of ours.

        It answers every earlier PING, too (RFC 6455, section 5.5.3).
        """
        if not any(data == payload for data, _, _ in self._unanswered):
            return None
        while True:
            data, sent_s, future = self._unanswered.popleft()
            if not future.done():
                future.set_result(now_s - sent_s)
            if data == payload:
                return now_s - sent_s

    def fail(self, error: BaseException) -> None:
        """No answers will come."""
        while self._unanswered:
            self._fail_oldest(error)

    def _fail_oldest(self, error: BaseException) -> None:
        future = self._unanswered.popleft()[2]
        if not future.done():
            future.set_exception(error)
            future.exception()  # nobody has to await a ping: no complaint if it is dropped
