"""Valkey as people run it: replicas, Sentinels, a cluster. Real processes on TCP ports."""

import asyncio
import contextlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot

from ingest.embedded import server_binary

DEADLINE_S = 30.0
SERVICE = "main"
# What docs/delivery.md says that our user needs on a server.
RIGHTS = (
    *("multi", "exec", "xadd", "xinfo", "xrange", "xrevrange"),
    *("auth", "hello", "client", "select", "ping"),
)


def free_ports(number: int) -> list[int]:
    """Return ports that nobody listens on just now.

    Below those that the system gives to clients: one of these may have it a moment later.
    """
    ports: list[int] = []
    while len(ports) < number:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in ports:
                ports.append(port)
    return ports


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something in another process; servers that are not there yet count as no."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        with contextlib.suppress(redis.RedisError):
            if condition():
                return
        time.sleep(0.02)
    raise AssertionError(f"not within {DEADLINE_S:g} s: {what}")


class Node:
    """A server, or a Sentinel; started again on the same port and data."""

    def __init__(self, root: Path, *options: str) -> None:
        (self.port,) = free_ports(1)
        self.directory = root / str(self.port)
        self.directory.mkdir()
        self.address = f"127.0.0.1:{self.port}"
        self._command = [
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)),
            *options,
        ]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> None:
        """Start, and return once it answers."""
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [server_binary(), *arguments, *self._command], stdout=log
            )
        with self.client() as client:
            until(lambda: client.execute_command("PING") is not None, f"{self.address} answers")

    def watch_over(self, master: int, quorum: int) -> None:
        """Start as a Sentinel, one that looks at things often.

        It notices after 1.5 s: where a server was given another role, which cuts its
        clients off, a Sentinel takes up to a second to connect again, and one that has
        less patience finds the new master dead and fails over once more.
        """
        config = self.directory / "sentinel.conf"
        config.write_text(
            f"sentinel monitor {SERVICE} 127.0.0.1 {master} {quorum}\n"
            f"sentinel down-after-milliseconds {SERVICE} 1500\n"
            f"sentinel failover-timeout {SERVICE} 3000\n"
        )
        self.start(str(config), "--sentinel")
        self.ask("SENTINEL", "DEBUG", "INFO-PERIOD", 200, "PUBLISH-PERIOD", 200)

    def client(self, **options: Any) -> redis.Redis:
        return redis.Redis(port=self.port, **options)

    def ask(self, *words: Any) -> Any:
        """Return the reply as it is, without redis-py's reading of it."""
        with self.client(protocol=2) as client:
            client.response_callbacks.clear()
            return client.execute_command(*words)

    def role(self) -> str:
        return str(self.ask("ROLE")[0], "ascii")

    def admit(self, user: str, *more_rights: str) -> None:
        """Let *user* do what a sink needs, with the password "pw"; and *more_rights*."""
        rights = [f"+{right}" for right in (*RIGHTS, *more_rights)]
        self.ask("ACL", "SETUSER", user, "reset", "on", ">pw", "~s*", *rights)

    def empty(self, replicas: int) -> None:
        """Delete everything, on its replicas too.

        A replica that calls itself connected may get nothing for another second: until
        its master has had its first acknowledgement.
        """
        with self.client() as client:
            client.flushall()
            until(lambda: client.wait(replicas, 1000) == replicas, "the replicas have followed")

    def followed(self, replicas: int) -> None:
        """Wait until that many replicas have all that this master has by now."""
        reached = self.ask("ROLE")[1]

        def acknowledged() -> bool:
            peers = self.ask("ROLE")[2]
            return len([peer for peer in peers if int(peer[2]) >= reached]) >= replicas

        until(acknowledged, "the replicas have followed")

    def in_step(self) -> bool:
        """Whether it is a replica that has caught up with its master."""
        role = self.ask("ROLE")
        return role[0] == b"slave" and role[3] == b"connected"

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(DEADLINE_S)

    def values(self, key: str) -> list[int]:
        """The `v` field of every entry of a stream, in order."""
        with self.client() as client:
            return [int(fields[b"v"]) for _, fields in client.xrange(key)]


@contextlib.contextmanager
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="ing"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextlib.contextmanager
def running(*nodes: Node) -> Iterator[None]:
    """End what is left of them."""
    try:
        yield
    finally:
        for node in nodes:
            if node.process is not None and node.process.poll() is None:
                node.signal(signal.SIGCONT)
                node.kill()


@contextlib.asynccontextmanager
async def tls_before(port: int, certificate: Path) -> AsyncIterator[int]:
    """Take TLS connections for a server on *port* that knows no TLS; yield the port."""

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer))

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()


