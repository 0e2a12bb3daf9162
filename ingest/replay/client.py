"""One client's connection, as the replay server sees it."""

from collections.abc import Callable

from msgspec import field
from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame
from websockets.protocol import Event, State

from ingest.replay.frames import message_frame
from ingest.replay.library import VenueRecording
from ingest.replay.playback import Cursor


class Channel(Cursor, eq=False, kw_only=True):
    """A topic's position, who listens, and what has become of its messages."""

    listeners: list["Client"] = field(default_factory=list)
    sent: int = 0
    deliveries: int = 0
    missed: int = 0


class Peer(ServerConnection):
    """A `websockets` connection that also tells of frames and of room to write.

    The hooks run inside the event loop's callbacks and must not block.
    """

    on_frame: Callable[[Frame], None] | None = None
    on_writable: Callable[[], None] | None = None
    blocked = False  # more is waiting to be written than the write limit

    def process_event(self, event: Event) -> None:
        super().process_event(event)
        if self.on_frame is not None and isinstance(event, Frame):
            self.on_frame(event)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.blocked = True

    def resume_writing(self) -> None:
        super().resume_writing()
        self.blocked = False
        if self.on_writable is not None:
            self.on_writable()


class Client:
    """A connection's subscriptions, and the frames collected for its next write."""

    def __init__(self, number: int, peer: Peer, name: str, venue: VenueRecording) -> None:
        self.number = number
        self.peer = peer
        self.name = name  # the venue's
        self.venue = venue
        self.form = ""
        # In the order subscribed; None for a topic that was not recorded.
        self.channels: dict[str, Channel | None] = {}
        # Channels held because this client reads too slowly.
        self.waiting: set[Channel] = set()
        self._out: list[bytes] = []
        self._next_number = 0

    @property
    def open(self) -> bool:
        """Data may be written: neither side has begun to close."""
        return self.peer.state is State.OPEN

    @property
    def unwritten_bytes(self) -> int:
        """What the operating system has not taken yet."""
        return self.peer.transport.get_write_buffer_size()

    def put(self, frame: bytes) -> None:
        """Add a frame to the next write."""
        self._out.append(frame)

    def put_message(self, payload: bytes) -> bytes:
        """Add a message, of the venue's kind, to the next write; return what is sent."""
        payload = self.numbered(payload)
        self._out.append(message_frame(payload, binary=self.venue.dialect.binary))
        return payload

    def numbered(self, payload: bytes) -> bytes:
        """Return the message with the connection's next number, where it has one."""
        numbered = self.venue.dialect.numbered
        made = None if numbered is None else numbered(payload, self._next_number)
        if made is None:
            return payload
        self._next_number += 1
        return made

    def write(self) -> None:
        """Write what was put, in order, as one piece."""
        # Straight to the transport: the frames are whole, so control frames that
        # `websockets` writes on its own fall between them.
        if self._out and self.open:
            self.peer.transport.write(b"".join(self._out))
        self._out.clear()
