"""The replay server, seen by clients that are not ours."""

import asyncio
import json
import random
import time
from collections import defaultdict
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ingest.replay.journal import Journal, read_journal
from ingest.replay.library import load
from ingest.replay.server import ReplayServer

QUIET = ("binance/cf-20210814", "binance/cf-20210814/BINANCE.ws.1.0.gz")
BUSY = ("binance/cf-20210404", "binance/cf-20210404/BINANCE-ee25be.0.gz")
HBT = ("binance/hbt-20240808", "binance/hbt-20240808/btcusdt_20240808.gz")
OKX = ("okx/cf-20220227", "okx/cf-20220227/OKX.ws.1.0.gz")
S = 1_000_000_000


class Clock:
    """Time that moves when told."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


def axis(messages: list[tuple[str, str]], topic: str, library) -> list[int]:
    """Recorded ns of a topic's messages since the beginning of the recording."""
    return next(iter(library.venues.values())).tracks[topic].axis_ns


@pytest.mark.parametrize("speed", [None, 1e6, 300.0])
async def test_complete_and_once(speed, library, recording, receive, subscribe) -> None:
    """A client that subscribes to everything gets the recording: all of it, once, in order."""
    session, file = QUIET
    messages = recording(file)
    started = time.monotonic()
    async with ReplayServer(library(session), speed=speed) as server:
        async with connect(server.urls["binance"]) as ws:
            await subscribe(ws, {topic for topic, _ in messages})
            got = await receive(ws, len(messages))
            await server.wait_finished()
        report = server.report()

    assert got == [payload for _, payload in messages]
    assert report.sent == report.deliveries == len(messages)
    assert report.finished
    assert {topic.remaining for topic in report.topics["binance"].values()} == {0}
    if speed is not None:
        # 30 recorded seconds: never faster than asked for.
        assert time.monotonic() - started > 29 / speed


@pytest.mark.parametrize("seed", range(5))
async def test_any_subset(seed, library, recording, receive, subscribe) -> None:
    """What arrives is the recording filtered by the subscription, for any subscription."""
    session, file = QUIET
    messages = recording(file)
    random.seed(seed)
    topics = sorted({topic for topic, _ in messages})
    chosen = random.sample(topics, random.randint(1, len(topics)))
    expected = [payload for topic, payload in messages if topic in chosen]
    async with ReplayServer(library(session), speed=None) as server:
        async with connect(server.urls["binance"]) as ws:
            await subscribe(ws, chosen)
            assert await receive(ws, len(expected)) == expected
            # Nothing follows: the next thing to arrive is the answer to this.
            await ws.send('{"method":"LIST_SUBSCRIPTIONS","id":2}')
            (listed,) = await receive(ws, 1)
    assert json.loads(listed) == {"result": chosen, "id": 2}


async def test_several_subscribers(library, recording, receive, subscribe) -> None:
    """Connections that subscribe before the first message all get every message."""
    session, file = QUIET
    messages = recording(file)
    topics = {topic for topic, _ in messages}
    clock = Clock()
    async with ReplayServer(library(session), speed=1, clock=clock) as server:
        connections = [await connect(server.urls["binance"]) for _ in range(5)]
        # Nothing beyond the very first moment is due while the clock stands still.
        for ws in connections:
            await subscribe(ws, topics - {messages[0][0]})
        expected = [payload for topic, payload in messages if topic != messages[0][0]]
        clock.now_ns = 40 * S
        await subscribe(connections[0], [], request_id=2)  # wakes the server
        for ws in connections:
            assert await receive(ws, len(expected)) == expected
            await ws.close()
    report = server.report()
    assert report.deliveries == 5 * len(expected)
    assert report.closes == {"1000": 5}


async def test_late_joiner(library, recording, receive, subscribe) -> None:
    """There is one position: who comes later gets what comes later."""
    session, file = BUSY
    messages = recording(file)
    topic = "btcusdt@aggTrade"
    payloads = [payload for name, payload in messages if name == topic]
    times = axis(messages, topic, library(session))
    before = sum(ns <= 40 * S for ns in times)
    clock = Clock()
    async with ReplayServer(library(session), speed=1, clock=clock) as server:
        async with (
            connect(server.urls["binance"]) as early,
            connect(server.urls["binance"]) as late,
        ):
            await subscribe(early, [topic])
            clock.now_ns = 40 * S
            await subscribe(early, ["unknown@trade"])
            assert await receive(early, before) == payloads[:before]
            await subscribe(late, [topic])
            clock.now_ns = 100 * S
            await subscribe(early, ["another@trade"])
            assert await receive(early, len(payloads) - before) == payloads[before:]
            assert await receive(late, len(payloads) - before) == payloads[before:]
            await server.wait_finished()


