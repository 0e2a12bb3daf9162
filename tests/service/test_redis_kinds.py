"""The whole service on a cluster and behind Sentinels, through a failover."""

from collections.abc import Callable
from typing import Any

from redis.crc import key_slot

from tests.servers.redis_nodes import ClusterOfNodes, Node, Watched, directory, running, until

TRADE = "md:binance:trade:BTC-USDT"


def ids(node: Node) -> list[int]:
    """The venue's ids of the trades, in the stream's order."""
    with node.client() as client:
        return [int(f[b"id"]) for _, f in client.xrange(TRADE) if b"id" in f]


def trades_through(
    kit: Any, url: str, fail_over: Callable[[], None], master: Callable[[], Node]
) -> None:
    """Have the service publish, fail over, publish on; every trade is there once."""
    venue = kit.venue([["serve"]])
    service = kit.service(
        url,
        {"venue": "binance", "channels": ["trade"], "instruments": ["BTC-USDT"]},
        venues={"binance": {"ws_url": venue.url}},
        redis={"wait": {"replicas": 1, "timeout_s": 0.1}, "max_age_s": 86400},
    )
    until(lambda: len(ids(master)) > 10, "trades")
    new = fail_over(master)
    # The one that was the master is the replica that the service waits for.
    until(master.in_step, "the old master follows")
    before = len(ids(new))
    until(lambda: len(ids(new)) > before + 10, "more trades")
    totals = service.stop()
    found = ids(new)
    assert found == list(range(1, totals["data"] + 1))
    assert venue.wait("close", code=1001)["sent"] == len(found)


def test_sentinels(kit: Any) -> None:
    with directory() as root:
        watched = Watched(root)
        with running(*watched.servers, *watched.sentinels):
            watched.start()

            def fail_over(old: Node) -> Node:
                watched.fail_over()
                new = watched.after(old)
                old.ask("REPLICAOF", "127.0.0.1", new.port)  # sooner than the Sentinels would
                return new

            trades_through(kit, watched.url, fail_over, watched.servers[0])


def test_cluster(kit: Any) -> None:
    with directory() as root:
        cluster = ClusterOfNodes(root, masters=3, replicas=3)
        with running(*cluster.nodes):
            cluster.start()
            slot = key_slot(TRADE.encode())

            def fail_over(old: Node) -> Node:
                new = cluster.nodes[cluster.nodes.index(old) + 3]
                until(new.in_step, "in step")
                new.ask("CLUSTER", "FAILOVER")
                until(lambda: cluster.owner(slot) is new, "failover")
                return new

            trades_through(kit, cluster.url, fail_over, cluster.owner(slot))
