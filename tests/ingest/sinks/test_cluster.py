"""A cluster: streams on many nodes, slots that move, masters that change and die."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis.crc import key_slot

from ingest.sinks.redis_streams import RedisStreamsSink
from tests.servers.certificates import self_signed
from tests.servers.redis_nodes import ClusterOfNodes, Node, directory, running, tls_before, until

KEYS = [f"s{i}" for i in range(20)]


def new_cluster(*, masters: int = 3, replicas: int = 0) -> Iterator[ClusterOfNodes]:
    with directory() as root:
        cluster = ClusterOfNodes(root, masters=masters, replicas=replicas)
        with running(*cluster.nodes):
            cluster.start()
            yield cluster


@pytest.fixture(scope="module")
def shared() -> Iterator[ClusterOfNodes]:
    yield from new_cluster(replicas=1)


@pytest.fixture
def cluster(shared: ClusterOfNodes) -> ClusterOfNodes:
    """Three masters, one replica of the first; empty, and always the same processes."""
    for node in shared.nodes:
        if node.role() == "master":
            node.empty(replicas=len(node.ask("ROLE")[2]))
    return shared


@pytest.fixture
def own_cluster() -> Iterator[ClusterOfNodes]:
    """A cluster of this test alone, whose first master may die."""
    yield from new_cluster(replicas=1)


async def waiting(condition: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(until, condition, what)


def check(cluster: ClusterOfNodes, values: int, sink: RedisStreamsSink, keys=KEYS) -> None:
    for key in keys:
        assert cluster.values(key) == list(range(values))
    assert (sink.counters.dropped, sink.counters.foreign_writer) == ({}, 0)


@pytest.mark.parametrize("protocol", [2, 3])
async def test_streams_on_every_node(cluster: ClusterOfNodes, kit, protocol: int) -> None:
    """One batch, one round: each node gets what is its own, and is asked about that."""
    assert {cluster.owner(key_slot(key.encode())).port for key in KEYS} >= {
        node.port for node in cluster.nodes[1:3]
    }
    async with kit.running(f"{cluster.url}?protocol={protocol}") as sink:
        async with kit.writing(sink, KEYS) as writing:
            await kit.acked_more(sink)
        assert await sink.flush(5) == 0
        check(cluster, writing.values, sink)
        newest = await sink.newest([*KEYS, "none"], 2)
        assert [int(entries[0][b"v"]) for entries in newest[:-1]] == [writing.values - 1] * 20
        assert newest[-1] == []
        assert sink.counters.reconnects == 0
    async with kit.running(cluster.url) as sink:  # ids go on where they were
        for key in KEYS:
            sink.open_stream(key).add(0, *kit.encoded(writing.values))
        assert await sink.flush(5) == 0
        check(cluster, writing.values + 1, sink)


async def test_a_hopeless_entry_costs_that_entry_only(cluster: ClusterOfNodes, kit, logs) -> None:
    owner = cluster.owner(key_slot(b"s3"))
    owner.ask("SET", "s3", "no stream")
    async with kit.running(cluster.url) as sink:
        async with kit.writing(sink, KEYS) as writing:
            await kit.acked_more(sink)
        assert await sink.flush(5) == 0
        for key in KEYS:
            if key != "s3":
                assert cluster.values(key) == list(range(writing.values))
        assert sink.counters.dropped == {"WRONGTYPE": writing.values}


async def test_slots_that_migrate_while_writing(cluster: ClusterOfNodes, kit, logs) -> None:
    """Two streams in one slot, moved one by one; then the slot goes back again.

    In between, one stream is on either side and new ones appear.
    """
    keys = ["{x}1", "{x}2", "{x}new", "elsewhere"]
    slot = key_slot(b"x")
    source = cluster.owner(slot)
    target = next(n for n in cluster.nodes[:3] if n is not source and n.role() == "master")
    async with kit.running(cluster.url) as sink:
        async with kit.writing(sink, [*keys[:2], keys[3]]) as writing:
            await kit.acked_more(sink)
            for giver, taker in ((source, target), (target, source)):
                ids = cluster.id_of(giver), cluster.id_of(taker)
                taker.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
                giver.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
                await kit.acked_more(sink)
                if giver is source:
                    late = sink.open_stream(keys[2])
                    kit.fill(late, range(10))
                for key in keys[:3]:
                    giver.ask("MIGRATE", "127.0.0.1", taker.port, key, 0, 5000)
                    await kit.acked_more(sink)
                taker.ask("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
                giver.ask("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
                await kit.acked_more(sink)
        assert await sink.flush(5) == 0
        check(cluster, writing.values, sink, [*keys[:2], keys[3]])
        check(cluster, 10, sink, [keys[2]])
        assert sink.counters.reconnects == 0
        assert sink.counters.forgotten_entries == 0
    assert any("MOVED" in line.get("error", "") for line in logs)


async def test_slots_that_are_moved_all_at_once(cluster: ClusterOfNodes, kit, logs) -> None:
    """Valkey 9 moves slots by itself, as a replica would copy them; then it says MOVED."""
    source, target = cluster.nodes[1], cluster.nodes[2]
    # All but one: a master without slots would become a replica.
    first, last = 16384 // 3 + 1, 16384 * 2 // 3 - 1
    assert cluster.owner(first) is cluster.owner(last) is source
    async with kit.running(cluster.url) as sink:
        async with kit.writing(sink, KEYS) as writing:
            for taker in (target, source):
                giver = cluster.owner(first)
                await kit.acked_more(sink)
                to = cluster.id_of(taker)
                giver.ask("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", first, last, "NODE", to)
                for node in cluster.nodes:
                    await waiting(
                        lambda node=node, taker=taker: cluster.owner(first, asked=node) is taker,
                        "the slots have moved",
                    )
                await kit.acked_more(sink)
        assert await sink.flush(5) == 0
        check(cluster, writing.values, sink)
        assert sink.counters.reconnects == 0


async def test_one_node_out_of_memory(cluster: ClusterOfNodes, kit, logs) -> None:
    """Its part of the batch waits, nothing of that is lost, and the rest is not sent again."""
    full = cluster.owner(key_slot(b"s1"))
    async with kit.running(cluster.url) as sink:
        async with kit.writing(sink, KEYS) as writing:
            await kit.acked_more(sink)
            full.ask("CONFIG", "SET", "maxmemory", 1)
            try:
                await kit.until(lambda: any("OOM" in line.get("error", "") for line in logs))
            finally:
                full.ask("CONFIG", "SET", "maxmemory", 0)
            await kit.acked_more(sink)
        assert await sink.flush(5) == 0
        check(cluster, writing.values, sink)
        assert (sink.counters.reconnects, sink.counters.duplicates) == (0, 0)


async def test_cluster_failover_while_writing(cluster: ClusterOfNodes, kit, logs) -> None:
    """The replica takes over by agreement, and hands back."""
    async with kit.running(cluster.url) as sink:
        async with kit.writing(sink, KEYS) as writing:
            for heir in (cluster.nodes[3], cluster.nodes[0]):
                await kit.acked_more(sink)
                await waiting(heir.in_step, "in step")
                heir.ask("CLUSTER", "FAILOVER")
                await waiting(lambda heir=heir: heir.role() == "master", "failover")
                await kit.acked_more(sink)
        assert await sink.flush(5) == 0
        await waiting(lambda: cluster.owner(0) is cluster.nodes[0], "all know")
        check(cluster, writing.values, sink)


async def test_a_successor_that_lacks_something(cluster: ClusterOfNodes, kit, logs) -> None:
    """MOVED is not followed blindly: what the new master does not have is sent to it first.

    No connection is lost here, so nothing else tells of it.
    """
    master, heir = cluster.nodes[0], cluster.nodes[3]
    await waiting(heir.in_step, "in step")
    keys = [key for key in KEYS if cluster.owner(key_slot(key.encode())) is master]
    async with kit.running(cluster.url) as sink:
        for number, start in enumerate(range(0, 300, 100)):
            for key in keys:
                kit.fill(sink.open_stream(key), range(start, start + 100))
            assert await sink.flush(5) == 0
            if number == 0:
                await waiting(lambda: heir.ask("DBSIZE") == len(keys), "passed on")
                master.ask("ACL", "SETUSER", "default", "-psync", "-sync")
                master.ask("CLIENT", "KILL", "TYPE", "replica")
            elif number == 1:
                heir.ask("CLUSTER", "FAILOVER", "TAKEOVER")
                await waiting(lambda: cluster.owner(0, asked=master) is heir, "the old one knows")
        assert sink.counters.forgotten_entries == 100 * len(keys)
        assert sink.counters.reconnects == 0
        check(cluster, 300, sink, keys)
    master.ask("ACL", "SETUSER", "default", "+@all")
    await waiting(master.in_step, "in step")
    master.ask("CLUSTER", "FAILOVER")
    await waiting(lambda: all(cluster.owner(0, asked=n) is master for n in cluster.nodes), "back")


async def test_reply_lost_of_one_node(cluster: ClusterOfNodes, kit, logs) -> None:
    """What the others have settled is not sent again; the rest is recognised."""
    victim = cluster.nodes[1]
    async with kit.running(cluster.url) as sink:
        async with kit.writing(sink, KEYS) as writing:
            for _ in range(10):
                await kit.acked_more(sink)
                victim.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert await sink.flush(5) == 0
        assert sink.counters.reconnects > 0
        check(cluster, writing.values, sink)


async def test_a_slot_that_nobody_serves(cluster: ClusterOfNodes, kit, logs) -> None:
    """CLUSTERDOWN: kept, until somebody has the slot again."""
    slot = key_slot(b"s1")
    owner = cluster.owner(slot)
    async with kit.running(cluster.url) as sink:
        async with kit.writing(sink, KEYS) as writing:
            await kit.acked_more(sink)
            owner.ask("CLUSTER", "DELSLOTS", slot)
            await kit.until(lambda: any("CLUSTERDOWN" in line.get("error", "") for line in logs))
            owner.ask("CLUSTER", "ADDSLOTS", slot)
            await waiting(lambda: all(map(cluster.healthy, cluster.nodes)), "whole again")
            await kit.acked_more(sink)
        assert await sink.flush(5) == 0
        check(cluster, writing.values, sink)


async def test_waiting_for_the_replica_of_one_node(cluster: ClusterOfNodes, kit, logs) -> None:
    """`wait_replicas`: what a master's replica does not have is not acknowledged."""
    master, replica = cluster.nodes[0], cluster.nodes[3]
    await waiting(replica.in_step, "in step")
    keys = [key for key in KEYS if cluster.owner(key_slot(key.encode())) is master]
    async with kit.running(cluster.url, wait_replicas=1, wait_timeout_s=0.02) as sink:
        writers = [sink.open_stream(key) for key in keys]
        for writer in writers:
            kit.fill(writer, range(10))
        assert await sink.flush(5) == 0
        replica.signal(signal.SIGSTOP)
        try:
            for writer in writers:
                kit.fill(writer, range(10, 20))
            await kit.until(lambda: any("too few replicas" in line["event"] for line in logs))
            assert sink.counters.pending_entries == 10 * len(keys)
        finally:
            replica.signal(signal.SIGCONT)
        assert await sink.flush(5) == 0
        check(cluster, 20, sink, keys)
        assert sink.counters.written_entries == 20 * len(keys)


