"""`Supervisor` with workers that do what the test wants: programs in place of the real one."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from ingest.config.schema import ReconnectConfig, RedisConfig, ShutdownConfig, WebSocketConfig
from ingest.limits import Broker
from ingest.plan import ConnectionPlan, Plan, WorkerPlan
from ingest.supervisor import process, supervisor
from ingest.supervisor.process import describe_exit
from ingest.supervisor.supervisor import Supervisor
from ingest.venues.base import Topic
from wscore import Backoff

DEADLINE_S = 10.0

PRELUDE = """\
import json, os, signal, sys, time
# Unbuffered: what has come and was not read, `select` sees.
stdin = open(0, "rb", buffering=0, closefd=False)
start = json.loads(stdin.readline())
def report(frames=0, **more):
    counters = {"frames": frames, "disconnects": {"refused": 1}}
    feed = {"name": "f", "venue": "v", "state": "live", "topics": 1, "active": 1,
            "counters": counters}
    print(json.dumps({"type": "status", "worker": start["plan"]["worker"], "pid": os.getpid(),
                      "feeds": [feed], "sink": {"acked_entries": frames}, **more}), flush=True)
def until_told():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    report(5)
    while True:
        time.sleep(60)
"""


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Say what a worker process does, in Python, after it has its plan in `start`."""
    program, python = tmp_path / "worker", sys.executable

    def does(code: str) -> None:
        program.write_text(f"#!{python} -S\n{PRELUDE}\n{code}\n")
        program.chmod(0o700)

    monkeypatch.setattr(process.sys, "executable", str(program))
    # Restarts at once.
    monkeypatch.setattr(
        supervisor, "Backoff", lambda **_: Backoff(base_s=0.01, cap_s=0.01, healthy_after_s=60)
    )
    yield does
    monkeypatch.undo()


@asynccontextmanager
async def running(
    workers: int = 1, grace_s: float = 5.0, broker: Broker | None = None
) -> AsyncIterator[Any]:
    """A supervisor under way; `ended` is its exit status. Killed at the end."""
    plans = [
        WorkerPlan(
            worker=number,
            connections=(),
            redis=RedisConfig(),
            reconnect=ReconnectConfig(),
            websocket=WebSocketConfig(),
            shutdown=ShutdownConfig(grace_s=grace_s),
        )
        for number in range(workers)
    ]
    supervisor = Supervisor(Plan(workers=tuple(plans)), broker=broker)
    task = asyncio.create_task(supervisor.run())

    async def ended() -> int:
        async with asyncio.timeout(DEADLINE_S):
            return await task

    supervisor.ended = ended  # type: ignore[attr-defined]
    try:
        yield supervisor
    finally:
        supervisor.stop()
        supervisor.stop()
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait([task])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.005)


async def test_stops_in_order(worker: Any) -> None:
    """SIGTERM to each worker; 0 if all ended gracefully; their last words count."""
    worker("until_told()")
    async with running(workers=2) as supervisor:
        await until(lambda: len(supervisor.statuses) == 2)
        supervisor.stop()
        assert await supervisor.ended() == 0

    assert supervisor.restarts == 0
    assert supervisor.totals().frames == 10


async def test_restarts_and_counts(worker: Any) -> None:
    """A worker that dies is started again and told so; what the dead ones did is not forgotten."""
    worker("""
if start["restarts"] < 2:
    report(1)
    os.kill(os.getpid(), signal.SIGKILL)
until_told()
""")
    with capture_logs() as lines:
        async with running() as supervisor:
            await until(lambda: bool(supervisor.statuses) and supervisor.totals().frames == 7)
            supervisor.stop()
            assert await supervisor.ended() == 0

    died = [line for line in lines if line["event"] == "supervisor: worker died, restarting"]
    assert [(line["died_of"], line["restarts"]) for line in died] == [
        ("SIGKILL", 1),
        ("SIGKILL", 2),
    ]
    totals = supervisor.totals()
    assert (totals.frames, totals.published) == (7, 7)
    assert totals.disconnects == {"refused": 3}


