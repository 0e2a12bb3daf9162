"""How often something may be done. Pure: times come from the caller."""

from collections import deque


def jitter_s(window_s: float) -> float:
    """Return by how much a window is to be kept longer than the venue's.

    The venue counts an attempt when it arrives, and one may take longer on its way than
    the next: of some hundred that are made at once, seconds.
    """
    return 0.25 + window_s / 20


class RateBudget:
    """At most `count` uses in any `window_s`, wherever that begins.

    Several processes that share one limit take a share each; where there are more
    of them than uses, each has one use in a window that is longer to match.
    """

    def __init__(
        self, count: int, window_s: float, *, shares: int = 1, jitter_s: float = 0.0
    ) -> None:
        self._window_s = window_s * max(1.0, shares / count) + jitter_s
        self._uses: deque[float] = deque(maxlen=max(1, count // shares))  # the latest, in order

    def take(self, now_s: float) -> float:
        """Book one use; return how long to wait for it, in seconds."""
        at_s = now_s
        if len(self._uses) == self._uses.maxlen:
            at_s = max(at_s, self._uses[0] + self._window_s)
        self._uses.append(at_s)
        return at_s - now_s
