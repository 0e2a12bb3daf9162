"""Subscriptions of one connection that have gone silent: reported, and subscribed anew."""

import asyncio
import time
from collections.abc import Callable

import structlog

from ingest.feed.counters import FeedCounters
from ingest.feed.publisher import FeedPublisher, Route
from ingest.feed.pulse import FLOOR_S, Pulse
from ingest.feed.session import FeedSession, names_of
from ingest.venues.base import Venue

_log = structlog.get_logger(__name__)

_TICK_S = 1.0
# Subscribed anew so often; after that a topic without data is only reported. It may
# well be that the venue has no more of it.
_MOST_ATTEMPTS = 3
# A connection that is left for one topic's sake costs its others a moment.
_BETWEEN_LEAVES_S = 60.0
_MOST_BETWEEN_LEAVES_S = 3600.0
_DETAIL_CHARS = 500


class StaleWatch:
    """Owned by the connection; looks once a second, whatever the sessions do."""

    def __init__(
        self,
        venue: Venue,
        publisher: FeedPublisher,
        counters: FeedCounters,
        session: Callable[[], FeedSession | None],
    ) -> None:
        """*session* returns the one that is read now, None while there is none."""
        self._publisher = publisher
        self._counters = counters
        self._session = session
        self._can_leave_topic = venue.unsubscribe is not None
        self._pulses = [
            (route, Pulse(at_once=_opens_at_once(venue, route))) for route in publisher.heads
        ]
        self._now_s = 0.0  # of the clock that stands still while nobody reads
        self._ticked_s: float | None = None
        self._may_leave_s = 0.0
        self._between_leaves_s = _BETWEEN_LEAVES_S

    @property
    def stale(self) -> int:
        """Topics that are silent now and should not be."""
        return sum(pulse.stale for _, pulse in self._pulses)

    @property
    def never_heard(self) -> int:
        """Topics that nothing has come of since the process began."""
        return sum(pulse.never_heard for _, pulse in self._pulses)

    def look_anew(self) -> None:
        """Watch what the publisher has now, some of its topics having been given up."""
        known = {route.topic.name: pulse for route, pulse in self._pulses}
        self._pulses = [(route, known[route.topic.name]) for route in self._publisher.heads]

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(_TICK_S)
            self.tick(time.monotonic())

    def tick(self, monotonic_s: float) -> None:
        """Look at all topics once."""
        since_s = _TICK_S if self._ticked_s is None else monotonic_s - self._ticked_s
        self._ticked_s = monotonic_s
        session = self._session()
        if session is not None:
            if session.blocked:
                return
            # If we are late, it is we who did not look.
            self._now_s += min(since_s, 2 * _TICK_S)
        stale: list[tuple[Route, Pulse]] = []
        flowing: list[Route] = []
        for route, pulse in self._pulses:
            heard = session is not None and session.leg.take_heard(route)
            subscribed = session is not None and session.leg.is_active(route)
            change = pulse.tick(self._now_s, subscribed=subscribed, heard=heard)
            if change == "stale":
                stale.append((route, pulse))
            elif change == "flowing":
                flowing.append(route)
        if flowing:
            self._report("flowing", flowing)
        if stale:
            self._on_stale(stale, session)

    def _on_stale(self, stale: list[tuple[Route, Pulse]], session: FeedSession | None) -> None:
        longest_s = max(pulse.silent_s(self._now_s) for _, pulse in stale)
        self._counters.stale += sum(pulse.reports == 1 for _, pulse in stale)
        self._report("stale", [route for route, _ in stale], f", silent for {longest_s:.0f} s")
        again = [route for route, pulse in stale if pulse.reports <= _MOST_ATTEMPTS]
        if session is None or not again:
            return
        # Where nothing at all has come lately, it is not the topics' fault.
        all_silent = all(
            pulse.stale or pulse.silent_s(self._now_s) > FLOOR_S
            for route, pulse in self._pulses
            if session.leg.is_active(route)
        )
        if self._can_leave_topic and not (all_silent and len(self._pulses) > 1):
            for route in again:
                session.leg.stale(route, time.time_ns())
                session.resubscribe(route.topic)
            self._counters.stale_resubscribes += len(again)
        elif self._now_s >= self._may_leave_s:
            self._may_leave_s = self._now_s + self._between_leaves_s
            self._between_leaves_s = min(_MOST_BETWEEN_LEAVES_S, 2 * self._between_leaves_s)
            self._counters.stale_resubscribes += len(again)
            session.leave("stale")

    def _report(self, kind: str, routes: list[Route], how_long: str = "") -> None:
        topics = [route.topic for route in routes]
        text = f"{names_of(topics)}{how_long}"
        if kind == "stale":
            _log.warning("feed: subscriptions are silent", topics=len(topics), names=text)
        else:
            _log.info("feed: subscriptions flow again", topics=len(topics), names=text)
        self._publisher.feed_event(kind, time.time_ns(), detail=text[:_DETAIL_CHARS])


def _opens_at_once(venue: Venue, route: Route) -> bool:
    rule = venue.books.get(route.topic.channel)
    return (rule is not None and rule.rest is None) or venue.answers_at_once(route.topic.channel)
