"""Processes that hang, have no descriptors, no disk, or a clock that goes back."""

import mmap
import os
import resource
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HUNG_AFTER_S = 8.0
DEADLINE_S = 30.0
FAULTS = {
    "PYTHONPATH": f"{HERE / 'faults'}:{ROOT}",
    "INGEST_TEST_HUNG_AFTER_S": str(HUNG_AFTER_S),
}
BOOK = "md:binance:book:BTC-USDT"
BTC, ETH = "md:binance:trade:BTC-USDT", "md:binance:trade:ETH-USDT"


def feed(instrument: str) -> dict[str, Any]:
    return {"venue": "binance", "channels": ["trade"], "instruments": [instrument]}


def is_trade(entry: dict[str, str]) -> bool:
    return "id" in entry


def await_more(streams: Any, *keys: str) -> None:
    for key in keys:
        streams.wait(key, is_trade, streams.newest(key))


def pieces(entries: list[dict[str, str]]) -> list[list[int]]:
    """The ids of the trades between the marks."""
    found: list[list[int]] = [[]]
    for entry in entries:
        if "id" in entry:
            found[-1].append(int(entry["id"]))
        else:
            found.append([])
    return [piece for piece in found if piece]


def assert_lost_only_at_marks(entries: list[dict[str, str]]) -> None:
    """Between two marks nothing is missing, and nothing is there twice."""
    parts = pieces(entries)
    for part in parts:
        assert part == list(range(part[0], part[0] + len(part)))
    for before, after in pairwise(parts):
        assert after[0] > before[-1]


def limit(pid: int, what: int, to: int) -> Callable[[], None]:
    """Lower a limit of a running process; return what puts it back."""
    before = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (to, before[1]))
    return lambda: resource.prlimit(pid, what, before) and None


@pytest.mark.parametrize(
    ("how", "died_of"), [(signal.SIGSTOP, "SIGKILL"), (signal.SIGUSR2, "SIGABRT")]
)
def test_a_worker_that_hangs(kit: Any, own_streams: Any, how: int, died_of: str) -> None:
    """Stopped, or turning on the spot: ended within the time, and started again."""
    venue = kit.venue([["serve"]])
    service = kit.service(
        own_streams.url,
        feed("BTC-USDT"),
        feed("ETH-USDT"),
        venues={"binance": {"ws_url": venue.url}},
        workers=2,
        popen={"env": FAULTS},
    )
    for key in (BTC, ETH):
        own_streams.wait(key, is_trade)
    pids = service.workers()
    os.kill(pids[0], how)
    service.wait("supervisor: worker hangs, ending it", pid=pids[0])
    died = service.wait("supervisor: worker died, restarting", worker=0)
    assert died["died_of"] == died_of
    reset = own_streams.wait(BTC, lambda e: e.get("reason") == "worker_restarted")
    own_streams.wait(BTC, is_trade, reset)
    await_more(own_streams, ETH)
    service.signal(signal.SIGTERM)
    assert service.exit_status() == 0, service.text()
    assert service.workers()[1] == pids[1]
    shown = "".join(service.other)
    assert ("Fatal Python error: Aborted" in shown) == (died_of == "SIGABRT")
    assert ("in _hang" in shown) == (died_of == "SIGABRT")
    assert_lost_only_at_marks(own_streams.entries(BTC))
    assert pieces(own_streams.entries(ETH)) == [list(range(1, len(own_streams.entries(ETH)) + 1))]


