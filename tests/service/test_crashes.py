"""`kill -9` of each process of the service in turn."""

import os
import signal
import time
from pathlib import Path
from typing import Any

BTC, ETH = "md:binance:trade:BTC-USDT", "md:binance:trade:ETH-USDT"
DEADLINE_S = 20.0


def feed(instrument: str) -> dict[str, Any]:
    return {"venue": "binance", "channels": ["trade"], "instruments": [instrument]}


def ids(entries: list[dict[str, str]]) -> list[int]:
    return [int(e["id"]) for e in entries if "id" in e]


def any_trade(entry: dict[str, str]) -> bool:
    return "id" in entry


def is_running(pid: int) -> bool:
    """Whether there is such a process; one that only waits to be reaped is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_killed_worker(kit: Any, own_streams: Any) -> None:
    """It is started again and says so in its streams; the other worker never notices."""
    venue = kit.venue([["serve"]])
    service = kit.service(
        own_streams.url,
        feed("BTC-USDT"),
        feed("ETH-USDT"),
        venues={"binance": {"ws_url": venue.url}},
        workers=2,
    )
    for key in (BTC, ETH):
        own_streams.wait(key, any_trade)
    before = service.workers()
    os.kill(before[0], signal.SIGKILL)

    service.wait("worker: started", worker=0, restarts=1)
    reset = own_streams.wait(BTC, lambda e: e.get("type") == "reset")
    own_streams.wait(BTC, any_trade, reset)
    own_streams.wait(ETH, any_trade, own_streams.newest(ETH))
    totals = service.stop()

    assert service.workers()[0] != before[0]
    assert service.workers()[1] == before[1]
    assert service.wait("supervisor: worker died, restarting")["died_of"] == "SIGKILL"
    assert totals["restarts"] == 1

    entries = own_streams.entries(BTC)
    marks = [(i, e["type"], e["reason"]) for i, e in enumerate(entries) if "type" in e]
    assert marks[0][1:] == ("reset", "worker_restarted")
    # Where the venue numbers its trades, what died with the worker is marked as well.
    assert {mark[2] for mark in marks[1:]} <= {"sequence", "backfill"}
    at = marks[0][0]
    # Only at the mark is anything missing, and nothing is there twice.
    first, second = ids(entries[:at]), ids(entries[at:])
    assert first == list(range(1, len(first) + 1))
    assert second == list(range(second[0], second[0] + len(second)))
    assert second[0] > first[-1]

    other = own_streams.entries(ETH)
    assert ids(other) == list(range(1, len(other) + 1))
    assert len(venue.all("accepted")) == 3


def test_a_killed_supervisor(kit: Any) -> None:
    """Workers stop by themselves, in order; the embedded server ends; no orphans."""
    venue = kit.venue([["serve"]])
    service = kit.service(
        None,
        feed("BTC-USDT"),
        feed("ETH-USDT"),
        venues={"binance": {"ws_url": venue.url}},
        shutdown={"grace_s": 2},
        workers=2,
    )
    service.wait("feed: subscribed", times=2)
    pids = [*service.workers().values(), service.wait("embedded server: started")["pid"]]
    assert all(map(is_running, pids))
    service.signal(signal.SIGKILL)

    venue.wait("close", code=1001, times=2)
    end = time.monotonic() + DEADLINE_S
    while any(map(is_running, pids)):
        assert time.monotonic() < end, [pid for pid in pids if is_running(pid)]
        time.sleep(0.02)
    assert service.exit_status() == -signal.SIGKILL
    assert len(service.all("worker: stopped", reason="supervisor gone")) == 2
    assert service.other == []


def test_a_killed_embedded_server(kit: Any, streams_at: Any) -> None:
    """It is started again on its data; what came meanwhile was kept.

    Nothing is doubled or out of order. What it had acknowledged and not yet written
    (`appendfsync everysec` lets it wait while a sync is under way) may be missing: in
    one piece, and rarely anything at all.
    """
    venue = kit.venue([["serve"]])
    service = kit.service(
        None, feed("BTC-USDT"), venues={"binance": {"ws_url": venue.url}}, shutdown={"grace_s": 8}
    )
    pid = service.wait("embedded server: started")["pid"]
    socket = kit.directory / "data/redis.sock"
    newest = streams_at(socket).wait(BTC, any_trade)
    os.kill(pid, signal.SIGKILL)

    service.wait("embedded server: started", times=2)
    service.wait("sink: connected again")
    streams = streams_at(socket)
    streams.wait(BTC, any_trade, newest)
    service.stop()

    # Once more, to read what it kept.
    reader = kit.service(None, feed("XRP-USDT"), venues={"binance": {"ws_url": venue.url}})
    reader.wait("sink: connected")
    entries = streams_at(socket).entries(BTC)
    found = ids(entries)
    assert found == sorted(set(found))
    missing = sorted(set(range(1, found[-1] + 1)) - set(found))
    assert not missing or missing[-1] - missing[0] == len(missing) - 1, missing
    assert not [e for e in entries if "type" in e]
    reader.stop()
