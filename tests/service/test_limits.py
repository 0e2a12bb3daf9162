"""What a venue allows one address is kept to by all workers together."""

import time
from typing import Any

from ingest import venues

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
    venue = kit.venue(
        [["gate"], ["http", 429, {"Retry-After": "2"}]],
        [["gate"], ["gate"], ["http", 503]],
        [["serve"]],
    )
    running = service(kit, own_streams, venue, feeds=2)
    venue.wait("gate", times=2)  # both have had their turn
    venue.tell("open")
    venue.wait("gate", times=3)
    running.wait("feed: not connected", reason="http_429")
    said = running.wait("limits: a venue asks us to stay away; nothing is sent there until then")
    began = time.monotonic()
    venue.tell("open")
    # Its own delay is 20 ms at most.
    running.wait("feed: not connected", reason="http_503")
    venue.wait("accepted", times=4)

    assert said["for_s"] == 2
    assert time.monotonic() - began > 1.5
    running.wait("feed: subscribed", times=2)
    running.stop()


def test_attempts_of_all_workers_are_counted_together(kit: Any, own_streams: Any) -> None:
    """Whichever worker needs them most, and not one more than the venue allows."""
    allowed, _ = venues.get("binance").limits.connects
    venue = kit.venue([["http", 503]])
    running = service(kit, own_streams, venue, feeds=4, base_s=0.0001, cap_s=0.0001)
    running.wait("feed: held back by the venue's limit on attempts", times=4)

    assert len(venue.all("accepted")) == allowed
    totals = running.stop()
    assert totals["disconnects"] == {"http_503": allowed}
