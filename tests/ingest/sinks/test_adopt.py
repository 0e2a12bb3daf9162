"""Taking over a connection that redis-py has set up."""

import asyncio
import contextlib
import gc
import re
import socket
import struct
from pathlib import Path

import pytest
import redis
import uvloop
from redis.asyncio.connection import Connection

from ingest.errors import SinkError
from ingest.redis_clients import open_client
from ingest.sinks.adopt import Server, _take_streams
from ingest.sinks.errors import Unavailable
from ingest.sinks.reactions import Reaction
from tests.servers.certificates import self_signed
from tests.servers.ports import closed_port
from tests.servers.redis_nodes import tls_before


def target(url: str, timeout_s: float = 5.0) -> Server:
    return Server(url, timeout_s=timeout_s, client_name="adopt-test")


async def test_what_redis_py_hands_over_is_a_working_connection(server) -> None:
    """Fails when redis-py keeps its streams elsewhere, or still uses or closes them."""
    reader, writer = await target(f"{server.url}?db=2").connect()
    gc.collect()  # redis-py's object is gone by now, and has neither closed nor warned
    writer.write(b"*2\r\n$6\r\nCLIENT\r\n$4\r\nINFO\r\n*1\r\n$4\r\nPING\r\n")
    async with asyncio.timeout(5):
        info = await reader.readuntil(b"+PONG\r\n")
    assert b"name=adopt-test" in info
    assert b" db=2 " in info
    writer.close()
    await writer.wait_closed()


async def test_over_tcp_with_a_user(server) -> None:
    """redis:// with an ACL user; a refused password is an operator's matter there too."""
    with closed_port() as port, server.client() as client:
        client.config_set("port", port)
        client.execute_command("ACL", "SETUSER", "svc", "on", ">right", "~*", "+@all")
        try:
            reader, writer = await target(f"redis://svc:right@127.0.0.1:{port}/1").connect()
            writer.write(b"PING\r\n")
            assert await reader.readline() == b"+PONG\r\n"
            writer.close()
            await writer.wait_closed()
            with pytest.raises(Unavailable) as caught:
                await target(f"redis://svc:wrong@127.0.0.1:{port}").connect()
            assert caught.value.reaction is Reaction.OPERATOR
            assert "wrong" not in str(caught.value)
        finally:
            client.acl_deluser("svc")
            client.config_set("port", 0)


@pytest.mark.parametrize(
    ("options", "hosts", "says"),
    [
        ("", "IP:127.0.0.1", "certificate verify failed"),
        ("?ssl_ca_certs={ca}", "DNS:elsewhere.test", "certificate verify failed"),
        ("?ssl_ca_certs={ca}", "IP:127.0.0.1", None),
        ("?ssl_cert_reqs=none", "DNS:elsewhere.test", None),
    ],
    ids=["by an unknown CA", "for another host", "by the CA that is named", "unchecked"],
)
async def test_certificates_are_checked(
    server, tmp_path: Path, options: str, hosts: str, says: str | None
) -> None:
    """By default, and the host's name too; for the sink, and for those who only read."""
    certificate = self_signed(tmp_path, hosts=hosts)
    with closed_port() as port, server.client() as client:
        client.config_set("port", port)
        try:
            async with tls_before(port, certificate) as tls_port:
                at = f"rediss://127.0.0.1:{tls_port}{options.format(ca=certificate)}"
                reading = asyncio.to_thread(lambda: open_client(at).ping())
                if says is None:
                    _, writer = await target(at).connect()
                    writer.close()
                    assert await reading
                else:
                    with pytest.raises(Unavailable, match=says):
                        await target(at).connect()
                    with pytest.raises(redis.ConnectionError, match=says):
                        await reading
        finally:
            client.config_set("port", 0)


def test_another_redis_py_is_named() -> None:
    """The error says what was expected, what was found, and what to do."""
    with pytest.raises(SinkError, match=re.escape("found NoneType and NoneType; install")):
        _take_streams(Connection())


@pytest.mark.parametrize("url", ["unix:///nowhere", "redis://127.0.0.1:1"])
async def test_nobody_there(url: str) -> None:
    """Unavailable, to be tried again; no ResourceWarning left behind."""
    with pytest.raises(Unavailable) as caught:
        await target(url).connect()
    assert caught.value.reaction is Reaction.RECONNECT
    gc.collect()


async def test_somebody_who_never_answers() -> None:
    """The whole connection set-up has one deadline."""
    accepted: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda r, w: accepted.append(w), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable):
            await target(f"redis://127.0.0.1:{port}", timeout_s=0.1).connect()
    silent.close()
    for writer in accepted:
        writer.transport.abort()


def test_somebody_who_hangs_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """RST before we have said anything: on the service's loop that is a RuntimeError."""
    connect = Connection._connect

    async def connect_late(self: Connection) -> None:
        await connect(self)
        with contextlib.suppress(ConnectionError):
            await self._reader.read()  # until the loop knows

    monkeypatch.setattr(Connection, "_connect", connect_late)

    def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plain = writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def main() -> None:
        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable) as caught:
            await target(f"redis://127.0.0.1:{port}").connect()
        assert caught.value.reaction is Reaction.RECONNECT
        server.close()

    uvloop.run(main())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://me:secret@example.test:7000/3", "redis://example.test:7000/3"),
        ("rediss://:secret@example.test", "rediss://example.test:6379/0"),
        ("unix://me:secret@/run/redis.sock", "unix:/run/redis.sock"),
        ("redis://", "redis://localhost:6379/0"),
    ],
)
def test_a_target_is_shown_without_its_password(url: str, shown: str) -> None:
    """Safe for logs."""
    assert str(target(url)) == shown
