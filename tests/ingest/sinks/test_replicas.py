"""Entries that count as stored only once replicas have them."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from tests.servers.redis_nodes import Node, directory, running, until


@pytest.fixture
def pair() -> Iterator[tuple[Node, Node]]:
    """A master and its replica, in step."""
    with directory() as root:
        options = ("--save", "", "--repl-diskless-sync-delay", "0")
        master, replica = Node(root, *options), Node(root, *options)
        with running(master, replica):
            master.start()
            replica.start()
            replica.ask("REPLICAOF", "127.0.0.1", master.port)
            until(replica.in_step, "in step")
            yield master, replica


WAITING = {"wait_replicas": 1, "wait_timeout_s": 0.02}


async def test_nothing_counts_before_the_replica_has_it(pair, kit, logs) -> None:
    """It is asked again and again, and nothing is sent twice."""
    master, replica = pair
    async with kit.running(f"redis://{master.address}", **WAITING) as sink:
        writer = sink.open_stream("s")
        kit.fill(writer, range(10))
        assert await sink.flush(5) == 0
        replica.signal(signal.SIGSTOP)
        kit.fill(writer, range(10, 20))
        await kit.until(lambda: _last_attempt(logs) >= 4)
        assert (sink.counters.acked_entries, sink.counters.pending_entries) == (10, 10)
        replica.signal(signal.SIGCONT)
        assert await sink.flush(5) == 0
        assert replica.values("s") == list(range(20))
        assert (sink.counters.written_entries, sink.counters.duplicates) == (20, 0)


async def test_a_connection_lost_while_waiting(pair, kit, logs) -> None:
    """The next one finds the entries stored, and waits for the replica all the same."""
    master, replica = pair
    master.admit("svc", "wait", "xsetid")
    async with kit.running(f"redis://svc:pw@{master.address}", **WAITING) as sink:
        writer = sink.open_stream("s")
        kit.fill(writer, range(10))
        assert await sink.flush(5) == 0
        replica.signal(signal.SIGSTOP)
        kit.fill(writer, range(10, 20))
        await kit.until(lambda: _last_attempt(logs) >= 1)
        master.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await kit.until(lambda: sink.counters.connects == 2)
        logs.clear()
        await kit.until(lambda: _last_attempt(logs) >= 2)
        assert sink.counters.pending_entries == 10
        replica.signal(signal.SIGCONT)
        assert await sink.flush(5) == 0
        assert sink.counters.duplicates == 10
        assert replica.values("s") == list(range(20))


async def test_a_master_that_becomes_a_replica_meanwhile(pair, kit, logs) -> None:
    """WAIT is refused there: a new connection, by which all is sent to whoever takes it."""
    master, replica = pair
    async with kit.running(f"redis://{master.address}", **WAITING) as sink:
        writer = sink.open_stream("s")
        kit.fill(writer, range(10))
        assert await sink.flush(5) == 0
        replica.signal(signal.SIGSTOP)
        kit.fill(writer, range(10, 20))
        await kit.until(lambda: _last_attempt(logs) >= 1)
        master.ask("REPLICAOF", "127.0.0.1", replica.port)
        await kit.until(lambda: sink.counters.reconnects >= 1)
        assert sink.counters.pending_entries == 10
        replica.signal(signal.SIGCONT)
        master.ask("REPLICAOF", "NO", "ONE")
        await asyncio.to_thread(until, replica.in_step, "in step")
        assert await sink.flush(5) == 0
        assert master.values("s") == list(range(20))


async def test_a_user_who_may_not_wait(pair, kit, logs) -> None:
    """An operator's matter: said as an error, and kept."""
    master, _ = pair
    master.ask("ACL", "SETUSER", "svc", "on", ">pw", "~*", "+@all", "-wait")
    async with kit.running(f"redis://svc:pw@{master.address}", **WAITING) as sink:
        kit.fill(sink.open_stream("s"), [1])
        await kit.until(
            lambda: any(
                line["log_level"] == "error" and "WAIT: NOPERM" in line.get("error", "")
                for line in logs
            )
        )
        assert sink.counters.pending_entries == 1
        master.ask("ACL", "SETUSER", "svc", "+wait")
        assert await sink.flush(5) == 0
    assert master.values("s") == [1]


def _last_attempt(logs) -> int:
    return max((line["attempt"] for line in logs if "too few replicas" in line["event"]), default=0)
