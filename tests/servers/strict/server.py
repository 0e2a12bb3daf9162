"""The venue's side of every connection: counts, answers, and does what the venue does."""

import asyncio
import contextlib
import http
import json
import math
import struct
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response

from tests.servers.strict.families import FAMILIES
from tests.servers.strict.limits import Bucket, Window
from tests.servers.strict.rules import Rules

_HIGH_BYTES = 1 << 20  # unread by a client: it gets no data meanwhile

Say = Callable[..., None]


def limit(rule: tuple[str, int, float]) -> Window | Bucket:
    kind, count, number = rule
    return Window(count, number) if kind == "window" else Bucket(count, number)


class Connection(ServerConnection):
    """Sees every frame when it comes, control frames too."""

    venue: "StrictVenue"
    client: "StrictClient | None" = None

    def process_event(self, event: Any) -> None:
        if isinstance(event, Frame) and self.client is not None:
            self.client.on_frame(event)
            if event.opcode not in (Opcode.PING, Opcode.PONG, Opcode.CLOSE):
                return  # dealt with: nobody reads the library's queue
        super().process_event(event)


class StrictClient:
    """One open connection. What a family may do with it: `families.base.Client`."""

    def __init__(self, venue: "StrictVenue", connection: Connection, number: int) -> None:
        rules = venue.rules
        self.number = number
        parts = urlsplit(connection.request.path if connection.request else "")
        self.path, self.query = parts.path, dict(parse_qsl(parts.query))
        self.topics: list[str] = []
        self.memory: dict[str, Any] = {}
        self._venue = venue
        self._connection = connection
        self._messages = limit(rules.messages) if rules.messages else None
        self._subscribes = limit(rules.subscribes) if rules.subscribes else None
        self._text = b""
        self._closing = False
        loop = self._loop = asyncio.get_running_loop()
        self._opened_at_s, self._first_second = time.time(), 0
        self._opened_s = self._said_s = self._heard_s = loop.time()
        self._pings: dict[bytes, float] = {}  # unanswered: payload, when it went out
        self._ping_number = 0
        self._pinged_s = self._beat_s = self._alive_s = self._opened_s
        self._asked_to_leave_s: float | None = None
        self._subscribed = False
        self._begun: set[str] = set()  # topics that had their first data
        self._to_lose: set[str] = set()  # topics whose next update does not go out

    # -- for the family ---------------------------------------------------------

    def say(self, message: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message, separators=(",", ":"))
        if self._closing or self._connection.transport.is_closing():
            return
        frame, protocol = self._venue.family.pack(text), self._connection.protocol
        with contextlib.suppress(Exception):  # closed meanwhile: the frame has nowhere to go
            if isinstance(frame, bytes):
                protocol.send_binary(frame)
            else:
                protocol.send_text(frame.encode())
            self._connection.send_data()
        self._said_s = self._loop.time()

    def take(self, topics: list[str]) -> bool:
        rules = self._venue.rules
        peak = self._venue.peak
        if not self._count_subscribe():
            return False
        most = rules.topics_per_request
        peak("topics_per_request", len(topics), most)
        if most is not None and len(topics) > most:
            return self.breach("topics_per_request", f"{len(topics)} of {most}")
        all_topics = list(dict.fromkeys([*self.topics, *topics]))
        most = rules.topics_per_connection
        peak("topics_per_connection", len(all_topics), most)
        if most is not None and len(all_topics) > most:
            return self.breach("topics_per_connection", f"{len(all_topics)} of {most}")
        most, size = rules.topic_bytes_per_connection, sum(map(len, all_topics))
        peak("topic_bytes_per_connection", size, most)
        if most is not None and size > most:
            return self.breach("topic_bytes_per_connection", f"{size} of {most}")
        most, size = rules.topics_per_host, self._venue.subscribed(but=self) + len(all_topics)
        peak("topics_per_host", size, most)
        if most is not None and size > most:
            return self.breach("topics_per_host", f"{size} of {most}")
        self.topics, self._subscribed = all_topics, True
        return True

    def leave(self, topics: list[str]) -> bool:
        if not self._count_subscribe():
            return False
        gone = set(topics)
        self.topics = [topic for topic in self.topics if topic not in gone]
        self._begun -= gone
        self._to_lose -= gone
        return True

    def begins(self, topic: str) -> bool:
        return topic not in self._begun

    def pinged(self) -> None:
        self._pings.setdefault(b"", self._loop.time())

    def answered(self) -> None:
        if self._pings.pop(b"", None) is None:
            return
        self._venue.counts["pings answered"] += 1

    def kept_alive(self) -> None:
        self._alive_s = self._loop.time()

    def close(self, code: int, reason: str = "") -> None:
        if self._closing:
            return
        self._venue.counts[f"we closed {code}"] += 1
        self._venue.spawn(self._connection.close(code, reason))
        self._closing = True

    # -- for the server ---------------------------------------------------------

    def on_frame(self, frame: Frame) -> None:
        venue, rules, now_s = self._venue, self._venue.rules, self._loop.time()
        if self._closing:
            return
        if frame.opcode is Opcode.CLOSE:
            self._closing = True
            (code,) = struct.unpack("!H", bytes(frame.data[:2])) if frame.data else (1005,)
            venue.counts[f"client closed {code}"] += 1
            return
        is_control = frame.opcode in (Opcode.PING, Opcode.PONG)
        if (not is_control or rules.messages_count_control) and not self._count(now_s):
            return
        if frame.opcode is Opcode.PONG:
            if self._pings.pop(bytes(frame.data), None) is not None:
                venue.counts["pings answered"] += 1
            return
        if frame.opcode is Opcode.PING:
            return
        self._heard_s = now_s
        self._text += bytes(frame.data)
        if not frame.fin:
            return
        text, self._text = self._text, b""
        venue.counts["messages"] += 1
        most = rules.request_bytes
        venue.peak("request_bytes", len(text), most)
        if most is not None and len(text) > most:
            self.breach("request_bytes", f"{len(text)} of {most}")
            return
        try:
            venue.family.received(self, text.decode())
        except Exception as exc:  # noqa: BLE001  whatever it is: the client has to see nothing odd
            self.breach("malformed", f"{exc!r}: {text[:200]!r}")

    def _count_subscribe(self) -> bool:
        if self._subscribes is None:
            return True
        fits = self._subscribes.use(self._loop.time())
        self._venue.peak("subscribes", self._subscribes.peak, self._subscribes)
        return fits or self.breach("subscribes", str(self._subscribes))

    def _count(self, now_s: float) -> bool:
        venue = self._venue
        if venue.rules.messages_pro_rata and not self._count_first_second():
            return False
        window = venue.messages if venue.messages is not None else self._messages
        if window is None:
            return True
        fits = window.use(now_s)
        venue.peak("messages", window.peak, window)
        return fits or self.breach("messages", str(window))

    def _count_first_second(self) -> bool:
        """Of the calendar second in which the connection was opened, only the rest counts."""
        rule = self._venue.rules.messages
        assert rule is not None
        if int(time.time()) != int(self._opened_at_s):
            return True
        self._first_second += 1
        most = math.floor(rule[1] * (1 - self._opened_at_s % 1))
        return self._first_second <= most or self.breach("messages_pro_rata", f"more than {most}")

    def watch(self, now_s: float) -> None:
        """Called often: what has to happen without the client, or has not happened."""
        rules, family = self._venue.rules, self._venue.family
        if self._closing:
            return
        if family.beat_s is not None and now_s - self._beat_s >= family.beat_s:
            self._beat_s = now_s
            family.beat(self)
        asked_s, leave_s = self._asked_to_leave_s, rules.leave_within_s
        if asked_s is not None and leave_s is not None and now_s - asked_s > leave_s:
            self.breach("leave_within_s", f"{leave_s:g} s")
            self.abort()
            return
        if rules.subscribe_within_s is not None and not self._subscribed:
            if now_s - self._opened_s > rules.subscribe_within_s:
                self.breach("subscribe_within_s", f"{rules.subscribe_within_s:g} s")
                self.close(1008, "subscribe first")
            return
        heard_s = self._heard_s
        if rules.client_quiet_s is not None and now_s - heard_s > rules.client_quiet_s:
            self.breach("client_quiet_s", f"{rules.client_quiet_s:g} s")
            self.close(1008, "quiet")
            return
        if rules.client_ping is not None and now_s - self._alive_s > sum(rules.client_ping):
            self.breach("client_ping", "{:g} s and {:g} s".format(*rules.client_ping))
            self.close(1008, "no ping")
            return
        if rules.quiet_s is not None and now_s - max(heard_s, self._said_s) > rules.quiet_s:
            self.breach("quiet_s", f"{rules.quiet_s:g} s")
            return
        if rules.ping is None:
            return
        every_s, within_s = rules.ping
        for sent_s in self._pings.values():
            if now_s - sent_s > within_s:
                self.breach("ping", f"not answered within {within_s:g} s")
                self.close(1008, "Pong timeout")
                return
        if now_s - self._pinged_s >= every_s:
            self._pinged_s = now_s
            self._venue.counts["pings"] += 1
            if self._venue.family.control_pings:
                self._ping_number += 1
                payload = str(self._ping_number).encode()
                self._pings[payload] = now_s
                with contextlib.suppress(Exception):
                    self._connection.protocol.send_ping(payload)
                    self._connection.send_data()
            else:
                self._venue.family.ping(self)

    def feed(self) -> None:
        """Send the next data of every topic."""
        venue = self._venue
        transport = self._connection.transport
        if transport.get_write_buffer_size() > _HIGH_BYTES:
            return
        for topic in self.topics:
            if self._closing or transport.is_closing():
                return
            venue.sent[topic] += 1
            messages = venue.family.data(topic, venue.sent[topic], self)
            self._begun.add(topic)
            if topic in self._to_lose:
                self._to_lose.discard(topic)
                venue.counts["lost"] += 1
                continue
            for message in messages:
                self.say(message)

    def lose(self) -> None:
        """Withhold the next update of every topic that has begun: all at once have a gap."""
        self._to_lose |= self._begun

    def ask_to_leave(self) -> None:
        """Tell the client that this connection will go away."""
        self._venue.family.ask_to_leave(self)
        self._asked_to_leave_s = self._loop.time()

    def abort(self) -> None:
        """Gone without a word."""
        self._closing = True
        self._connection.transport.abort()

    def breach(self, rule: str, detail: str) -> bool:
        self._venue.violated(rule, self.number, detail)
        self._venue.family.breach(self, rule)
        if self._closing:
            self._venue.disconnected_for_breach(self._loop.time())
        return False


