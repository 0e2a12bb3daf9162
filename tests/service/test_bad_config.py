"""`ingest run` with a config that cannot be used."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

CONFIG = """\
redis: {url: "ftp://example.com", maxlen: many}
workers: 0
surprise: true
venues:
  binance: {ws_url: "${NOT_SET}"}
  nasdaq: {verify: true}
feeds:
  - {venue: binance, channels: [trade, trades], instruments: [BTC-USDT]}
  - {venue: okx, channels: [book], instruments: [btcusdt]}
  - {venue: nyse, channels: [trade], instruments: [BTC-USDT]}
"""
# Where, and what of it has to be named.
MISTAKES = {
    "redis.url": "ftp://example.com",
    "redis.maxlen": "many",
    "workers": "0",
    "surprise": "surprise",
    "venues.binance.ws_url": "NOT_SET",
    "venues.nasdaq": "nasdaq",
    "feeds[0].channels[1]": "trades",
    "feeds[1].instruments[0]": "btcusdt",
    "feeds[2].venue": "nyse",
}


def run(config: str, directory: Path) -> subprocess.CompletedProcess[str]:
    path = directory / "bad.yaml"
    path.write_text(config)
    environment = {k: v for k, v in os.environ.items() if k != "NOT_SET"}
    return subprocess.run(
        [sys.executable, "-m", "ingest", "run", str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        env={**environment, "PYTHONPATH": str(ROOT)},
        cwd=directory,
    )


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    """Exit status 2, one line per mistake with its place, nothing started."""
    ended = run(CONFIG, tmp_path)

    assert ended.returncode == 2
    assert ended.stdout == ""
    head, *mistakes = ended.stderr.splitlines()
    assert f"{len(MISTAKES)} mistakes" in head
    assert len(mistakes) == len(MISTAKES)
    for place, found in MISTAKES.items():
        assert any("bad.yaml:" in m and place in m and found in m for m in mistakes), place
    assert not (tmp_path / "data").exists()


def test_no_feeds(tmp_path: Path) -> None:
    """An empty list is a mistake like any other."""
    ended = run("feeds: []\n", tmp_path)

    assert ended.returncode == 2
    assert "feeds" in ended.stderr


def test_no_such_file(tmp_path: Path) -> None:
    """Said in one line, without a traceback."""
    ended = subprocess.run(
        [sys.executable, "-m", "ingest", "run", "nowhere.yaml"],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
    )

    assert ended.returncode == 2
    assert "nowhere.yaml" in ended.stderr
    assert "Traceback" not in ended.stderr
