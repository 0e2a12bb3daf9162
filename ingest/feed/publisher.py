"""From a connection's events to the sink: which stream, in which encoding, with which marks.

What a reader of one stream sees:

    reset   a new process feeds the stream from here on; what the venue sent in between,
            and what a process that died had not yet published, is missing
    gap     from here on data may be missing: the connection was lost; or it is missing
            here: "dropped", Redis could not take it, or would not; "bad_message", it
            could not be decoded; "resync", the venue was asked to begin anew a book that
            comes with the same subscription
    resume  the venue feeds this stream again; the gap ends here

A book's gap ends only with a snapshot: the updates before it, though they go out as
they come, have nothing to stand on. In a book there is a gap also where the venue's
own numbers ("sequence") or checksums show that something is missing.

Where a venue numbers its trades one by one and can be asked for past ones, a jump in
the numbers is a gap as well ("sequence"), and each trade is published once, however
often it comes.

A new stream begins with its data: where nothing was, nothing is missing.
"""

from collections.abc import Callable, Sequence
from typing import Literal, cast

from ingest.books.tracker import BookTracker, Gap
from ingest.codecs import Encoder
from ingest.config.schema import WhenSlowConfig
from ingest.errors import DecodeError
from ingest.feed.counters import FeedCounters, count
from ingest.feed.outlet import Outlet
from ingest.feed.ports import FeedSink
from ingest.feed.snapshots import BookSnapshots
from ingest.model import AnyEvent, Book, FeedEvent, Marker, Stream, Trade
from ingest.plan import ConnectionPlan
from ingest.trades.tracker import Room, TradeTracker
from ingest.venues.base import Data, Topic, Venue

# Trades of all streams of a connection that may wait for those before them.
_MOST_HELD = 20_000


class Route:
    """Where the data of one topic goes."""

    __slots__ = (
        *("active", "closed", "decode", "dropped", "gap", "heard", "left"),
        *("outlet", "snapshots", "topic", "tracker", "trades"),
    )

    def __init__(
        self,
        topic: Topic,
        venue: Venue,
        outlet: Outlet,
        trades: TradeTracker | None,
        *,
        keep_book: bool = False,
    ) -> None:
        self.topic = topic
        self.decode = venue.decoder(topic.channel)
        self.outlet = outlet
        self.active = False  # in this session: acknowledged, or sending
        rule = venue.books.get(topic.channel)
        self.tracker = None if rule is None else BookTracker(rule, keep=keep_book)
        self.snapshots: BookSnapshots | None = None
        self.trades = trades
        self.heard = False  # data came; of routes that share a name, the first one's counts
        self.gap = ""  # marked, and not yet ended: what ends it; a book's is its tracker's
        self.left = False  # the subscription is given up for a new one
        self.closed = False  # it is given up for good
        self.dropped = 0  # of the outlet's dropped entries, those that are marked


# What a frame had: events or none; None: nobody wants its topic.
Said = Literal["events", "nothing"] | None


