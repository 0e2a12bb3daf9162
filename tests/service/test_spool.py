"""Redis goes away for a while: what comes meanwhile goes over the disk, whoever dies."""

import os
import signal
import time
from pathlib import Path
from typing import Any

DEADLINE_S = 30.0
TRADE = "md:binance:trade:BTC-USDT"
OTHER = "md:binance:trade:ETH-USDT"
AWAY = "sink: no connection; entries are kept, trying again"


def _service(kit: Any, redis: Any, venue: Any, **more: Any) -> Any:
    return kit.service(
        redis.url,
        {"venue": "binance", "channels": ["trade"], "instruments": ["BTC-USDT"]},
        {"venue": "binance", "channels": ["trade"], "instruments": ["ETH-USDT"]},
        venues={"binance": {"ws_url": venue.url}},
        **{"workers": 1, **more},
    )


def _ids(streams: Any, key: str) -> list[int]:
    return [int(entry["id"]) for entry in streams.data(key)]


def _spooled(kit: Any) -> int:
    return sum(p.stat().st_size for p in (Path(kit.directory) / "data/spool").rglob("*.segment"))


def _wait_for_growth(kit: Any) -> None:
    end = time.monotonic() + DEADLINE_S
    size = _spooled(kit)
    while _spooled(kit) <= size:
        assert time.monotonic() < end
        time.sleep(0.01)


def _wait_for_more(streams: Any, *keys: str) -> None:
    for key in keys:
        streams.wait(key, lambda e: "id" in e, streams.newest(key))


def test_killed_three_times_in_the_middle(kit: Any, own_redis: Any, streams_at: Any) -> None:
    """kill -9, with a file that is synced every second: nothing is lost or doubled."""
    own_redis.start()
    venue = kit.venue([["serve"]])
    service = _service(kit, own_redis, venue)
    streams = streams_at(own_redis.path)
    for outage in range(3):
        _wait_for_more(streams, TRADE, OTHER)
        own_redis.kill()
        service.wait("spool: entries go to disk", times=outage + 1)
        own_redis.start()
        service.wait("spool: all entries are sent", times=outage + 1)
    _wait_for_more(streams, TRADE, OTHER)
    totals = service.stop()
    for key in (TRADE, OTHER):
        ids = _ids(streams, key)
        assert ids == list(range(1, len(ids) + 1))
        assert streams.data(key) == streams.entries(key)  # no marker
    assert totals["data"] == len(_ids(streams, TRADE)) + len(_ids(streams, OTHER))
    assert len(venue.all("accepted")) == 2  # the feeds went on all the while
    assert _spooled(kit) == 0


def test_a_server_that_hangs(kit: Any, own_redis: Any, streams_at: Any) -> None:
    own_redis.start()
    venue = kit.venue([["serve"]])
    service = _service(kit, own_redis, venue)
    streams = streams_at(own_redis.path)
    _wait_for_more(streams, TRADE)
    own_redis.signal(signal.SIGSTOP)
    service.wait("spool: entries go to disk")
    own_redis.signal(signal.SIGCONT)
    service.wait("spool: all entries are sent")
    _wait_for_more(streams, TRADE)
    service.stop()
    ids = _ids(streams, TRADE)
    assert ids == list(range(1, len(ids) + 1))


def test_stopped_and_started_again_meanwhile(kit: Any, own_redis: Any, streams_at: Any) -> None:
    """The next run sends what the last ones could not, in order, with the marks between."""
    venue = kit.venue([["serve"]])
    size = 0
    for event in ("spool: entries go to disk", "spool: an earlier process left entries"):
        service = _service(kit, own_redis, venue)
        service.wait(event)
        venue.wait("accepted", times=2 * (1 + bool(size)))
        service.wait(AWAY, attempt=4)
        service.stop()
        assert _spooled(kit) > size
        size = _spooled(kit)
    own_redis.start()
    service = _service(kit, own_redis, venue)
    service.wait("spool: all entries are sent")
    streams = streams_at(own_redis.path)
    _wait_for_more(streams, TRADE, OTHER)
    service.stop()
    for key in (TRADE, OTHER):
        ids = _ids(streams, key)
        assert ids == list(range(1, len(ids) + 1))
        marks = [e for e in streams.entries(key) if "id" not in e]
        # Of the second run and the third: before the first there was nothing.
        assert [(e["type"], e["reason"]) for e in marks] == [("reset", "started")] * 2


