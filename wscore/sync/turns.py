"""Threads that wait on one connection take turns at polling its socket.

No thread of our own: of those that wait for something, one polls the socket, for all
of them; the others sleep until it has changed something. When the one has what it
wanted, another polls on ("leader and followers").
"""

import threading
import time
from collections.abc import Callable

from wscore.errors import WebSocketTimeout
from wscore.sync.endpoint import Endpoint
from wscore.sync.polling import SocketPoll


class Turns:
    """The one lock of a connection, and whose turn it is to poll.

    The `Endpoint` and all its parts are used only with `lock` held, and so is
    everything here. It is free while a thread polls, and while one sleeps.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        # Reentrant: a signal handler may call `Link.terminate` on top of anything.
        self.lock = threading.Condition(threading.RLock())
        self.polling = False  # some thread does it for all
        self._endpoint = endpoint
        self._poll = SocketPoll(endpoint.fd)

    def wait(self, ready: Callable[[], bool], timeout: float | None, why: str) -> None:
        """Wait for *ready*. What comes at the last moment counts.

        Raises:
            WebSocketTimeout: not within *timeout* seconds; it says *why*.
        """
        self.wait_until(ready, deadline_of(timeout), why)

    def wait_until(self, ready: Callable[[], bool], deadline: float | None, why: str) -> None:
        """The same, until a time of the monotonic clock."""
        started, looked = time.monotonic(), False
        while not ready():
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if looked and left == 0:
                raise WebSocketTimeout(f"{why} within {time.monotonic() - started:.3g} s")
            looked = True
            if self.polling:
                self.lock.wait(left)
            else:
                self.poll_once(left)

    def poll_once(self, left: float | None) -> None:
        """Take a turn: poll for at most *left* seconds and act on what is found.

        Only when no other thread is `polling`.
        """
        in_use = self._endpoint.in_use
        self.polling = True
        try:
            with in_use:
                # Asked twice: a signal handler may have ended it just before, and
                # anybody while the lock was free.
                readable = not in_use.doomed and self._look(left)
                if not in_use.doomed:
                    self._endpoint.act(readable)
        finally:
            self.polling = False
            self.lock.notify_all()

    def wake(self) -> None:
        """Have the one who polls look again what there is to poll for."""
        if self.polling:
            self._poll.wake()

    def changed(self) -> None:
        """Have everybody look again whether what they wait for is there."""
        self.wake()
        self.lock.notify_all()

    def close(self) -> None:
        """The connection is freed: nobody polls any more."""
        self._poll.close()
        self.lock.notify_all()

    def _look(self, left: float | None) -> bool:
        """Return whether there is something to read, or may be."""
        now = time.monotonic()
        wants = self._endpoint.wants(now)
        if wants.unannounced and not wants.write:
            return True
        self._poll.watch(read=wants.read, write=wants.write)
        if wants.unannounced:
            left = 0.0
        elif wants.at is not None:
            until = max(0.0, wants.at - now)
            left = until if left is None else min(left, until)
        self.lock.release()
        try:
            readable = self._poll.wait(left)
        finally:
            self.lock.acquire()
        return wants.unannounced or (wants.read and readable)


def deadline_of(timeout: float | None) -> float | None:
    """Return the time of the monotonic clock at which *timeout* seconds are over."""
    return None if timeout is None else time.monotonic() + timeout
