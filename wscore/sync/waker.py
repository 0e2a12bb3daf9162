"""Ends another thread's poll."""

import contextlib
import os


class Waker:
    """A pipe: its reading end polls as readable once `wake` was called."""

    def __init__(self) -> None:
        self._ends: tuple[int, ...] = os.pipe()
        for end in self._ends:
            os.set_blocking(end, False)

    def fileno(self) -> int:
        """Return the end to poll, -1 once closed."""
        return self._ends[0] if self._ends else -1

    def wake(self) -> None:
        """Make the next, or the running, poll return. Idempotent until `clear`."""
        if self._ends:
            with contextlib.suppress(BlockingIOError):  # full: it is awake already
                os.write(self._ends[1], b"\0")

    def clear(self) -> None:
        """Forget the calls of `wake`."""
        with contextlib.suppress(BlockingIOError):
            while len(os.read(self._ends[0], 512)) == 512:
                pass

    def close(self) -> None:
        """Free the pipe. Idempotent."""
        ends, self._ends = self._ends, ()
        for end in ends:
            os.close(end)

    def __del__(self) -> None:
        self.close()
