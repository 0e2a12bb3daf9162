"""When a connection may be freed: not while a call is in the middle of using it."""

from collections.abc import Callable


class InUse:
    """Enter it to use the connection. Once doomed, it is freed when the last one leaves.

    Needed because a thread polls the socket with the lock free, and because a signal
    handler may end the connection on top of any line. Shared by the parts of one
    connection, under its one lock; entered again and again by the same thread.
    """

    def __init__(self, free: Callable[[], None]) -> None:
        """*free*: may be called more than once."""
        self._free = free
        self._users = 0
        self.doomed = False

    def __enter__(self) -> None:
        self._users += 1

    def __exit__(self, *_: object) -> None:
        self._users -= 1
        if self.doomed and not self._users:
            self._free()

    def doom(self) -> None:
        """Free the connection, now or when nobody uses it any more."""
        self.doomed = True
        if not self._users:
            self._free()
