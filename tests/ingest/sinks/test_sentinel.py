"""A master that Sentinels watch over: found, lost, found again elsewhere."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hiredis
import pytest

from ingest.errors import SinkError
from ingest.sinks.redis_streams import RedisStreamsSink
from tests.servers.certificates import self_signed
from tests.servers.redis_nodes import SERVICE, Node, Watched, directory, running, tls_before, until

KEYS = [f"s{i}" for i in range(5)]


@pytest.fixture(scope="module")
def plain() -> Iterator[Watched]:
    with directory() as root:
        watched = Watched(root)
        with running(*watched.servers, *watched.sentinels):
            watched.start()
            yield watched


@pytest.fixture
def watched(plain: Watched) -> Iterator[Watched]:
    """Empty, with all servers and Sentinels up; roles change from test to test."""
    plain.master().empty(replicas=1)
    yield plain
    for node in (*plain.servers, *plain.sentinels):
        node.signal(signal.SIGCONT)


def _check(master: Node, writing: Any, sink: RedisStreamsSink) -> None:
    for key in KEYS:
        assert master.values(key) == list(range(writing.values))
    assert (sink.counters.dropped, sink.counters.foreign_writer) == ({}, 0)


@pytest.mark.parametrize(
    ("how", "settings"),
    [
        ("asked for", {}),
        ("kill -9", {}),
        ("kill -9", {"max_resend_bytes": 0, "wait_replicas": 1, "wait_timeout_s": 0.1}),
    ],
)
async def test_failover_while_writing(
    watched: Watched, kit, logs, how: str, settings: dict[str, Any]
) -> None:
    """What the old master acknowledged and the new one does not have is sent again.

    Or, where replicas are waited for, it was never taken for stored.
    """
    old = watched.master()
    async with kit.running(watched.url, **settings) as sink:
        async with kit.writing(sink, KEYS) as writing:
            await kit.acked_more(sink)
            if how == "asked for":
                watched.fail_over()
            else:
                old.kill()
            new = await asyncio.to_thread(watched.after, old)
            await kit.until(lambda: sink.counters.connects >= 2)
            if how == "kill -9":
                old.start()
            old.ask("REPLICAOF", "127.0.0.1", new.port)  # sooner than the Sentinels would
            await kit.acked_more(sink)
        assert await sink.flush(10) == 0
        _check(new, writing, sink)
    # In step again, or the next test would fail over to stale data.
    await asyncio.to_thread(until, old.in_step, "the old master follows")


async def test_sentinels_that_hang_or_are_gone(watched: Watched, kit) -> None:
    """One is enough; the one that answered is asked first the next time."""
    master, hanging = watched.master(), watched.sentinels[0]
    hanging.signal(signal.SIGSTOP)
    hosts = f"{hanging.address},127.0.0.1:1,{watched.sentinels[2].address}"
    async with kit.running(f"redis+sentinel://{hosts}/{SERVICE}") as sink:
        kit.fill(sink.open_stream("s0"), range(10))
        assert await sink.flush(8) == 0
        assert sink.counters.reconnects == 0
        async with asyncio.timeout(1.5):  # less than one Sentinel may take
            assert len((await sink.newest(["s0"], 3))[0]) == 3
    assert master.values("s0") == list(range(10))


async def test_a_sentinel_that_is_wrong(watched: Watched, kit, logs) -> None:
    """Who names a replica was cut off: the next Sentinel is asked."""
    master = watched.master()
    replica = next(server for server in watched.servers if server is not master)
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parser = hiredis.Reader()
        while data := await reader.read(65536):
            parser.feed(data)
            while (words := parser.gets()) is not False:
                reply = b"+OK\r\n"
                if words[0] == b"SENTINEL":
                    asked.append(words[2])
                    host, port = b"127.0.0.1", b"%d" % replica.port
                    reply = b"*2\r\n$9\r\n%b\r\n$%d\r\n%b\r\n" % (host, len(port), port)
                writer.write(reply)
        writer.close()

    stale = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = stale.sockets[0].getsockname()[1]
    right = watched.sentinels[0].address
    url = f"redis+sentinel://127.0.0.1:{port},{right}/{SERVICE}?protocol=2"
    async with kit.running(url) as sink:
        kit.fill(sink.open_stream("s0"), range(10))
        assert await sink.flush(5) == 0
        assert asked == [SERVICE.encode()]
    stale.close()
    assert master.values("s0") == list(range(10))

    stale = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = stale.sockets[0].getsockname()[1]
    async with kit.running(f"redis+sentinel://127.0.0.1:{port}/{SERVICE}?protocol=2") as sink:
        with pytest.raises(SinkError, match="and not a master"):
            await sink.newest(["s0"], 1)
    stale.close()


async def test_a_service_nobody_knows_is_an_operators_matter(watched: Watched, kit, logs) -> None:
    async with kit.running(watched.url.replace(f"/{SERVICE}", "/other")) as sink:
        await kit.until(lambda: sink.counters.reconnects >= 1)
    failed = next(line for line in logs if "no connection" in line["event"])
    assert failed["log_level"] == "error"
    assert "knows no service other" in failed["error"]


@pytest.mark.parametrize("protocol", [2, 3])
async def test_tls_and_users_of_their_own(tmp_path: Path, kit, protocol: int) -> None:
    """The Sentinel's password is not the server's; one CA file serves for both."""
    certificate = self_signed(tmp_path)
    with directory() as root:
        server, sentinel = Node(root), Node(root)
        with running(server, sentinel):
            server.start()
            server.admit("svc", "role", "xtrim")
            async with tls_before(server.port, certificate) as port:
                sentinel.watch_over(port, quorum=1)
                rights = ("+auth", "+hello", "+client", "+sentinel|get-master-addr-by-name")
                sentinel.ask("ACL", "SETUSER", "default", "reset", "on", ">up", *rights)
                async with tls_before(sentinel.port, certificate) as sentinel_port:
                    query = f"ssl_ca_certs={certificate}&sentinel_password=up&protocol={protocol}"
                    place = f"svc:pw@localhost:{sentinel_port}/{SERVICE}/2"
                    async with kit.running(
                        f"valkeys+sentinel://{place}?{query}", max_age_s=1e6
                    ) as sink:
                        kit.fill(sink.open_stream("s0"), range(10))
                        assert await sink.flush(5) == 0
            with server.client(db=2) as client:
                assert client.xlen("s0") == 10
