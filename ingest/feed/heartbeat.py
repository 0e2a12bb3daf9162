"""When to ping a venue that wants pings of its own kind. Pure: times come from the caller."""

from ingest.venues.base import Heartbeat


class HeartbeatLost(Exception):
    """The venue did not answer the application-level ping in time."""


class HeartbeatClock:
    """One ping per silence of `after_idle_s`; `timeout_s` later the venue is given up.

    Whatever the venue sends ends the silence, the answer to the ping included. With
    `always` there is a ping every `after_idle_s`, silence or not.
    """

    def __init__(self, rule: Heartbeat, now_s: float) -> None:
        self._rule = rule
        self._heard_s = now_s
        self._pinged_s = now_s
        self._pinged = False

    def heard(self, now_s: float) -> None:
        """Note that something came."""
        self._heard_s = now_s
        self._pinged = False

    def check(self, now_s: float) -> tuple[bool, float]:
        """Return whether to ping now, and after how many seconds to check again.

        Raises:
            HeartbeatLost: the silence has lasted too long.
        """
        rule = self._rule
        idle_s = now_s - self._heard_s
        until_lost_s = rule.after_idle_s + rule.timeout_s - idle_s
        if until_lost_s <= 0:
            raise HeartbeatLost(f"nothing heard for {idle_s:.1f} s")
        if rule.always:
            until_ping_s = self._pinged_s + rule.after_idle_s - now_s
            due = until_ping_s <= 0
            if due:
                self._pinged_s, until_ping_s = now_s, rule.after_idle_s
            return due, min(until_ping_s, until_lost_s)
        until_ping_s = rule.after_idle_s - idle_s
        if until_ping_s > 0:
            return False, until_ping_s
        due, self._pinged = not self._pinged, True
        return due, until_lost_s
