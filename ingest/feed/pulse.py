"""Whether a subscription that was alive has gone silent. Pure: times come from the caller.

Judged by nothing but its own past: a silence is remarkable that is much longer than
the longest of the last half hour or more. A market that trades every ten minutes is
left alone for the better part of an hour; one that never sent anything is not judged
at all, unless the venue sends something at once after every subscription.

Times are those of a clock that stands still while nobody reads: a silence of ours is
not the venue's. They are looked at once a tick, so that a message costs next to nothing.
"""

from typing import Literal

# However regular the data came so far.
FLOOR_S = 30.0
# How many times the longest silence so far.
_FACTOR = 6.0
# Ticks with data before anything is known of it.
_LEAST_BEATS = 60
# What has been watched for less than this is given until then.
_WARM_UP_S = 300.0
# Silences are remembered for so long, and so many ticks with data, up to twice as long.
_REMEMBERED_S = 1800.0
_REMEMBERED_BEATS = 60
# Between the reports of a silence that goes on: doubled each time, up to this.
_MOST_BETWEEN_S = 3600.0

Change = Literal["stale", "flowing"]


class Pulse:
    """One subscription, from session to session."""

    __slots__ = (
        "_at_once",
        "_beats",
        "_began_s",
        "_first_due",
        "_heard_s",
        "_longest_before_s",
        "_longest_s",
        "_report_s",
        "_watched_s",
        "_window_beats",
        "_window_s",
        "reports",
        "stale",
    )

    def __init__(self, *, at_once: bool) -> None:
        """*at_once*: each subscription is answered with data, whatever the market does."""
        self.stale = False
        self.reports = 0  # of the silence that goes on
        self._at_once = at_once
        self._first_due = False  # in this session, data is still to come
        self._began_s: float | None = None  # None: not subscribed
        self._heard_s = 0.0  # tick of the last data, or of the subscription
        self._report_s = 0.0  # not again before
        self._beats = 0
        self._watched_s = 0.0
        self._longest_s = self._longest_before_s = 0.0  # in this window, and the one before
        self._window_s = 0.0
        self._window_beats = 0

    @property
    def never_heard(self) -> bool:
        """Nothing has come of it since the process began."""
        return self._beats == 0

    def silent_s(self, now_s: float) -> float:
        """Return for how long nothing has come."""
        return now_s - self._heard_s

    def limit_s(self) -> float | None:
        """Return how long a silence may be; None: nobody can tell."""
        if self._first_due:
            return FLOOR_S
        if self._beats < _LEAST_BEATS:
            return None
        longest_s = max(self._longest_s, self._longest_before_s)
        return max(FLOOR_S, _FACTOR * longest_s, _WARM_UP_S - self._watched_s)

    def tick(self, now_s: float, *, subscribed: bool, heard: bool) -> Change | None:
        """Note whether data came since the last tick; return what that changes.

        "stale" is returned again now and then, as long as it is.
        """
        if not subscribed and not heard:
            self._began_s = None
            return None
        if self._began_s is None:
            self._began_s = self._heard_s = now_s
            self._first_due = self._at_once
            self._report_s = 0.0
        if heard:
            return self._on_data(now_s)
        limit_s = self.limit_s()
        if limit_s is None or now_s < self._report_s or self.silent_s(now_s) <= limit_s:
            return None
        self.stale = True
        self.reports += 1
        self._report_s = now_s + min(_MOST_BETWEEN_S, limit_s * 2.0**self.reports)
        return "stale"

    def _on_data(self, now_s: float) -> Change | None:
        silence_s, self._heard_s = now_s - self._heard_s, now_s
        self._first_due = False
        self._report_s = 0.0
        self._beats += 1
        self._watched_s += silence_s
        self._longest_s = max(self._longest_s, silence_s)
        self._window_s += silence_s
        self._window_beats += 1
        if self._window_s >= _REMEMBERED_S and self._window_beats >= _REMEMBERED_BEATS:
            self._longest_before_s, self._longest_s = self._longest_s, 0.0
            self._window_s = 0.0
            self._window_beats = 0
        self.reports = 0
        was_stale, self.stale = self.stale, False
        return "flowing" if was_stale else None
