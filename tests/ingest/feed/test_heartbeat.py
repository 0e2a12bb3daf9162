"""`HeartbeatClock`: pings of the venue's own kind."""

import pytest
from msgspec import structs

from ingest.feed.heartbeat import HeartbeatClock, HeartbeatLost
from ingest.venues.base import Heartbeat

RULE = Heartbeat(payload=b"ping", after_idle_s=20.0, timeout_s=10.0)


def test_one_ping_per_silence() -> None:
    """Quiet for 20 s: one ping, however often it is looked at; then the answer is awaited."""
    clock = HeartbeatClock(RULE, 100.0)

    assert clock.check(105.0) == (False, 15.0)
    assert clock.check(120.0) == (True, 10.0)
    assert clock.check(121.0) == (False, 9.0)


def test_anything_heard_ends_the_silence() -> None:
    """Data or pong alike; the next silence gets its own ping."""
    clock = HeartbeatClock(RULE, 100.0)
    clock.check(120.0)
    clock.heard(129.0)

    assert clock.check(131.0) == (False, 18.0)
    assert clock.check(149.0) == (True, 10.0)


def test_a_venue_that_wants_pings_though_data_flows() -> None:
    """Every 20 s, whatever is heard; silence still ends it."""
    clock = HeartbeatClock(structs.replace(RULE, always=True), 100.0)
    clock.heard(119.0)

    assert clock.check(119.0) == (False, 1.0)
    assert clock.check(120.0) == (True, 20.0)
    assert clock.check(125.0) == (False, 15.0)
    clock.heard(139.0)
    assert clock.check(141.0) == (True, 20.0)
    with pytest.raises(HeartbeatLost):
        clock.check(169.0)


def test_no_answer_in_time() -> None:
    """The venue is given up after 20 s of silence and 10 s of waiting."""
    clock = HeartbeatClock(RULE, 100.0)
    clock.check(120.0)

    with pytest.raises(HeartbeatLost, match=r"nothing heard for 30\.0 s"):
        clock.check(130.0)