async def test_paced_clock_runs_on_while_nobody_listens(
    library, recording, receive, subscribe, until
) -> None:
    """At a pace, a client that drops misses what is due meanwhile; the rest comes as usual."""
    session, file = BUSY
    topic = "ethusdt@aggTrade"
    payloads = [payload for name, payload in recording(file) if name == topic]
    times = axis([], topic, library(session))
    first, second = (sum(ns <= limit * S for ns in times) for limit in (30, 60))
    clock = Clock()
    async with ReplayServer(library(session), speed=1, clock=clock) as server:
        async with connect(server.urls["binance"]) as ws, connect(server.urls["binance"]) as other:
            await subscribe(ws, [topic])
            clock.now_ns = 30 * S
            await subscribe(other, ["unknown@trade"])
            assert await receive(ws, first) == payloads[:first]
            await ws.close()
            clock.now_ns = 60 * S
            await subscribe(other, ["unknown@trade"])
            await until(lambda: server.report().topics["binance"][topic].missed == second - first)
            async with connect(server.urls["binance"]) as again:
                await subscribe(again, [topic])
                clock.now_ns = 100 * S
                await subscribe(other, ["unknown@trade"])
                assert await receive(again, len(payloads) - second) == payloads[second:]
        report = server.report().topics["binance"][topic]
    assert report.sent + report.missed == len(payloads)


async def test_unpaced_waits_while_nobody_listens(
    library, recording, subscribe, tmp_path, until
) -> None:
    """At max, the topic goes on where it was when the next client comes; nothing twice."""
    session, file = HBT
    wanted = defaultdict(list)
    for topic, payload in recording(file):
        wanted[topic].append(payload)
    path = tmp_path / "journal"
    with Journal(path) as journal:
        async with ReplayServer(library(session), speed=None, journal=journal) as server:
            while not server.report().finished:
                ws = await connect(server.urls["binance"])
                await subscribe(ws, wanted)
                await asyncio.wait_for(ws.recv(), 10)
                ws.transport.abort()
                await until(lambda: server.report().open == 0)
            report = server.report()
    sent = defaultdict(list)
    connections = set()
    for line in read_journal(path):
        if line.event == "sent":
            sent[line.topic].append(line.payload)
            connections.add(line.connection)

    assert sent == wanted
    assert len(connections) > 1
    assert report.sent == sum(map(len, wanted.values()))
    assert report.closes == {"1006": report.connections}


async def test_a_client_that_does_not_read_holds_up_only_itself(
    library, recording, receive, subscribe
) -> None:
    """At max, a stalled client's topics wait, others' go on; nothing is lost for either."""
    session, file = HBT
    wanted = defaultdict(list)
    for topic, payload in recording(file):
        wanted[topic].append(payload)
    stalled, lively = "btcusdt@bookTicker", "btcusdt@trade"
    async with ReplayServer(library(session), speed=None) as server:
        url = server.urls["binance"]
        # max_queue makes the client stop reading from its socket.
        async with connect(url, max_queue=1) as slow, connect(url) as quick:
            await subscribe(slow, [stalled])
            await subscribe(quick, [lively])
            assert await receive(quick, len(wanted[lively])) == wanted[lively]
            assert not server.report().finished
            assert await receive(slow, len(wanted[stalled])) == wanted[stalled]
            await asyncio.wait_for(server.wait_finished(), 10)


async def test_too_slow_for_the_pace_is_cut_off(library, recording, subscribe, until) -> None:
    """At a pace nobody is waited for: who lets too much pile up loses the connection."""
    session, file = BUSY
    topics = {topic for topic, _ in recording(file)}
    async with ReplayServer(library(session), speed=1e9, max_backlog_bytes=1000) as server:
        async with connect(server.urls["binance"], max_queue=1) as ws:
            await subscribe(ws, topics)
            await until(lambda: server.report().open == 0)
            report = server.report()
            with pytest.raises(ConnectionClosed):
                while True:
                    await asyncio.wait_for(ws.recv(), 10)
    assert report.too_slow == report.closed_by_server == 1
    assert report.closes == {}