def test_no_descriptors_in_a_worker(kit: Any, own_redis: Any, streams_at: Any) -> None:
    """Neither the venue nor Redis can be reached again; with room for them both are."""
    own_redis.start()
    venue = kit.venue([["handshake"], ["ack"], ["data", 5], ["gate"], ["rst"]], [["serve"]])
    service = kit.service(
        own_redis.url, feed("BTC-USDT"), venues={"binance": {"ws_url": venue.url}}
    )
    streams = streams_at(own_redis.path)
    streams.wait(BTC, lambda e: e.get("id") == "5")
    pid = service.workers()[0]
    restore = limit(pid, resource.RLIMIT_NOFILE, 3)  # those that are open stay so
    venue.tell("go on")
    own_redis.kill()
    own_redis.start()
    refused = service.wait("feed: not connected")
    service.wait("sink: no connection; entries are kept, trying again")
    service.wait("feed: not connected", failures=8)
    assert service.all("supervisor: worker died, restarting") == []
    restore()
    service.wait("feed: subscribed", times=2)
    service.wait("sink: connected again")
    streams.wait(BTC, is_trade, streams.wait(BTC, lambda e: e.get("type") == "resume"))
    totals = service.stop()
    assert service.workers() == {0: pid}
    assert totals["unpublished"] == 0 and not totals["dropped"]
    assert_lost_only_at_marks(streams.entries(BTC))
    assert refused["error"].endswith("no file descriptor is left of 3")


def test_no_descriptors_for_another_worker(kit: Any, own_streams: Any) -> None:
    """One that died cannot be started again: tried with longer and longer waits, until it can."""
    venue = kit.venue([["serve"]])
    service = kit.service(
        own_streams.url, feed("BTC-USDT"), venues={"binance": {"ws_url": venue.url}}
    )
    own_streams.wait(BTC, is_trade)
    supervisor = service.process.pid
    restore = limit(supervisor, resource.RLIMIT_NOFILE, 3)
    os.kill(service.workers()[0], signal.SIGKILL)
    died = service.wait("supervisor: worker died, restarting", times=4)
    assert died["died_of"].startswith("not started: ")
    assert "Too many open files" in died["died_of"]
    restore()
    service.wait("worker: started", times=2)
    reset = own_streams.wait(BTC, lambda e: e.get("type") == "reset")
    own_streams.wait(BTC, is_trade, reset)
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    assert len(children) == 1
    service.stop()


def test_the_disk_is_full(kit: Any, own_redis: Any, streams_at: Any) -> None:
    """Under the spool: what memory holds is kept, the rest is dropped, counted and marked."""
    replay = kit.replay("--speed", "max", "--loop")
    service = kit.service(
        own_redis.url,
        {"venue": "binance", "channels": ["book"], "instruments": ["BTC-USDT"]},
        venues={"binance": {"ws_url": replay.urls["binance"]}},
        log={"level": "info"},
    )
    pid = service.wait("worker: started")["pid"]
    restore = limit(pid, resource.RLIMIT_FSIZE, 256 * 1024)
    service.wait("spool: the disk refuses; kept in memory, trying again")
    dropped = service.wait("sink: entry dropped", reason="spool_full")
    assert dropped["stream"] == BOOK
    replay.signal(signal.SIGSTOP)  # or it goes on for ever
    restore()
    own_redis.start()
    service.wait("spool: all entries are sent")
    replay.signal(signal.SIGCONT)
    streams = streams_at(own_redis.path)
    mark = streams.wait(BOOK, lambda e: e.get("reason") == "dropped")
    streams.wait(BOOK, lambda e: e.get("type") == "delta", mark)
    totals = service.stop()
    assert service.workers() == {0: pid}
    assert totals["dropped"]["spool_full"] > 0
    assert totals["unpublished"] == totals["left_on_disk"] == 0
    assert totals["published"] + totals["dropped"]["spool_full"] == totals["events"]


def test_the_spool_is_full(kit: Any, own_redis: Any, streams_at: Any) -> None:
    """At `spool.max_size` as well."""
    replay = kit.replay("--speed", "50", "--loop")
    service = kit.service(
        own_redis.url,
        {"venue": "binance", "channels": ["book"], "instruments": ["BTC-USDT"]},
        venues={"binance": {"ws_url": replay.urls["binance"]}},
        spool={"max_size": "1MiB"},
        log={"level": "info"},
    )
    service.wait("sink: entry dropped", reason="spool_full")
    size = sum(p.stat().st_size for p in (kit.directory / "data/spool").rglob("*.segment"))
    assert size <= 1024 * 1024
    replay.signal(signal.SIGSTOP)
    own_redis.start()
    service.wait("spool: all entries are sent")
    replay.signal(signal.SIGCONT)
    streams = streams_at(own_redis.path)
    mark = streams.wait(BOOK, lambda e: e.get("reason") == "dropped")
    streams.wait(BOOK, lambda e: e.get("type") == "delta", mark)
    totals = service.stop()
    assert totals["published"] + totals["dropped"]["spool_full"] == totals["events"]


