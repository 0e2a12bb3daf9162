"""`FeedConnection`: it comes back, until it is stopped."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from ingest import codecs, venues
from ingest.config.schema import ReconnectConfig, RedisConfig, ShutdownConfig, WebSocketConfig
from ingest.errors import RestError
from ingest.feed.connection import FeedConnection
from ingest.feed.resync import Fetch
from ingest.limits import Broker, Lane, lane, local_gate
from ingest.model import Trade
from ingest.plan import WorkerPlan
from ingest.venues.base import Admission, Backfill, Heartbeat, RestRequest, Ticket, Venue
from wscore import Backoff, CurlError, HandshakeError, WebSocketClosed

DEADLINE_S = 5.0
FEED, BTC = "md:binance:feed:binance-1", "md:binance:trade:BTC-USDT"


class FakeSession:
    """Answers each attempt with the next outcome; the last one for ever."""

    def __init__(self, *outcomes: Callable[[], Awaitable[Any]]) -> None:
        self._outcomes = list(outcomes)
        self.attempts = 0
        self.options: dict[str, Any] = {}  # of the newest attempt

    def ws_connect(self, url: str, **options: Any) -> Awaitable[Any]:
        self.options = options
        outcome = self._outcomes[min(self.attempts, len(self._outcomes) - 1)]
        self.attempts += 1
        return outcome()


def fails(error: Exception) -> Callable[[], Awaitable[Any]]:
    async def attempt() -> Any:
        raise error

    return attempt


def opens(ws: Any) -> Callable[[], Awaitable[Any]]:
    async def attempt() -> Any:
        return ws

    return attempt


async def hangs() -> Any:
    await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delays are at their ceiling."""
    monkeypatch.setattr("ingest.feed.line.Backoff", partial(Backoff, random=lambda: 1.0))


@pytest.fixture
def start(kit: Any, sink: Any) -> Callable[..., Any]:
    @asynccontextmanager
    async def starter(
        *outcomes: Callable[[], Awaitable[Any]],
        base_s: float = 0.001,
        limit: tuple[int, float] = (1000, 1.0),
        broker: Broker | None = None,
        venue: Venue | None = None,
        fetch: Fetch | None = None,
        instruments: tuple[str, ...] = ("BTC-USDT",),
    ) -> AsyncIterator[FeedConnection]:
        plan = kit.plan(*instruments)
        worker = WorkerPlan(
            worker=0,
            connections=(plan,),
            redis=RedisConfig(),
            reconnect=ReconnectConfig(base_s=base_s, cap_s=base_s * 8),
            websocket=WebSocketConfig(),
            shutdown=ShutdownConfig(),
        )
        session = FakeSession(*outcomes)
        connection = FeedConnection(
            plan,
            worker,
            venue or venues.get("binance"),
            sink,
            codecs.get("fields"),
            session,  # type: ignore[arg-type]
            local_gate(broker or Broker(lambda lane: limit, base_s=base_s / 10)),
            after_crash=False,
            fetch=fetch,
        )
        connection.task = asyncio.create_task(connection.run())  # type: ignore[attr-defined]
        connection.session = session  # type: ignore[attr-defined]
        try:
            yield connection
        finally:
            connection.task.cancel()  # type: ignore[attr-defined]
            await asyncio.wait([connection.task])  # type: ignore[attr-defined]

    return starter


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.001)


async def attempt(broker: Broker, url: str = "") -> None:
    """Somebody else connects."""
    gate = local_gate(broker)
    gate.ended(await gate.turn(lane("connect", "binance", url), timeout_s=1), reached=True)


async def stopped(connection: Any) -> None:
    """Stop, and wait for the end."""
    async with asyncio.timeout(DEADLINE_S):
        await connection.stop(1.0)
        await connection.task


async def test_headers_of_the_venue(start: Any) -> None:
    """What it wants in a handshake is in each."""
    venue = structs.replace(venues.get("binance"), headers={"X-Venue": "1"})
    async with start(fails(CurlError("refused", 7)), venue=venue) as connection:
        await until(lambda: connection.session.attempts > 1)
        await stopped(connection)

    assert connection.session.options["headers"] == {"X-Venue": "1"}


