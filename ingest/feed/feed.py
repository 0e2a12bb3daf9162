"""What the parts of one connection share."""

from msgspec import Struct

from ingest.feed.counters import FeedCounters
from ingest.feed.legs import Legs
from ingest.feed.ports import Connector
from ingest.feed.pressure import PressedSink
from ingest.feed.publisher import FeedPublisher
from ingest.feed.resync import Fetch
from ingest.limits import Gate
from ingest.plan import WorkerPlan
from ingest.venues.base import Venue


class Feed(Struct, frozen=True):
    """One connection: what it is fed by, and where that goes."""

    worker: WorkerPlan
    venue: Venue
    sink: PressedSink
    session: Connector
    gate: Gate
    counters: FeedCounters
    fetch: Fetch | None
    publisher: FeedPublisher
    legs: Legs
    overlapping: bool  # sockets may be replaced by new ones beside them
