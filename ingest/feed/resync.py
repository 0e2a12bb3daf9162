"""Snapshots for the books of one connection that have nothing to stand on.

Where the venue sends them in the stream, the one topic is subscribed anew; where it
has them over REST, they are fetched, a few at a time. Nobody waits for it: the
updates of this book, and all others, go out meanwhile.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

import structlog

from ingest.books.tracker import BookTracker
from ingest.errors import DecodeError, RestError
from ingest.feed.counters import FeedCounters
from ingest.feed.publisher import FeedPublisher, Route
from ingest.venues.base import RestRequest, Topic, Venue
from wscore import Backoff

_log = structlog.get_logger(__name__)

# Books waiting for their turn whose updates are kept already; those of the others only
# once it is their turn.
_AHEAD = 64
_AT_ONCE = 4  # requests under way; how many may be made is the budget's to say
# A book that is lost over and over is begun again more and more rarely.
_BASE_S = 1.0
_CAP_S = 60.0
_HEALTHY_AFTER_S = 60.0
# A new subscription that has not brought its snapshot by then is not going to.
_PATIENCE_S = 10.0

Fetch = Callable[[RestRequest], Awaitable[bytes]]


class _Attempts:
    """What became of one book so far."""

    def __init__(self) -> None:
        self.backoff = Backoff(base_s=_BASE_S, cap_s=_CAP_S, healthy_after_s=_HEALTHY_AFTER_S)
        self.whole_since_s: float | None = None
        self.tried = False


class BookResync:
    """Owned by the connection. `want` may be called at any time, as often as one likes."""

    def __init__(
        self,
        venue: Venue,
        counters: FeedCounters,
        fetch: Fetch | None,
        resubscribe: Callable[[Topic], None],
    ) -> None:
        """*fetch* raises `RestError`; None: nothing can be fetched, books stay as they are."""
        self._venue = venue
        self._counters = counters
        self._fetch = fetch
        self._resubscribe = resubscribe
        self._attempts: dict[Route, _Attempts] = {}
        self._due: asyncio.Queue[Route] = asyncio.Queue()  # each route at most once
        self._wanted: set[Route] = set()
        self._behind: deque[Route] = deque()  # wanted, and not among those `_AHEAD`
        self._since_s: dict[Route, float] = {}  # monotonic: what came since then is kept

    def want(self, route: Route) -> None:
        """Begin this book again, once its turn comes."""
        if route.tracker is None:
            return
        if not route.tracker.comes_in_stream:
            if self._fetch is None:
                return
            # Not only once it is asked for: the answer may be of an earlier moment.
            if len(self._wanted) < _AHEAD:
                self._expect(route, route.tracker)
            elif route not in self._wanted:
                self._behind.append(route)
        if route in self._wanted:
            return
        self._wanted.add(route)
        self._later(route)

    async def run(self, publisher: FeedPublisher) -> None:
        """Serve the requests until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._serve(publisher))

    def _later(self, route: Route) -> None:
        attempts = self._attempts.setdefault(route, _Attempts())
        now_s, whole_s = time.monotonic(), attempts.whole_since_s
        lasted_s = 0.0 if whole_s is None else now_s - whole_s
        attempts.whole_since_s = None
        delay_s = attempts.backoff.next_delay_s(connected_for_s=lasted_s)
        if not attempts.tried:
            delay_s = 0.0  # the first is not the fault of anybody
            attempts.tried = True
        asyncio.get_running_loop().call_later(delay_s, self._due.put_nowait, route)

    async def _serve(self, publisher: FeedPublisher) -> None:
        while True:
            route = await self._due.get()
            assert route.tracker is not None
            if not route.active or route.tracker.synchronised:
                # Not connected: asked for again with the first data; or it came by itself.
                self._done(route)
                continue
            self._counters.resyncs += 1
            if route.tracker.comes_in_stream:
                self._wanted.discard(route)
                self._attempts[route].whole_since_s = time.monotonic()
                self._resubscribe(route.topic)
                asyncio.get_running_loop().call_later(_PATIENCE_S, self._check, route)
            elif await self._fetched(publisher, route):
                self._done(route)
                self._attempts[route].whole_since_s = time.monotonic()
            else:
                self._later(route)

    def _done(self, route: Route) -> None:
        """Nobody waits for this book any more; the next in line moves up."""
        self._wanted.discard(route)
        while self._behind:
            following = self._behind.popleft()
            if following in self._wanted and following.active and following.tracker is not None:
                self._expect(following, following.tracker)
                return

    def _check(self, route: Route) -> None:
        assert route.tracker is not None
        if route.active and not route.tracker.synchronised:
            self.want(route)

    def _expect(self, route: Route, tracker: BookTracker) -> None:
        if not tracker.expecting:
            tracker.expect_snapshot()
            self._since_s[route] = time.monotonic()

    async def _fetched(self, publisher: FeedPublisher, route: Route) -> bool:
        tracker, fetch = route.tracker, self._fetch
        assert tracker is not None and tracker.rule.rest is not None and fetch is not None
        rest = tracker.rule.rest
        self._expect(route, tracker)
        since_s = self._since_s[route]
        await asyncio.sleep(max(0.0, since_s + rest.age_s - time.monotonic()))
        try:
            body = await fetch(rest.request(self._venue.to_symbol(route.topic.instrument)))
            snapshot = rest.decode(body, time.time_ns())
        except (RestError, DecodeError) as exc:
            _log.warning("feed: no snapshot", topic=route.topic.name, error=str(exc)[:300])
            return False
        if not route.active or tracker.synchronised:
            return True
        # Lost meanwhile, and expected anew: this one may be from before that.
        if self._since_s[route] == since_s and publisher.publish_snapshot(route, snapshot):
            return True
        _log.debug("feed: the snapshot is older than the updates", topic=route.topic.name)
        return False
