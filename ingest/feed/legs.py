"""The sockets that feed the streams of one connection: normally one, sometimes more.

More while one takes the place of another, and all the time where the config asks for
redundancy. They feed one publisher, so that a stream keeps its one writer. As long as
there is only one, its frames go there directly; else an arbiter for each stream
decides which events pass.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

from ingest.errors import DecodeError
from ingest.feed.arbiter import HOLD_S, SETTLE_S, Arbiter, Doubt, Jump, Out, arbiter_for
from ingest.feed.counters import FeedCounters
from ingest.feed.publisher import FeedPublisher, Route, Said
from ingest.model import AnyEvent
from ingest.venues.base import Data, Decode, Topic, Venue

# A leg that is left alone may be behind what the others have brought, by less than this.
_LINGER_S = 10.0


class Leg:
    """One socket's share. What its session is given in place of the publisher."""

    def __init__(self, number: int, legs: "Legs", publisher: FeedPublisher) -> None:
        """Made by `Legs.open`."""
        self.number = number
        self._legs = legs
        self._publisher = publisher
        self.decoders: dict[Route, Decode] = {}
        self._heard: set[Route] = set()
        # The way of a frame; `Legs` changes it as others come and go.
        self.publish: Callable[[Data, int], Said] = publisher.publish
        self.is_closed = publisher.is_closed

    def arbitrate(self) -> None:
        """From now on there are others."""
        self.publish = self._arbitrated

    def go_alone(self) -> None:
        """There are none any more."""
        for route, decode in self.decoders.items():
            route.decode = decode
        self.decoders = {}
        self._heard.clear()
        self.publish = self._publisher.publish

    # -- for the session -------------------------------------------------------

    def acknowledged(self, topics: Sequence[Topic], rx: int) -> None:
        """See `FeedPublisher.acknowledged`."""
        self._legs.acknowledged(self, topics)
        self._publisher.acknowledged(topics, rx)

    def leaving(self, topics: Sequence[Topic]) -> None:
        """See `FeedPublisher.leaving`."""
        alone = [topic for topic in topics if not self._legs.left(self, topic)]
        self._publisher.leaving(alone)

    # -- for the watch ---------------------------------------------------------

    def take_heard(self, route: Route) -> bool:
        """Tell whether data of *route* came on this leg since the last time it was asked."""
        if not self._legs.arbitrating:
            heard, route.heard = route.heard, False
            return heard
        heard = route in self._heard
        self._heard.discard(route)
        return heard

    def is_active(self, route: Route) -> bool:
        """Tell whether the venue feeds *route* on this leg."""
        return self._legs.is_open(self, route) if self._legs.arbitrating else route.active

    def stale(self, head: Route, rx: int) -> None:
        """See `FeedPublisher.stale`; nothing is missing of what another leg brings."""
        if not self._legs.left(self, head.topic):
            self._publisher.stale(head, rx)

    # -- with others -------------------------------------------------------------

    def _arbitrated(self, data: Data, rx: int) -> Said:
        """See `FeedPublisher.publish`; what others have brought is left out."""
        routes = self._publisher.routes_of(data.topic)
        if not routes:
            return None
        self._heard.add(routes[0])
        error: DecodeError | None = None
        said: Said = "nothing"
        for route in routes:
            try:
                events = self._decoder(route)(data, rx)
            except DecodeError as exc:
                if not self._legs.is_covered(route, without=self):
                    self._publisher.bad_message(route, rx)
                error = exc
                continue
            if events:
                said = "events"
                self._legs.take(self, route, events, rx)
        if error is not None:
            raise error
        return said

    def _decoder(self, route: Route) -> Decode:
        decode = self.decoders.get(route)
        if decode is None:
            decode = self.decoders[route] = self._legs.decoder(route)
        return decode


