"""From a connection's events to the sink: which stream, in which encoding, with which marks.

What a reader of one stream sees:

    reset   a new process feeds the stream from here on; what the venue sent in between,
            and what a process that died had not yet published, is missing
    gap     from here on data may be missing: the connection was lost; or it is missing
            here: "dropped", Redis could not take it, or would not; "bad_message", it
            could not be decoded
    resume  the venue feeds this stream again; the gap ends here

A new stream begins with its data: where nothing was, nothing is missing.
"""

from collections.abc import Sequence

from ingest.codecs import Codec
from ingest.errors import DecodeError
from ingest.feed.counters import FeedCounters
from ingest.model import AnyEvent, FeedEvent, Marker, Stream
from ingest.plan import ConnectionPlan
from ingest.sinks.buffer import StreamWriter
from ingest.sinks.redis_streams import RedisStreamsSink
from ingest.venues.base import Data, Topic, Venue


class Route:
    """Where the data of one topic goes."""

    __slots__ = ("active", "decode", "dropped", "gap", "stream", "topic", "writer")

    def __init__(self, topic: Topic, venue: Venue, stream: Stream, writer: StreamWriter) -> None:
        self.topic = topic
        self.decode = venue.decoder(topic.channel)
        self.stream = stream
        self.writer = writer
        self.active = False  # in this session: acknowledged, or sending
        self.gap = ""  # marked, and not yet ended: what ends it
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
    ) -> None:
        """*after_crash*: an earlier process fed these streams, and died."""
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
            route = Route(topic, venue, stream, sink.open_stream(key, preface=preface))
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
            stream, add = route.stream, writer.add
            for event in events:
                add(rx, *encode(stream, event))
            self._counters.events += len(events)
        if error is not None:
            raise error
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

    def _open_gap(self, route: Route, reason: str, rx: int, *, ended_by: str) -> None:
        """Mark a gap, unless one is open: however many messages it costs, it is one."""
        if not route.gap:
            self._mark(route, Marker(type="gap", reason=reason, rx=rx))
        route.gap = ended_by

    def _revive(self, route: Route, rx: int) -> None:
        route.active = True
        if route.gap:
            reason, route.gap = route.gap, ""
            self._mark(route, Marker(type="resume", reason=reason, rx=rx))

    def _mark_dropped(self, route: Route, rx: int) -> None:
        # Not before the gap is taken: what is dropped now is missing as well.
        dropped = route.writer.dropped
        if self._mark(route, Marker(type="gap", reason="dropped", rx=rx)):
            route.dropped = dropped
            self._mark(route, Marker(type="resume", reason="dropped", rx=rx))

    def _mark(self, route: Route, marker: Marker) -> bool:
        return self._add(route.writer, route.stream, marker, marker.rx)

    def _add(self, writer: StreamWriter, stream: Stream, event: AnyEvent, rx: int) -> bool:
        self._counters.events += 1
        return writer.add(rx, *self._codec.encode(stream, event))
