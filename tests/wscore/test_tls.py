"""wss: certificates are checked unless told otherwise, and bulk data survives TLS."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.servers.frames import BINARY, CLOSE, frame
from tests.servers.raw import Peer, RawServer
from wscore import AsyncSession, CurlError, WebSocketClosed, WebSocketError

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(
    OPENSSL is None, reason="there is no openssl program to make certificates with"
)

PEER_FAILED_VERIFICATION = 60


class Certificates:
    """A CA, and servers' certificates signed by it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ca = folder / "ca.pem"
        self._openssl("req", "-x509", *self._new_key("ca"), "-out", self.ca, "-subj", "/CN=CA")

    def context(self, names: str) -> ssl.SSLContext:
        """A server's context with a certificate for *names*, such as `IP:127.0.0.1`."""
        extensions = self._folder / "extensions"
        extensions.write_text(f"subjectAltName={names}\n")
        request, certificate = self._folder / "server.csr", self._folder / "server.pem"
        self._openssl("req", *self._new_key("server"), "-out", request, "-subj", "/CN=server")
        self._openssl(
            *("x509", "-req", "-in", request, "-CA", self.ca),
            *("-CAkey", self._folder / "ca.key", "-CAcreateserial", "-days", "2"),
            *("-extfile", extensions, "-out", certificate),
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, self._folder / "server.key")
        return context

    def _new_key(self, name: str) -> tuple[str | Path, ...]:
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
        return (*curve, "-nodes", "-keyout", self._folder / f"{name}.key")

    def _openssl(self, *arguments: str | Path) -> None:
        assert OPENSSL is not None
        subprocess.run([OPENSSL, *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def for_this_host(certificates: Certificates) -> ssl.SSLContext:
    return certificates.context("IP:127.0.0.1")


async def echo(peer: Peer) -> None:
    await peer.accept()
    while (got := await peer.frame()).opcode != CLOSE:
        await peer.send_frame(got.opcode, got.payload)
    await peer.send(frame(CLOSE, got.payload))


async def never(peer: Peer) -> None:
    """Expects not one byte of a request: it may carry secrets."""
    with contextlib.suppress(OSError):
        assert await peer.reader.read() == b""


async def test_an_unknown_ca_is_refused(
    session: AsyncSession, for_this_host: ssl.SSLContext
) -> None:
    async with RawServer(never, tls=for_this_host) as server:
        with pytest.raises(CurlError, match="certificate") as caught:
            await session.ws_connect(server.url)
    assert caught.value.code == PEER_FAILED_VERIFICATION


async def test_a_ca_file_makes_it_known(
    session: AsyncSession, for_this_host: ssl.SSLContext, certificates: Certificates
) -> None:
    async with (
        RawServer(echo, tls=for_this_host) as server,
        session.ws_connect(server.url, verify=str(certificates.ca)) as ws,
    ):
        await ws.send_str("hello")
        assert await ws.recv_str(timeout=5) == "hello"


async def test_a_certificate_for_another_host_is_refused(
    session: AsyncSession, certificates: Certificates
) -> None:
    elsewhere = certificates.context("DNS:elsewhere.example,IP:127.0.0.2")
    async with RawServer(never, tls=elsewhere) as server:
        with pytest.raises(CurlError) as caught:
            await session.ws_connect(server.url, verify=str(certificates.ca))
    assert caught.value.code == PEER_FAILED_VERIFICATION


async def test_verification_can_be_switched_off(
    session: AsyncSession, for_this_host: ssl.SSLContext
) -> None:
    async with (
        RawServer(echo, tls=for_this_host) as server,
        session.ws_connect(server.url, verify=False) as ws,
    ):
        assert ws.is_alive()


async def test_a_ca_file_that_is_not_there(session: AsyncSession) -> None:
    with pytest.raises(CurlError) as caught:
        await session.ws_connect("wss://127.0.0.1:1/", verify="/nonexistent/ca.pem")
    assert caught.value.code


async def test_a_server_that_speaks_no_tls(session: AsyncSession) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(10)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with RawServer(script) as server:
        with pytest.raises(CurlError) as caught:
            await session.ws_connect(server.url.replace("ws:", "wss:"))
    assert caught.value.code == 35


async def test_four_mebibytes_both_ways(
    session: AsyncSession, for_this_host: ssl.SSLContext
) -> None:
    """Partial TLS writes are repeated as TLS wants them; large records fill in place."""
    payloads = [bytes([i]) * (4 * 1024 * 1024 - i) for i in range(3)]
    async with (
        RawServer(echo, tls=for_this_host) as server,
        session.ws_connect(server.url, verify=False) as ws,
    ):
        for payload in payloads:
            await ws.send_bytes(payload)
        for payload in payloads:
            assert (await ws.recv(timeout=10))[0] == payload


async def test_a_server_that_reads_late_gets_every_byte(
    session: AsyncSession, for_this_host: ssl.SSLContext
) -> None:
    """Writes are refused and repeated while more is queued behind them."""
    count = 300
    blocked = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.accept()
        peer.stop_reading()
        await blocked.wait()
        peer.read_on()
        frames = await peer.frames_until_close()
        sizes = [len(f.payload) for f in frames[:-1]]
        assert sizes == [i * 300 for i in range(count)]
        assert all(f.payload == bytes([i % 256]) * (i * 300) for i, f in enumerate(frames[:-1]))

    async with (
        RawServer(script, tls=for_this_host) as server,
        session.ws_connect(server.url, verify=False, send_queue_size=1000) as ws,
    ):
        for i in range(count):
            await ws.send_bytes(bytes([i % 256]) * (i * 300))
            await asyncio.sleep(0)
        assert ws.send_queue_size > 0
        blocked.set()
        await ws.flush(timeout=10)


async def test_many_small_messages(session: AsyncSession, for_this_host: ssl.SSLContext) -> None:
    """What libcurl and TLS hold back is found though the socket does not announce it."""
    count = 20_000

    async def script(peer: Peer) -> None:
        await peer.accept(glued=b"".join(frame(BINARY, b"%d" % i) for i in range(count)))
        await peer.answer_close()

    async with (
        RawServer(script, tls=for_this_host) as server,
        session.ws_connect(server.url, verify=False, recv_queue_size=50) as ws,
    ):
        for i in range(count):
            payload, _ = await ws.recv(timeout=5)
            assert int(payload) == i


@pytest.mark.parametrize("ending", ["close", "abort"])
async def test_an_end_without_a_close(
    session: AsyncSession, for_this_host: ssl.SSLContext, ending: str
) -> None:
    """1006, with or without TLS's own close_notify; and not as an error of libcurl."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.frame()
        if ending == "abort":
            peer.writer.transport.abort()

    async with (
        RawServer(script, tls=for_this_host) as server,
        session.ws_connect(server.url, verify=False) as ws,
    ):
        await ws.send(b"go")
        with pytest.raises(WebSocketClosed) as caught:
            await ws.recv(timeout=5)
        assert caught.value.code == 1006


async def test_a_violation_is_answered_over_tls_too(
    session: AsyncSession, for_this_host: ssl.SSLContext
) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(glued=frame(3) + bytes(100_000))
        assert await peer.close_code() == 1002

    async with (
        RawServer(script, tls=for_this_host) as server,
        session.ws_connect(server.url, verify=False) as ws,
    ):
        with pytest.raises(WebSocketError) as caught:
            await ws.recv(timeout=5)
        assert caught.value.code == 1002
