"""Blocking handshakes, with `connect` and `create_connection`."""

import contextlib
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.frames import TEXT, frame
from tests.servers.threaded import Peer, ThreadServer, ctrl_c, echo
from wscore import (
    CurlError,
    HandshakeError,
    WebSocket,
    WebSocketClosed,
    WebSocketTimeout,
    create_connection,
)

Connect = Callable[..., WebSocket]


def test_create_connection() -> None:
    """Its timeout is for later calls, too; the names are those of websocket-client."""
    requests = []

    def script(peer: Peer) -> None:
        requests.append(peer.accept(headers="Sec-WebSocket-Protocol: chat\r\nX-Server: s\r\n"))
        peer.answer_close()

    with ThreadServer(script) as server:
        ws = create_connection(
            server.url,
            timeout=0.05,
            header=["X-Token: t"],
            cookie="a=b",
            origin="https://example.com",
            subprotocols=["chat"],
        )
        assert ws.gettimeout() == 0.05
        with pytest.raises(WebSocketTimeout):
            ws.recv()
        assert ws.connected and ws.subprotocol == "chat"
        assert ws.response_status == 101
        assert ("X-Server", "s") in ws.response_headers
        ws.close()
    (request,) = requests
    assert request["x-token"] == "t"
    assert request["cookie"] == "a=b"
    assert request["origin"] == "https://example.com"


def test_a_refused_connection() -> None:
    with pytest.raises(CurlError) as caught:
        create_connection("ws://127.0.0.1:1/")
    assert caught.value.code == 7


def test_a_refused_upgrade() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 403 No\r\nX-Why: because\r\nContent-Length: 0\r\n\r\n")

    with ThreadServer(script) as server, pytest.raises(HandshakeError) as caught:
        create_connection(server.url)
    assert (caught.value.code, caught.value.status) == (22, 403)
    assert caught.value.header("x-why") == "because"


def test_an_answer_that_is_not_to_us() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(
            b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
        )

    with ThreadServer(script) as server, pytest.raises(HandshakeError, match="Accept"):
        create_connection(server.url)


def test_ctrl_c_during_a_handshake() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        ctrl_c()
        peer.end_of_stream()

    with ThreadServer(script) as server, pytest.raises(KeyboardInterrupt):
        create_connection(server.url)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for this host, its key beside it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl program to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt"),
            *("ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=here"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", path.with_suffix(".key"), "-out", path),
        ],
        check=True,
        capture_output=True,
    )
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context


def test_wss_with_a_ca_file(connect: Connect, tls: ssl.SSLContext, certificate: Path) -> None:
    """Both directions, with more than one TLS record."""
    payload = bytes(range(256)) * 8192
    with ThreadServer(echo, tls=tls) as server:
        with connect(server.url, verify=str(certificate)) as ws:
            ws.send(payload)
            assert ws.recv()[0] == payload
            assert ws.ping(wait=True)
        with create_connection(server.url, 5, sslopt={"ca_certs": str(certificate)}) as ws:
            ws.send_str("hi")
            assert ws.recv_str() == "hi"


def test_what_tls_holds_back_is_found(connect: Connect, tls: ssl.SSLContext) -> None:
    """Records that libcurl has read are not announced by the file descriptor."""
    count = 5000

    def script(peer: Peer) -> None:
        peer.accept(glued=b"".join(frame(TEXT, b"%d" % i) for i in range(count)))
        peer.answer_close()

    with ThreadServer(script, tls=tls) as server:
        with connect(server.url, verify=False, recv_queue_size=7) as ws:
            assert [int(ws.recv()[0]) for _ in range(count)] == list(range(count))


def test_an_unknown_ca_is_refused(tls: ssl.SSLContext) -> None:
    """Before one byte of the request: it may carry secrets."""

    def script(peer: Peer) -> None:
        with contextlib.suppress(OSError):
            assert peer.sock.recv(1) == b""

    server = ThreadServer(script, tls=tls, failed_handshakes=True)
    with server, pytest.raises(CurlError, match="certificate"):
        create_connection(server.url)


def test_a_tls_stream_that_is_cut(connect: Connect, tls: ssl.SSLContext) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.frame()

    with ThreadServer(script, tls=tls) as server:
        ws = connect(server.url, verify=False)
        ws.send(b"go")
        with pytest.raises(WebSocketClosed) as caught:
            ws.recv()
        assert caught.value.code == 1006
