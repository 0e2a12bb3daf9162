"""Waits for a socket, or for another thread."""

import math
import select

from wscore.sync.waker import Waker


class SocketPoll:
    """Polls one socket. `wake`, from any thread, ends a wait."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waker = Waker()
        self._poller = select.poll()
        self._poller.register(self._waker.fileno(), select.POLLIN)
        self._events = 0  # those the poller has for the socket; 0: not there

    def watch(self, *, read: bool, write: bool) -> None:
        """Set what the next wait is for: data to read, room to write, both or neither."""
        events = (read and select.POLLIN) | (write and select.POLLOUT)
        if events == self._events:
            return
        if not events:  # else a hang-up would be reported again and again
            self._poller.unregister(self._fd)
        else:
            self._poller.register(self._fd, events)
        self._events = events

    def wait(self, timeout_s: float | None) -> bool:
        """Wait for that. Return whether reading will find something: data, end or error."""
        readable = False
        timeout_ms = None if timeout_s is None else math.ceil(timeout_s * 1000)
        for fd, event in self._poller.poll(timeout_ms):
            if fd == self._fd:
                readable = bool(event & ~select.POLLOUT)
            else:
                self._waker.clear()
        return readable

    def wake(self) -> None:
        """End the wait that is under way, or the next one."""
        self._waker.wake()

    def close(self) -> None:
        """Free what is not the socket. Idempotent; nobody may be waiting."""
        self._waker.close()
