"""A sink that remembers, and a WebSocket that the test plays the venue on."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from ingest import codecs, venues
from ingest.config.schema import WhenSlowConfig
from ingest.feed.counters import FeedCounters
from ingest.feed.legs import Leg, Legs
from ingest.feed.publisher import FeedPublisher, Route
from ingest.plan import ConnectionPlan
from ingest.venues.base import Venue
from wscore import Batch, WebSocketClosed

DEADLINE_S = 5.0


class FakeWriter:
    """What `StreamWriter` is to the feed."""

    def __init__(self, key: str, sink: "FakeSink") -> None:
        self.dropped = 0
        self.key = key
        self._sink = sink

    def add(self, rx_ns: int, count: int, encoded: bytes) -> bool:
        # Bulk strings without a line break in them: enough for what is tested here.
        words = encoded.decode().split("\r\n")[1:-1:2]
        assert len(words) == count
        fields = dict(zip(words[::2], words[1::2], strict=True))
        assert fields.get("rx", str(rx_ns)) == str(rx_ns)  # theirs have none
        if self._sink.refusing:
            self.dropped += 1
            return False
        self._sink.entries.append((self.key, fields))
        return True


class FakeSink:
    """Takes everything; `full` is for the test to set, `drain` to end. `refusing`: drops all."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, dict[str, str]]] = []
        self.continued: set[str] = set()  # streams with entries of an earlier run
        self.full = self.refusing = False
        self.asked_to_wait = asyncio.Event()
        self._writable = asyncio.Event()

    def open_stream(
        self, key: str, *, preface: Any = None, beside: FakeWriter | None = None, **_: Any
    ) -> FakeWriter:
        writer = FakeWriter(key, self)
        if preface is not None and self.continued & {key, beside and beside.key}:
            (beside or writer).add(*preface)
        return writer

    async def newest(self, keys: list[str], count: int) -> list[list[dict[bytes, bytes]]]:
        return [[] for _ in keys]  # a stream that was never written

    slow = False

    async def wait_writable(self, *, caught_up: bool = False) -> None:
        self.asked_to_wait.set()
        await self._writable.wait()

    def drain(self) -> None:
        self.full = False
        self._writable.set()

    def of(self, key: str) -> list[dict[str, str]]:
        """The entries of one stream, receive times left out."""
        return [
            {k: v for k, v in f.items() if k != "rx"} for name, f in self.entries if name == key
        ]


class FakeWebSocket:
    """The client's side of a connection; what it sends is in `sent`."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.closed_with: int | None = None
        self.terminated = False
        self.latency: float | None = None
        self.send_error: Exception | None = None
        self._inbox: asyncio.Queue[Batch | Exception] = asyncio.Queue()
        self._changed = asyncio.Event()

    async def recv_batch(self) -> Batch:
        item = await self._inbox.get()
        if isinstance(item, Exception):
            raise item
        return item

    async def send_str(self, text: str) -> None:
        if self.send_error is not None:
            raise self.send_error
        self.sent.append(text)
        self._changed.set()

    async def close(self, code: int, timeout: float) -> None:
        """A peer that answers the CLOSE; what came before it stays readable."""
        self.closed_with = code
        self.end(WebSocketClosed("closed", code))
        self._changed.set()

    def terminate(self) -> None:
        self.terminated = True
        self.end(WebSocketClosed("terminated", 1006))

    def receive(self, *messages: bytes | dict[str, Any], rx: int = 1) -> None:
        """Let the venue have sent these, read at once."""
        payloads = [m if isinstance(m, bytes) else json.dumps(m).encode() for m in messages]
        self._inbox.put_nowait(Batch(payloads, 1, b"", [(len(payloads), rx)]))

    def end(self, error: Exception) -> None:
        self._inbox.put_nowait(error)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what the client sent satisfies *condition*."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


class Kit:
    """What the tests build with."""

    @staticmethod
    def plan(
        *instruments: str, venue: str = "binance", channels: tuple[str, ...] = ("trade",)
    ) -> ConnectionPlan:
        topics = tuple(venues.get(venue).topic(c, i) for i in instruments for c in channels)
        return ConnectionPlan(
            name=f"{venue}-1", feed=f"{venue}-1", venue=venue, url="", rest_url="", topics=topics
        )

    @staticmethod
    def publisher(
        plan: ConnectionPlan,
        sink: FakeSink,
        counters: FeedCounters,
        *,
        after_crash: bool = False,
        venue: Venue | None = None,
        on_book_lost: Callable[[Route], None] = lambda route: None,
        on_trades_missing: Callable[[Route], None] = lambda route: None,
        recalling: bool = False,
        encoding: str = "fields",
        started_ns: int = 1,
        when_slow: WhenSlowConfig | None = None,
    ) -> FeedPublisher:
        """*sink* is anything with `open_stream` and `full`."""
        return FeedPublisher(
            plan,
            # Nobody fetches here what is missing: trades would wait for it.
            venue or structs.replace(venues.get(plan.venue), backfills={}),
            sink,  # type: ignore[arg-type]
            codecs.encoder(encoding),
            codecs.encoder(encoding).keys.default,
            counters,
            started_ns=started_ns,
            after_crash=after_crash,
            on_book_lost=on_book_lost,
            on_trades_missing=on_trades_missing,
            can_backfill=True,
            recalling=recalling,
            when_slow=when_slow or WhenSlowConfig(),
        )

    @staticmethod
    def leg(publisher: FeedPublisher, counters: FeedCounters, venue: str = "binance") -> Leg:
        """The only one of its connection."""
        return Legs(venues.get(venue), publisher, counters, redundant=False).open()

    @staticmethod
    def trade(symbol: str, number: int, **changes: Any) -> dict[str, Any]:
        """A Binance trade in its combined-stream envelope."""
        data = {"e": "trade", "E": 2, "s": symbol, "t": number, "p": "1.50", "q": "2", "T": 1}
        return {"stream": f"{symbol.lower()}@trade", "data": {**data, "m": True, **changes}}


@pytest.fixture
def kit() -> Kit:
    return Kit()


@pytest.fixture
def sink() -> FakeSink:
    return FakeSink()


@pytest.fixture
def ws() -> FakeWebSocket:
    return FakeWebSocket()