class Legs:
    """All legs of one connection, and the arbiters between them."""

    def __init__(
        self, venue: Venue, publisher: FeedPublisher, counters: FeedCounters, *, redundant: bool
    ) -> None:
        """*redundant*: there are to be several all the time."""
        self._venue = venue
        self._publisher = publisher
        self._counters = counters
        self._redundant = redundant
        self._last_number = 0
        self._legs: dict[int, Leg] = {}
        # While there are several, by stream: when which leg began to be fed, and whether
        # it was before the others came.
        self._open: dict[Route, dict[int, tuple[float, bool]]] = {}
        self._arbiters: dict[Route, Arbiter] = {}
        self._expiry: asyncio.TimerHandle | None = None
        self._ending: asyncio.TimerHandle | None = None
        self.arbitrating = redundant

    def open(self) -> Leg:
        """Return a new leg. Before its socket is asked for anything, so that what the others
        bring from then on is remembered.
        """
        self._last_number += 1
        leg = Leg(self._last_number, self, self._publisher)
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        elif self._legs and not self.arbitrating:
            self._begin(next(iter(self._legs.values())))
        self._legs[leg.number] = leg
        if self.arbitrating:
            leg.arbitrate()
        return leg

    def close(self, leg: Leg, reason: str | None) -> list[Topic]:
        """The leg's socket is gone; return the topics that may miss something.

        Their streams are marked, with *reason*; None: we stop, nothing is marked.
        """
        now_ns = time.time_ns()
        if self._legs.pop(leg.number, None) is None:
            return []
        lost: list[Topic] = []
        if not self.arbitrating:
            if reason is not None:
                self._publisher.gap(reason, now_ns)
            return lost
        for route in self._publisher.routes:
            if self._leave(leg, route, reason, now_ns):
                lost.append(route.topic)
        if len(self._legs) <= 1 and not self._redundant:
            self._end_later()
        return lost

    def forget(self, topics: Sequence[Topic]) -> None:
        """These are given up for good: their streams are closed."""
        gone = set(topics)
        for route in [route for route in self._open if route.topic in gone]:
            self._open.pop(route)
            self._arbiters.pop(route, None)

    def unproven(self, leg: Leg, before: Leg) -> list[Topic]:
        """Return the topics of *before* that *leg* has not been shown to go on with."""
        now_s = time.monotonic()
        return [
            route.topic
            for route in self._publisher.routes
            if self.is_open(before, route) and not self._covers(leg.number, route, now_s)
        ]

    def is_open(self, leg: Leg, route: Route) -> bool:
        """Tell whether the venue feeds *route* on *leg*."""
        return leg.number in self._open.get(route, ())

    def is_covered(self, route: Route, *, without: Leg) -> bool:
        """Tell whether another leg brings what *without* does not."""
        now_s = time.monotonic()
        return any(
            self._covers(number, route, now_s)
            for number in self._open.get(route, ())
            if number != without.number
        )

    def decoder(self, route: Route) -> Decode:
        """Return a decoder that remembers nothing."""
        return self._venue.decoder(route.topic.channel)

    # -- from the legs ---------------------------------------------------------

    def acknowledged(self, leg: Leg, topics: Sequence[Topic]) -> None:
        """The venue feeds these topics on *leg*."""
        if self.arbitrating:
            for topic in topics:
                for route in self._publisher.routes_of(topic.name):
                    self._note_open(leg, route)

    def left(self, leg: Leg, topic: Topic) -> bool:
        """*leg* gives up its subscription, for a new one; whether others bring it meanwhile."""
        if not self.arbitrating:
            return False
        now_ns = time.time_ns()
        routes = self._publisher.routes_of(topic.name)
        covered = all(self.is_covered(route, without=leg) for route in routes)
        if covered:
            for route in routes:
                self._leave(leg, route, None, now_ns)
        return covered

    def take(self, leg: Leg, route: Route, events: Sequence[AnyEvent], rx: int) -> None:
        """Publish what passes of what *leg* has brought."""
        self._note_open(leg, route)
        arbiter = self._arbiters.get(route)
        if arbiter is None:
            arbiter = self._arbiters[route] = arbiter_for(events[0], route.tracker, route.trades)
            for number, (since_s, joined) in self._open[route].items():
                arbiter.open(number, since_s, joined=joined)
        self._put(route, arbiter.take(leg.number, events, time.monotonic()), rx)
        self._counters.leg_repeats += arbiter.repeats
        arbiter.repeats = 0
        if arbiter.holding and self._expiry is None:
            self._expiry = asyncio.get_running_loop().call_later(HOLD_S / 4, self._expire)

    # -- between them ----------------------------------------------------------

    def _begin(self, first: Leg) -> None:
        """There will be a second one: from now on what the *first* brings is remembered."""
        self.arbitrating = True
        now_s = time.monotonic()
        for route in self._publisher.routes:
            first.decoders[route] = route.decode
            if route.active:
                self._open[route] = {first.number: (now_s, True)}
        first.arbitrate()

    def _end_later(self) -> None:
        if not self._legs:
            self._end()
        elif self._ending is None:
            loop = asyncio.get_running_loop()
            self._ending = loop.call_later(_LINGER_S, self._end)

    def _end(self) -> None:
        self.arbitrating = False
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        self._arbiters.clear()
        self._open.clear()
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        for leg in self._legs.values():
            leg.go_alone()

    def _note_open(self, leg: Leg, route: Route) -> None:
        numbers = self._open.setdefault(route, {})
        if leg.number not in numbers:
            now_s = time.monotonic()
            numbers[leg.number] = now_s, False
            if (arbiter := self._arbiters.get(route)) is not None:
                arbiter.open(leg.number, now_s)

    def _covers(self, number: int, route: Route, now_s: float) -> bool:
        opened = self._open.get(route, {}).get(number)
        if opened is None:
            return False
        arbiter = self._arbiters.get(route)
        if arbiter is not None:
            return arbiter.covers(number, now_s)
        # Nothing at all has come since there are several.
        since_s, joined = opened
        return joined or now_s - since_s >= SETTLE_S

    def _leave(self, leg: Leg, route: Route, reason: str | None, now_ns: int) -> bool:
        """*leg* does not feed *route* any more; whether something may be missing."""
        numbers = self._open.get(route, {})
        was_open = leg.number in numbers
        lost = was_open and reason is not None and not self.is_covered(route, without=leg)
        numbers.pop(leg.number, None)
        if lost and reason is not None:
            self._publisher.lose(route, reason, now_ns, goes_on=bool(numbers))
        if was_open and (arbiter := self._arbiters.get(route)) is not None:
            self._put(route, arbiter.close(leg.number, time.monotonic()), now_ns)
        if not numbers:
            self._arbiters.pop(route, None)
        return lost

    def _put(self, route: Route, out: Out, rx: int) -> None:
        events: list[AnyEvent] = []
        for each in out:
            if not isinstance(each, Jump | Doubt):
                events.append(each)
                continue
            if events:
                self._publisher.put(route, events, rx)
                events = []
            if isinstance(each, Jump):
                self._publisher.jump(route, rx)
            else:
                self._publisher.lose(route, "handover", rx, goes_on=True)
        if events:
            self._publisher.put(route, events, rx)

    def _expire(self) -> None:
        """Publish what has waited long enough for what is missing before it."""
        self._expiry = None
        now_s, now_ns, holding = time.monotonic(), time.time_ns(), False
        for route, arbiter in self._arbiters.items():
            if arbiter.holding:
                self._put(route, arbiter.expire(now_s), now_ns)
                holding |= arbiter.holding
        if holding:
            self._expiry = asyncio.get_running_loop().call_later(HOLD_S / 4, self._expire)
