"""Snapshots of a maintained book, for readers who come late.

They have a stream of their own, and the id of each is that of the entry of the book's
stream up to which it sums up that stream: its last update. Taken with an update, when
one comes after its time, so that a book at rest costs nothing: a reader who begins at
the newest snapshot never has more to catch up with than the updates of one interval.
"""

from zlib import crc32

from ingest.books.ladder import Ladder
from ingest.model import Book, Stream
from ingest.sinks.buffer import StreamWriter
from ingest.sinks.redis_streams import RedisStreamsSink

# Readers need the newest; a few more for those who have just asked for it. Redis may
# keep more of small ones.
_KEPT = 4


class BookSnapshots:
    """The snapshots of one book: where they go, and when it is time for one."""

    __slots__ = ("_every_ns", "_offset_ns", "_slot", "ladder", "stream", "writer")

    def __init__(
        self,
        ladder: Ladder,
        stream: Stream,
        sink: RedisStreamsSink,
        key_template: str,
        follows: StreamWriter,
        *,
        every_s: float,
        now_ns: int,
    ) -> None:
        """*stream* is the book's, *follows* its writer."""
        self.ladder = ladder
        self.stream = Stream(stream.venue, f"{stream.channel}_snapshot", stream.instrument)
        key = key_template.format(
            venue=stream.venue, channel=self.stream.channel, instrument=stream.instrument
        )
        self.writer = sink.open_stream(key, maxlen=_KEPT, follows=follows)
        self._every_ns = int(every_s * 1e9)
        # Time is cut into slots, for each book at other points: not all on one moment.
        self._offset_ns = crc32(key.encode()) * self._every_ns >> 32
        self._slot = self._slot_at(now_ns)

    def due(self, rx: int) -> bool:
        """Tell whether this is the first time asked in its slot."""
        slot = self._slot_at(rx)
        if slot == self._slot:
            return False
        self._slot = slot
        return True

    def take(self, newest: Book) -> Book:
        """Return the book as of *newest*, its last update."""
        return Book(
            rx=newest.rx,
            ts=newest.ts,
            type="snapshot",
            bids=self.ladder.bids(),
            asks=self.ladder.asks(),
            seq=newest.seq,
        )

    def _slot_at(self, rx: int) -> int:
        return (rx + self._offset_ns) // self._every_ns
