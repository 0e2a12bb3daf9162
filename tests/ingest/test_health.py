"""The health file: fresh while the supervisor hears its workers, and what the check says."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from ingest.feed.counters import FeedCounters
from ingest.feed.status import FeedState, FeedStatus, WorkerStatus
from ingest.health import VARIABLE, Health, HealthFile, WorkerHealth, check, from_environment, judge
from ingest.sinks.counters import SinkCounters

S = 10**9
SAID_NOTHING_FOR = 30 * S  # longer means dead


class Clock:
    """Monotonic ns, set by the test."""

    def __init__(self) -> None:
        self.now_ns = 1000 * S

    def __call__(self) -> int:
        return self.now_ns


def report(worker: int, *states: FeedState) -> WorkerStatus:
    """Return what a worker reports whose connections are in these states."""
    feeds = [
        FeedStatus(
            name=f"f-{i}", venue="binance", state=state, topics=1, active=0, counters=FeedCounters()
        )
        for i, state in enumerate(states)
    ]
    return WorkerStatus(worker=worker, pid=1, feeds=feeds, sink=SinkCounters())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "health.json"


def test_workers_that_report_are_alive_whatever_their_connections_do(path, clock) -> None:
    """A venue that is away is told, but is no reason to restart the service."""
    file = HealthFile(path, clock)
    file.on_status(report(0, "live", "waiting", "stopped"))  # given up: not one any more
    clock.now_ns += 1 * S
    file.on_status(report(1, "connecting"))

    verdict = check({VARIABLE: str(path)}, clock.now_ns + SAID_NOTHING_FOR - 1 * S)

    assert verdict.alive
    assert verdict.text == "alive: 2 workers, 1 of 3 connections live"


def test_hanging_supervisor_is_not_alive(path, clock) -> None:
    """Nobody refreshes the file any more."""
    HealthFile(path, clock).on_status(report(0, "live"))

    verdict = check({VARIABLE: str(path)}, clock.now_ns + SAID_NOTHING_FOR + 1 * S)

    assert not verdict.alive
    assert verdict.text == "not alive: worker 0 silent for 31 s"


def test_one_silent_worker_is_enough(path, clock) -> None:
    """The others' reports keep the file fresh, and do not hide it."""
    file = HealthFile(path, clock)
    file.on_status(report(0, "live"))
    for _ in range(40):
        clock.now_ns += 1 * S
        file.on_status(report(1, "live"))

    verdict = check({VARIABLE: str(path)}, clock.now_ns)

    assert verdict.text == "not alive: worker 0 silent for 40 s"


def test_file_is_written_at_most_once_a_second(path, clock) -> None:
    """Many workers report twice a second each; the disk is spared."""
    file = HealthFile(path, clock)
    file.on_status(report(0, "connecting"))
    clock.now_ns += S // 2
    file.on_status(report(0, "live"))
    assert "0 of 1" in check({VARIABLE: str(path)}, clock.now_ns).text
    clock.now_ns += S // 2
    file.on_status(report(0, "live"))
    assert "1 of 1" in check({VARIABLE: str(path)}, clock.now_ns).text


def test_file_of_an_earlier_service_counts_for_nothing(path, clock) -> None:
    """It goes when the next service starts; before a reboot the clock was ahead of ours."""
    HealthFile(path, clock).on_status(report(0, "live"))
    assert not check({VARIABLE: str(path)}, now_ns=5 * S).alive

    HealthFile(path, clock)

    verdict = check({VARIABLE: str(path)}, clock.now_ns)
    assert not verdict.alive
    assert "no worker has reported yet" in verdict.text


def test_what_is_written(path, clock) -> None:
    """Each worker's connections, and the tasks of its event loop."""
    status = report(1, "live", "waiting", "stopped")
    status.tasks = 17
    HealthFile(path, clock).on_status(status)

    health = msgspec.json.decode(path.read_bytes(), type=Health)
    assert health.workers == {1: WorkerHealth(clock.now_ns, connections=2, live=1, tasks=17)}


def test_no_worker_is_not_alive() -> None:
    """A file without workers proves nothing."""
    assert not judge(Health({}), 0).alive
    assert judge(Health({0: WorkerHealth(0, 1, 1)}), 0).alive


@pytest.mark.parametrize("content", [b"", b"{", b'{"workers": 1}'])
def test_unreadable_file_is_not_alive(path, content) -> None:
    """The check says what is wrong with it."""
    path.write_bytes(content)

    verdict = check({VARIABLE: str(path)}, 0)

    assert not verdict.alive
    assert str(path) in verdict.text


def test_file_that_cannot_be_written_is_said_once_and_harms_nothing(path, clock) -> None:
    """The data flows on; the check tells by failing."""
    file = HealthFile(path / "missing" / "health.json", clock)
    with capture_logs() as logs:
        for _ in range(3):
            file.on_status(report(0, "live"))
            clock.now_ns += 1 * S

    assert [line["event"] for line in logs] == ["health: the file cannot be written"]


def test_without_the_variable_there_is_no_file() -> None:
    """Only who asks for it gets one."""
    assert from_environment({}) is None
    assert from_environment({VARIABLE: ""}) is None
    assert check({}, 0).text.startswith(f"unknown: {VARIABLE} is not set")


def test_command_prints_the_verdict_and_exits_by_it(path) -> None:
    """As the image's HEALTHCHECK calls it, against the real clock."""

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ingest.health"],
            env={VARIABLE: str(path), "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            timeout=30,
        )

    missing = run()
    assert (missing.returncode, missing.stderr) == (1, "")
    on_status = from_environment({VARIABLE: str(path)})
    assert on_status is not None
    on_status(report(0, "live"))
    found = run()
    assert (found.returncode, found.stdout) == (0, "alive: 1 worker, 1 of 1 connections live\n")
