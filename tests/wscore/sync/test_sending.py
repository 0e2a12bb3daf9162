"""Blocking senders."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers.frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, close_frame, frame
from tests.servers.threaded import Peer, ThreadServer, echo
from wscore import (
    CurlECode,
    CurlWsFlag,
    WebSocket,
    WebSocketClosed,
    WebSocketError,
    WebSocketTimeout,
)

Connect = Callable[..., WebSocket]


def collector(into: list[tuple[int, bytes, bool]]) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        peer.accept()
        while (got := peer.frame()).opcode != CLOSE:
            into.append((got.opcode, got.payload, got.fin))
        peer.send(close_frame(1000))

    return script


def test_what_goes_on_the_wire(connect: Connect) -> None:
    """A str is sent as BINARY by `send`, as the async side does."""
    frames: list[tuple[int, bytes, bool]] = []
    with ThreadServer(collector(frames)) as server, connect(server.url) as ws:
        ws.send("text")
        ws.send("text", CurlWsFlag.TEXT)
        ws.send_bytes(bytearray(b"b"))
        ws.send_json([1, 2], dumps=lambda value: repr(value).encode())
        ws.ping(b"p")
        ws.pong("q")
        ws.send("a", CurlWsFlag.TEXT | CurlWsFlag.CONT)
        ws.send("", CurlWsFlag.TEXT | CurlWsFlag.CONT)
        ws.send("b", CurlWsFlag.TEXT)
        ws.flush()
    assert frames == [
        (BINARY, b"text", True),
        (TEXT, b"text", True),
        (BINARY, b"b", True),
        (TEXT, b"[1, 2]", True),
        (PING, b"p", True),
        (PONG, b"q", True),
        (TEXT, b"a", False),
        (CONT, b"", False),
        (CONT, b"b", True),
    ]


def test_long_messages_are_fragmented_as_asked(connect: Connect) -> None:
    frames: list[tuple[int, bytes, bool]] = []
    with ThreadServer(collector(frames)) as server, connect(server.url, max_frame_size=2) as ws:
        ws.send_str("abcde")
        ws.send_str("fg")
    assert frames == [
        (TEXT, b"ab", False),
        (CONT, b"cd", False),
        (CONT, b"e", True),
        (TEXT, b"fg", True),
    ]


@pytest.mark.parametrize(
    ("payload", "flags", "code"),
    [
        (bytes(126), CurlWsFlag.PING, CurlECode.TOO_LARGE),
        (b"", CurlWsFlag.PING | CurlWsFlag.CONT, CurlECode.TOO_LARGE),
        (b"", CurlWsFlag.CONT, CurlECode.BAD_FUNCTION_ARGUMENT),
    ],
)
def test_frames_that_cannot_be_sent(
    connect: Connect, payload: bytes, flags: int, code: int
) -> None:
    with ThreadServer(echo) as server, connect(server.url) as ws:
        with pytest.raises(WebSocketError) as caught:
            ws.send(payload, flags)
        assert caught.value.code == code
        with pytest.raises(TypeError):
            wrong: Any = 3
            ws.send(wrong)


def test_a_peer_that_does_not_read(connect: Connect) -> None:
    """The sender times out; what is queued goes first once the peer reads on."""
    go, sizes = threading.Event(), []

    def script(peer: Peer) -> None:
        peer.accept()
        assert go.wait(10)
        while (got := peer.frame()).opcode != CLOSE:
            sizes.append(len(got.payload))
        peer.send(close_frame(1000))

    with ThreadServer(script) as server:
        ws = connect(server.url)
        with pytest.raises(WebSocketTimeout, match="rest of this message is still queued"):
            ws.send(bytes(1 << 25), timeout=0.1)
        with pytest.raises(WebSocketTimeout, match="was not sent"):
            ws.send(b"not queued", timeout=0.05)
        with pytest.raises(WebSocketTimeout):
            ws.flush(timeout=0.05)
        go.set()
        ws.send(b"after", timeout=10)
        ws.close()
    assert sizes == [1 << 25, 5]


def test_two_that_send_at_each_other(connect: Connect) -> None:
    """A sender who waits receives meanwhile: an echo of more than all buffers hold."""
    size, count = 1 << 20, 40
    with ThreadServer(echo) as server, connect(server.url, recv_queue_size=1000) as ws:
        for i in range(count):
            ws.send(bytes([i]) * size, timeout=10)
        for i in range(count):
            payload, _ = ws.recv(timeout=10)
            assert payload == bytes([i]) * size


def test_a_sender_finds_the_close(connect: Connect) -> None:
    """A CLOSE that nobody received says more than a broken pipe."""
    gone = threading.Event()

    def script(peer: Peer) -> None:
        peer.accept()
        peer.send(frame(CLOSE, b"\x0f\xa0"))
        peer.end()
        gone.set()

    with ThreadServer(script) as server:
        ws = connect(server.url)
        assert gone.wait(10)
        with pytest.raises(WebSocketClosed) as caught:
            for _ in range(1000):
                ws.send(bytes(100_000))
        assert caught.value.code in (4000, 1006)  # the reset may have eaten the CLOSE


def test_pings_and_latency(connect: Connect) -> None:
    """Messages that come before the answer are received afterwards."""

    def script(peer: Peer) -> None:
        peer.accept()
        got = peer.frame()
        assert got.opcode == PING and got.payload
        peer.send_frame(TEXT, b"before")
        peer.send_frame(PONG, b"nobody asked")
        peer.send_frame(PONG, got.payload)
        assert peer.frame().payload == b"mine"
        peer.answer_close()

    with ThreadServer(script) as server, connect(server.url) as ws:
        latency = ws.ping(wait=True)
        assert latency is not None and 0 < latency < 5
        assert ws.latency == latency
        assert ws.recv_str() == "before"
        assert ws.ping("mine") is None
        with pytest.raises(WebSocketTimeout):
            ws.recv(timeout=0.01)


def test_a_ping_that_is_not_answered(connect: Connect) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.frame()
        peer.frame()

    with ThreadServer(script) as server:
        ws = connect(server.url)
        with pytest.raises(WebSocketTimeout):
            ws.ping(wait=True, timeout=0.05)
        with pytest.raises(WebSocketClosed):
            ws.ping(wait=True)
