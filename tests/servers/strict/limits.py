"""Counting against a limit. Pure: times come from the caller, in seconds of one clock."""

from collections import deque


class Window:
    """At most `count` in any `window_s`, wherever that begins."""

    def __init__(self, count: int, window_s: float) -> None:
        self.count = count
        self.window_s = window_s
        self.peak = 0
        self._uses: deque[tuple[float, int]] = deque()
        self._used = 0

    def use(self, now_s: float, amount: int = 1) -> bool:
        """Count; False if that breaks the limit. What breaks it counts as well."""
        while self._uses and self._uses[0][0] <= now_s - self.window_s:
            self._used -= self._uses.popleft()[1]
        self._uses.append((now_s, amount))
        self._used += amount
        self.peak = max(self.peak, self._used)
        return self._used <= self.count

    @property
    def used(self) -> int:
        """What was in the window at the last use."""
        return self._used

    def __str__(self) -> str:
        return f"{self.count} in {self.window_s:g} s"


class Bucket:
    """`burst` at once, and `per_s` come back."""

    def __init__(self, burst: int, per_s: float) -> None:
        self.count = burst
        self.per_s = per_s
        self.peak = 0
        self._level = 0.0
        self._at_s = float("-inf")

    def use(self, now_s: float, amount: int = 1) -> bool:
        """As `Window.use`."""
        self._level = max(0.0, self._level - (now_s - self._at_s) * self.per_s) + amount
        self._at_s = now_s
        self.peak = max(self.peak, -int(-self._level // 1))
        return self._level <= self.count

    def __str__(self) -> str:
        return f"{self.count} at once, {self.per_s:g} a second"
