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
    until(lambda: len(ids(master())) > 10, "trades")
    old = master()
    fail_over()
    until(lambda: master() is not old, "failover")
    # The one that was the master is the replica that the service waits for.
    until(old.in_step, "the old master follows")
    before = len(ids(master()))
    until(lambda: len(ids(master())) > before + 10, "more trades")
    totals = service.stop()
    found = ids(master())
    assert found == list(range(1, totals["data"] + 1))
    assert venue.wait("close", code=1001)["sent"] == len(found)


def test_sentinels(kit: Any) -> None:
    with directory() as root:
        watched = Watched(root)
        with running(*watched.servers, *watched.sentinels):
            watched.start()

            def fail_over() -> None:
                old = watched.master()
                watched.fail_over()
                until(lambda: watched.master() is not old, "failover")
                old.ask("REPLICAOF", "127.0.0.1", watched.master().port)

            trades_through(kit, watched.url, fail_over, watched.master)


def test_cluster(kit: Any) -> None:
    with directory() as root:
        cluster = ClusterOfNodes(root, masters=3, replicas=3)
        with running(*cluster.nodes):
            cluster.start()
            slot = key_slot(TRADE.encode())

            def heir() -> Node:
                return cluster.nodes[cluster.nodes.index(cluster.owner(slot)) + 3]

            def fail_over() -> None:
                until(heir().in_step, "in step")
                heir().ask("CLUSTER", "FAILOVER")

            trades_through(kit, cluster.url, fail_over, lambda: cluster.owner(slot))
