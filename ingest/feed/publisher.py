"""From a connection's events to the sink: which stream, in which encoding, with which marks.

What a reader of one stream sees:

    reset   a new process feeds the stream from here on; what the venue sent in between,
            and what a process that died had not yet published, is missing
    gap     from here on data may be missing: the connection was lost; or it is missing
            here: "dropped", Redis could not take it, or would not; "bad_message", it
            could not be decoded
    resume  the venue feeds this stream again; the gap ends here

A book's gap ends only with a snapshot: the updates before it, though they go out as
they come, have nothing to stand on. In a book there is a gap also where the venue's
own numbers ("sequence") or checksums show that something is missing.

A new stream begins with its data: where nothing was, nothing is missing.
"""

from collections.abc import Callable, Sequence

from ingest.books.tracker import BookTracker, Gap
from ingest.codecs import Codec
from ingest.errors import DecodeError
from ingest.feed.counters import FeedCounters, count
from ingest.feed.snapshots import BookSnapshots
from ingest.model import AnyEvent, Book, FeedEvent, Marker, Stream
from ingest.plan import ConnectionPlan
from ingest.sinks.buffer import StreamWriter
from ingest.sinks.redis_streams import RedisStreamsSink
from ingest.venues.base import Data, Topic, Venue


class Route:
    """Where the data of one topic goes."""

    __slots__ = (
        "active",
        "decode",
        "dropped",
        "gap",
        "snapshots",
        "stream",
        "topic",
        "tracker",
        "writer",
    )

    def __init__(
        self,
        topic: Topic,
        venue: Venue,
        stream: Stream,
        writer: StreamWriter,
        *,
        keep_book: bool = False,
    ) -> None:
        self.topic = topic
        self.decode = venue.decoder(topic.channel)
        self.stream = stream
        self.writer = writer
        self.active = False  # in this session: acknowledged, or sending
        rule = venue.books.get(topic.channel)
        self.tracker = None if rule is None else BookTracker(rule, keep=keep_book)
        self.snapshots: BookSnapshots | None = None
        self.gap = ""  # marked, and not yet ended: what ends it; a book's is its tracker's
        self.dropped = 0  # of the writer's dropped entries, those that are marked


