"""The whole service in a flood of numbered trades, while its Redis is ill-treated."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.service.consumer import Consumer

FIREHOSE = Path(__file__).parents[1] / "servers" / "firehose.py"
COINS = ["BTC", "ETH", "BNB", "XRP", "SOL", "ADA", "DOT", "LTC", "UNI", "TRX"]
KEYS = [f"md:binance:trade:{coin}-USDT" for coin in COINS]
DEADLINE_S = 300.0
_MEMORY_MIB = 512  # of a worker

# Entered, it does something and returns when Redis can be written again; left, it puts
# back in order what else is to be as before.
Outage = Callable[[], AbstractContextManager[None]]


def as_promised() -> dict[str, Any]:
    """The rate and the number of outages that are promised, or those asked for."""
    return {
        "rate": float(os.environ.get("INGEST_TEST_RATE", "50000")),
        "times": int(os.environ.get("INGEST_TEST_TIMES", "3")),
    }


def away_s() -> float:
    """For how long a server is away."""
    return float(os.environ.get("INGEST_TEST_AWAY_S", "60"))


def take_away(server: Any, how: str) -> None:
    """Kill it with -9, or have it hang."""
    if how == "killed":
        server.kill()
    else:
        server.signal(signal.SIGSTOP)


def bring_back(server: Any, how: str, *arguments: str) -> None:
    """Undo that; *arguments* are of a server that is started again."""
    if how == "killed":
        server.start(*arguments)
    else:
        server.signal(signal.SIGCONT)


def flood(
    kit: Any,
    url: str,
    consumer: Consumer,
    outage: Outage,
    *,
    rate: float,
    times: int,
    between_s: float = 5.0,
    live_s: float = 1.0,
) -> dict[str, Any]:
    """Have everything that a venue sends published, through outages; return what was seen.

    After an outage it is waited until the consumer is at most *live_s* behind the venue.
    """
    venue = kit.program(str(FIREHOSE), "--rate", str(rate), output="stdout")
    venue_url = f"ws://127.0.0.1:{venue.wait('listening')['port']}"
    service = kit.service(
        url,
        *(
            {
                "venue": "binance",
                "channels": ["trade"],
                "instruments": [f"{coin}-USDT" for coin in coins],
            }
            for coins in (COINS[::2], COINS[1::2])
        ),
        workers=2,
        venues={"binance": {"ws_url": venue_url}},
        log={"level": "info"},
    )
    seen: dict[str, Any] = {"outage_s": [], "live_again_s": []}
    try:
        service.wait("feed: subscribed", times=2)
        began = time.monotonic()
        consumer.until(_sent(venue), DEADLINE_S)
        for number in range(times):
            time.sleep(between_s)
            start = time.monotonic()
            with outage():
                back = time.monotonic()
                seen["outage_s"].append(round(back - start, 1))
                _until_live(venue, consumer, live_s)
                seen["live_again_s"].append(round(time.monotonic() - back, 1))
                print(number, {**seen, "sent": sum(_sent(venue).values())}, flush=True)
        _until_live(venue, consumer, live_s)
        seen["seconds"] = round(time.monotonic() - began, 1)
        seen["per_s"] = round(sum(_sent(venue).values()) / seen["seconds"])
        seen["to_disk"] = len(service.all("spool: entries go to disk"))
        forgotten = service.all(
            "sink: the server has lost what it had acknowledged; sending it again"
        )
        seen["forgotten"] = [line["entries"] for line in forgotten]
        seen["peak_mib"] = [_peak_mib(pid) for pid in service.workers().values()]
        totals = service.stop()
        wanted = _sent(venue)
        consumer.until(wanted, DEADLINE_S)
    finally:
        consumer.stop()
    seen["messages"] = sum(wanted.values())
    print(seen, flush=True)
    assert consumer.problems == []
    assert consumer.last == wanted
    assert totals["data"] == sum(wanted.values())
    assert totals["dropped"] == {}
    assert totals["unpublished"] == totals["left_on_disk"] == totals["restarts"] == 0
    assert max(seen["peak_mib"]) < _MEMORY_MIB
    return seen


def _until_live(venue: Any, consumer: Consumer, live_s: float) -> None:
    end = time.monotonic() + DEADLINE_S
    while True:
        asked = time.monotonic()
        consumer.until(_sent(venue), end - asked)
        if time.monotonic() - asked < live_s:
            return


def _sent(venue: Any) -> dict[str, int]:
    asked = len(venue.all("sent"))
    venue.tell("report")
    topics: dict[str, int] = venue.wait("sent", times=asked + 1)["topics"]
    return {
        f"md:binance:trade:{topic.removesuffix('usdt@trade').upper()}-USDT": number
        for topic, number in topics.items()
    }


def _peak_mib(pid: int) -> int:
    """The most memory that the process ever had, resident."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return int(status["VmHWM"].split()[0]) // 1024
