"""How often something may be done. Pure: times come from the caller."""


class RateBudget:
    """At most `count` uses in any burst, refilled evenly over `window_s`.

    A token bucket; several processes that share one limit take a share each.
    """

    def __init__(self, count: float, window_s: float, *, shares: int = 1) -> None:
        self._capacity = max(1.0, count / shares)
        self._per_s = count / shares / window_s
        self._tokens = self._capacity
        self._at: float | None = None

    def take(self, now_s: float) -> float:
        """Use one; return how long to wait first, in seconds."""
        if self._at is not None:
            refill = max(0.0, now_s - self._at) * self._per_s
            self._tokens = min(self._capacity, self._tokens + refill)
        self._at = now_s
        self._tokens -= 1
        return max(0.0, -self._tokens / self._per_s)
