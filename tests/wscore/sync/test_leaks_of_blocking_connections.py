"""Nothing is left of connections that ended, however they ended."""

import gc
import os
import threading
from pathlib import Path

import pytest

from tests.servers.frames import CLOSE, close_frame
from tests.servers.threaded import Peer, ThreadServer, echo
from wscore import WebSocket, WebSocketApp, WebSocketClosed

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc"
)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - Path.iterdir holds one open


def drop(peer: Peer) -> None:
    """A script that ends each connection in another way."""
    peer.accept()
    if peer.number % 3 == 0:
        peer.send(close_frame(1001))
        assert peer.frame().opcode == CLOSE
    elif peer.number % 3 == 1:
        peer.reset()


def test_two_hundred_connections_that_we_close() -> None:
    with ThreadServer(echo) as server:
        for i in range(200):
            if i == 20:  # what is allocated once is there by now
                gc.collect()
                before, threads = descriptors(), threading.active_count()
            with WebSocket().connect(server.url) as ws:
                ws.send_str("x")
                assert ws.recv_str() == "x"
        gc.collect()
        assert descriptors() <= before + 2  # the server's side may be a step behind
        assert threading.active_count() <= threads + 2


def test_connections_that_the_server_ends_release_themselves() -> None:
    """No call of close() is needed once the end was received."""
    with ThreadServer(drop) as server:
        kept = []
        for i in range(60):
            if i == 9:
                before = descriptors()
            ws = WebSocket().connect(server.url)
            list(ws)
            kept.append(ws)
        assert descriptors() <= before + 2


def test_an_app_that_reconnects_keeps_nothing() -> None:
    opened = []

    def on_open(app: WebSocketApp) -> None:
        opened.append(descriptors())
        if len(opened) == 12:
            app.close()

    with ThreadServer(drop) as server:
        app = WebSocketApp(server.url, on_open=on_open, on_error=lambda app, error: None)
        app.run_forever(reconnect=0.0001)
    assert max(opened[3:]) <= opened[2] + 2


def test_a_connection_that_nobody_closes_is_closed_with_its_owner() -> None:
    """And says so."""
    with ThreadServer(echo_or_gone) as server:
        before = descriptors()
        ws: WebSocket | None = WebSocket().connect(server.url)
        assert ws is not None
        with pytest.warns(ResourceWarning, match="neither closed nor terminated"):
            ws = None
            gc.collect()
    assert descriptors() <= before


def echo_or_gone(peer: Peer) -> None:
    peer.accept()
    peer.end_of_stream()


def test_closed_is_closed() -> None:
    with ThreadServer(echo) as server:
        ws = WebSocket().connect(server.url)
        ws.close()
        with pytest.raises(WebSocketClosed):
            ws.send(b"x")
        assert ws.counters.frames_out == 1