class FeedPublisher:
    """Encodes events and hands them to the sink; keeps the gap markers in order.

    The sink never blocks: whoever reads from the venue asks `sink.full`.
    """

    def __init__(
        self,
        plan: ConnectionPlan,
        venue: Venue,
        sink: FeedSink,
        encoder: Encoder,
        key_template: str,
        counters: FeedCounters,
        *,
        started_ns: int,
        after_crash: bool,
        on_book_lost: Callable[[Route], None],
        on_trades_missing: Callable[[Route], None],
        can_backfill: bool,
        recalling: bool,
        when_slow: WhenSlowConfig,
    ) -> None:
        """*after_crash*: an earlier process fed these streams, and died.

        *on_book_lost* is called when the book of a route has to be begun again,
        *on_trades_missing* when a route may have trades to ask for, or holds some back.
        *can_backfill*: somebody answers that with `backfilled` or `not_backfilled`;
        *recalling*: and calls `recalled` for each of `continuous`, once.
        """
        self._on_book_lost = on_book_lost
        self._on_trades_missing = on_trades_missing
        self._venue = venue
        self._sink = sink
        self._counters = counters
        self._routes: dict[str, list[Route]] = {}
        self._closed: set[str] = set()  # the venue's names that were routes
        room = Room(_MOST_HELD)
        self.continuous: list[Route] = []  # those whose trades are tracked
        reason = "worker_restarted" if after_crash else "started"
        reset = Marker(type="reset", reason=reason, rx=started_ns)
        for topic in plan.topics:
            stream = Stream(venue.name, topic.channel, topic.instrument)
            conflate = when_slow.of(topic.channel) == "conflate"
            outlet = Outlet(sink, encoder, key_template, stream, preface=reset, conflate=conflate)
            backfill, trades = venue.backfills.get(topic.channel), None
            if backfill is not None:
                most = backfill.most if can_backfill else 0
                trades = TradeTracker(most, room, recalling=recalling)
            every_s = plan.book_snapshot_every_s
            route = Route(topic, venue, outlet, trades, keep_book=every_s is not None)
            if every_s is not None and route.tracker is not None:
                assert route.tracker.ladder is not None
                route.snapshots = BookSnapshots(
                    route.tracker.ladder,
                    stream,
                    sink,
                    encoder,
                    key_template,
                    outlet,
                    every_s=every_s,
                    now_ns=started_ns,
                )
            if route.trades is not None:
                self.continuous.append(route)
            self._routes.setdefault(topic.name, []).append(route)
        feed = Stream(venue.name, "feed", plan.name)
        self._feed = Outlet(sink, encoder, key_template, feed)

    def publish(self, data: Data, rx: int) -> Said:
        """Decode one data frame and hand over its events, if any; None: nobody wants its topic.

        Raises:
            DecodeError: the frame breaks the venue's protocol; the streams that cannot
                be told from it have a gap, none of them gets a part of it.
        """
        routes = self._routes.get(data.topic)
        if routes is None:
            return None
        routes[0].heard = True
        error: DecodeError | None = None
        said: Said = "nothing"
        for route in routes:
            # Decoded whole before anything is handed over: half a frame is worse
            # than none.
            try:
                events = route.decode(data, rx)
            except DecodeError as exc:
                # What one of several channels cannot use may be sound for another.
                self.bad_message(route, rx)
                error = exc
                continue
            if events:
                said = "events"
            # As `put`; written out, because this is every frame's way.
            if route.gap or not route.active:
                self._revive(route, rx)
            outlet = route.outlet
            if outlet.dropped != route.dropped:
                self._mark_dropped(route, rx)
            if route.tracker is not None:
                self._publish_book(route, route.tracker, events, rx)
                continue
            if route.trades is not None:
                events = self._continued(route, route.trades, events, rx)
            add = outlet.add
            for event in events:
                add(event, rx)
            self._counters.events += len(events)
        if error is not None:
            raise error
        return said

    def bad_message(self, route: Route, rx: int) -> None:
        """Mark that a message could not be decoded."""
        self._open_gap(route, "bad_message", rx, ended_by="bad_message")

    def put(self, route: Route, events: Sequence[AnyEvent], rx: int) -> None:
        """Publish decoded events, whenever received, with the markers that belong before them."""
        if route.gap or not route.active:
            self._revive(route, rx)
        outlet = route.outlet
        if outlet.dropped != route.dropped:
            self._mark_dropped(route, rx)
        if route.tracker is not None:
            self._publish_book(route, route.tracker, events, rx)
            return
        if route.trades is not None:
            events = self._continued(route, route.trades, events, rx)
        add = outlet.add
        for event in events:
            add(event, event.rx)
        self._counters.events += len(events)

    def publish_snapshot(self, route: Route, snapshot: Book) -> bool:
        """Publish a book that was asked for; False if it is too old: ask again."""
        tracker = route.tracker
        assert tracker is not None
        was_in_gap = tracker.in_gap
        whole = tracker.join(snapshot)
        if whole is None:
            return False
        # The entry ids of a stream do not go back, and what it holds is as new as this.
        rx = whole.rx
        if was_in_gap:
            self._mark(route, Marker(type="resume", reason="snapshot", rx=rx))
        self._add(route.outlet, whole, rx)
        return True

    def recalled(self, route: Route, last: int | None, ts: int | None, rx: int) -> None:
        """The trade that an earlier process published last, dated *ts*; None: not known."""
        assert route.trades is not None
        self._put_trades(route, route.trades.recall(last, ts, rx))

    def backfilled(
        self, route: Route, asked: tuple[int, int], trades: Sequence[Trade], rx: int
    ) -> None:
        """Publish past trades that were asked for."""
        assert route.trades is not None
        self._put_trades(route, route.trades.answered(asked, trades, rx))

    def not_backfilled(self, route: Route, asked: tuple[int, int], rx: int) -> None:
        """The trades that were asked for could not be had."""
        assert route.trades is not None
        self._put_trades(route, route.trades.failed(asked, rx))

    def waited_enough(self, route: Route, rx: int) -> None:
        """Publish the trades that wait for those before them."""
        assert route.trades is not None
        self._put_trades(route, route.trades.expire(rx))

    def release(self, rx: int) -> None:
        """Publish all trades that wait for others: this is the end."""
        for route in self.continuous:
            self._release(route, rx)

    def acknowledged(self, topics: Sequence[Topic], rx: int) -> None:
        """The venue accepted these topics: an open gap ends, even if no data comes soon."""
        for topic in topics:
            for route in self._routes.get(topic.name, ()):
                if route.left:
                    route.left = False
                    self._open_gap(route, "resync", rx, ended_by="resubscribed")
                self._revive(route, rx)

    def stale(self, head: Route, rx: int) -> None:
        """Mark that data may be missing: a topic is silent, and will be subscribed anew."""
        for route in self._routes[head.topic.name]:
            if route.active:
                route.active = False
                self._open_gap(route, "stale", rx, ended_by="resubscribed")

    def close(self, topics: Sequence[Topic], reason: str, rx: int) -> None:
        """Give up streams for good: a `gap` that nothing ends stands at their end."""
        gone = set(topics)
        for name in {topic.name for topic in topics}:
            routes = self._routes.pop(name, [])
            kept = [route for route in routes if route.topic not in gone]
            if kept:
                self._routes[name] = kept
            else:
                self._closed.add(name)
            for route in routes:
                if route.topic in gone:
                    self._close(route, reason, rx)
        self.continuous = [route for route in self.continuous if not route.closed]

    def is_closed(self, name: str) -> bool:
        """Tell whether data of the venue's *name* may still come, though nobody wants it."""
        return name in self._closed

    def _close(self, route: Route, reason: str, rx: int) -> None:
        self._release(route, rx)
        in_gap = route.tracker is not None and route.tracker.in_gap
        if route.active or route.gap or in_gap:
            self._mark(route, Marker(type="gap", reason=reason, rx=rx))
        route.active, route.closed = False, True

    @property
    def heads(self) -> list[Route]:
        """The first route of each of the venue's names: where `heard` is noted."""
        return [routes[0] for routes in self._routes.values()]

    def leaving(self, topics: Sequence[Topic]) -> None:
        """These are unsubscribed, to be subscribed anew for the sake of a book among them.

        What the others miss meanwhile lies before the new acknowledgement: data of the
        old subscription still comes. Decoders stay: a subscription begins with what
        makes them forget.
        """
        for topic in topics:
            for route in self._routes[topic.name]:
                route.left = route.tracker is None

    @property
    def active(self) -> int:
        """Topics that the venue acknowledged, or sends, in this session."""
        return sum(route.active for routes in self._routes.values() for route in routes)

    def feed_event(
        self, kind: str, rx: int, *, reason: str | None = None, detail: str | None = None
    ) -> None:
        """Write what happened to the connection into its own stream."""
        event = FeedEvent(type=kind, rx=rx, reason=reason, detail=detail)
        self._add(self._feed, event, rx)

    def gap(self, reason: str, rx: int) -> None:
        """Mark that data may be missing from here on: the session is over.

        Only streams that it fed get the mark, and only one until they are fed again.
        """
        for route in self.routes:
            self.lose(route, reason, rx)

    def lose(self, route: Route, reason: str, rx: int, *, goes_on: bool = False) -> None:
        """Mark that a stream's data may be missing from here on; *goes_on*: it still comes."""
        route.left = False
        if route.active:
            route.active = goes_on
            if not goes_on:
                # What it remembers is of the session that is over.
                route.decode = self._venue.decoder(route.topic.channel)
            self._open_gap(route, reason, rx, ended_by="resubscribed")

    def jump(self, route: Route, rx: int) -> None:
        """Mark that updates of a book are missing, and that its snapshot comes next."""
        tracker = route.tracker
        assert tracker is not None
        if not tracker.in_gap:
            self._mark(route, Marker(type="gap", reason="sequence", rx=rx))
            count(self._counters.book_gaps, "sequence")
        tracker.reset(in_gap=True)

    @property
    def routes(self) -> list[Route]:
        """All of them."""
        return [route for routes in self._routes.values() for route in routes]

    def routes_of(self, name: str) -> Sequence[Route]:
        """Return those of one of the venue's names."""
        return self._routes.get(name, ())

    def _publish_book(
        self, route: Route, tracker: BookTracker, events: Sequence[AnyEvent], rx: int
    ) -> None:
        """Publish a book's frame, with its markers in place, and then a snapshot if one is due."""
        add = route.outlet.add
        checked: list[AnyEvent] = []
        newest: Book | None = None
        for event in events:
            assert isinstance(event, Book)
            step = tracker.step(event)
            if step.gap is not None:
                checked.append(_gap_marker(step.gap, rx))
                count(self._counters.book_gaps, step.gap.reason)
                self._on_book_lost(route)
            elif step.resumed:
                checked.append(Marker(type="resume", reason="snapshot", rx=rx))
            if step.publish:
                checked.append(event)
                newest = event
            else:
                self._counters.book_repeats += 1
        for each in checked:
            add(each, each.rx)
        self._counters.events += len(checked)
        if route.snapshots is not None and newest is not None:
            self._snapshot(route, tracker, route.snapshots, newest)

    def _snapshot(
        self, route: Route, tracker: BookTracker, snapshots: BookSnapshots, newest: Book
    ) -> None:
        if not (newest.bids or newest.asks) or not snapshots.due(newest.rx):
            return
        # Of a book that is not whole there is none: a time that passes meanwhile passes,
        # and what makes it whole is a snapshot, too. Nor where they would crowd out updates.
        crowded = self._sink.full or self._sink.slow
        if tracker.whole and route.outlet.dropped == route.dropped and not crowded:
            self._counters.events += 1
            snapshots.publish(newest)

    def _continued(
        self, route: Route, tracker: TradeTracker, events: Sequence[AnyEvent], rx: int
    ) -> Sequence[AnyEvent]:
        """Return what of a frame's trades is to be published as it is; publish the rest."""
        # A channel with a backfill has trades and nothing else.
        checked = tracker.step(cast("Sequence[Trade]", events), rx)
        if checked is events:
            return events
        self._put_trades(route, checked)
        return ()

    def _put_trades(self, route: Route, events: Sequence[Trade | Marker]) -> None:
        counters, outlet = self._counters, route.outlet
        if route.closed:
            return
        for event in events:
            if isinstance(event, Trade):
                counters.trades_backfilled += event.backfill is True
            elif event.type == "gap":
                counters.trade_gaps += 1
                if event.from_seq is not None and event.to_seq is not None:
                    counters.trades_missing += event.to_seq - event.from_seq + 1
            # Not all came just now: some were held back.
            self._add(outlet, event, event.rx)
        tracker = route.trades
        assert tracker is not None
        counters.trade_repeats += tracker.repeats
        tracker.repeats = 0
        if events or tracker.holding:
            self._on_trades_missing(route)

    def _release(self, route: Route, rx: int) -> None:
        if route.trades is not None and (route.trades.holding or route.trades.recalling):
            self._put_trades(route, route.trades.release(rx))

    def _open_gap(self, route: Route, reason: str, rx: int, *, ended_by: str) -> None:
        """Mark a gap, unless one is open: however many messages it costs, it is one."""
        tracker = route.tracker
        self._release(route, rx)
        if not (route.gap if tracker is None else tracker.in_gap):
            self._mark(route, Marker(type="gap", reason=reason, rx=rx))
        if tracker is None:
            route.gap = ended_by
            return
        tracker.reset(in_gap=True)
        if route.active:
            self._on_book_lost(route)

    def _revive(self, route: Route, rx: int) -> None:
        began, route.active = not route.active, True
        if began and route.tracker is not None and not route.tracker.comes_in_stream:
            self._on_book_lost(route)  # nobody else brings its first snapshot
        if route.gap:
            reason, route.gap = route.gap, ""
            self._mark(route, Marker(type="resume", reason=reason, rx=rx))

    def _mark_dropped(self, route: Route, rx: int) -> None:
        # Not before the gap is taken: what is dropped now is missing as well.
        dropped = route.outlet.dropped
        if not self._mark(route, Marker(type="gap", reason="dropped", rx=rx)):
            return
        route.dropped = dropped
        if route.tracker is not None:
            route.tracker.reset(in_gap=True)
            self._on_book_lost(route)
        else:
            self._mark(route, Marker(type="resume", reason="dropped", rx=rx))

    def _mark(self, route: Route, marker: Marker) -> bool:
        return self._add(route.outlet, marker, marker.rx)

    def _add(self, outlet: Outlet, event: AnyEvent, rx: int) -> bool:
        self._counters.events += 1
        return outlet.add(event, rx)


def _gap_marker(gap: Gap, rx: int) -> Marker:
    return Marker(type="gap", reason=gap.reason, rx=rx, from_seq=gap.from_seq, to_seq=gap.to_seq)