async def test_delays_grow_and_failures_are_counted(start: Any, sink: Any) -> None:
    """Base, doubled each time, up to the cap; the log mentions the 1st, 2nd, 4th, 8th."""
    with capture_logs() as lines:
        async with start(fails(CurlError("refused", 7))) as connection:
            await until(lambda: connection.counters.attempts > 9)
            await stopped(connection)

    failed = [line for line in lines if line["event"] == "feed: not connected"]
    assert [line["retry_in_s"] for line in failed[:6]] == [0.001, 0.002, 0.004, 0.008, 0.008, 0.008]
    loud = [line["failures"] for line in failed if line["log_level"] == "warning"]
    assert loud[:4] == [1, 2, 4, 8]
    assert connection.counters.disconnects == {"refused": len(failed)}
    assert sink.of(FEED)[0] == {"type": "connect_failed", "reason": "refused", "detail": "refused"}
    assert connection.counters.connects == 0


async def test_the_server_says_when(start: Any) -> None:
    """Retry-After comes on top of the delay that chance gives."""
    error = HandshakeError("slow down", 429, [("Retry-After", "100")])
    with capture_logs() as lines:
        async with start(fails(error), base_s=0.5) as connection:
            await until(lambda: bool(lines))
            assert connection.status().state == "waiting"
            await stopped(connection)

    assert lines[0]["reason"] == "http_429"
    assert lines[0]["retry_in_s"] == 100.5


async def test_lost_and_back(start: Any, kit: Any, ws: Any, sink: Any) -> None:
    """The stream has gap and resume, the feed's own stream has the events."""
    second = type(ws)()
    with capture_logs() as lines:
        async with start(
            opens(ws), fails(CurlError("refused", 7)), opens(second), hangs
        ) as connection:
            ws.receive(kit.trade("BTCUSDT", 1))
            ws.end(WebSocketClosed("the connection is closed: 1013", 1013))
            second.receive(kit.trade("BTCUSDT", 2))
            await second.until(lambda: bool(second.sent))
            second.receive({"result": None, "id": 1})
            await until(lambda: connection.status().state == "live")
            assert connection.status().active == 1
            await stopped(connection)

    marks = [e.get("id") or f"{e['type']} {e['reason']}" for e in sink.of(BTC)]
    assert marks == [
        "1",
        "gap close_1013",
        "resume resubscribed",
        "2",
    ]
    events = [(e["type"], e.get("reason")) for e in sink.of(FEED)]
    assert events == [
        ("connected", None),
        ("disconnected", "close_1013"),
        ("connect_failed", "refused"),
        ("connected", None),
        ("disconnected", "shutdown"),
    ]
    assert connection.counters.disconnects == {"close_1013": 1, "refused": 1}
    subscribed = next(line for line in lines if line["event"] == "feed: subscribed")
    assert subscribed["away_s"] > 0


async def test_stop_while_connecting(start: Any, sink: Any) -> None:
    """The attempt is given up; it does not count as a failure."""
    async with start(hangs) as connection:
        await until(lambda: connection.status().state == "connecting")
        await stopped(connection)

    assert connection.counters.disconnects == {}
    assert sink.entries == []


async def test_stop_while_a_connection_comes_up(start: Any, ws: Any) -> None:
    """The handshake is done but nobody has the connection yet: it is closed with 1001."""
    opened = asyncio.Event()

    async def opening() -> Any:
        opened.set()
        return ws

    async with start(opening) as connection:
        await opened.wait()
        await stopped(connection)

    assert ws.closed_with == 1001


async def test_stop_while_backing_off(start: Any) -> None:
    """At once, however long the delay."""
    async with start(fails(CurlError("refused", 7)), base_s=1000.0) as connection:
        await until(lambda: bool(connection.counters.disconnects))
        await stopped(connection)

    assert connection.status().state == "stopped"