async def test_unsubscribe(library, recording, receive, subscribe) -> None:
    """After the acknowledgement of UNSUBSCRIBE nothing more of the topic arrives."""
    session = BUSY[0]
    topic = "btcusdt@aggTrade"
    times = axis([], topic, library(session))
    clock = Clock()
    async with ReplayServer(library(session), speed=1, clock=clock) as server:
        async with connect(server.urls["binance"]) as ws:
            await subscribe(ws, [topic])
            clock.now_ns = 20 * S
            await ws.send(json.dumps({"method": "UNSUBSCRIBE", "params": [topic], "id": 5}))
            answers = [json.loads(m) for m in await receive(ws, 1)]
            while answers[-1].get("id") != 5:
                answers += [json.loads(m) for m in await receive(ws, 1)]
            clock.now_ns = 100 * S
            await subscribe(ws, ["unknown@trade"])
            await asyncio.wait_for(server.wait_finished(), 10)
            await subscribe(ws, [])
    assert len(answers) - 1 <= sum(ns <= 20 * S for ns in times)


async def test_raw_streams_in_the_url(library, recording, receive) -> None:
    """/ws/<stream> needs no request and gets the data without the envelope."""
    session, file = QUIET
    topic = "ftmusdt@bookTicker"
    data = [json.loads(payload)["data"] for name, payload in recording(file) if name == topic]
    async with ReplayServer(library(session), speed=None) as server:
        host = server.listen
        async with connect(f"ws://{host}/ws/{topic}") as ws:
            got = await receive(ws, len(data))
    assert [json.loads(payload) for payload in got] == data
    assert '"stream"' not in got[0]


async def test_okx(library, recording, receive) -> None:
    """One ack per argument, refusals beside them, text ping, then the data as recorded."""
    session, file = OKX
    messages = recording(file)
    instruments = sorted({topic.partition(":")[2] for topic, _ in messages})
    args = [
        {"channel": channel, "instId": instrument}
        for channel in ("books-l2-tbt", "tickers")
        for instrument in instruments
    ]
    wanted = [payload for topic, payload in messages if not topic.startswith("trades")]
    async with ReplayServer(library(session), speed=None) as server:
        async with connect(server.urls["okx"]) as ws:
            await ws.send("ping")
            assert await receive(ws, 1) == ["pong"]
            refused = {"channel": "trades", "instId": "NO-SUCH"}
            await ws.send(json.dumps({"op": "subscribe", "args": [*args, refused]}))
            answers = [json.loads(answer) for answer in await receive(ws, len(args) + 1)]
            got = await receive(ws, len(wanted))
    served = {topic for topic, _ in messages}
    for arg, answer in zip(args, answers[:-1], strict=True):
        known = f"{arg['channel']}:{arg['instId']}" in served
        assert answer["event"] == ("subscribe" if known else "error")
    assert answers[-1]["code"] == "60018"
    assert got == wanted


async def test_okx_books(library, recording, receive) -> None:
    """`books` is played from `books-l2-tbt`, under its own name and at its own position."""
    session, file = OKX
    topic = "books-l2-tbt:ZEN-USDT"
    wanted = [payload for name, payload in recording(file) if name == topic]
    async with ReplayServer(library(session), speed=None) as server:
        for channel in ("books", "books-l2-tbt"):
            async with connect(server.urls["okx"]) as ws:
                arg = {"channel": channel, "instId": "ZEN-USDT"}
                await ws.send(json.dumps({"op": "subscribe", "args": [arg]}))
                await receive(ws, 1)
                got = await receive(ws, len(wanted))
            assert got == [p.replace("books-l2-tbt", channel) for p in wanted]


async def test_two_venues_in_one_server(library, receive) -> None:
    """The path decides whom a client talks to."""
    async with ReplayServer(library(QUIET[0], OKX[0])) as server:
        assert server.urls == {
            "binance": f"ws://{server.listen}/stream",
            "okx": f"ws://{server.listen}/ws/v5/public",
        }
        for path, request, answer in [
            ("/ws/v5/public", "ping", "pong"),
            ("/okx/ws/v5/public", "ping", "pong"),
            ("/ws", '{"method":"LIST_SUBSCRIPTIONS","id":1}', '{"result":[],"id":1}'),
            ("/binance/x", '{"method":"LIST_SUBSCRIPTIONS","id":1}', '{"result":[],"id":1}'),
        ]:
            async with connect(f"ws://{server.listen}{path}") as ws:
                await ws.send(request)
                assert await receive(ws, 1) == [answer]
        with pytest.raises(InvalidStatus, match="404"):
            await connect(f"ws://{server.listen}/nowhere")


