"""Redis dies, or hangs, in the middle of a flood: nothing is lost, doubled or reordered.

The long form is what is promised: 50,000 messages a second, Redis away for a minute,
three times. INGEST_TEST_RATE, _AWAY_S and _TIMES change that.
"""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import redis

FIREHOSE = Path(__file__).parents[1] / "servers" / "firehose.py"
COINS = ["BTC", "ETH", "BNB", "XRP", "SOL", "ADA", "DOT", "LTC", "UNI", "TRX"]
DEADLINE_S = 300.0


class Reader:
    """Reads every stream as a consumer does, checks the numbers, and trims what it has read."""

    def __init__(self, path: Path, keys: list[str]) -> None:
        self._path = path
        self._positions = dict.fromkeys(keys, "0-0")
        self.last = dict.fromkeys(keys, 0)
        self.problems: list[str] = []
        self.entries = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            # redis-py's own reading would take a whole core: only its connection is used.
            connection = redis.UnixDomainSocketConnection(
                path=str(self._path), socket_timeout=5, protocol=3
            )
            try:
                while not self._stop.is_set():
                    self._read(connection)
            except redis.RedisError:
                time.sleep(0.05)  # it is away: that is what this is about
            finally:
                connection.disconnect()

    def _read(self, connection: redis.UnixDomainSocketConnection) -> None:
        where = (*self._positions.keys(), *self._positions.values())
        connection.send_command("XREAD", "COUNT", 5000, "BLOCK", 200, "STREAMS", *where)
        for raw, found in (connection.read_response() or {}).items():
            key = raw.decode()
            self._take(key, found)
            self._positions[key] = found[-1][0].decode()
            connection.send_command("XTRIM", key, "MINID", "~", self._positions[key])
            connection.read_response()

    def _take(self, key: str, found: list[tuple[bytes, list[bytes]]]) -> None:
        self.entries += len(found)
        last = self.last[key]
        for entry_id, fields in found:
            if b"id" not in fields:
                self.problems.append(f"{key} {entry_id!r}: a marker {fields}")
                continue
            number = fields[fields.index(b"id") + 1]
            if int(number) != last + 1 or fields[fields.index(b"price") + 1] != number + b".00":
                self.problems.append(f"{key} {entry_id!r}: {fields} after {last}")
            last = int(number)
        self.last[key] = last

    def until(self, wanted: dict[str, int]) -> None:
        """Wait until all of that was read."""
        end = time.monotonic() + DEADLINE_S
        while any(self.last[key] < number for key, number in wanted.items()):
            assert time.monotonic() < end, (self.last, wanted)
            assert not self.problems, self.problems[:5]
            time.sleep(0.05)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def _rss_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _sent(venue: Any) -> dict[str, int]:
    asked = len(venue.all("sent"))
    venue.tell("report")
    topics: dict[str, int] = venue.wait("sent", times=asked + 1)["topics"]
    return {
        f"md:binance:trade:{topic.removesuffix('usdt@trade').upper()}-USDT": number
        for topic, number in topics.items()
    }


def _flood(
    kit: Any, server: Any, how: str, *, rate: float, away_s: float, times: int
) -> dict[str, Any]:
    """Return what was seen."""
    server.start()
    venue = kit.program(str(FIREHOSE), "--rate", str(rate), output="stdout")
    url = f"ws://127.0.0.1:{venue.wait('listening')['port']}"
    halves = (COINS[::2], COINS[1::2])
    service = kit.service(
        server.url,
        *(
            {
                "venue": "binance",
                "channels": ["trade"],
                "instruments": [f"{coin}-USDT" for coin in coins],
            }
            for coins in halves
        ),
        workers=2,
        venues={"binance": {"ws_url": url}},
        log={"level": "info"},
    )
    reader = Reader(server.path, [f"md:binance:trade:{coin}-USDT" for coin in COINS])
    seen: dict[str, Any] = {"back_s": [], "rss_mib": []}
    try:
        service.wait("feed: subscribed", times=2)
        began, first = time.monotonic(), None
        reader.until(_sent(venue))
        for outage in range(times):
            time.sleep(min(5.0, away_s))
            if how == "killed":
                server.kill()
            else:
                server.signal(signal.SIGSTOP)
            time.sleep(away_s)
            seen["rss_mib"].append([round(_rss_mib(pid)) for pid in service.workers().values()])
            print(how, outage, _sent(venue), reader.last, flush=True)
            if how == "killed":
                server.start()
            else:
                server.signal(signal.SIGCONT)
            back = time.monotonic()
            service.wait("spool: all entries are sent", times=2 * (outage + 1))
            seen["back_s"].append(round(time.monotonic() - back, 1))
            first = first or _sent(venue)
        reader.until(_sent(venue))
        seen["seconds"] = round(time.monotonic() - began, 1)
        totals = service.stop()
        wanted = _sent(venue)
        reader.until(wanted)
    finally:
        reader.stop()
    assert reader.problems == []
    assert reader.last == wanted
    assert totals["data"] == sum(wanted.values())
    assert totals["dropped"] == {}
    assert totals["unpublished"] == totals["left_on_disk"] == totals["restarts"] == 0
    return {
        **seen,
        "messages": sum(wanted.values()),
        "per_s": round(sum(wanted.values()) / seen["seconds"]),
    }


@pytest.mark.parametrize("how", ["killed", "hanging"])
def test_short(kit: Any, own_redis: Any, how: str) -> None:
    seen = _flood(kit, own_redis, how, rate=5_000, away_s=2.5, times=1)
    print(how, seen)


@pytest.mark.long
@pytest.mark.parametrize("how", ["killed", "hanging"])
def test_as_promised(kit: Any, own_redis: Any, how: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("tests.service.conftest.DEADLINE_S", DEADLINE_S)
    seen = _flood(
        kit,
        own_redis,
        how,
        rate=float(os.environ.get("INGEST_TEST_RATE", "50000")),
        away_s=float(os.environ.get("INGEST_TEST_AWAY_S", "60")),
        times=int(os.environ.get("INGEST_TEST_TIMES", "3")),
    )
    print(how, seen)
    assert max(max(rss) for rss in seen["rss_mib"]) < 512
