"""Missing trades of one connection's streams: asked for, waited for, but not for long.

Requests go round among the streams, so that one long range does not keep others from
being whole. Only the stream that misses trades waits for them.
"""

import asyncio
import time

import structlog

from ingest.errors import DecodeError, RestError, SinkError
from ingest.feed.counters import FeedCounters
from ingest.feed.ports import FeedSink
from ingest.feed.publisher import FeedPublisher, Route
from ingest.feed.resync import Fetch
from ingest.logging import worth_a_line
from ingest.trades.recall import last_trade
from ingest.venues.base import Venue
from wscore import Backoff

_log = structlog.get_logger(__name__)

# Longer than an answer takes when all is well; what lies behind a gap is late by this
# much at most.
_HOLD_S = 3.0
# The same for what an earlier process left in Redis.
_RECALL_S = 3.0
_RECALLED_ENTRIES = 200  # the newest: past markers, and past what came late
_KEYS_AT_ONCE = 64
_AT_ONCE = 2  # requests under way; the snapshots of books are more urgent
_BASE_S = 0.5
_CAP_S = 30.0


class TradeBackfill:
    """Owned by the connection. `want` may be called at any time, as often as one likes."""

    def __init__(self, venue: Venue, counters: FeedCounters, fetch: Fetch | None) -> None:
        """*fetch* raises `RestError`; None: nobody can be asked, what is missing is only marked."""
        self._venue = venue
        self._counters = counters
        self._fetch = fetch
        self._due: asyncio.Queue[Route] = asyncio.Queue()  # each route at most once
        self._wanted: set[Route] = set()
        self._holds: dict[Route, int] = {}  # the one whose end is due
        self._backoffs: dict[Route, Backoff] = {}  # of those that failed last time

    def want(self, publisher: FeedPublisher, route: Route) -> None:
        """Ask for what *route* misses, once its turn comes; end its hold when it is time."""
        tracker = route.trades
        assert tracker is not None
        if tracker.holding and self._holds.get(route) != tracker.holds:
            self._holds[route] = tracker.holds
            loop = asyncio.get_running_loop()
            loop.call_later(_HOLD_S, self._end_hold, publisher, route, tracker.holds)
        if route not in self._wanted and tracker.ask() is not None:
            self._wanted.add(route)
            self._due.put_nowait(route)

    async def run(self, publisher: FeedPublisher, sink: FeedSink) -> None:
        """Find out where the streams stand, then serve the requests until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._recall(publisher, sink))
            for _ in range(_AT_ONCE):
                group.create_task(self._serve(publisher))

    def _end_hold(self, publisher: FeedPublisher, route: Route, hold: int) -> None:
        assert route.trades is not None
        if route.trades.holding and route.trades.holds == hold:
            _log.warning("feed: trades do not wait any longer", topic=route.topic.name)
            publisher.waited_enough(route, time.time_ns())

    async def _recall(self, publisher: FeedPublisher, sink: FeedSink) -> None:
        """Tell each stream which trade an earlier process published last."""
        left = [r for r in publisher.continuous if r.trades is not None and r.trades.recalling]
        try:
            async with asyncio.timeout(_RECALL_S):
                while left:
                    now, later = left[:_KEYS_AT_ONCE], left[_KEYS_AT_ONCE:]
                    keys = [route.outlet.key for route in now]
                    entries = await sink.newest(keys, _RECALLED_ENTRIES)
                    for route, newest in zip(now, entries, strict=True):
                        field = self._venue.backfills[route.topic.channel].field
                        known = last_trade(route.outlet.codec, newest, field)
                        publisher.recalled(route, *known, time.time_ns())
                    left = later
        except (TimeoutError, SinkError) as exc:
            text = str(exc) or f"no answer within {_RECALL_S:g} s"
            _log.warning("feed: not known where trades stand", streams=len(left), error=text)
        finally:
            for route in left:  # or they would wait for ever
                publisher.recalled(route, None, None, time.time_ns())

    async def _serve(self, publisher: FeedPublisher) -> None:
        while True:
            route = await self._due.get()
            self._wanted.discard(route)
            assert route.trades is not None
            asked = route.trades.ask()
            if asked is None or route.closed:
                continue
            self._wanted.add(route)
            delay_s = await self._ask(publisher, route, asked)
            if delay_s:
                loop = asyncio.get_running_loop()
                loop.call_later(delay_s, self._due.put_nowait, route)
            else:
                self._due.put_nowait(route)

    async def _ask(self, publisher: FeedPublisher, route: Route, asked: tuple[int, int]) -> float:
        """Make one request; return how long to wait before the stream's next one."""
        fetch, symbol = self._fetch, self._venue.to_symbol(route.topic.instrument)
        backfill = self._venue.backfills[route.topic.channel]
        assert fetch is not None
        self._counters.backfill_requests += 1
        try:
            body = await fetch(backfill.request(symbol, *asked))
            now_ns = time.time_ns()
            trades = backfill.decode(body, now_ns)
        except (RestError, DecodeError) as exc:
            self._counters.backfill_failures += 1
            if worth_a_line(self._counters.backfill_failures):
                _log.warning(
                    "feed: no past trades",
                    topic=route.topic.name,
                    asked=asked,
                    failures=self._counters.backfill_failures,
                    error=str(exc)[:300],
                )
            publisher.not_backfilled(route, asked, time.time_ns())
            failed = True
        else:
            publisher.backfilled(route, asked, trades, now_ns)
            assert route.trades is not None
            failed = route.trades.ask() == asked  # an answer without any of them
        if not failed:
            self._backoffs.pop(route, None)
            return 0.0
        backoff = self._backoffs.setdefault(
            route, Backoff(base_s=_BASE_S, cap_s=_CAP_S, healthy_after_s=_CAP_S)
        )
        return backoff.next_delay_s()
