"""What a worker tells its supervisor, as data that goes through a pipe."""

from typing import Literal

from msgspec import Struct, field

from ingest.feed.counters import FeedCounters, merge
from ingest.sinks.counters import SinkCounters

FeedState = Literal["waiting", "connecting", "subscribing", "live", "stopping", "stopped"]


class FeedStatus(Struct, kw_only=True):
    """One connection now."""

    name: str
    venue: str
    state: FeedState  # of several legs, the furthest
    legs: int = 1  # connections that are live
    topics: int
    active: int  # topics that the venue acknowledged or sends
    stale: int = 0  # topics that are silent now, and should not be
    never_heard: int = 0  # topics that nothing has come of since the worker started
    counters: FeedCounters
    latency_s: float | None = None  # of the last answered WebSocket ping


class WorkerStatus(Struct, kw_only=True, tag="status"):
    """One worker now. `final`: its last words, everything is published or given up."""

    worker: int
    pid: int
    feeds: list[FeedStatus]
    sink: SinkCounters
    ended: FeedCounters = field(default_factory=FeedCounters)  # of connections that are gone
    final: bool = False
    tasks: int = 0  # of its event loop; the number of connections bounds them
    recovering: bool = False  # what an earlier process left on disk is not all sent


class Totals(Struct, kw_only=True):
    """What one worker, or several, did all in all; what is logged at the end."""

    connects: int = 0
    replaced: int = 0  # of the connections, those that a new one took the place of
    disconnects: dict[str, int] = field(default_factory=dict)  # by reason
    frames: int = 0  # = data + control + unknown_topic + decode_errors
    data: int = 0
    control: int = 0
    unknown_topic: int = 0
    decode_errors: dict[str, int] = field(default_factory=dict)  # by reason
    passed_over: dict[str, int] = field(default_factory=dict)  # of control and data, by reason
    book_gaps: dict[str, int] = field(default_factory=dict)  # by reason
    leg_repeats: int = 0  # of the data, events that another leg had brought
    book_repeats: int = 0  # of the data, updates of books that were left out
    # published + dropped + conflated + left_on_disk + unpublished, less what was recovered
    # and the markers that the sink adds by itself (resets, and what it says of conflation)
    events: int = 0
    recovered: int = 0  # entries that an earlier process had left on disk
    published: int = 0
    dropped: dict[str, int] = field(default_factory=dict)  # by reason
    conflated: int = 0
    left_on_disk: int = 0  # for the next start
    unpublished: int = 0  # in hand when the worker ended

    def add(self, status: WorkerStatus) -> None:
        """Add the last report of a worker that has ended."""
        for counters in (status.ended, *(feed.counters for feed in status.feeds)):
            self.connects += counters.connects
            self.replaced += counters.replaced
            self.leg_repeats += counters.leg_repeats
            merge(self.disconnects, counters.disconnects)
            self.frames += counters.frames
            self.data += counters.data
            self.control += counters.control
            self.unknown_topic += counters.unknown_topic
            merge(self.decode_errors, counters.decode_errors)
            merge(self.passed_over, counters.passed_over)
            merge(self.book_gaps, counters.book_gaps)
            self.book_repeats += counters.book_repeats
            self.events += counters.events
        sink = status.sink
        self.published += sink.acked_entries + sink.duplicates
        merge(self.dropped, sink.dropped)
        self.recovered += sink.recovered_entries
        self.conflated += sink.conflated
        self.left_on_disk += sink.spooled_entries
        self.unpublished += sink.pending_entries
