"""What a worker tells its supervisor, as data that goes through a pipe."""

from typing import Literal

from msgspec import Struct

from ingest.feed.counters import FeedCounters
from ingest.sinks.counters import SinkCounters

FeedState = Literal["waiting", "connecting", "subscribing", "live", "stopping", "stopped"]


class FeedStatus(Struct, kw_only=True):
    """One connection now."""

    name: str
    venue: str
    state: FeedState
    topics: int
    active: int  # topics that the venue acknowledged or sends
    counters: FeedCounters
    latency_s: float | None = None  # of the last answered WebSocket ping


class WorkerStatus(Struct, kw_only=True):
    """One worker now. `final`: its last words, everything is published or given up."""

    worker: int
    pid: int
    feeds: list[FeedStatus]
    sink: SinkCounters
    final: bool = False
