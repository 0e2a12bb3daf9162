"""Keepalive pings while some call waits."""

import threading
import time
from collections.abc import Callable

import pytest

from tests.servers.frames import PING, PONG, TEXT, frame
from tests.servers.threaded import Peer, ThreadServer
from wscore import WebSocket, WebSocketClosed, WebSocketTimeout

Connect = Callable[..., WebSocket]


def test_a_peer_that_answers_lives(connect: Connect) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        for _ in range(3):
            got = peer.frame()
            assert got.opcode == PING
            peer.send_frame(PONG, got.payload)
        peer.send_frame(TEXT, b"still here")
        peer.answer_close()

    with ThreadServer(script) as server:
        with connect(server.url, ping_interval=0.02, ping_timeout=5) as ws:
            assert ws.recv_str() == "still here"
            assert ws.latency is not None and 0 < ws.latency < 5


def test_a_peer_that_does_not_answer_is_dead(connect: Connect) -> None:
    """It is told 1011, and the receiver gets a WebSocketClosed."""
    codes = []

    def script(peer: Peer) -> None:
        peer.accept()
        codes.append(peer.close_code())

    with ThreadServer(script) as server:
        ws = connect(server.url, ping_interval=0.02, ping_timeout=0.02)
        started = time.monotonic()
        with pytest.raises(WebSocketClosed, match="ping timeout") as caught:
            ws.recv()
        assert time.monotonic() - started < 2
        assert caught.value.code == 1011
        assert ws.close_code == 1011
        assert ws.fileno() == -1
    assert codes == [1011]


def test_nobody_is_dead_because_nobody_looked(connect: Connect) -> None:
    """The answer waits in the socket while the client does something else."""
    go = threading.Event()

    def script(peer: Peer) -> None:
        peer.accept()
        got = peer.frame()
        assert go.wait(10)
        peer.send(frame(PONG, got.payload) + frame(TEXT, b"x"))
        peer.end_of_stream()

    with ThreadServer(script) as server:
        ws = connect(server.url, ping_interval=0.2, ping_timeout=0.2)
        with pytest.raises(WebSocketTimeout):
            ws.recv(timeout=0.3)  # the first ping is sent
        go.set()
        time.sleep(0.3)  # a client that is busy elsewhere
        assert ws.recv_str(timeout=5) == "x"
        ws.terminate()


def test_an_idle_client_answers_pings_while_it_waits(connect: Connect) -> None:
    answered = []

    def script(peer: Peer) -> None:
        peer.accept()
        for i in range(20):
            peer.send_frame(PING, b"%d" % i)
            got = peer.frame()
            assert (got.opcode, got.payload) == (PONG, b"%d" % i)
            answered.append(i)
        peer.send_frame(TEXT, b"done")
        peer.answer_close()

    with ThreadServer(script) as server, connect(server.url) as ws:
        assert ws.recv_str() == "done"
        assert ws.counters.pongs_out == 20
    assert answered == list(range(20))