@pytest.mark.long
@pytest.mark.parametrize("how", ["kill -9", "stalled"])
async def test_a_master_that_dies_while_writing(
    own_cluster: ClusterOfNodes, kit, logs, how: str
) -> None:
    """Its replica is elected. What it acknowledged and had not passed on is sent again."""
    cluster = own_cluster
    victim, heir = cluster.nodes[0], cluster.nodes[3]
    async with kit.running(cluster.url) as sink:
        async with kit.writing(sink, KEYS) as writing:
            await kit.acked_more(sink)
            await waiting(heir.in_step, "in step")
            if how == "kill -9":
                victim.kill()
            else:
                victim.signal(signal.SIGSTOP)
            await waiting(lambda: heir.role() == "master", "election")
            if how == "stalled":
                await kit.acked_more(sink)
                victim.signal(signal.SIGCONT)
                await waiting(lambda: victim.role() == "slave", "it learns of its heir")
            await kit.acked_more(sink)
        assert await sink.flush(20) == 0
        check(cluster, writing.values, sink)


@pytest.mark.long
async def test_all_of_it_down_and_up_again(own_cluster: ClusterOfNodes, kit, logs) -> None:
    """A master without replica is gone, and the others refuse to work until it is back."""
    cluster = own_cluster
    victim = cluster.nodes[2]
    victim.ask("CONFIG", "SET", "appendonly", "yes")
    victim.ask("CONFIG", "SET", "appendfsync", "always")
    async with kit.running(cluster.url) as sink:
        async with kit.writing(sink, KEYS) as writing:
            await kit.acked_more(sink)
            await waiting(
                lambda: victim.ask("INFO", "persistence").find(b"aof_rewrite_in_progress:0") > 0,
                "aof",
            )
            victim.kill()
            await waiting(lambda: not cluster.healthy(cluster.nodes[1]), "down")
            victim.start("--appendonly", "yes")
            await kit.acked_more(sink)
        assert await sink.flush(20) == 0
        check(cluster, writing.values, sink)


