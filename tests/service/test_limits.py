"""What a venue allows one address is kept to by all workers together."""

import json
import time
from collections.abc import Callable
from typing import Any

from ingest import venues

DEADLINE_S = 30.0
SYMBOLS = ["BTC-USDT", "ETH-USDT", "DOT-USDT", "ADA-USDT"]


def service(kit: Any, streams: Any, venue: Any, feeds: int, **reconnect: Any) -> Any:
    """Two workers and *feeds* connections to one venue."""
    return kit.service(
        streams.url,
        *(
            {"venue": "binance", "channels": ["trade"], "instruments": [symbol]}
            for symbol in SYMBOLS[:feeds]
        ),
        workers=2,
        venues={"binance": {"ws_url": venue.url}},
        reconnect={"base_s": 0.02, "cap_s": 0.02, **reconnect},
    )


def test_one_worker_s_429_holds_back_the_other(kit: Any, own_streams: Any) -> None:
    """The venue counts our address; the Retry-After of one handshake is for all."""
    venue = kit.venue([["gate"], ["http", 429, {"Retry-After": "2"}]], [["serve"]])
    running = service(kit, own_streams, venue, feeds=2)
    venue.wait("gate")
    began = time.monotonic()
    venue.tell("open")
    said = running.wait("limits: a venue asks us to stay away; nothing is sent there until then")
    running.wait("feed: subscribed", times=2)

    assert said["for_s"] == 2
    assert time.monotonic() - began > 2
    assert running.all("feed: not connected") == [
        *running.all("feed: not connected", reason="http_429", failures=1)
    ]
    assert len(venue.all("accepted")) == 3
    running.stop()


def test_attempts_of_all_workers_are_counted_together(kit: Any, own_streams: Any) -> None:
    """Whichever worker needs them most, and not one more than the venue allows."""
    allowed, _ = venues.get("binance").limits.connects
    venue = kit.venue([["http", 503]])
    running = service(kit, own_streams, venue, feeds=4, base_s=0.0001, cap_s=0.0001)
    running.wait("feed: waits for its turn to connect", times=4)

    assert len(venue.all("accepted")) == allowed
    totals = running.stop()
    assert totals["disconnects"] == {"http_503": allowed}


def test_a_ban_outlives_the_service(kit: Any, own_streams: Any) -> None:
    """Which is killed; the one after it, in the same directory, stays away as well."""
    venue = kit.venue([["http", 429, {"Retry-After": "1000"}]], [["serve"]])
    running = service(kit, own_streams, venue, feeds=1)
    running.wait("limits: a venue asks us to stay away; nothing is sent there until then")
    kept = kit.directory / "data/limits.json"
    wait_until(lambda: kept.exists() and json.loads(kept.read_bytes())["bans"])
    running.process.kill()
    running.exit_status()

    again = service(kit, own_streams, venue, feeds=1)
    said = again.wait("limits: a venue asked us to stay away, and that is not over")
    again.wait("feed: waits for its turn to connect")
    assert 800 < said["for_s"] <= 900  # as much as is believed
    assert len(venue.all("accepted")) == 1
    again.stop()


def wait_until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
