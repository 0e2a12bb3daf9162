"""`WorkerService`: when it stops, with which exit status, and what it says last."""

import asyncio
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from ingest import venues
from ingest.config.schema import ReconnectConfig, RedisConfig, ShutdownConfig, WebSocketConfig
from ingest.errors import SinkError
from ingest.feed.connection import FeedConnection
from ingest.plan import ConnectionPlan, WorkerPlan
from ingest.sinks.redis_streams import RedisStreamsSink
from ingest.worker import service
from ingest.worker.service import WorkerService
from ingest.worker.start import WorkerStart

DEADLINE_S = 10.0
NOWHERE = "127.0.0.1:1"


class Pipes:
    """The supervisor's ends."""

    def __init__(self) -> None:
        stdin, self.plan = os.pipe()
        self.reports, self.worker_reports = os.pipe()
        self.stdin = io.FileIO(stdin)
        self.asked: list[dict[str, Any]] = []
        self._read = b""

    def answer(self) -> None:
        """Read what is there, and let every ask have its turn at once."""
        self._read += os.read(self.reports, 1 << 20)
        for message in self._messages():
            if message["type"] == "ask" and message not in self.asked:
                self.asked.append(message)
                line = json.dumps({"type": "go", "id": message["id"]}).encode() + b"\n"
                with contextlib.suppress(OSError):  # the supervisor is gone
                    os.write(self.plan, line)

    def lines(self) -> list[dict[str, Any]]:
        """Every report, once the worker has ended."""
        with os.fdopen(self.reports, "rb") as file:
            self._read += file.read()
        return [message for message in self._messages() if message["type"] == "status"]

    def _messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._read.split(b"\n")[:-1]]


@pytest.fixture
def pipes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipes]:
    pipes = Pipes()
    monkeypatch.setattr(service.sys, "stdin", pipes.stdin)
    monkeypatch.setattr(service, "_REPORT_EVERY_S", 0.01)
    yield pipes
    pipes.stdin.close()


def worker() -> WorkerService:
    """One connection, to a venue and a Redis that are not there."""
    connection = ConnectionPlan(
        name="binance-1",
        feed="binance-1",
        venue="binance",
        url=f"ws://{NOWHERE}/",
        rest_url="",
        topics=(venues.get("binance").topic("trade", "BTC-USDT"),),
    )
    plan = WorkerPlan(
        worker=3,
        connections=(connection,),
        redis=RedisConfig(url=f"redis://{NOWHERE}"),
        reconnect=ReconnectConfig(),
        websocket=WebSocketConfig(),
        shutdown=ShutdownConfig(grace_s=0.4),
    )
    return WorkerService(WorkerStart(plan=plan))


async def run(pipes: Pipes, stop: Callable[[], None] | None = None) -> tuple[int, list[Any]]:
    """Run until it ends, *stop* called once it has begun; return status and log."""
    loop = asyncio.get_running_loop()
    with capture_logs() as lines:
        async with asyncio.timeout(DEADLINE_S):
            loop.add_reader(pipes.reports, pipes.answer)
            running = asyncio.create_task(worker().run(pipes.worker_reports))
            if stop is not None:
                while not any(line["event"] == "feed: not connected" for line in lines):
                    await asyncio.sleep(0.005)
                stop()
            await asyncio.wait([running])
            loop.remove_reader(pipes.reports)
            return await running, lines


async def test_sigterm(pipes: Pipes) -> None:
    """Graceful, though neither venue nor Redis were ever there; the last report says it is."""
    status, lines = await run(pipes, lambda: os.kill(os.getpid(), signal.SIGTERM))
    os.close(pipes.plan)

    assert status == 0
    *_, last = pipes.lines()
    assert last["final"]
    assert last["worker"] == 3
    assert last["feeds"][0]["state"] == "stopped"
    stopped = next(line for line in lines if line["event"] == "worker: stopped")
    assert stopped["reason"] == "SIGTERM"
    assert stopped["disconnects"] == {"refused": last["feeds"][0]["counters"]["attempts"]}
    assert stopped["unpublished"] == stopped["events"]


async def test_the_supervisor_is_gone(pipes: Pipes) -> None:
    """Its end of standard input closes, and the worker stops as if told to."""
    status, lines = await run(pipes, lambda: os.close(pipes.plan))
    os.close(pipes.reports)

    assert status == 0
    assert "worker: the supervisor is gone; stopping" in [line["event"] for line in lines]


async def test_a_feed_that_fails(pipes: Pipes, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that is nobody's but ours: a fresh process is wanted, so the status is 1."""

    async def fail(self: FeedConnection) -> None:
        raise SinkError("the sink has stopped")

    monkeypatch.setattr(FeedConnection, "run", fail)
    status, lines = await run(pipes)
    os.close(pipes.plan), os.close(pipes.reports)

    assert status == 1
    failed = next(line for line in lines if line["log_level"] == "critical")
    assert failed["connection"] == "binance-1"


async def test_a_sink_that_fails(pipes: Pipes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noticed at once, not only when its buffer is full."""

    async def fail(self: RedisStreamsSink) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(RedisStreamsSink, "_run", fail)
    status, lines = await run(pipes)
    os.close(pipes.plan), os.close(pipes.reports)

    assert status == 1
    stopped = next(line for line in lines if line["event"] == "worker: stopped")
    assert stopped["reason"] == "sink failed"


def test_started_by_hand() -> None:
    """Without a plan: one line, no traceback."""
    ended = subprocess.run(
        [sys.executable, "-m", "ingest.worker"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )

    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "ingest.worker: no plan on standard input; the supervisor is what starts this"
    ]
