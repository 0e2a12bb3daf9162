"""What a whole worker costs: a recorded venue, played back as fast as it is taken, into Redis.

    scripts/bench pipeline [--seconds N] [--channel NAME]

CPU is the worker process's own (user and system), per entry in the streams.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import redis

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "ingest/data/recordings/binance/hbt-20240808"
CONFIG = """
venues: {{binance: {{ws_url: "{url}"}}}}
workers: 1
feeds:
  - {{venue: binance, channels: [{channel}], instruments: [BTC-USDT]}}
"""
START_S = 20.0
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    # The program's name, in parentheses, may hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def worker_of(pid: int) -> int | None:
    for child in children(pid):
        if b"ingest.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
            return child
    return None


def entries(client: "redis.Redis") -> int:
    return sum(client.xinfo_stream(key)["entries-added"] for key in client.keys("md:*"))


def wait_until_running(pid: int, client: "redis.Redis") -> int:
    """Return the worker's pid once entries arrive."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        worker = worker_of(pid)
        try:
            if worker is not None and entries(client):
                return worker
        except redis.ConnectionError:
            pass  # not there yet
        time.sleep(0.1)
    raise SystemExit(f"no entries within {START_S:g} s")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench pipeline", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--channel", default="trade")
    arguments = parser.parse_args()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    replay = subprocess.Popen(
        [sys.executable, "-m", "ingest.replay", "--speed", "max", "--loop", str(RECORDING)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    )
    try:
        assert replay.stdout is not None
        url = json.loads(replay.stdout.readline())["urls"]["binance"]
        with tempfile.TemporaryDirectory(prefix="ing") as folder:
            run(Path(folder), url, arguments.channel, arguments.seconds, environment)
    finally:
        replay.terminate()
        replay.wait()


def run(folder: Path, url: str, channel: str, seconds: float, environment: dict[str, str]) -> None:
    (folder / "config.yaml").write_text(CONFIG.format(url=url, channel=channel))
    service = subprocess.Popen(
        [sys.executable, "-m", "ingest", "run", "config.yaml"],
        cwd=folder,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        client = redis.Redis(unix_socket_path=str(folder / "data/redis.sock"))
        worker = wait_until_running(service.pid, client)
        cpu, count, began = cpu_s(worker), entries(client), time.perf_counter()
        time.sleep(seconds)
        cpu, count = cpu_s(worker) - cpu, entries(client) - count
        rate = count / (time.perf_counter() - began)
        print(f"{channel}: {cpu / count * 1e6:.2f} µs CPU an entry, {rate:,.0f} entries/s")
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(30)


if __name__ == "__main__":
    main()
