"""What the README tells a newcomer to type."""

import re
import subprocess
import sys
from pathlib import Path

import redis

from ingest.embedded import EmbeddedServer

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DEADLINE_S = 20


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


def test_linked_documents_exist() -> None:
    """No link leads nowhere."""
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
