"""Many connections in one worker, many topics on one connection."""

import os
import resource
from pathlib import Path
from typing import Any

import pytest

EACH = 20  # trades per topic

INSTRUMENTS = [f"A{number}-USDT" for number in range(500)]


@pytest.mark.parametrize(
    ("connections", "topics"), [(200, 200), (1, 500)], ids=["200 connections", "500 topics"]
)
def test_one_worker(
    kit: Any, own_streams: Any, record_property: Any, connections: int, topics: int
) -> None:
    """All are subscribed, every message of each arrives, and the stop is clean."""
    requests = -(-topics // connections // 100)  # of at most 100 topics
    venue = kit.venue([["handshake"], ["ack", requests], ["gate"], ["data", EACH], ["stay"]])
    service = kit.service(
        own_streams.url,
        {"venue": "binance", "channels": ["trade"], "instruments": INSTRUMENTS[:topics]},
        venues={"binance": {"ws_url": venue.url, "topics_per_connection": topics // connections}},
        workers=1,
        log={"level": "info"},
    )
    service.wait("feed: subscribed", times=connections)
    venue.wait("gate", times=connections)
    venue.tell("go")
    for instrument in INSTRUMENTS[:topics]:
        own_streams.wait(f"md:binance:trade:{instrument}", lambda e: e.get("id") == str(EACH))
    [pid] = service.workers().values()
    used = usage(pid)
    totals = service.stop()
    record_property("worker", used)
    print(f"{connections} connections, {topics} topics: {used}")

    for instrument in INSTRUMENTS[:topics]:
        entries = own_streams.entries(f"md:binance:trade:{instrument}")
        assert [e.get("id") for e in entries] == [str(n) for n in range(1, EACH + 1)]
    assert totals["connects"] == connections
    assert totals["data"] == topics * EACH
    assert totals["disconnects"] == totals["decode_errors"] == totals["dropped"] == {}
    assert len(venue.all("close", code=1001)) == connections
    # Bounded memory; the number is generous, the point is the order of magnitude.
    assert used["rss_mib"] < 60 + connections


def usage(pid: int) -> dict[str, float]:
    """Resident memory and CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    pages = int(fields[21])
    return {
        "rss_mib": round(pages * resource.getpagesize() / 2**20, 1),
        "cpu_s": ticks / os.sysconf("SC_CLK_TCK"),
    }
