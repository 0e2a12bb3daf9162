"""How long to wait before the next connection attempt. Pure: times come from the caller."""

import math
import random
from collections.abc import Callable


class Backoff:
    """Capped exponential delay with full jitter; only a healthy session resets it.

    Full jitter (a delay drawn evenly from 0 to the current ceiling) spreads a
    crowd of clients best after a shared outage.

    Merely connecting earns nothing: a venue that accepts and drops at once
    would otherwise be hammered at the base delay for ever.
    """

    def __init__(
        self,
        *,
        base_s: float,
        cap_s: float,
        healthy_after_s: float = math.inf,
        random: Callable[[], float] = random.random,
    ) -> None:
        """*random* returns numbers in [0, 1).

        *healthy_after_s*: a session that lasted so long resets the delay; infinite,
        only `reset` does.
        """
        self._base_s = base_s
        self._cap_s = cap_s
        self._healthy_after_s = healthy_after_s
        self._random = random
        self._failures = 0

    @property
    def failures(self) -> int:
        """Attempts and sessions in a row that ended before they were healthy."""
        return self._failures

    def reset(self) -> None:
        """Start over: the other side has done real work again."""
        self._failures = 0

    def ceiling_s(self) -> float:
        """Return the longest delay that `next_delay_s` may draw now."""
        # 2**60 base delays are past any cap; a bigger exponent would overflow.
        return float(min(self._cap_s, self._base_s * 2 ** min(self._failures, 60)))

    def next_delay_s(self, *, connected_for_s: float = 0.0) -> float:
        """Return the wait before the next attempt, after a session of that length.

        0 stands for an attempt that never connected.
        """
        if connected_for_s > 0 and connected_for_s >= self._healthy_after_s:
            self._failures = 0
        delay_s = self.ceiling_s() * self._random()
        self._failures += 1
        return delay_s
