"""Which streams are to be trimmed by age, and when. Pure.

XADD takes one limit only, and its length limit is in use; a stream that is quiet gets
no XADD at all. So age has a command of its own, XTRIM, for each stream once a round.
"""

_SHORTEST_ROUND_S, _LONGEST_ROUND_S = 1.0, 60.0
_ROUNDS_PER_AGE = 10
_MOST_AT_ONCE = 64  # streams: their trimming goes before a batch, and should not delay it
_SHORTEST_WAIT_S = 0.1


class Trimming:
    """Gives each stream its turn, evenly spread over a round of a tenth of the age, at most 60 s.

    Times come from the caller: *now_s* is monotonic, *wall_s* Unix time.
    """

    def __init__(self, max_age_s: float, now_s: float, wall_s: float) -> None:
        self._max_age_s = max_age_s
        self._round_s = min(max(max_age_s / _ROUNDS_PER_AGE, _SHORTEST_ROUND_S), _LONGEST_ROUND_S)
        self._keys: list[str] = []
        self._next = 0
        self._last_s = now_s
        self._ahead_s = wall_s - now_s

    def add(self, key: str) -> None:
        """Include a stream from now on."""
        self._keys.append(key)

    def due(self, now_s: float) -> list[str]:
        """Return the streams whose turn it is, and count them as done."""
        if not self._keys:
            return []
        step_s = self._round_s / len(self._keys)
        number = int((now_s - self._last_s) / step_s)
        if number > _MOST_AT_ONCE:
            # After an outage: what was missed is not made up for, each turn is as good.
            number = min(_MOST_AT_ONCE, len(self._keys))
            self._last_s = now_s
        else:
            number = min(number, len(self._keys))
            self._last_s += number * step_s
        turns = [(self._next + i) % len(self._keys) for i in range(number)]
        self._next = (self._next + number) % len(self._keys)
        return [self._keys[turn] for turn in turns]

    def wait_s(self, now_s: float) -> float | None:
        """Return how long until a turn comes; None where there are no streams."""
        if not self._keys:
            return None
        step_s = self._round_s / len(self._keys)
        return max(self._last_s + step_s - now_s, _SHORTEST_WAIT_S)

    def oldest_ms(self, now_s: float, wall_s: float) -> int:
        """Return the Unix ms before which entries go.

        A wall clock that was set forward since the start must not cost what is young;
        where one was wrong at the start and set back, neither.
        """
        wall_s = min(wall_s, now_s + self._ahead_s)
        return max(0, int((wall_s - self._max_age_s) * 1000))
