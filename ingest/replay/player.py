"""Sends what is due to whoever listens: the loop around `Playback`."""

import asyncio
from collections.abc import Callable, Iterable

from ingest.replay.client import Channel, Client
from ingest.replay.frames import message_frame
from ingest.replay.playback import Playback

# One slice is what is sent before other tasks (acks, new clients) get their turn.
_SLICE_MESSAGES = 512
_SLICE_BYTES = 256 * 1024

Sent = Callable[[Client, Channel, bytes], None]


class Player:
    """Plays the channels that have been started to their listeners.

    Paced (*speed* is a number), a message goes out when it is due, heard or not; a
    client with more than *max_backlog_bytes* unread is cut off, as venues do.
    Unpaced (None), a channel waits while nobody listens, and while one of its
    listeners has more than the write limit unread.
    """

    def __init__(
        self,
        *,
        speed: float | None,
        loop: bool,
        max_backlog_bytes: int,
        clock: Callable[[], int],
        on_sent: Sent | None,
    ) -> None:
        """*clock* gives monotonic ns; *on_sent* gets every payload written, per client."""
        self._playback: Playback[Channel] = Playback(speed=speed, loop=loop)
        self._paced = speed is not None
        self._max_backlog_bytes = max_backlog_bytes
        self._clock = clock
        self._on_sent = on_sent
        self._clients: set[Client] = set()
        self._something_new = asyncio.Event()
        self._any_started = False
        self._all_sent = asyncio.Event()
        self.cut_off: set[int] = set()  # numbers of the clients that read too slowly

    @property
    def finished(self) -> bool:
        """Every channel ever started is at its end, and at least one was started."""
        return self._any_started and not self._playback.unfinished

    async def wait_finished(self) -> None:
        """Return once `finished`. With --loop, and unpaced without listeners, never."""
        while not self.finished:
            await self._all_sent.wait()

    def join(self, client: Client) -> None:
        """Begin to serve a client."""
        self._clients.add(client)

    def leave(self, client: Client) -> None:
        """Forget a client; nothing is sent to it from now on. Safe to repeat."""
        self._clients.discard(client)
        self.unlisten(client, list(client.channels))
        self.writable(client)

    def listen(self, client: Client, channels: Iterable[Channel]) -> None:
        """Add a client to channels, and set those going that were not, together."""
        new = [channel for channel in channels if client not in channel.listeners]
        for channel in new:
            channel.listeners.append(client)
        self._playback.start(new, self._clock())
        self._any_started = self._any_started or bool(new)
        if not self.finished:
            self._all_sent.clear()
        self._something_new.set()

    def unlisten(self, client: Client, topics: Iterable[str]) -> None:
        """Take a client off topics; those it does not have are ignored."""
        for topic in topics:
            channel = client.channels.pop(topic, None)
            if channel is not None and client in channel.listeners:
                channel.listeners.remove(client)

    def writable(self, client: Client) -> None:
        """Go on with the channels that waited for this client."""
        for channel in client.waiting:
            self._playback.release(channel)
        client.waiting.clear()
        self._something_new.set()

    def write(self, client: Client) -> None:
        """Write what was put for a client, and cut it off if it does not read."""
        client.write()
        if client.open and client.unwritten_bytes > self._max_backlog_bytes:
            self.cut_off.add(client.number)
            self.leave(client)
            client.peer.transport.abort()

    async def run(self) -> None:
        """Play until cancelled."""
        while True:
            self._something_new.clear()
            if self._send_slice():
                await asyncio.sleep(0)
                continue
            if self.finished:
                self._all_sent.set()
            due_ns = self._playback.next_due_ns()
            if due_ns is None:
                await self._something_new.wait()
                continue
            try:
                async with asyncio.timeout((due_ns - self._clock()) / 1e9):
                    await self._something_new.wait()
            except TimeoutError:
                pass  # the next message is due

    def _send_slice(self) -> bool:
        """Send what is due, up to a slice; False if nothing was."""
        # Nothing follows a CLOSE, sent or received, and nothing is counted as sent then.
        for client in [client for client in self._clients if not client.open]:
            self.leave(client)
        now_ns = self._clock()
        touched: set[Client] = set()
        messages = size = 0
        while messages < _SLICE_MESSAGES and size < _SLICE_BYTES:
            channel = self._playback.pop(now_ns)
            if channel is None:
                break
            messages += 1
            if not self._paced and self._must_wait(channel):
                self._playback.hold(channel)
                continue
            if channel.listeners:
                size += self._deliver(channel)
                touched.update(channel.listeners)
            else:
                channel.missed += 1
            self._playback.advance(channel)
        for client in touched:
            self.write(client)
        return messages > 0

    def _must_wait(self, channel: Channel) -> bool:
        blocked = [client for client in channel.listeners if client.peer.blocked]
        for client in blocked:
            client.waiting.add(channel)
        return bool(blocked) or not channel.listeners

    def _deliver(self, channel: Channel) -> int:
        """Put the channel's next message for every listener; return the bytes put."""
        recorded = channel.payload
        # One encoding and one frame per form; there are two forms at most.
        made: dict[str, tuple[bytes, bytes]] = {}
        size = 0
        for client in channel.listeners:
            ready = made.get(client.form)
            if ready is None:
                dialect = client.venue.dialect
                payload = dialect.encode(recorded, channel.topic, client.form)
                frame = message_frame(payload, binary=dialect.binary)
                ready = made[client.form] = (payload, frame)
            payload, frame = ready
            if client.venue.dialect.numbered is not None:
                payload = client.numbered(payload)
                frame = message_frame(payload, binary=client.venue.dialect.binary)
            client.put(frame)
            size += len(frame)
            if self._on_sent is not None:
                self._on_sent(client, channel, payload)
        channel.sent += 1
        channel.deliveries += len(channel.listeners)
        return size
