"""A stop is graceful in every phase: exit status 0, in time, and nothing received is lost."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers.ports import closed_port

FEED = {"venue": "binance", "channels": ["trade"], "instruments": ["BTC-USDT"]}
TRADE = "md:binance:trade:BTC-USDT"
NOWHERE = "redis://127.0.0.1:1/0"
GRACE_S = 8
# Long before what would be waited for otherwise, however busy the machine is.
SOON_S = 20.0
# Recorded topics of both venues, as ours and theirs.
TOPICS = {
    "md:binance:bbo:BTC-USDT": "btcusdt@bookTicker",
    "md:binance:book:BTC-USDT": "btcusdt@depth@100ms",
    "md:binance:trade:BTC-USDT": "btcusdt@trade",
    "md:okx:ticker:ZEN-USDT": "tickers:ZEN-USDT",
    "md:okx:book:ZEN-USDT": "books:ZEN-USDT",
}


def terminate(service: Any) -> None:
    service.signal(signal.SIGTERM)


def interrupt(service: Any) -> None:
    service.signal(signal.SIGINT)


def control_c(service: Any) -> None:
    """As a terminal does it: to every process of the foreground group."""
    os.killpg(service.process.pid, signal.SIGINT)


@pytest.mark.parametrize("stop", [terminate, interrupt, control_c])
def test_in_full_flow(kit: Any, own_streams: Any, stop: Callable[[Any], None]) -> None:
    """CLOSE 1001 on every connection; all that the venue had sent before is in Redis."""
    replay = kit.replay("--speed", "30", "--loop")
    service = kit.service(
        own_streams.url,
        {"venue": "binance", "channels": ["trade", "bbo", "book"], "instruments": ["BTC-USDT"]},
        {"venue": "okx", "channels": ["ticker", "book"], "instruments": ["ZEN-USDT"]},
        venues={venue: {"ws_url": url} for venue, url in replay.urls.items()},
        workers=2,
        shutdown={"grace_s": GRACE_S},
        popen={"start_new_session": True},
    )
    replay.until(lambda status: status["sent"] > 5000 and len(status["topics"]) == 2)
    service.wait("feed: subscribed", times=2)
    stop(service)
    assert service.exit_status() == 0, service.text()

    assert service.other == []
    assert replay.status()["closes"] == {"1001": 2}
    sent = Counter(line["topic"] for line in replay.journal() if line["event"] == "sent")
    assert all(sent[topic] for topic in TOPICS.values())
    assert {key: len(own_streams.data(key)) for key in TOPICS} == {
        key: sent[topic] for key, topic in TOPICS.items()
    }
    totals = service.wait("service: workers stopped")
    assert totals["data"] == sum(sent.values())
    assert totals["published"] == totals["events"]
    assert totals["unpublished"] == 0


@pytest.mark.parametrize("late", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_after_the_end_changes_nothing(kit: Any, own_streams: Any, late: int) -> None:
    """All is done and only the interpreter is still going: neither a traceback nor -15."""
    venue = kit.venue([["serve"]])
    service = kit.service(own_streams.url, FEED, venues={"binance": {"ws_url": venue.url}})
    service.wait("feed: subscribed")
    service.signal(signal.SIGTERM)
    service.wait("service: stopped", status=0)
    service.signal(late)
    assert service.exit_status() == 0
    assert service.other == []


def test_while_subscribing(kit: Any, own_streams: Any) -> None:
    """Requests that can no longer be sent do not cut off what is still under way."""
    venue = kit.venue([["serve"]])
    instruments = [f"A{number}-USDT" for number in range(500)]  # five requests, 0.25 s apart
    service = kit.service(
        own_streams.url,
        {"venue": "binance", "channels": ["trade"], "instruments": instruments},
        venues={"binance": {"ws_url": venue.url}},
        log={"level": "info"},
    )
    venue.wait("request", times=2)
    totals = service.stop()

    sent = venue.wait("close", code=1001)["sent"]
    assert totals["data"] == sent > 0
    published = [key for key in own_streams.keys() if key.startswith("md:binance:trade:")]  # noqa: SIM118
    assert sum(len(own_streams.data(key)) for key in published) == sent
    assert not service.all("feed: subscribed")


def test_while_the_venue_hangs_in_the_handshake(kit: Any, own_streams: Any) -> None:
    """The attempt is given up at once."""
    venue = kit.venue([["stay"]])
    service = kit.service(
        own_streams.url,
        FEED,
        venues={"binance": {"ws_url": venue.url}},
        websocket={"open_timeout_s": 60},
        shutdown={"grace_s": 60},
    )
    venue.wait("accepted")
    began = time.monotonic()

    assert service.stop()["disconnects"] == {}
    assert time.monotonic() - began < SOON_S


def test_while_backing_off(kit: Any, own_streams: Any) -> None:
    """The delay is cut short."""
    with closed_port() as port:
        service = kit.service(
            own_streams.url,
            FEED,
            venues={"binance": {"ws_url": f"ws://127.0.0.1:{port}"}},
            reconnect={"base_s": 10_000, "cap_s": 10_000},
            shutdown={"grace_s": 60},
        )
        service.wait("feed: not connected", reason="refused")
    began = time.monotonic()

    assert service.stop()["disconnects"] == {"refused": 1}
    assert time.monotonic() - began < SOON_S


def test_while_redis_is_away(kit: Any) -> None:
    """What cannot be published is said and counted, and the grace period is kept."""
    venue = kit.venue([["handshake"], ["ack"], ["data", 5], ["stay"]])
    service = kit.service(
        NOWHERE,
        FEED,
        venues={"binance": {"ws_url": venue.url}},
        shutdown={"grace_s": 1},
    )
    service.wait("feed: subscribed")
    began = time.monotonic()
    totals = service.stop()

    assert time.monotonic() - began < SOON_S
    venue.wait("close", code=1001)
    assert totals["data"] == 5
    assert totals["left_on_disk"] == totals["events"] == 5 + 2  # connected, disconnected
    assert totals["unpublished"] == 0
    assert service.wait("spool: entries are left for the next start")["entries"] == 7


def test_a_venue_that_does_not_answer_the_close(kit: Any, own_streams: Any) -> None:
    """It is left, in time; what it had sent is published."""
    venue = kit.venue([["handshake"], ["ack"], ["data", 5], ["deaf"], ["stay"]])
    service = kit.service(
        own_streams.url,
        FEED,
        venues={"binance": {"ws_url": venue.url}},
        shutdown={"grace_s": 3},
    )
    own_streams.wait(TRADE, lambda e: e.get("id") == "5")
    began = time.monotonic()
    totals = service.stop()

    assert time.monotonic() - began < SOON_S
    assert totals["published"] == totals["events"]


def test_a_second_signal_forces(kit: Any, own_streams: Any) -> None:
    """Exit status 1, at once, nobody left."""
    venue = kit.venue([["handshake"], ["ack"], ["deaf"], ["stay"]])
    service = kit.service(
        own_streams.url,
        FEED,
        venues={"binance": {"ws_url": venue.url}},
        shutdown={"grace_s": 60},
    )
    service.wait("feed: subscribed")
    service.signal(signal.SIGTERM)
    service.wait("worker: stopping")
    began = time.monotonic()
    service.signal(signal.SIGTERM)

    assert service.exit_status() == 1
    assert time.monotonic() - began < SOON_S
    # Its end of the pipe is closed, so the worker is gone: see `exit_status`.
    assert service.wait("service: stopped")["status"] == 1


def test_while_the_workers_start(kit: Any, own_streams: Any) -> None:
    """The signal reaches interpreters that are still loading their modules."""
    venue = kit.venue([["serve"]])
    service = kit.service(own_streams.url, FEED, venues={"binance": {"ws_url": venue.url}})
    service.wait("service: started")

    service.stop()


def test_while_the_embedded_server_starts(kit: Any) -> None:
    """There is no worker yet; the server is ended and its directory free again."""
    service = kit.service(None, FEED, venues={"binance": {"ws_url": "ws://127.0.0.1:1"}})
    lock = kit.directory / "data/redis.lock"
    end = time.monotonic() + 20
    while not lock.exists():
        assert time.monotonic() < end, service.text()
        time.sleep(0.001)
    service.signal(signal.SIGTERM)

    assert service.exit_status() == 0, service.text()
    assert service.other == []
    assert service.lines[-1]["event"] == "service: stopped"
