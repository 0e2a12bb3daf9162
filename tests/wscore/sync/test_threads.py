"""One connection, several threads."""

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers.frames import CLOSE, TEXT, close_frame
from tests.servers.threaded import Peer, ThreadServer, echo
from wscore import (
    CurlWsFrame,
    WebSocket,
    WebSocketClosed,
    WebSocketError,
    WebSocketTimeout,
)

Connect = Callable[..., WebSocket]
Background = Callable[[Callable[[], Any]], Any]


def silent(peer: Peer) -> None:
    """A script that only answers the CLOSE."""
    peer.accept()
    peer.answer_close()


def wait_until_polling(ws: WebSocket) -> None:
    """Until some thread blocks in a call of *ws*."""
    link: Any = ws._link
    wait_until(lambda: link._turns.polling)


def wait_until_stuck(ws: WebSocket) -> None:
    """Until the socket takes no more of what a thread sends."""
    link: Any = ws._link
    wait_until(lambda: link._writer.unsent)


def wait_until(condition: Callable[[], Any]) -> None:
    """For what no event tells of."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("how", ["close", "terminate"])
def test_closing_wakes_a_blocked_receiver(
    connect: Connect, background: Background, how: str
) -> None:
    with ThreadServer(silent if how == "close" else abandoned) as server:
        ws = connect(server.url)
        receiver = background(ws.recv)
        wait_until_polling(ws)
        started = time.monotonic()
        getattr(ws, how)()
        with pytest.raises(WebSocketClosed):
            receiver.result()
        assert time.monotonic() - started < 2
        assert ws.fileno() == -1


def abandoned(peer: Peer) -> None:
    """A script that waits until the client is gone."""
    peer.accept()
    peer.end_of_stream()


def test_a_receiver_wakes_at_once_though_the_peer_does_not_answer(
    connect: Connect, background: Background
) -> None:
    with ThreadServer(abandoned) as server:
        ws = connect(server.url)
        receiver = background(ws.recv)
        wait_until_polling(ws)
        closer = background(lambda: ws.close(timeout=1.0))
        started = time.monotonic()
        with pytest.raises(WebSocketClosed):
            receiver.result()
        assert time.monotonic() - started < 0.9
        closer.result()


def test_a_run_that_awaits_the_end_of_the_stream_holds_nobody_up(background: Background) -> None:
    """Both have said CLOSE; until the server hangs up, another thread may end it all."""
    said_close = threading.Event()

    def script(peer: Peer) -> None:
        peer.accept()
        peer.send(close_frame(1000))
        peer.end_of_stream()

    def on_data(ws: WebSocket, data: bytes, frame: CurlWsFrame) -> None:
        said_close.set()

    with ThreadServer(script) as server:
        ws = WebSocket(on_data=on_data)
        runner = background(lambda: ws.run_forever(server.url))
        assert said_close.wait(10)
        wait_until_polling(ws)
        started = time.monotonic()
        ws.terminate()
        runner.result()
        assert time.monotonic() - started < 0.9


def test_a_signal_handler_that_terminates_just_before_the_wait(connect: Connect) -> None:
    """What has the numbers of its file descriptors by then is not polled."""
    with ThreadServer(abandoned) as server:
        ws = connect(server.url)
        link: Any = ws._link
        pipes: list[int] = []
        with pytest.raises(WebSocketTimeout):
            ws.recv(timeout=0)  # from now on the socket announces all there is

        def ready() -> bool:
            if not pipes:
                ws.terminate()
                for _ in range(3):  # one socket and a pipe were freed
                    pipes.extend(os.pipe())
                return False
            return True

        started = time.monotonic()
        try:
            with link._lock:
                link._turns.wait(ready, 10, "")
        finally:
            for fd in pipes:
                os.close(fd)
        assert time.monotonic() - started < 2


def test_several_receivers_share_the_messages(connect: Connect, background: Background) -> None:
    """Each message goes to one of them, and the end to all."""
    count, readers = 2000, 4

    def script(peer: Peer) -> None:
        peer.accept()
        for i in range(count):
            peer.send_frame(TEXT, b"%d" % i)
        peer.close(1000)

    with ThreadServer(script) as server:
        ws = connect(server.url, recv_queue_size=16)

        def receive() -> list[bytes]:
            got = []
            while True:
                try:
                    got.append(next(ws))
                except StopIteration:
                    return got

        threads = [background(receive) for _ in range(readers)]
        parts = [thread.result() for thread in threads]
    assert sorted(int(m) for part in parts for m in part) == list(range(count))
    for part in parts:
        assert [int(m) for m in part] == sorted(int(m) for m in part)


def test_sender_receiver_and_closer(connect: Connect, background: Background) -> None:
    """Full duplex while a third thread ends it: nothing hangs, nothing is torn."""
    half = threading.Event()

    with ThreadServer(echo) as server:
        ws = connect(server.url)
        got: list[int] = []

        def receive() -> None:
            for message in ws:
                got.append(int(message[:8]))
                assert message[8:] == bytes(1000)
                if len(got) == 500:
                    half.set()

        def send() -> None:
            with pytest.raises(WebSocketError):
                for i in range(1_000_000):
                    ws.send(b"%08d" % i + bytes(1000))

        receiver, sender = background(receive), background(send)
        assert half.wait(10)
        ws.close()
        receiver.result()
        sender.result()
    assert got == list(range(len(got)))


def test_senders_do_not_mix_their_frames(connect: Connect, background: Background) -> None:
    """Big messages from four threads at a peer that reads slowly arrive whole."""
    got: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.accept()
        while (f := peer.frame()).opcode != CLOSE:
            assert f.payload == f.payload[:1] * len(f.payload)
            got.append(f.payload[:1])
        peer.send(close_frame(1000))

    with ThreadServer(script) as server:
        ws = connect(server.url)

        def send(byte: bytes) -> None:
            for _ in range(5):
                ws.send(byte * (1 << 20))

        threads = [background(lambda b=b: send(b)) for b in (b"a", b"b", b"c", b"d")]
        for thread in threads:
            thread.result()
        ws.close()
    assert sorted(got) == sorted([b"a", b"b", b"c", b"d"] * 5)


@pytest.mark.parametrize("first", ["sender", "receiver"])
def test_a_sender_whose_peer_does_not_read_does_not_hold_up_a_receiver(
    connect: Connect, background: Background, first: str
) -> None:
    """Whichever of them polls for both."""
    stuck, through = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.accept()
        assert stuck.wait(10)
        peer.send_frame(TEXT, b"through")
        assert through.wait(10)  # not reading
        peer.end_of_stream()

    with ThreadServer(script) as server:
        ws = connect(server.url)
        if first == "receiver":
            receiver = background(ws.recv_str)
            wait_until_polling(ws)
        sender = background(lambda: ws.send(bytes(1 << 25)))
        wait_until_stuck(ws)
        if first == "sender":
            receiver = background(ws.recv_str)
        stuck.set()
        assert receiver.result() == "through"
        with pytest.raises(WebSocketTimeout, match="this message was not sent"):
            ws.send(b"more", timeout=0.01)
        ws.terminate()
        with pytest.raises(WebSocketClosed):
            sender.result()
        through.set()


def test_a_follower_takes_over(connect: Connect, background: Background) -> None:
    """When the thread that polls for all gives up, another polls on."""

    def script(peer: Peer) -> None:
        peer.accept()
        peer.frame()
        peer.send_frame(TEXT, b"late")
        peer.answer_close()

    with ThreadServer(script) as server:
        ws = connect(server.url)

        def give_up() -> None:
            with pytest.raises(WebSocketTimeout):
                ws.recv(timeout=0.1)

        leader = background(give_up)
        wait_until_polling(ws)
        follower = background(lambda: ws.recv_str(timeout=10))
        leader.result()
        ws.send(b"go")
        assert follower.result() == "late"
        ws.close()


def test_room_for_more_wakes_the_one_who_polls(connect: Connect, background: Background) -> None:
    """A sender polls with a full queue; a receiver makes room; the echo flows on."""
    count = 64
    with ThreadServer(echo) as server:
        ws = connect(server.url, recv_queue_size=1)

        def send() -> None:
            for i in range(count):
                ws.send(bytes([i]) * 500_000, timeout=10)

        sender = background(send)
        for i in range(count):
            assert ws.recv(timeout=10)[0][:1] == bytes([i])
        sender.result()
        ws.close()
