"""Snapshots of a maintained book, for readers who come late.

They have a stream of their own, and the id of each is that of the entry of the book's
stream up to which it sums up that stream: its last update. Taken with an update, when
one comes after its time, so that a book at rest costs nothing: a reader who begins at
the newest snapshot never has more to catch up with than the updates of one interval.
"""

from zlib import crc32

from ingest import codecs
from ingest.books.ladder import Ladder
from ingest.codecs import Encoder
from ingest.feed.outlet import Outlet
from ingest.feed.ports import FeedSink
from ingest.model import Book, Stream

# Readers need the newest; a few more for those who have just asked for it. Redis may
# keep more of small ones.
_KEPT = 4


class BookSnapshots:
    """The snapshots of one book: where they go, and when it is time for one."""

    __slots__ = ("_codec", "_every_ns", "_offset_ns", "_slot", "_writer", "ladder", "stream")

    def __init__(
        self,
        ladder: Ladder,
        stream: Stream,
        sink: FeedSink,
        encoder: Encoder,
        key_template: str,
        book: Outlet,
        *,
        every_s: float,
        now_ns: int,
    ) -> None:
        """*stream* is the book's, *book* where it goes.

        Beside another system's encoding snapshots are written in our own.
        """
        self.ladder = ladder
        self.stream = Stream(stream.venue, f"{stream.channel}_snapshot", stream.instrument)
        self._codec = book.codec or codecs.get("fields")
        template = key_template if encoder.complete else self._codec.keys.default
        key = codecs.stream_key(self._codec, template, self.stream)
        self._writer = sink.open_stream(key, maxlen=_KEPT, follows=book.writer)
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

    def publish(self, newest: Book) -> None:
        """Hand over the book as of *newest*, its last update."""
        whole = Book(
            rx=newest.rx,
            ts=newest.ts,
            type="snapshot",
            bids=self.ladder.bids(),
            asks=self.ladder.asks(),
            seq=newest.seq,
        )
        self._writer.add(newest.rx, *self._codec.encode(self.stream, whole))

    def _slot_at(self, rx: int) -> int:
        return (rx + self._offset_ns) // self._every_ns