class Watched:
    """A master, its replicas, and Sentinels that watch over them."""

    def __init__(
        self,
        root: Path,
        *,
        replicas: int = 1,
        sentinels: int = 3,
    ) -> None:
        options = (
            *("--save", "", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"),
            # No file of a replica, which a server that is started again would take for its data.
            *("--repl-diskless-load", "swapdb"),
        )
        self.servers = [Node(root, *options) for _ in range(1 + replicas)]
        self.sentinels = [Node(root) for _ in range(sentinels)]
        self._quorum = sentinels // 2 + 1

    def start(self) -> None:
        master, *replicas = self.servers
        for server in self.servers:
            server.start()
        for replica in replicas:
            replica.ask("REPLICAOF", "127.0.0.1", master.port)
        until(lambda: self._links_up(master) == len(replicas), "replicas are in step")
        for sentinel in self.sentinels:
            sentinel.watch_over(master.port, self._quorum)
        for sentinel in self.sentinels:
            until(lambda one=sentinel: self._sees_all(one), "Sentinels know each other")

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(s.address for s in self.sentinels)}/{SERVICE}"

    def master(self) -> Node | None:
        """The server that all Sentinels take for the master; None while they disagree."""
        question = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        ports = {int(sentinel.ask(*question)[1]) for sentinel in self.sentinels}
        return next((server for server in self.servers if {server.port} == ports), None)

    def after(self, old: Node) -> Node:
        """Wait for another master than *old*, and return it."""
        found: list[Node] = []

        def changed() -> bool:
            master = self.master()
            if master not in (None, old):
                found.append(master)
            return bool(found)

        until(changed, "failover")
        return found[0]

    def fail_over(self) -> None:
        """Have the Sentinels make a replica the master; returns before it is."""
        self.sentinels[0].ask("SENTINEL", "FAILOVER", SERVICE)

    @staticmethod
    def _links_up(master: Node) -> int:
        return len([peer for peer in master.ask("ROLE")[2] if int(peer[2]) > 0])

    def _sees_all(self, sentinel: Node) -> bool:
        with sentinel.client() as client:
            known = client.sentinel_master(SERVICE)
        others = len(self.sentinels) - 1
        return (known["num-other-sentinels"], known["num-slaves"]) == (
            others,
            len(self.servers) - 1,
        )


class ClusterOfNodes:
    """Masters with an equal share of the slots each, and replicas of the first ones."""

    def __init__(self, root: Path, *, masters: int = 3, replicas: int = 0) -> None:
        ports = iter(free_ports(masters + replicas))
        self.nodes = [
            Node(
                root,
                *("--cluster-enabled", "yes", "--cluster-port", str(next(ports))),
                *("--cluster-node-timeout", "1000", "--save", ""),
                *("--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"),
                *("--repl-ping-replica-period", "1"),
            )
            for _ in range(masters + replicas)
        ]
        self._masters = masters

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        first, *others = self.nodes
        masters = self.nodes[: self._masters]
        bounds = [16384 * i // len(masters) for i in range(len(masters) + 1)]
        for i, node in enumerate(masters):
            node.ask("CLUSTER", "ADDSLOTSRANGE", bounds[i], bounds[i + 1] - 1)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
        for node in others:
            bus_port = node.ask("CONFIG", "GET", "cluster-port")[1]
            first.ask("CLUSTER", "MEET", "127.0.0.1", node.port, int(bus_port))
        for node in self.nodes:
            until(lambda one=node: len(self._peers(one)) == len(self.nodes), "nodes have met")
        for master, replica in zip(masters, self.nodes[self._masters :], strict=False):
            replica.ask("CLUSTER", "REPLICATE", self.id_of(master))
            until(lambda one=master: Watched._links_up(one) == 1, "replicas are in step")
        for node in self.nodes:
            until(lambda one=node: self.healthy(one), "the cluster is whole")

    @property
    def url(self) -> str:
        return f"redis+cluster://{','.join(node.address for node in self.nodes[:2])}"

    def id_of(self, node: Node) -> str:
        return str(node.ask("CLUSTER", "MYID"), "ascii")

    def owner(self, slot: int, asked: Node | None = None) -> Node:
        """The master of *slot*, as *asked* knows it."""
        for first, last, master, *_ in (asked or self.nodes[0]).ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == master[1])
        raise AssertionError(f"nobody has slot {slot}")

    def healthy(self, node: Node) -> bool:
        return b"cluster_state:ok" in node.ask("CLUSTER", "INFO")

    def values(self, key: str) -> list[int]:
        """The `v` field of every entry of a stream, in order, from whoever has it."""
        alive = next(n for n in self.nodes if n.process is not None and n.process.poll() is None)
        return self.owner(key_slot(key.encode()), asked=alive).values(key)

    @staticmethod
    def _peers(node: Node) -> list[bytes]:
        reply = node.ask("CLUSTER", "NODES")
        return [line for line in reply.splitlines() if b"handshake" not in line]