class StrictVenue:
    """One venue for one host: everybody who connects is one address."""

    def __init__(self, name: str, rules: Rules, say: Say, *, rate: float) -> None:
        """*rate*: data messages of each topic per second."""
        self.rules = rules
        self.family = FAMILIES[name]()
        self.family.rules = rules
        self.counts: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()  # by topic
        self.messages = (
            limit(rules.messages) if rules.messages_per_host and rules.messages else None
        )
        self._say = say
        self._rate = rate
        self._connects = [limit(rule) for rule in rules.connects]
        self._rest = Window(*rules.rest) if rules.rest else None
        self._clients: dict[int, StrictClient] = {}
        self._peaks: dict[str, tuple[int, str]] = {}
        self._violations: list[dict[str, Any]] = []
        self._banned_until_s = 0.0
        self._out_until_s = 0.0
        self._breach_disconnects = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: Server | None = None
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()

    async def start(self, port: int) -> int:
        """Listen; return the port."""
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            port,
            process_request=self._on_request,
            create_connection=Connection,
            ping_interval=None,
            compression=None,
            max_size=1 << 24,
            close_timeout=2.0,
            server_header=None,
        )
        self.spawn(self._feed())
        self.spawn(self._watch())
        bound: int = next(iter(self._server.sockets)).getsockname()[1]
        return bound

    def spawn(self, coroutine: Any) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def drop(self) -> None:
        """Every connection is gone, without a word."""
        for client in list(self._clients.values()):
            client.abort()

    def outage(self, seconds: float) -> None:
        """The same, and nobody gets in for so long; attempts count all the same."""
        self._out_until_s = self._loop.time() + seconds
        self.drop()

    def lose(self) -> None:
        """Every topic lacks its next update."""
        for client in self._clients.values():
            client.lose()

    def ask_to_leave(self) -> None:
        """Every client is to open a new connection."""
        for client in self._clients.values():
            client.ask_to_leave()

    def subscribed(self, *, but: StrictClient) -> int:
        """How many topics the other connections have."""
        return sum(len(c.topics) for c in self._clients.values() if c is not but)

    def peak(self, rule: str, used: int, most: object) -> None:
        """Remember how far a limit was used."""
        if most is not None and used > self._peaks.get(rule, (0, ""))[0]:
            self._peaks[rule] = (used, str(most))

    def violated(self, rule: str, connection: int, detail: str) -> None:
        """A client broke a rule."""
        at_s = round(self._loop.time() - self._began_s, 3)
        violation = {"rule": rule, "connection": connection, "detail": detail, "at_s": at_s}
        self._violations.append(violation)
        self._say("violation", **violation)

    def disconnected_for_breach(self, now_s: float) -> None:
        """Those who have it happen again and again are banned."""
        self._breach_disconnects += 1
        most = self.rules.ban_after_disconnects
        if most is not None and self._breach_disconnects >= most:
            self._banned_until_s = now_s + self.rules.ban_s

    def report(self) -> dict[str, Any]:
        topics = [topic for client in self._clients.values() for topic in client.topics]
        return {
            "violations": self._violations,
            "open": len(self._clients),
            "subscribed": len(topics),
            "distinct": len(set(topics)),
            "counts": dict(self.counts),
            "peaks": {rule: list(values) for rule, values in self._peaks.items()},
        }

    def _on_request(self, connection: ServerConnection, request: Request) -> Response | None:
        now_s = self._loop.time()
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return self._on_rest(request, now_s)
        self.counts["attempts"] += 1
        fits = [connects.use(now_s) for connects in self._connects]
        for connects in self._connects:
            self.peak("connects", connects.peak, connects)
        if now_s < self._banned_until_s:
            self.violated("banned", 0, "an attempt while banned")
            return self._refusal(now_s)
        if not all(fits):
            self.violated("connects", 0, "; ".join(map(str, self._connects)))
            self._banned_until_s = now_s + self.rules.ban_s
            return self._refusal(now_s)
        most = self.rules.open_connections
        self.peak("open_connections", len(self._clients) + 1, most)
        if most is not None and len(self._clients) >= most:
            self.violated("open_connections", 0, f"more than {most}")
            return answer(429, b"too many connections")
        if now_s < self._out_until_s:
            self.counts["attempts in an outage"] += 1
            connection.transport.abort()
        return None

    def _on_rest(self, request: Request, now_s: float) -> Response:
        parts = urlsplit(request.path)
        if (request.method == "POST") != (parts.path in self.family.posts):
            return answer(405, b"{}")
        query = dict(parse_qsl(parts.query))
        found = self.family.rest(parts.path, query, self.sent)
        if found is None:
            return answer(404, b'{"code":-1000,"msg":"not found"}')
        self.counts["rest"] += 1
        weight, body = found
        headers = {}
        if self._rest is not None:
            fits = self._rest.use(now_s, weight)
            self.peak("rest", self._rest.peak, self._rest)
            if self.family.used_header:
                headers[self.family.used_header] = str(self._rest.used)
            if now_s < self._banned_until_s:
                self.violated("banned", 0, "a request while banned")
                return self._refusal(now_s)
            if not fits:
                self.violated("rest", 0, str(self._rest))
                # First a warning; who goes on is banned.
                self._banned_until_s = now_s + self.rules.ban_s
                return answer(429, b"{}", {"Retry-After": str(round(self.rules.ban_s) or 1)})
        return answer(200, json.dumps(body).encode(), headers)

    def _refusal(self, now_s: float) -> Response:
        left_s = max(1, round(self._banned_until_s - now_s))
        return answer(self.rules.ban_status, b"banned", {"Retry-After": str(left_s)})

    async def _serve(self, connection: ServerConnection) -> None:
        assert isinstance(connection, Connection)
        self.counts["opened"] += 1
        number = self.counts["opened"]
        client = connection.client = StrictClient(self, connection, number)
        self._clients[number] = client
        try:
            self.family.opened(client)
            await connection.wait_closed()
        finally:
            del self._clients[number]

    async def _feed(self) -> None:
        while True:
            await asyncio.sleep(1 / self._rate)
            for client in list(self._clients.values()):
                client.feed()
                await asyncio.sleep(0)  # what came meanwhile is counted when it came

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            now_s = self._loop.time()
            for client in list(self._clients.values()):
                client.watch(now_s)


def answer(status: int, body: bytes, headers: dict[str, str] | None = None) -> Response:
    all_headers = Headers(
        {
            **(headers or {}),
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
    )
    known = {each.value: each.phrase for each in http.HTTPStatus}
    return Response(status, known.get(status, "No"), all_headers, body)
