"""When a socket is to be replaced by a new one, and how soon it is tried again. Pure."""

from collections.abc import Callable
from random import uniform

from wscore import Backoff

# Of a connection's greatest age: it is replaced at a random moment between these, so
# that connections that were opened together are not replaced together, and that there
# is time for many more attempts.
_SOONEST, _LATEST = 0.8, 0.95
_BASE_S, _CAP_S = 1.0, 60.0


class Renewal:
    """Of one socket. Times are those of one monotonic clock, in seconds."""

    def __init__(
        self,
        max_age_s: float | None,
        opened_s: float,
        *,
        chance: Callable[[float, float], float] = uniform,
    ) -> None:
        """*max_age_s*: the venue ends it then; None: it does not."""
        self._due_s: float | None = None
        self._backoff = Backoff(base_s=_BASE_S, cap_s=_CAP_S, healthy_after_s=_CAP_S)
        self._reason = "max_age"
        if max_age_s is not None:
            self._due_s = opened_s + max_age_s * chance(_SOONEST, _LATEST)

    @property
    def reason(self) -> str:
        """Why it is to be replaced."""
        return self._reason

    def want(self, reason: str, now_s: float) -> None:
        """It is to be replaced now; a venue that has said so is not asked why twice."""
        self._reason = reason
        self._due_s = now_s

    def failed(self, now_s: float) -> float:
        """The new one could not be had; return after how long it is tried again."""
        delay_s = self._backoff.next_delay_s()
        self._due_s = now_s + delay_s
        return delay_s

    def wait_s(self, now_s: float) -> float | None:
        """Return how long until it is due; None: not by itself."""
        return None if self._due_s is None else max(0.0, self._due_s - now_s)
