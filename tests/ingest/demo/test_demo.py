"""`ingest demo` as a user starts it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from ingest.embedded import EmbeddedServer

DEADLINE_S = 60


def demo(directory: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "ingest", "demo", *arguments],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def numbers(output: str) -> dict[str, int]:
    """The summary's numbers, by the words behind them."""
    found = re.findall(r"([\d,]+)  (data messages|received|acknowledged|read back)", output)
    return {words: int(number.replace(",", "")) for number, words in found}


async def test_the_whole_recording_goes_in_and_comes_out(tmp_path: Path) -> None:
    """Exit 0, equal numbers, nothing on stderr; and the data is still there afterwards."""
    process = demo(tmp_path, "--for", "4s")
    out, err = process.communicate(timeout=DEADLINE_S)

    assert (process.returncode, err) == (0, "")
    assert "all that were recorded" in out
    assert "nothing lost, nothing doubled" in out
    count = numbers(out)
    assert count["data messages"] == count["received"] > 20_000
    # A message may hold several trades; each connection has an entry of its own.
    assert count["acknowledged"] == count["read back"] >= count["received"]

    server = EmbeddedServer(tmp_path / "data" / "demo")
    await server.start()
    try:
        with redis.Redis.from_url(server.url) as client:
            entries = sum(client.xlen(key) for key in client.scan_iter("md:*"))
    finally:
        await server.stop(10)
    assert entries == count["acknowledged"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_with_the_summary(tmp_path: Path, number: signal.Signals) -> None:
    """Whoever has seen enough gets the same account of what happened until then."""
    process = demo(tmp_path, "--speed", "20")
    socket = tmp_path / "data" / "demo" / "redis.sock"
    wait_for_entries(socket, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=DEADLINE_S)

    assert (process.returncode, err) == (0, "")
    assert "not yet due" in out
    assert "nothing lost, nothing doubled" in out


def wait_for_entries(socket: Path, process: "subprocess.Popen[str]") -> None:
    """Return once the demo has published something."""
    last = {"md:binance:book:BTC-USDT": "0"}
    for _ in range(DEADLINE_S * 10):
        assert process.poll() is None
        with redis.Redis(unix_socket_path=str(socket)) as client:
            try:
                if client.xread(last, block=100, count=1):
                    return
            except redis.RedisError:
                # No server yet; poll() is how a test waits for a process without one.
                os.sched_yield()
    raise AssertionError("the demo published nothing")


@pytest.mark.parametrize("arguments", [("--for", "soon"), ("--speed", "fast"), ("--for", "0s")])
def test_a_mistake_is_explained(tmp_path: Path, arguments: tuple[str, str]) -> None:
    """Exit 2 and the accepted forms, before anything is started."""
    process = demo(tmp_path, *arguments)
    out, err = process.communicate(timeout=DEADLINE_S)

    assert (process.returncode, out) == (2, "")
    assert repr(arguments[1]) in err
    assert not (tmp_path / "data").exists()