class Clock:
    """The wall clock of the processes that are started with `env`."""

    def __init__(self, directory: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("no C compiler")
        library = directory / "clock.so"
        source = HERE / "faults/clock.c"
        subprocess.run(
            [compiler, "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True
        )
        path = directory / "clock"
        path.write_bytes(bytes(8))
        with path.open("r+b") as file:
            self._offset = mmap.mmap(file.fileno(), 8)
        self.env = {"LD_PRELOAD": str(library), "INGEST_TEST_CLOCK": str(path)}

    def set_off(self, seconds: int) -> None:
        self._offset[:] = struct.pack("<q", seconds * 10**9)


@pytest.mark.parametrize("away", [False, True], ids=["live", "over the disk"])
def test_the_clock_steps_back(
    kit: Any, own_redis: Any, streams_at: Any, tmp_path: Path, away: bool
) -> None:
    """An hour back, a day on, back again: ids only grow, nothing is lost or doubled."""
    clock = Clock(tmp_path)
    venue = kit.venue([["serve"]])
    if not away:
        own_redis.start()
    service = kit.service(
        own_redis.url,
        feed("BTC-USDT"),
        venues={"binance": {"ws_url": venue.url}},
        popen={"env": clock.env},
    )
    service.wait("feed: subscribed")
    shown = [service.lines[-1]["timestamp"]]
    if away:
        service.wait("spool: entries go to disk")
    streams = streams_at(own_redis.path)
    for seconds in (-3600, 86_400, -60):
        if not away:
            await_more(streams, BTC)
        else:
            before = _spooled(kit)
            _until(lambda: _spooled(kit) > before)  # noqa: B023
        clock.set_off(seconds)
    if away:
        own_redis.start()
        service.wait("spool: all entries are sent")
    await_more(streams, BTC)
    totals = service.stop()
    shown.append(service.lines[-1]["timestamp"])
    assert shown[1] < shown[0]  # it did step
    found = streams.client.xrange(BTC)
    ids = [tuple(map(int, entry_id.split("-"))) for entry_id, _ in found]
    assert ids == sorted(set(ids))
    assert ids[-1][0] - ids[0][0] > 80_000_000  # by what was a day on
    numbers = [int(fields["id"]) for _, fields in found]
    assert numbers == list(range(1, len(numbers) + 1))
    assert totals["data"] == len(numbers)
    assert len(venue.all("accepted")) == 1


def _spooled(kit: Any) -> int:
    return sum(p.stat().st_size for p in (Path(kit.directory) / "data/spool").rglob("*.segment"))


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_stopped_while_the_spool_is_sent(kit: Any, own_redis: Any, streams_at: Any) -> None:
    """SIGTERM with a Redis that takes nothing any more: what is left is sent at the next start."""
    own_redis.start()
    venue = kit.venue([["serve"]])
    settings = {
        "venues": {"binance": {"ws_url": venue.url}},
    }
    service = kit.service(own_redis.url, feed("BTC-USDT"), **settings)
    streams = streams_at(own_redis.path)
    await_more(streams, BTC)
    own_redis.kill()
    service.wait("spool: entries go to disk")
    before = _spooled(kit)
    _until(lambda: _spooled(kit) > before)
    own_redis.start()
    own_redis.signal(signal.SIGSTOP)  # the connection is accepted, and the batch not answered
    service.wait("sink: no connection; entries are kept, trying again", times=3)
    service.signal(signal.SIGTERM)
    assert service.exit_status() == 0, service.text()  # 1 if it takes longer than `grace_s`
    left = service.wait("spool: entries are left for the next start")["entries"]
    assert service.wait("service: workers stopped")["left_on_disk"] == left > 0
    own_redis.signal(signal.SIGCONT)
    service = kit.service(own_redis.url, feed("BTC-USDT"), **settings)
    service.wait("spool: all entries are sent")
    await_more(streams, BTC)
    assert service.stop()["recovered"] >= left
    parts = pieces(streams.entries(BTC))
    assert len(parts) == 2
    assert_lost_only_at_marks(streams.entries(BTC))


def test_stopped_while_a_book_is_begun_again(kit: Any, own_streams: Any) -> None:
    """SIGTERM while a snapshot is awaited over REST that does not come: in time all the same."""
    silent = kit.venue([["stay"]])  # in the place of the REST interface
    replay = kit.replay("--speed", "5")
    service = kit.service(
        own_streams.url,
        {"venue": "binance", "channels": ["book"], "instruments": ["BTC-USDT"]},
        venues={
            "binance": {
                "ws_url": replay.urls["binance"],
                "rest_url": silent.url.replace("ws", "http"),
            }
        },
    )
    silent.wait("accepted")
    service.wait("feed: subscribed")
    totals = service.stop()
    assert totals["published"] == totals["events"]


def test_a_killed_supervisor_and_a_new_one(kit: Any, streams_at: Any) -> None:
    """The next start waits for the workers that end by themselves, and works."""
    venue = kit.venue([["serve"]])
    settings = {"venues": {"binance": {"ws_url": venue.url}}, "shutdown": {"grace_s": 3}}
    first = kit.service(None, feed("BTC-USDT"), **settings)
    socket = kit.directory / "data/redis.sock"
    first.wait("feed: subscribed")
    streams_at(socket).wait(BTC, is_trade)
    first.signal(signal.SIGKILL)
    second = kit.service(None, feed("BTC-USDT"), **settings)
    second.wait("feed: subscribed")
    streams = streams_at(socket)
    reset = streams.wait(BTC, lambda e: e.get("type") == "reset")
    streams.wait(BTC, is_trade, reset)
    assert_lost_only_at_marks(streams.entries(BTC))
    second.stop()
    assert first.wait("worker: stopped")["unpublished"] == 0


def test_a_killed_supervisor_and_a_hung_worker(kit: Any, own_streams: Any) -> None:
    """It cannot see that it is alone; the kernel ends it."""
    venue = kit.venue([["serve"]])
    service = kit.service(
        own_streams.url,
        feed("BTC-USDT"),
        venues={"binance": {"ws_url": venue.url}},
        popen={"env": FAULTS},
    )
    own_streams.wait(BTC, is_trade)
    os.kill(service.workers()[0], signal.SIGUSR2)
    service.signal(signal.SIGKILL)
    service.exit_status()  # of all who could write to its log
    assert "in _hang" in "".join(service.other)


def kill_again_and_again(kit: Any, streams: Any, times: int, every_s: float) -> None:
    """`kill -9` of a worker in turn; what is missing is where the marks say."""
    venue = kit.venue([["serve"]])
    service = kit.service(
        streams.url,
        feed("BTC-USDT"),
        feed("ETH-USDT"),
        venues={"binance": {"ws_url": venue.url}},
        workers=2,
        log={"level": "info"},
    )
    for key in (BTC, ETH):
        streams.wait(key, is_trade)
    for number in range(times):
        os.kill(service.workers()[number % 2], signal.SIGKILL)
        service.wait("worker: started", times=2 + number + 1)
        service.wait("feed: subscribed", times=2 + number + 1)
        await_more(streams, BTC, ETH)
        time.sleep(every_s)
    totals = service.stop()
    assert totals["restarts"] == times
    for key in (BTC, ETH):
        assert_lost_only_at_marks(streams.entries(key))
        resets = [e for e in streams.entries(key) if e.get("type") == "reset"]
        assert [e["reason"] for e in resets] == ["worker_restarted"] * (times // 2)


def test_killed_again_and_again(kit: Any, own_streams: Any) -> None:
    """The loss is where the marks are, nowhere else."""
    kill_again_and_again(kit, own_streams, 4, 0.0)


@pytest.mark.long
def test_killed_every_five_seconds_for_a_minute(kit: Any, own_streams: Any) -> None:
    """As issue 5 wants it shown."""
    kill_again_and_again(kit, own_streams, 12, 5.0)
