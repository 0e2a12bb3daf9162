"""PINGs that wait for their PONG. Pure: times come from the caller."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

_MAX_UNANSWERED = 1024


class PingLog(Generic[T]):
    """The unanswered PINGs in the order they were sent, each with whatever waits for it."""

    def __init__(self) -> None:
        self._count = 0
        self._unanswered: deque[tuple[bytes, float, T]] = deque()

    def next_payload(self) -> bytes:
        """Return a payload that tells its PING from the others."""
        self._count += 1
        return self._count.to_bytes(8, "big")

    def sent(self, payload: bytes, now_s: float, waiter: T) -> T | None:
        """Note a PING. Return the waiter of one that is given up for it, if any.

        A peer that never answers costs bounded memory: 1024 unanswered PINGs.
        """
        full = len(self._unanswered) == _MAX_UNANSWERED
        given_up = self._unanswered.popleft()[2] if full else None
        self._unanswered.append((payload, now_s, waiter))
        return given_up

    def answered(self, payload: bytes, now_s: float) -> list[tuple[T, float]]:
        """Return what a PONG answers, oldest first, with the latencies in seconds.

        It answers every earlier PING, too (RFC 6455, section 5.5.3); none, if it
        answers nothing of ours.
        """
        if not any(data == payload for data, _, _ in self._unanswered):
            return []
        found = []
        while True:
            data, sent_s, waiter = self._unanswered.popleft()
            found.append((waiter, now_s - sent_s))
            if data == payload:
                return found

    def give_up(self) -> list[T]:
        """No answers will come: return everybody who waits for one."""
        waiters = [waiter for _, _, waiter in self._unanswered]
        self._unanswered.clear()
        return waiters
