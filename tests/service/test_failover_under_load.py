"""A master dies, or hangs, in the middle of a flood: its replica takes over, and nothing is lost.

Of a cluster and behind Sentinels. A master that hangs is replaced; when it goes on it takes
itself for the master for a moment, and acknowledges what it will throw away. Long, all of
it: see test_redis_under_load.py for the rate, and what changes it.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from tests.servers.redis_nodes import ClusterOfNodes, Node, Watched, directory, running, until
from tests.service.consumer import Consumer, Find
from tests.service.flood import (
    DEADLINE_S,
    KEYS,
    Outage,
    as_promised,
    away_s,
    bring_back,
    flood,
    take_away,
)

pytestmark = pytest.mark.long
HOWS = ["killed", "hanging", "hanging briefly"]


@pytest.fixture(autouse=True)
def patience(monkeypatch: Any) -> None:
    monkeypatch.setattr("tests.service.conftest.DEADLINE_S", DEADLINE_S)


def _at(find: Callable[[], Node | None]) -> Find:
    def connect() -> redis.Connection:
        node = find()
        if node is None:
            raise redis.ConnectionError("nobody is the master now")
        return redis.Connection(port=node.port, socket_timeout=2, protocol=3)

    return connect


def _failover(how: str, master: Callable[[], Node], after: Callable[[Node], Node]) -> Outage:
    """*after*: waits until another one is the master, and returns that."""

    @contextlib.contextmanager
    def outage() -> Iterator[None]:
        old = master()
        take_away(old, how)
        heir = after(old)
        if how == "hanging briefly":  # until before anybody has given up waiting for it
            bring_back(old, how)
            yield
        else:
            yield
            time.sleep(away_s())
            bring_back(old, how)
        until(lambda: old.role() == "slave", "the old master follows the new one")
        heir.followed(1)

    return outage


@pytest.mark.parametrize("how", HOWS)
def test_cluster(kit: Any, how: str) -> None:
    with directory() as root:
        cluster = ClusterOfNodes(root, masters=3, replicas=3)
        witness = cluster.nodes[1]

        def owner(key: str) -> Node:
            return cluster.owner(key_slot(key.encode()), asked=witness)

        def after(old: Node) -> Node:
            until(lambda: owner(KEYS[0]) is not old, "failover")
            return owner(KEYS[0])

        with running(*cluster.nodes):
            cluster.start()
            assert owner(KEYS[0]) is not witness
            consumer = Consumer({(key,): _at(lambda key=key: owner(key)) for key in KEYS})
            outage = _failover(how, lambda: owner(KEYS[0]), after)
            flood(kit, cluster.url, consumer, outage, **as_promised())


@pytest.mark.parametrize("how", ["killed", "hanging"])
def test_cluster_without_replicas(kit: Any, how: str) -> None:
    """A master is away and nobody can take its place: all wait until it is back."""
    with directory() as root:
        cluster = ClusterOfNodes(root, masters=3)
        victim, witness, _ = cluster.nodes

        @contextlib.contextmanager
        def outage() -> Iterator[None]:
            take_away(victim, how)
            time.sleep(away_s())
            bring_back(victim, how, "--appendonly", "yes")
            until(lambda: all(map(cluster.healthy, cluster.nodes)), "the cluster is whole")
            yield

        def owner(key: str) -> Node:
            return cluster.owner(key_slot(key.encode()), asked=witness)

        with running(*cluster.nodes):
            cluster.start()
            victim.ask("CONFIG", "SET", "appendonly", "yes")
            consumer = Consumer({(key,): _at(lambda key=key: owner(key)) for key in KEYS})
            flood(kit, cluster.url, consumer, outage, **as_promised())


@pytest.mark.parametrize("how", HOWS)
def test_sentinels(kit: Any, how: str) -> None:
    with directory() as root:
        watched = Watched(root)
        with running(*watched.servers, *watched.sentinels):
            watched.start()

            def master() -> Node:
                until(lambda: watched.master() is not None, "one master")
                return watched.master()

            consumer = Consumer({tuple(KEYS): _at(watched.master)})
            outage = _failover(how, master, watched.after)
            flood(kit, watched.url, consumer, outage, **as_promised())
