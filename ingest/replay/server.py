"""A local server that is the exchange, with recorded messages.

What a client may rely on (docs/replay.md explains it to users):

- Subscriptions are honoured: a topic's messages go to those who subscribed to it,
  requests and errors are answered as the venue does (`ingest.replay.dialects`).
- A topic has ONE position in the recording, shared by all connections. Its clock
  starts when it is first subscribed to; topics of one request start together, and
  within a stretch of recorded time (`ingest.replay.tracks`) in the order recorded.
  Whoever subscribes later joins at the current position.
- Paced (`speed` is a number), the clock runs on while nobody listens, and what
  falls due then is missed. Unpaced (`speed` is None) the topic waits instead, and
  it waits for the slowest of its listeners. So a message is never sent twice, and
  a client that subscribes and stays gets every message of its topics once.
- At its end a topic goes quiet; the connection and its PINGs go on. With `loop`
  it starts over.
- `sent` counts messages handed to the transport before the client's CLOSE, if any,
  was seen: whatever is counted, an attentive client has received, unless its
  connection was cut.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response

from ingest.replay import rest
from ingest.replay.client import Channel, Client, Peer
from ingest.replay.dialects.base import Action, Reply, Session, SetForm, Subscribe, Unsubscribe
from ingest.replay.errors import ReplayError
from ingest.replay.journal import Journal
from ingest.replay.ledger import Ledger
from ingest.replay.library import Library
from ingest.replay.player import Player
from ingest.replay.report import Report
from ingest.replay.routes import rest_base, route, ws_path

STATUS_PATH = "/_replay/status"

# Unpaced, this much per client may be waiting in the process before its topics wait, and
# about as much in the kernel: by itself that grows to megabytes, which would count as sent.
_WRITE_LIMIT_BYTES = 256 * 1024
_SOCKET_BUFFER_BYTES = 256 * 1024


class ReplayServer:
    """Serves a library of recordings: `async with ReplayServer(load([path])) as server`.

    Leaving the block closes every connection with 1001 and waits for the peers.
    """

    def __init__(
        self,
        library: Library,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float | None = 1.0,
        loop: bool = False,
        tls: ssl.SSLContext | None = None,
        ping_interval_s: float = 20.0,
        ping_timeout_s: float = 60.0,
        max_backlog_bytes: int = 64 * 1024 * 1024,
        journal: Journal | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """*port* 0 takes a free one; *speed* None means unpaced; *clock* gives monotonic ns."""
        self._library = library
        self._dialects = {name: venue.dialect for name, venue in library.venues.items()}
        self._host = host
        self._port = port
        self._tls = tls
        self._ping_interval_s = ping_interval_s
        self._ping_timeout_s = ping_timeout_s
        self._ledger = Ledger(journal)
        self._player = Player(
            speed=speed,
            loop=loop,
            max_backlog_bytes=max_backlog_bytes,
            clock=clock,
            on_sent=None if journal is None else self._note_sent,
        )
        # Per venue, by topic as subscribed; filled with the tracks, stand-ins as they come.
        self._channels = {
            name: {topic: Channel(name, topic, track) for topic, track in venue.tracks.items()}
            for name, venue in library.venues.items()
        }
        self._clients: set[Client] = set()
        self._server: Server | None = None
        self._playing: asyncio.Task[None] | None = None
        # Set to an HTTP status, e.g. 503, to turn new WebSocket connections away with it.
        self.refuse_with: HTTPStatus | None = None

    async def __aenter__(self) -> Self:
        """Listen and play.

        Raises:
            ReplayError: the address cannot be used.
        """
        try:
            self._server = await serve(
                self._serve_client,
                self._host,
                self._port,
                process_request=self._process_request,
                create_connection=Peer,
                compression=None,  # recorded venues do not; frames are made by us
                ping_interval=self._ping_interval_s,
                ping_timeout=self._ping_timeout_s,
                write_limit=_WRITE_LIMIT_BYTES,
                ssl=self._tls,
            )
        except OSError as exc:
            reason = exc.strerror or exc
            raise ReplayError(f"cannot listen on {self.listen}: {reason}; use another") from exc
        self._port = next(iter(self._server.sockets)).getsockname()[1]
        self._playing = asyncio.create_task(self._player.run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        assert self._playing is not None
        # First, so that no data follows our CLOSE.
        self._playing.cancel()
        await asyncio.wait({self._playing})
        self._server.close()
        try:
            await self._server.wait_closed()
        except asyncio.CancelledError:
            self.drop_connections()  # their tasks would go on waiting for the peers
            raise
        if not self._playing.cancelled():
            self._playing.result()  # it has failed; say how

    @property
    def listen(self) -> str:
        """The address bound, `host:port`."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self._port}"

    @property
    def urls(self) -> dict[str, str]:
        """WebSocket URL by venue."""
        scheme = "ws" if self._tls is None else "wss"
        served = self._dialects
        return {name: f"{scheme}://{self._reachable}{ws_path(name, served)}" for name in served}

    @property
    def rest_urls(self) -> dict[str, str]:
        """By venue, what its REST paths are to be appended to."""
        scheme = "http" if self._tls is None else "https"
        served = self._dialects
        return {name: f"{scheme}://{self._reachable}{rest_base(name, served)}" for name in served}

    async def run(self) -> None:
        """Play on; returns only by cancellation, or raises what the player raised."""
        assert self._playing is not None
        await asyncio.shield(self._playing)

    async def wait_finished(self) -> None:
        """Return once every topic ever subscribed to, at least one, is at its end."""
        await self._player.wait_finished()

    def drop_connections(self) -> None:
        """Cut every connection without a CLOSE, as a broken network does."""
        for client in list(self._clients):
            client.peer.transport.abort()

    def report(self, *, all_topics: bool = True) -> Report:
        """Say what was sent and seen so far; without *all_topics*, of those started only."""
        return self._ledger.report(
            self._channels, finished=self._player.finished, all_topics=all_topics
        )

    @property
    def _reachable(self) -> str:
        wildcard = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(self._host)
        return self.listen if wildcard is None else f"{wildcard}:{self._port}"

    def _process_request(self, _peer: ServerConnection, request: Request) -> Response | None:
        """Answer plain GETs; None lets the WebSocket handshake go on."""
        parts = urlsplit(request.path)
        if parts.path == STATUS_PATH:
            self._ledger.flush()
            return rest.response(HTTPStatus.OK, msgspec.json.encode(self.report()))
        target = route(parts.path, self._dialects)
        if request.headers.get("Upgrade", "").lower() == "websocket" and target is not None:
            if self.refuse_with is None:
                return None
            return rest.response(self.refuse_with, b"{}")
        status, body = HTTPStatus.NOT_FOUND, _no_such_venue(parts.path, tuple(self._dialects))
        if target is not None:
            name, path = target
            venue = self._library.venues[name]
            status, body = rest.find_answer(venue, self._channels[name], path, parts.query)
        self._ledger.answered(status)
        return rest.response(status, body)

    async def _serve_client(self, peer: ServerConnection) -> None:
        assert isinstance(peer, Peer)
        assert peer.request is not None
        parts = urlsplit(peer.request.path)
        target = route(parts.path, self._dialects)
        assert target is not None  # `_process_request` answers the others
        name, path = target
        peer.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER_BYTES
        )
        client = Client(self._ledger.next_number(), peer, name, self._library.venues[name])
        self._ledger.opened(client, peer.request.path)
        peer.on_frame = lambda frame: self._see_frame(client, frame)
        peer.on_writable = lambda: self._player.writable(client)
        self._clients.add(client)
        self._player.join(client)
        try:
            self._act(client, client.venue.dialect.opened(path, parts.query))
            while True:
                payload = await peer.recv(decode=False)
                self._ledger.note(client, "request", payload=payload)
                session = Session(
                    connection_id=f"{client.number:08x}",
                    form=client.form,
                    subscribed=list(client.channels),
                    serves=lambda topic: self._channel(name, topic) is not None,
                )
                self._act(client, client.venue.dialect.request(payload, session))
        except ConnectionClosed:
            pass  # the normal end; how it ended is counted below
        finally:
            self._player.leave(client)
            self._clients.discard(client)
            self._ledger.closed(client, too_slow=client.number in self._player.cut_off)

    def _act(self, client: Client, actions: Sequence[Action]) -> None:
        if not client.open:
            return  # a request from before the client's CLOSE, which has been seen already
        for action in actions:
            match action:
                case Reply(payload):
                    self._ledger.note(client, "reply", payload=client.put_message(payload))
                case SetForm(form):
                    client.form = form
                case Subscribe(topics):
                    self._subscribe(client, topics)
                case Unsubscribe(topics):
                    self._player.unlisten(client, topics)
                    for topic in topics:
                        self._ledger.note(client, "unsubscribe", topic=topic)
        # Data leaves from the player's loop only, so answers precede what they announce.
        self._player.write(client)

    def _subscribe(self, client: Client, topics: Sequence[str]) -> None:
        channels = []
        for topic in topics:
            channel = self._channel(client.name, topic)
            client.channels[topic] = channel
            self._ledger.note(client, "subscribe", topic=topic)
            if channel is not None:
                channels.append(channel)
        self._player.listen(client, channels)

    def _channel(self, name: str, topic: str) -> Channel | None:
        channels = self._channels[name]
        if topic not in channels:
            venue = self._library.venues[name]
            recorded = venue.dialect.stand_in(topic)
            if recorded is None or recorded not in venue.tracks:
                return None
            channels[topic] = Channel(name, topic, venue.tracks[recorded])
        return channels[topic]

    def _see_frame(self, client: Client, frame: Frame) -> None:
        if frame.opcode is Opcode.PING or frame.opcode is Opcode.PONG:
            self._ledger.note(
                client, frame.opcode.name.lower(), payload=bytes(frame.data).hex().encode()
            )

    def _note_sent(self, client: Client, channel: Channel, payload: bytes) -> None:
        self._ledger.note(client, "sent", topic=channel.topic, payload=payload)


def _no_such_venue(path: str, served: Sequence[str]) -> bytes:
    return msgspec.json.encode({"error": f"{path} belongs to none of: {', '.join(served)}"})