def test_dealt_out_to_other_workers(kit: Any, own_redis: Any, streams_at: Any) -> None:
    """Another number of workers: what is on disk goes to those who write the streams now."""
    venue = kit.venue([["serve"]])
    for workers in (1, 2, 1):
        service = _service(kit, own_redis, venue, workers=workers)
        service.wait(AWAY, attempt=4, times=workers)
        service.stop()
        assert _spooled(kit) > 0
    own_redis.start()
    service = _service(kit, own_redis, venue, workers=2)
    service.wait("spool: all entries are sent", times=2)
    streams = streams_at(own_redis.path)
    _wait_for_more(streams, TRADE, OTHER)
    service.stop()
    for key in (TRADE, OTHER):
        ids = _ids(streams, key)
        assert ids == list(range(1, len(ids) + 1))


def test_a_worker_is_killed_meanwhile(kit: Any, own_redis: Any, streams_at: Any) -> None:
    """What it had on disk is there, then the mark, then its successor's data."""
    venue = kit.venue([["serve"]])
    service = _service(kit, own_redis, venue)
    sent = 2000
    service.wait("spool: entries go to disk")
    _wait_for_growth(kit)
    os.kill(service.workers()[0], signal.SIGKILL)
    service.wait("worker: started", times=2)
    service.wait("feed: subscribed", times=4)
    own_redis.start()
    service.wait("spool: all entries are sent")
    streams = streams_at(own_redis.path)
    _wait_for_more(streams, TRADE, OTHER)
    service.stop()
    for key in (TRADE, OTHER):
        entries = streams.entries(key)
        mark = next(i for i, e in enumerate(entries) if e.get("type") == "reset")
        assert entries[mark]["reason"] == "worker_restarted"
        before = [int(e["id"]) for e in entries[:mark]]
        after = [int(e["id"]) for e in entries[mark + 1 :] if "id" in e]
        assert before == list(range(1, len(before) + 1))
        assert len(before) > 10
        assert after == list(range(after[0], after[0] + len(after)))
        assert before[-1] < after[0] < before[-1] + sent


def test_two_services_do_not_share_a_spool(kit: Any, own_redis: Any) -> None:
    """The second one waits; it goes on when the first is gone, even by kill -9."""
    own_redis.start()
    venue = kit.venue([["serve"]])
    first = _service(kit, own_redis, venue)
    first.wait("feed: subscribed", times=2)
    second = _service(kit, own_redis, venue)
    second.wait("spool: in use, waiting")
    first.signal(signal.SIGKILL)
    second.wait("feed: subscribed", times=2)
    second.stop()


def test_bbo_is_conflated_when_asked(kit: Any, own_redis: Any, streams_at: Any) -> None:
    """The newest one, behind its marks; and counted."""
    replay = kit.replay("--speed", "50")
    service = kit.service(
        own_redis.url,
        {"venue": "binance", "channels": ["bbo"], "instruments": ["BTC-USDT"]},
        when_slow={"bbo": "conflate"},
        venues={"binance": {"ws_url": replay.urls["binance"]}},
    )
    service.wait("spool: entries go to disk")
    replay.until(lambda status: sum(s["sent"] for s in _topics(status)) > 2000)
    own_redis.start()
    service.wait("spool: all entries are sent")
    service.stop()
    streams = streams_at(own_redis.path)
    entries = streams.entries("md:binance:bbo:BTC-USDT")
    marks = [(e["type"], e["reason"]) for e in entries if e.get("reason")]
    assert ("gap", "conflated") in marks
    assert marks.count(("gap", "conflated")) == marks.count(("resume", "conflated"))


def _topics(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [topic for topics in status["topics"].values() for topic in topics.values()]