async def test_one_that_ignores_sigterm(worker: Any) -> None:
    """Killed when the grace period is over; the exit status says that it was not graceful."""
    worker("signal.signal(signal.SIGTERM, signal.SIG_IGN); report(); time.sleep(60)")
    async with running(grace_s=0.2) as supervisor:
        await until(lambda: bool(supervisor.statuses))
        supervisor.stop()
        assert await supervisor.ended() == 1


async def test_a_second_stop_kills(worker: Any) -> None:
    """Without waiting for the grace period."""
    worker("signal.signal(signal.SIGTERM, signal.SIG_IGN); report(); time.sleep(60)")
    async with running(grace_s=1000) as supervisor:
        await until(lambda: bool(supervisor.statuses))
        supervisor.stop()
        supervisor.stop()
        assert await supervisor.ended() == 1


async def test_stop_before_a_worker_can_listen(worker: Any) -> None:
    """SIGTERM ends an interpreter that has no handler yet: nothing was lost, so it is graceful."""
    worker("time.sleep(60)")
    async with running() as supervisor:
        await until(lambda: bool(supervisor.pids))
        supervisor.stop()
        assert await supervisor.ended() == 0


async def test_a_hung_worker(worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No report for long: its loop is stuck, and it is started afresh."""
    monkeypatch.setattr(supervisor, "_HUNG_AFTER_S", 0.3)
    worker("""
if start["restarts"] == 0:
    report()
    time.sleep(60)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True:
    report()
    time.sleep(0.05)
""")
    with capture_logs() as lines:
        async with running() as service:
            await until(lambda: service.restarts == 1)
            await until(lambda: bool(service.pids))

    died = next(line for line in lines if line["event"] == "supervisor: worker died, restarting")
    assert died["died_of"] == "SIGABRT"


async def test_a_worker_that_takes_its_time_to_start(
    worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its first report it has more time, but not for ever."""
    monkeypatch.setattr(supervisor, "_HUNG_AFTER_S", 0.1)
    monkeypatch.setattr(supervisor, "_LOOK_S", 0.01)
    worker("time.sleep(0.5); report(3); time.sleep(60)")
    async with running() as service:
        await until(lambda: bool(service.statuses))
        assert (service.restarts, service.totals().frames) == (0, 3)
    monkeypatch.setattr(supervisor, "_STARTED_AFTER_S", 0.2)
    worker("time.sleep(60)")
    async with running() as service:
        await until(lambda: service.restarts == 1)


async def test_no_room_for_another_process(
    worker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that cannot be started is tried again, like one that died."""
    worker("until_told()")
    program = process.sys.executable
    monkeypatch.setattr(process.sys, "executable", str(tmp_path / "missing"))
    with capture_logs() as lines:
        async with running() as supervisor:
            await until(lambda: supervisor.restarts >= 2)
            monkeypatch.setattr(process.sys, "executable", program)
            await until(lambda: bool(supervisor.statuses))

    assert lines[0]["died_of"].startswith("not started: ")


async def test_a_report_cut_off(worker: Any) -> None:
    """Half a line, as a crash leaves it, is logged; the supervisor goes on."""
    worker("""
if start["restarts"] == 0:
    print('{"type": "status", "pi', end="", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
until_told()
""")
    with capture_logs() as lines:
        async with running() as supervisor:
            await until(lambda: bool(supervisor.statuses))

    assert [line["event"] for line in lines][:2] == [
        "supervisor: unreadable report",
        "supervisor: worker died, restarting",
    ]


async def test_turns_of_workers_that_die(worker: Any) -> None:
    """Of two turns there are each worker takes one; one that is killed gets no third."""
    worker("""
def ask(number):
    lane = {"kind": "rest", "venue": "binance", "host": "h:1"}
    print(json.dumps({"type": "ask", "id": number, "lane": lane, "weight": 1}), flush=True)
report()
ask(7)
assert json.loads(stdin.readline()) == {"type": "go", "id": 7}
until_told()
""")
    broker = Broker(lambda lane: (2, 1000.0))
    async with running(workers=2, broker=broker) as supervisor:
        await until(lambda: supervisor.totals().frames == 10)
        for restarts in (1, 2):
            os.kill(supervisor.pids[0], signal.SIGKILL)
            await until(lambda: supervisor.restarts == restarts)  # noqa: B023
            await until(lambda: broker.waiting == 1)
        supervisor.stop()
        assert await supervisor.ended() == 0

    assert broker.waiting == 0
    assert supervisor.totals().frames == 10


async def test_a_worker_that_dies_while_it_tries_for_all(
    worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody says how its attempt to connect ended; the other's turn comes all the same."""
    monkeypatch.setattr("ingest.limits.reach.HOLD_S", 1000.0)
    worker("""
lane = {"kind": "connect", "venue": "binance", "host": "h:1"}
report()
print(json.dumps({"type": "ask", "id": 1, "lane": lane, "who": str(os.getpid())}), flush=True)
if json.loads(stdin.readline()) == {"type": "go", "id": 1}:
    report(100)
time.sleep(60)
""")
    broker = Broker(lambda lane: (100, 1000.0))

    def trying() -> list[int]:
        return [n for n, s in supervisor.statuses.items() if s.feeds[0].counters.frames == 100]

    async with running(workers=2, broker=broker) as supervisor:
        await until(lambda: len(trying()) == 1 and broker.waiting == 1)
        [first] = trying()
        os.kill(supervisor.pids[first], signal.SIGKILL)
        await until(lambda: 1 - first in trying())


async def test_a_connection_more(worker: Any) -> None:
    """Told after a report; and a successor has it in its plan."""
    worker("""
import select
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
if start["restarts"] == 0:
    while not select.select([stdin], [], [], 0.02)[0]:
        report()
    more = json.loads(stdin.readline())
    report(len(more["connection"]["topics"]) + 1 if more["type"] == "more" else 0)
    os.kill(os.getpid(), signal.SIGKILL)
report(10 * len(start["plan"]["connections"]))
time.sleep(60)
""")
    more = ConnectionPlan(name="a.2", feed="a", venue="v", url="ws://h", rest_url="", topics=())
    async with running() as supervisor:
        await until(lambda: bool(supervisor.statuses))
        assert supervisor.add(more) == 0
        await until(lambda: bool(supervisor.statuses) and supervisor.totals().frames == 11)


async def test_topics_less(worker: Any) -> None:
    """Told after a report; a successor does not have them, nor a connection without any."""
    worker("""
import select
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
plan = start["plan"]["connections"]
if start["restarts"] == 0:
    told = b""  # not by lines: of several that come at once `select` tells only once
    while told.count(b"\\n") < 4:
        if select.select([0], [], [], 0.02)[0]:
            told += os.read(0, 65536)
        else:
            report()
    kinds = [json.loads(line)["type"] for line in told.splitlines()]
    report(1 if kinds == ["more", "more", "less", "less"] else 0)
    os.kill(os.getpid(), signal.SIGKILL)
report(10 * len(plan) + 100 * sum(len(each["topics"]) for each in plan))
time.sleep(60)
""")
    topics = tuple(Topic(channel="trade", instrument=name, name=name) for name in "ABC")
    for_all = {"feed": "a", "venue": "v", "url": "ws://h", "rest_url": ""}
    async with running() as supervisor:
        await until(lambda: bool(supervisor.statuses))
        supervisor.add(ConnectionPlan(name="a.2", topics=topics, **for_all))
        supervisor.add(ConnectionPlan(name="a.3", topics=topics[:1], **for_all))
        supervisor.remove("a.2", topics[1:], "delisted")
        supervisor.remove("a.3", topics[:1], "delisted")
        supervisor.remove("a.4", topics, "delisted")  # of nobody
        await until(lambda: supervisor.totals().frames == 1 + 10 + 100)


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "exit status 0"), (3, "exit status 3"), (-signal.SIGKILL, "SIGKILL"), (-99, "signal 99")],
)
def test_exits_in_words(status: int, words: str) -> None:
    """As a person would say it."""
    assert describe_exit(status) == words
