"""A venue that is away for a while, against one that counts every attempt (tests/servers/strict).

Attempts that fail use up what the venue allows. While a host is not reached, one
connection tries for all, so that the rest of the budget is there when it is back.
"""

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
SCALED_PATH = f"{Path(__file__).parent / 'scaled'}:{ROOT}"


class Case(NamedTuple):
    """How many connections to Binance, what it allows, and for how long it is away."""

    connections: int
    connects: tuple[int, float]
    outage_s: float
    patience_s: float
    settle_s: float  # between start and outage
    reconnect: dict[str, float]


SCALED = Case(40, (120, 8.0), 1.5, 60, 0.0, {"base_s": 0.05, "cap_s": 0.4})
# What is published: 300 attempts in 5 minutes. The budget is whole again when the outage
# begins: what comes back late is late because of the outage.
REAL = Case(334, (300, 300.0), 30.0, 900, 330.0, {"base_s": 0.5, "cap_s": 30.0})


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(SCALED, id="scaled down"),
        pytest.param(REAL, id="real limits", marks=pytest.mark.long),
    ],
)
def test_one_tries_for_all(kit: Any, own_streams: Any, record_property: Any, case: Case) -> None:
    """Whoever it is, of three workers; then all come back, and no rule is broken."""
    venue = kit.strict("binance", rules={"connects": [["window", *case.connects]]}, rate=0.2)
    service = kit.service(
        own_streams.url,
        {
            "venue": "binance",
            "channels": ["trade"],
            "instruments": [f"C{n:04}-USDT" for n in range(case.connections)],
        },
        venues={"binance": {"ws_url": venue.url, "topics_per_connection": 1}},
        workers=3,
        log={"level": "info"},
        reconnect={**case.reconnect, "healthy_after_s": 60},
        popen={
            "env": {
                "PYTHONPATH": SCALED_PATH,
                "INGEST_TEST_LIMITS": json.dumps({"binance": {"connects": case.connects}}),
            }
        },
    )
    first = venue.until(lambda report: report["subscribed"] == case.connections, case.patience_s)
    time.sleep(case.settle_s)
    began = time.monotonic()
    venue.tell(f"outage {case.outage_s}")
    venue.until(lambda report: report["subscribed"] < case.connections)
    last = venue.until(lambda report: report["subscribed"] == case.connections, case.patience_s)
    back_s = time.monotonic() - began
    in_outage = last["counts"].get("attempts in an outage", 0)
    shown = {"connections": case.connections, "outage_s": case.outage_s}
    shown |= {"back_s": round(back_s, 1), "attempts in the outage": in_outage}
    record_property("outage", shown)
    print(shown)
    service.stop()

    assert first["violations"] == last["violations"] == venue.report()["violations"] == []
    assert 1 <= in_outage < case.connections / 2
