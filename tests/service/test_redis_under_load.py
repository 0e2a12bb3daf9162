"""Redis dies, or hangs, in the middle of a flood: nothing is lost, doubled or reordered.

The long form is what is promised: 50,000 messages a second, Redis away for a minute,
three times. INGEST_TEST_RATE, _AWAY_S and _TIMES change that.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.service.consumer import Consumer
from tests.service.flood import DEADLINE_S, KEYS, as_promised, away_s, bring_back, flood, take_away


def _flood(kit: Any, server: Any, how: str, away_s: float, **load: Any) -> None:
    @contextlib.contextmanager
    def outage() -> Iterator[None]:
        take_away(server, how)
        time.sleep(away_s)
        bring_back(server, how)
        yield

    def find() -> redis.UnixDomainSocketConnection:
        return redis.UnixDomainSocketConnection(path=str(server.path), socket_timeout=5, protocol=3)

    server.start()
    seen = flood(kit, server.url, Consumer({tuple(KEYS): find}), outage, **load)
    # Each of the two workers, each time; more where the machine is too busy for the flood.
    assert seen["to_disk"] >= 2 * load["times"]


@pytest.mark.parametrize("how", ["killed", "hanging"])
def test_short(kit: Any, own_redis: Any, how: str) -> None:
    _flood(kit, own_redis, how, 2.5, rate=5_000, times=1, between_s=2.5, live_s=10)


@pytest.mark.long
@pytest.mark.parametrize("how", ["killed", "hanging"])
def test_as_promised(kit: Any, own_redis: Any, how: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("tests.service.conftest.DEADLINE_S", DEADLINE_S)
    _flood(kit, own_redis, how, away_s(), **as_promised())
