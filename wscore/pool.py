"""Places for the connections of a session."""

from wscore.codes import CurlECode
from wscore.errors import RequestException


class Pool:
    """So many connections at a time, opening ones included. Belongs to one event loop."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._free = size

    def take(self) -> None:
        """Take a place, now: who waited for one would wait for a program's own doing.

        Raises:
            RequestException: all are taken.
        """
        if self.empty():
            raise RequestException(
                f"all {self._size} connections of this session are in use; "
                "raise max_clients or close one",
                CurlECode.FAILED_INIT,
            )
        self._free -= 1

    def put_back(self) -> None:
        """Return a place."""
        self._free += 1

    def empty(self) -> bool:
        """Tell whether no place is free."""
        return self._free <= 0
