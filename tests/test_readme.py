"""What the README tells a newcomer to type."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from ingest import venues
from ingest.embedded import EmbeddedServer

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DEADLINE_S = 20
# fmt: off
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
           "eleven", "twelve")
# fmt: on
# One exchange may be several venues: binance and binance-usdm.
EXCHANGES = {name.partition("-")[0] for name in venues.names()}


async def test_the_python_reader_prints_entries(tmp_path: Path) -> None:
    """The snippet, unchanged, run where `scripts/ingest run` was run."""
    (snippet,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    server = EmbeddedServer(tmp_path / "data")
    await server.start()
    reader = subprocess.Popen(
        [sys.executable, "-u", "-c", snippet],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with redis.Redis.from_url(server.url) as client:
            while not any(c["cmd"] == "xread" for c in client.client_list()):
                assert reader.poll() is None, reader.stderr and reader.stderr.read()
            client.xadd("md:binance:trade:BTC-USDT", {"price": "1.50", "size": "2", "side": "buy"})
        assert reader.stdout is not None
        assert reader.stdout.readline() == "md:binance:trade:BTC-USDT 1.50 2 buy\n"
    finally:
        reader.kill()
        reader.communicate(timeout=DEADLINE_S)
        await server.stop(DEADLINE_S)


def test_the_venues_are_those_there_are() -> None:
    """All of them, each once; and as many exchanges as the first paragraph says."""
    table = README.split("| spot, or all markets")[1].split("\n\n")[0]
    assert sorted(re.findall(r"`([a-z0-9-]+)`", table)) == sorted(venues.names())
    named, more = re.findall(r"speaks to (.*?)\s+and (\w+)\s+others", README, re.DOTALL)[0]
    assert len(named.split(",")) + NUMBERS.index(more) == len(EXCHANGES)


@pytest.mark.parametrize("path", re.findall(r"`?(configs/[a-z]+\.yaml)`?", README))
def test_named_configs_exist(path: str) -> None:
    assert (ROOT / path).exists()


def test_linked_documents_exist() -> None:
    """No link leads nowhere."""
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
