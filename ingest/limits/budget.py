"""How much may be used in a time. Pure: times come from the caller."""

from collections import deque
from collections.abc import Iterable, Sequence

# When, weight.
Use = tuple[float, int]


class Budget:
    """At most `limit` in any `window_s`, wherever that begins. Uses have a weight."""

    def __init__(self, limit: int, window_s: float, uses: Iterable[Use] = ()) -> None:
        """*uses*: those of the past, in order."""
        self._limit = limit
        self._window_s = window_s
        self._uses = deque(uses)
        self._used = sum(weight for _, weight in self._uses)

    @property
    def window_s(self) -> float:
        """After this time a use is forgotten."""
        return self._window_s

    @property
    def uses(self) -> Sequence[Use]:
        """Those of the last window, in order; some older ones may be among them."""
        return tuple(self._uses)

    def wait_s(self, weight: int, now_s: float) -> float:
        """Return how long it takes until a use of that weight fits; 0: it fits now.

        One that is heavier than the limit fits when nothing else is in the window.
        """
        self._expire(now_s)
        excess = self._used + min(weight, self._limit) - self._limit
        if excess <= 0:
            return 0.0
        for at_s, used in self._uses:
            excess -= used
            if excess <= 0:
                return at_s + self._window_s - now_s
        return self._window_s  # not reached: all uses together are what is too much

    def use(self, weight: int, now_s: float) -> None:
        """Book a use."""
        self._uses.append((now_s, weight))
        self._used += weight

    def move(self, weight: int, used_s: float, now_s: float) -> None:
        """Count a use of then from now on: it took so long, and the venue may have it from now."""
        if (used_s, weight) in self._uses:  # else it is forgotten already
            self._uses.remove((used_s, weight))
            self._used -= weight
        self.use(weight, now_s)

    def believe(self, used: int, now_s: float) -> None:
        """The venue counts *used* in its window: if that is more than we know of, so be it.

        Less is no news: what is on its way has not been counted there yet.
        """
        self._expire(now_s)
        unknown = min(used, self._limit) - self._used
        if unknown > 0:
            self.use(unknown, now_s)

    def _expire(self, now_s: float) -> None:
        while self._uses and self._uses[0][0] + self._window_s <= now_s:
            self._used -= self._uses.popleft()[1]
