"""How long to wait before the next attempt."""

from msgspec import Struct


class BackoffSettings(Struct, frozen=True):
    """Delays grow from `base_s` by doubling, never above `cap_s` (seconds)."""

    base_s: float
    cap_s: float


class Backoff:
    """Capped exponential backoff with full jitter. Pure: chance comes from the caller.

    Full jitter (anything between nothing and the step) spreads many clients that
    lost the same server best.
    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    def __init__(self, settings: BackoffSettings) -> None:
        self._settings = settings
        self.attempts = 0

    def next_s(self, chance: float) -> float:
        """Return the next delay in seconds; *chance* is uniform in [0, 1)."""
        # The exponent is bounded so that a long outage cannot overflow a float.
        step_s = self._settings.base_s * 2.0 ** min(self.attempts, 60)
        self.attempts += 1
        return chance * min(self._settings.cap_s, step_s)

    def reset(self) -> None:
        """Start over: the other side has done real work again."""
        self.attempts = 0


def worth_a_line(attempt: int) -> bool:
    """Tell whether the log should mention this attempt (1, 2, 4, 8, …).

    The first is news; after that a line each time the number doubles shows that
    it goes on without filling the log.
    """
    return attempt & (attempt - 1) == 0