async def test_stop_while_held_back_by_the_venues_limit(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, too; and the log has said what it was waiting for."""
    monkeypatch.setattr("ingest.feed.dialer._WORTH_SAYING_S", 0.01)
    broker = Broker(lambda lane: (1, 1000.0))
    await attempt(broker)
    with capture_logs() as lines:
        async with start(hangs, broker=broker) as connection:
            await until(lambda: bool(lines))
            await stopped(connection)

    assert lines[0]["event"] == "feed: waits for its turn to connect"
    assert connection.counters.attempts == 0
    assert broker.waiting == 0


async def test_no_word_of_the_supervisor(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody connects without it; it is asked again, and the log says so."""
    monkeypatch.setattr("ingest.feed.dialer._PATIENCE_S", 0.01)
    broker = Broker(lambda lane: (1, 0.2))
    await attempt(broker)
    with capture_logs() as lines:
        async with start(hangs, broker=broker) as connection:
            await until(lambda: bool(lines))
            assert connection.counters.attempts == 0
            await until(lambda: connection.counters.attempts == 1)
            await stopped(connection)

    assert lines[0]["event"] == "feed: no turn to connect; asking again"


async def test_too_many_requests_hold_back_all_of_us(start: Any) -> None:
    """A 429 with Retry-After counts our address, not that connection."""
    refused = HandshakeError("too many", 429, [("Retry-After", "100")])
    broker = Broker(lambda lane: (10, 1.0))
    async with start(fails(refused), broker=broker) as connection:
        await until(lambda: bool(connection.counters.disconnects))
        with pytest.raises(TimeoutError):
            await local_gate(broker).turn(lane("connect", "binance", ""), timeout_s=0.01)
        await attempt(broker, "ws://other")
        await stopped(connection)


async def test_stop_reads_what_comes_before_the_peers_close(
    start: Any, kit: Any, ws: Any, sink: Any
) -> None:
    """Data that was under way is published."""
    async with start(opens(ws)) as connection:
        await until(lambda: connection.counters.connects == 1)
        ws.receive(kit.trade("BTCUSDT", 1))
        await stopped(connection)

    assert ws.closed_with == 1001
    assert [e.get("id") or e["type"] for e in sink.of(BTC)] == ["1"]


def ticket(heartbeat: Heartbeat | None = None) -> Ticket:
    """One whose URL is what the venue answers."""
    return Ticket(
        request=RestRequest(path="/ticket"),
        admit=lambda body, planned: Admission(url=body.decode(), heartbeat=heartbeat),
    )


async def test_a_ticket_comes_before_the_turn(start: Any, ws: Any) -> None:
    """However late it comes, the attempts do not bunch: each begins when it is its turn."""
    steps: list[str] = []

    def limit_of(asked: Lane) -> tuple[int, float]:
        steps.append(asked.kind)
        return 1000, 1.0

    async def fetch(request: RestRequest) -> bytes:
        steps.append(request.path)
        return b"wss://there"

    async def connects() -> Any:
        steps.append("connects")
        return ws

    venue = structs.replace(venues.get("binance"), ticket=ticket())
    broker = Broker(limit_of)
    async with start(connects, broker=broker, venue=venue, fetch=fetch) as connection:
        await until(lambda: connection.counters.connects == 1)
        await stopped(connection)

    assert steps[:3] == ["/ticket", "connect", "connects"]


async def test_no_ticket_is_no_attempt(start: Any) -> None:
    """The venue does not see one, and its limit is not used up."""

    async def fetch(request: RestRequest) -> bytes:
        raise RestError("no", 503)

    venue = structs.replace(venues.get("binance"), ticket=ticket())
    async with start(hangs, limit=(1, 60.0), venue=venue, fetch=fetch) as connection:
        await until(lambda: connection.counters.disconnects.get("no_ticket", 0) > 2)
        await stopped(connection)

    assert connection.counters.attempts == 0


async def test_a_stop_does_not_wait_for_a_ticket(start: Any) -> None:
    """It is given up."""
    asked = asyncio.Event()

    async def fetch(request: RestRequest) -> bytes:
        asked.set()
        return await hangs()

    venue = structs.replace(venues.get("binance"), ticket=ticket())
    async with start(hangs, venue=venue, fetch=fetch) as connection:
        await asked.wait()
        await stopped(connection)

    assert connection.counters.attempts == 0


async def test_a_ticket_says_how_to_ping(start: Any, ws: Any) -> None:
    """It counts, and not what the venue says elsewhere."""

    async def fetch(request: RestRequest) -> bytes:
        return b"wss://there"

    heartbeat = Heartbeat(payload=b"ping", after_idle_s=0.01, timeout_s=60.0, always=True)
    venue = structs.replace(venues.get("binance"), ticket=ticket(heartbeat))
    async with start(opens(ws), venue=venue, fetch=fetch) as connection:
        await ws.until(lambda: ws.sent.count("ping") > 1)
        await stopped(connection)


async def test_trades_go_on_where_they_stood_after_a_restart_and_after_a_reconnect(
    start: Any, sink: Any, ws: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3 is in Redis from an earlier run; 4 and 6 were missed, and come over REST."""
    asked: list[str] = []

    async def fetch(request: RestRequest) -> bytes:
        asked.append(request.path)
        return request.path.encode()

    async def newest(keys: list[str], count: int) -> list[list[dict[bytes, bytes]]]:
        return [[{b"type": b"gap"}, {b"id": b"3", b"ts": b"1000000"}] for _ in keys]

    def decode(body: bytes, rx: int) -> list[Trade]:
        return [Trade(rx=rx, price="1", size="1", side="buy", id=body.decode(), backfill=True)]

    monkeypatch.setattr(sink, "newest", newest, raising=False)
    backfill = Backfill(
        request=lambda symbol, first, last: RestRequest(path=str(first)), decode=decode, most=10
    )
    venue = structs.replace(venues.get("binance"), backfills={"trade": backfill})
    second = type(ws)()
    async with start(opens(ws), opens(second), hangs, venue=venue, fetch=fetch) as connection:
        ws.receive(kit.trade("BTCUSDT", 5))
        await until(lambda: len(sink.of(BTC)) == 4)
        ws.end(WebSocketClosed("gone", 1006))
        second.receive(kit.trade("BTCUSDT", 7))
        await until(lambda: len(sink.of(BTC)) == 10)
        assert connection.status().counters.trades_backfilled == 2

    assert [e.get("id") or f"{e['type']} {e['reason']}" for e in sink.of(BTC)] == [
        "gap sequence",
        "4",
        "resume backfill",
        "5",
        "gap close_1006",
        "resume resubscribed",
        "gap sequence",
        "6",
        "resume backfill",
        "7",
    ]
    assert asked == ["4", "6"]


async def test_a_topic_that_is_given_up(start: Any, kit: Any, ws: Any, sink: Any) -> None:
    """It is unsubscribed; the other goes on, and alone on the next connection."""
    second = type(ws)()
    btc, eth = kit.plan("BTC-USDT", "ETH-USDT").topics
    async with start(
        opens(ws), opens(second), hangs, instruments=("BTC-USDT", "ETH-USDT")
    ) as connection:
        await ws.until(lambda: bool(ws.sent))
        ws.receive({"result": None, "id": 1}, kit.trade("BTCUSDT", 1), kit.trade("ETHUSDT", 2))
        await until(lambda: bool(sink.of(BTC)) and connection.status().state == "live")
        connection.drop([eth], "delisted")
        await ws.until(lambda: len(ws.sent) == 2)
        assert json.loads(ws.sent[1]) == {"method": "UNSUBSCRIBE", "params": [eth.name], "id": 2}
        ws.receive(kit.trade("ETHUSDT", 3), {"result": None, "id": 2}, kit.trade("BTCUSDT", 2))
        await until(lambda: len(sink.of(BTC)) == 2)
        assert (connection.status().topics, connection.status().active) == (1, 1)
        assert connection.counters.unknown_topic == 0
        ws.end(WebSocketClosed("gone", 1006))
        await second.until(lambda: bool(second.sent))
        assert json.loads(second.sent[0])["params"] == [btc.name]
        await stopped(connection)

    ids = [
        e.get("id") or f"{e['type']} {e['reason']}" for e in sink.of("md:binance:trade:ETH-USDT")
    ]
    assert ids == ["2", "gap delisted"]
    [left] = [event for event in sink.of(FEED) if event["type"] == "left"]
    assert left == {"type": "left", "reason": "delisted", "detail": eth.name}


async def test_the_last_topic_is_given_up(start: Any, kit: Any, ws: Any, sink: Any) -> None:
    """The connection closes and ends by itself."""
    async with start(opens(ws), hangs) as connection:
        ws.receive(kit.trade("BTCUSDT", 1))
        await until(lambda: bool(sink.of(BTC)))
        connection.drop(kit.plan("BTC-USDT").topics, "unselected")
        async with asyncio.timeout(DEADLINE_S):
            await connection.task
        assert ws.closed_with == 1001
        assert connection.status().state == "stopped"


async def test_given_up_while_another_tries_for_it(start: Any, kit: Any) -> None:
    """Its turn comes, and is given back: others need not wait for its end."""
    broker = Broker(lambda lane: (1000, 1.0))
    gate = local_gate(broker)
    number = await gate.turn(lane("connect", "binance", ""), timeout_s=1)
    async with start(hangs, broker=broker) as connection:
        await until(lambda: broker.waiting == 1)
        gate.ended(number, reached=True)
        connection.drop(kit.plan("BTC-USDT").topics, "unselected")
        async with asyncio.timeout(DEADLINE_S):
            await connection.task
    assert connection.counters.attempts == 0
    for _ in range(2):
        await gate.turn(lane("connect", "binance", ""), timeout_s=1)
