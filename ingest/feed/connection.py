"""One connection of a feed, for as long as the worker lives: its streams, and what feeds them.

Normally that is one WebSocket, kept up by one `Line`; with redundancy there are several.
"""

import asyncio
import time
from collections.abc import Sequence

import structlog
from msgspec import structs

from ingest.codecs import Encoder
from ingest.feed.backfill import TradeBackfill
from ingest.feed.counters import FeedCounters
from ingest.feed.feed import Feed
from ingest.feed.legs import Legs
from ingest.feed.line import Line
from ingest.feed.ports import Connector, FeedSink
from ingest.feed.pressure import PressedSink
from ingest.feed.publisher import FeedPublisher
from ingest.feed.resync import BookResync, Fetch
from ingest.feed.session import names_of
from ingest.feed.status import FeedState, FeedStatus
from ingest.limits import Gate
from ingest.plan import ConnectionPlan, WorkerPlan
from ingest.venues.base import Topic, Venue

_log = structlog.get_logger(__name__)

_CLOSE_TIMEOUT_S = 1.0
_DETAIL_CHARS = 500
# Of several legs, the one that is furthest says how the connection is.
_FURTHEST: tuple[FeedState, ...] = (
    *("live", "subscribing", "connecting", "waiting", "stopping", "stopped"),
)


class FeedConnection:
    """Runs until `stop`; whatever happens to a socket, there will be another."""

    def __init__(
        self,
        plan: ConnectionPlan,
        worker: WorkerPlan,
        venue: Venue,
        sink: FeedSink,
        encoder: Encoder,
        session: Connector,
        gate: Gate,
        *,
        after_crash: bool,
        fetch: Fetch | None = None,
        overlapping: bool = True,
    ) -> None:
        """*gate*: where to wait for our turn to connect.

        *after_crash*: an earlier worker had this connection, and died. *fetch* asks the
        venue's REST interface. *overlapping*: a socket may be replaced by another beside it.
        """
        self._plan = plan
        self._sink = sink
        self.counters = counters = FeedCounters()
        self._resync = BookResync(venue, counters, fetch, self._resubscribe)
        self._backfill = TradeBackfill(venue, counters, fetch)
        self._publisher = publisher = FeedPublisher(
            plan,
            venue,
            sink,
            encoder,
            worker.redis.key,
            counters,
            started_ns=time.time_ns(),
            after_crash=after_crash,
            on_book_lost=self._resync.want,
            on_trades_missing=lambda route: self._backfill.want(self._publisher, route),
            can_backfill=fetch is not None,
            recalling=True,
            when_slow=worker.when_slow,
        )
        feed = Feed(
            worker=worker,
            venue=venue,
            sink=PressedSink(sink, plan, worker),
            session=session,
            gate=gate,
            counters=counters,
            fetch=fetch,
            publisher=publisher,
            legs=Legs(venue, publisher, counters, redundant=len(plan.legs) > 1),
            overlapping=overlapping,
        )
        self._legs = feed.legs
        self._ending: asyncio.Task[None] | None = None  # held: the loop would not
        self._lines = [Line(plan, number, feed) for number in range(len(plan.legs))]

    @property
    def name(self) -> str:
        """Its name in logs and streams."""
        return self._plan.name

    async def run(self) -> None:
        """Keep the connection up until `stop`.

        Raises:
            SinkError: the sink has failed; nothing can be published.
        """
        structlog.contextvars.bind_contextvars(connection=self._plan.name)
        helpers = [
            asyncio.create_task(self._resync.run(self._publisher)),
            asyncio.create_task(self._backfill.run(self._publisher, self._sink)),
            *(asyncio.create_task(line.watch.run()) for line in self._lines),
        ]
        for helper in helpers:
            helper.add_done_callback(_on_helper_done)
        lines = [asyncio.create_task(line.run()) for line in self._lines]
        try:
            await asyncio.wait(lines, return_when=asyncio.FIRST_EXCEPTION)
            for line in lines:
                if line.done():
                    line.result()
        finally:
            for task in (*lines, *helpers):
                task.cancel()
            await asyncio.wait([*lines, *helpers])
            self._publisher.release(time.time_ns())

    async def stop(self, timeout_s: float) -> None:
        """Close with 1001; what the venue sends before its own CLOSE is still published."""
        await asyncio.gather(*(line.stop(timeout_s) for line in self._lines))

    def drop(self, topics: Sequence[Topic], reason: str) -> None:
        """Leave topics for good; their streams end with *reason*. Without any, so do we."""
        gone, now_ns = set(topics), time.time_ns()
        rest = tuple(topic for topic in self._plan.topics if topic not in gone)
        self._plan = structs.replace(self._plan, topics=rest)
        self._publisher.close(topics, reason, now_ns)
        self._legs.forget(topics)
        detail = names_of(tuple(topics))[:_DETAIL_CHARS]
        self._publisher.feed_event("left", now_ns, reason=reason, detail=detail)
        if not rest:
            self._ending = asyncio.create_task(self.stop(_CLOSE_TIMEOUT_S))
            return
        for line in self._lines:
            line.drop(topics, self._plan)

    @property
    def plan(self) -> ConnectionPlan:
        """What it is now."""
        return self._plan

    def reroute(self, plan: ConnectionPlan) -> bool:
        """Go on as *plan* says, without a loss; False if that cannot be done, and is not.

        It can where only the way differs by which the same place is reached.
        """
        same_place = {
            "legs": plan.legs,
            "max_age_s": plan.max_age_s,
            "impersonate": plan.impersonate,
            "ca_file": plan.ca_file,
            "verify": plan.verify,
        }
        same_legs = len(plan.legs) == len(self._plan.legs)
        if not same_legs or structs.replace(self._plan, **same_place) != plan:
            return False
        self._plan = plan
        for line in self._lines:
            line.reroute(plan)
        return True

    def renew(self, reason: str) -> None:
        """Open new sockets beside the present ones, which go once those bring the same.

        Returns at once. *reason* stands in the connection's own stream. A leg that has no
        socket now is opened anew anyway.
        """
        for line in self._lines:
            line.renew(reason)

    def status(self) -> FeedStatus:
        """Return the state now."""
        states = [line.state for line in self._lines]
        return FeedStatus(
            name=self._plan.name,
            venue=self._plan.venue,
            state=min(states, key=_FURTHEST.index),
            legs=states.count("live"),
            topics=len(self._plan.topics),
            active=self._publisher.active,
            stale=max(line.watch.stale for line in self._lines),
            never_heard=min(line.watch.never_heard for line in self._lines),
            counters=self.counters,
            latency_s=next((s for line in self._lines if (s := line.latency_s) is not None), None),
        )

    def _resubscribe(self, topic: Topic) -> None:
        """On one leg: its snapshot makes the book whole for all."""
        for line in self._lines:
            if line.session is not None:
                line.session.resubscribe(topic)
                return


def _on_helper_done(task: "asyncio.Task[None]") -> None:
    # Without it books are not begun again, trades not filled in: marked, but not mended.
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("feed: failed; what is missing stays so", exc_info=error)