async def test_concatenated_recordings(library, recording, receive, subscribe) -> None:
    """A topic in two recordings is played through both, the older first."""
    sessions, files = zip(HBT, BUSY, strict=True)
    topic = "btcusdt@depth@100ms"
    wanted = [p for file in reversed(files) for name, p in recording(file) if name == topic]
    async with ReplayServer(library(*sessions), speed=1e5) as server:
        async with connect(server.urls["binance"]) as ws:
            await subscribe(ws, [topic])
            assert await receive(ws, len(wanted)) == wanted


async def test_loop(library, recording, receive, subscribe) -> None:
    """With loop a topic that is at its end starts over."""
    session, file = QUIET
    messages = [payload for _, payload in recording(file)]
    topics = {topic for topic, _ in recording(file)}
    async with ReplayServer(library(session), speed=None, loop=True) as server:
        async with connect(server.urls["binance"], max_queue=None) as ws:
            await subscribe(ws, topics)
            got = await receive(ws, 3 * len(messages))
    assert sorted(got) == sorted(messages * 3)


async def test_shutdown(library, until) -> None:
    """At the end every client gets CLOSE 1001, and that is not counted as theirs."""
    async with ReplayServer(library(QUIET[0])) as server:
        connections = [await connect(server.urls["binance"]) for _ in range(3)]
    for ws in connections:
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(ws.recv(), 10)
        assert ws.close_code == 1001
    assert server.report().closes == {}
    assert server.report().closed_by_server == 3


async def test_lost_connections(library, until) -> None:
    """A connection that ends without CLOSE counts as 1006; the server can cut them too."""
    async with ReplayServer(library(QUIET[0])) as server:
        one = await connect(server.urls["binance"])
        one.transport.abort()
        await until(lambda: server.report().open == 0)
        assert server.report().closes == {"1006": 1}

        two = await connect(server.urls["binance"])
        await until(lambda: server.report().open == 1)
        server.drop_connections()
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(two.recv(), 10)
        assert two.close_code == 1006


async def test_refusing(library) -> None:
    """On demand, new connections are turned away with an HTTP status."""
    async with ReplayServer(library(QUIET[0])) as server:
        server.refuse_with = HTTPStatus.TOO_MANY_REQUESTS
        with pytest.raises(InvalidStatus, match="429"):
            await connect(server.urls["binance"])
        server.refuse_with = None
        async with connect(server.urls["binance"]):
            pass


async def test_many_connections_and_many_topics(library, recording, receive, subscribe) -> None:
    """200 connections at once, each complete."""
    session, file = QUIET
    topic = "ftmusdt@bookTicker"
    wanted = [payload for name, payload in recording(file) if name == topic]
    clock = Clock()
    async with ReplayServer(library(session), speed=1, clock=clock) as server:
        connections = [await connect(server.urls["binance"]) for _ in range(200)]
        for ws in connections:
            await subscribe(ws, [topic])
        clock.now_ns = 60 * S
        await subscribe(connections[0], [])
        for ws in connections:
            assert await receive(ws, len(wanted)) == wanted
            ws.transport.abort()


async def test_journal(library, recording, receive, subscribe, tmp_path: Path, until) -> None:
    """The journal has everything that happened, in order, with our time."""
    session, file = QUIET
    topic = "xmrbtc@aggTrade"
    wanted = [payload for name, payload in recording(file) if name == topic]
    path = tmp_path / "journal"
    before_ns = time.time_ns()
    with Journal(path) as journal:
        async with ReplayServer(library(session), speed=None, journal=journal) as server:
            async with connect(server.urls["binance"]) as ws:
                await subscribe(ws, [topic])
                assert await receive(ws, len(wanted)) == wanted
                await (await ws.ping(b"hi"))
                await ws.close(1001)
            await until(lambda: server.report().open == 0)
    lines = read_journal(path)

    assert [line.event for line in lines] == (
        ["open", "request", "reply", "subscribe"] + ["sent"] * len(wanted) + ["ping", "close"]
    )
    assert [line.payload for line in lines if line.event == "sent"] == wanted
    assert {line.topic for line in lines if line.event in ("subscribe", "sent")} == {topic}
    assert lines[0].path == "/stream"
    assert lines[-2].payload == b"hi".hex()
    assert lines[-1].code == 1001
    times = [line.ns for line in lines]
    assert times == sorted(times)
    assert before_ns <= times[0] <= times[-1] <= time.time_ns()


def test_empty_library_is_refused(tmp_path: Path) -> None:
    """Nothing to serve is found out before listening."""
    (tmp_path / "BINANCE.ws.1.0").write_bytes(b"")
    with pytest.raises(Exception, match="nothing to replay"):
        load([f"binance={tmp_path}"])