async def test_over_tls_with_a_user(tmp_path: Path, kit) -> None:
    certificate = self_signed(tmp_path)
    for cluster in new_cluster(masters=1):
        (node,) = cluster.nodes
        node.admit("svc", "cluster|info", "cluster|slots", "asking")
        async with tls_before(node.port, certificate) as port:
            # What the node tells of its own address is where TLS is spoken.
            node.ask("CONFIG", "SET", "cluster-announce-port", port)
            url = f"rediss+cluster://svc:pw@localhost:{port}?ssl_ca_certs={certificate}"
            async with kit.running(url) as sink:
                kit.fill(sink.open_stream("s"), range(10))
                assert await sink.flush(5) == 0
                assert len((await sink.newest(["s"], 3))[0]) == 3
        assert node.values("s") == list(range(10))


async def test_no_cluster_at_all(kit, logs, server) -> None:
    """An operator's matter: another URL is needed."""
    with directory() as root:
        node = Node(root)
        with running(node):
            node.start()
            async with kit.running(f"redis+cluster://{node.address}") as sink:
                await kit.until(lambda: sink.counters.reconnects >= 1)
    failed = next(line for line in logs if "no connection" in line["event"])
    assert failed["log_level"] == "error"
    assert "cluster support disabled" in failed["error"]