class FeedPublisher:
    """Encodes events and hands them to the sink; keeps the gap markers in order.

    The sink never blocks: whoever reads from the venue asks `sink.full`.
    """

    def __init__(
        self,
        plan: ConnectionPlan,
        venue: Venue,
        sink: RedisStreamsSink,
        codec: Codec,
        key_template: str,
        counters: FeedCounters,
        *,
        started_ns: int,
        after_crash: bool,
        on_book_lost: Callable[[Route], None],
    ) -> None:
        """*after_crash*: an earlier process fed these streams, and died.

        *on_book_lost* is called when the book of a route has to be begun again.
        """
        self._on_book_lost = on_book_lost
        self._sink = sink
        self._codec = codec
        self._counters = counters
        self._routes: dict[str, list[Route]] = {}
        reason = "worker_restarted" if after_crash else "started"
        reset = Marker(type="reset", reason=reason, rx=started_ns)
        for topic in plan.topics:
            key = key_template.format(
                venue=venue.name, channel=topic.channel, instrument=topic.instrument
            )
            stream = Stream(venue.name, topic.channel, topic.instrument)
            preface = (started_ns, *codec.encode(stream, reset))
            writer = sink.open_stream(key, preface=preface)
            every_s = plan.book_snapshot_every_s
            route = Route(topic, venue, stream, writer, keep_book=every_s is not None)
            if every_s is not None and route.tracker is not None:
                assert route.tracker.ladder is not None
                route.snapshots = BookSnapshots(
                    route.tracker.ladder,
                    stream,
                    sink,
                    key_template,
                    writer,
                    every_s=every_s,
                    now_ns=started_ns,
                )
            self._routes.setdefault(topic.name, []).append(route)
        self._feed_stream = Stream(venue.name, "feed", plan.name)
        self._feed_writer = sink.open_stream(
            key_template.format(venue=venue.name, channel="feed", instrument=plan.name)
        )

    def publish(self, data: Data, rx: int) -> bool:
        """Decode one data frame and hand over its events; False if nobody wants its topic.

        Raises:
            DecodeError: the frame breaks the venue's protocol; the streams that cannot
                be told from it have a gap, none of them gets a part of it.
        """
        routes = self._routes.get(data.topic)
        if routes is None:
            return False
        encode = self._codec.encode
        error: DecodeError | None = None
        for route in routes:
            # Decoded whole before anything is handed over: half a frame is worse
            # than none.
            try:
                events = route.decode(data, rx)
            except DecodeError as exc:
                # What one of several channels cannot use may be sound for another.
                self._open_gap(route, "bad_message", rx, ended_by="bad_message")
                error = exc
                continue
            if route.gap or not route.active:
                self._revive(route, rx)
            writer = route.writer
            if writer.dropped != route.dropped:
                self._mark_dropped(route, rx)
            if route.tracker is not None:
                self._publish_book(route, route.tracker, events, rx)
                continue
            stream, add = route.stream, writer.add
            for event in events:
                add(rx, *encode(stream, event))
            self._counters.events += len(events)
        if error is not None:
            raise error
        return True

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
        self._add(route.writer, route.stream, whole, rx)
        return True

    def acknowledged(self, topics: Sequence[Topic], rx: int) -> None:
        """The venue accepted these topics: an open gap ends, even if no data comes soon."""
        for topic in topics:
            for route in self._routes[topic.name]:
                self._revive(route, rx)

    @property
    def active(self) -> int:
        """Topics that the venue acknowledged, or sends, in this session."""
        return sum(route.active for routes in self._routes.values() for route in routes)

    def feed_event(
        self, kind: str, rx: int, *, reason: str | None = None, detail: str | None = None
    ) -> None:
        """Write what happened to the connection into its own stream."""
        event = FeedEvent(type=kind, rx=rx, reason=reason, detail=detail)
        self._add(self._feed_writer, self._feed_stream, event, rx)

    def gap(self, reason: str, rx: int) -> None:
        """Mark that data may be missing from here on: the session is over.

        Only streams that it fed get the mark, and only one until they are fed again.
        """
        for routes in self._routes.values():
            for route in routes:
                if route.active:
                    route.active = False
                    self._open_gap(route, reason, rx, ended_by="resubscribed")

    def _publish_book(
        self, route: Route, tracker: BookTracker, events: Sequence[AnyEvent], rx: int
    ) -> None:
        """Publish a book's frame, with its markers in place, and then a snapshot if one is due."""
        stream, add, encode = route.stream, route.writer.add, self._codec.encode
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
        for event in checked:
            add(rx, *encode(stream, event))
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
        if tracker.whole and route.writer.dropped == route.dropped and not self._sink.full:
            self._add(snapshots.writer, snapshots.stream, snapshots.take(newest), newest.rx)

    def _open_gap(self, route: Route, reason: str, rx: int, *, ended_by: str) -> None:
        """Mark a gap, unless one is open: however many messages it costs, it is one."""
        tracker = route.tracker
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
        dropped = route.writer.dropped
        if not self._mark(route, Marker(type="gap", reason="dropped", rx=rx)):
            return
        route.dropped = dropped
        if route.tracker is not None:
            route.tracker.reset(in_gap=True)
            self._on_book_lost(route)
        else:
            self._mark(route, Marker(type="resume", reason="dropped", rx=rx))

    def _mark(self, route: Route, marker: Marker) -> bool:
        return self._add(route.writer, route.stream, marker, marker.rx)

    def _add(self, writer: StreamWriter, stream: Stream, event: AnyEvent, rx: int) -> bool:
        self._counters.events += 1
        return writer.add(rx, *self._codec.encode(stream, event))


def _gap_marker(gap: Gap, rx: int) -> Marker:
    return Marker(type="gap", reason=gap.reason, rx=rx, from_seq=gap.from_seq, to_seq=gap.to_seq)
