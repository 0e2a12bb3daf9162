"""How blocking connections end."""

import time
from collections.abc import Callable

import pytest

from tests.servers.frames import CLOSE, TEXT, close_frame, frame
from tests.servers.threaded import Peer, ThreadServer, echo
from wscore import CurlWsFlag, WebSocket, WebSocketClosed, WebSocketError, WebSocketTimeout

Connect = Callable[..., WebSocket]


@pytest.mark.parametrize(
    ("body", "code", "reason", "answer"),
    [
        (b"", 1005, "", 1000),
        (b"\x03\xe8", 1000, "", 1000),
        (b"\x03\xe9bye", 1001, "bye", 1001),
        (b"\x0f\xa0" + "grüße".encode(), 4000, "grüße", 4000),
    ],
)
def test_the_servers_close(
    connect: Connect, body: bytes, code: int, reason: str, answer: int
) -> None:
    """It is received once, answered with its own code, then everything raises."""
    answers = []

    def script(peer: Peer) -> None:
        peer.accept(glued=frame(TEXT, b"last") + frame(CLOSE, body))
        answers.append(peer.close_code())

    with ThreadServer(script) as server:
        ws = connect(server.url)
        assert ws.recv() == (b"last", CurlWsFlag.TEXT)
        assert ws.recv() == (body, CurlWsFlag.CLOSE)
        assert (ws.close_code, ws.close_reason, ws.closed) == (code, reason, True)
        assert ws.fileno() == -1, "everything is released without a call of close()"
        for call in (ws.recv, lambda: ws.send(b"x"), lambda: ws.ping(wait=True)):
            with pytest.raises(WebSocketClosed) as caught:
                call()
            assert caught.value.code == code
    assert answers == [answer]


@pytest.mark.parametrize("body", [b"\x03", b"\x03\xee", b"\x00\x00"])
def test_a_close_that_is_none(connect: Connect, body: bytes) -> None:
    codes = []

    def script(peer: Peer) -> None:
        peer.accept(glued=frame(CLOSE, body))
        codes.append(peer.close_code())

    with ThreadServer(script) as server:
        ws = connect(server.url)
        with pytest.raises(WebSocketError) as caught:
            ws.recv()
        assert caught.value.code == 1002
    assert codes == [1002]


@pytest.mark.parametrize("ending", ["fin", "reset"])
def test_an_end_without_a_close(connect: Connect, ending: str) -> None:
    """1006; what came before it is received first."""

    def script(peer: Peer) -> None:
        peer.accept(glued=frame(TEXT, b"a") + frame(TEXT, b"b"))
        peer.frame()
        peer.end() if ending == "fin" else peer.reset()

    with ThreadServer(script) as server:
        ws = connect(server.url)
        assert ws.recv_str() == "a"
        ws.send(b"go")
        assert ws.recv_str() == "b"
        with pytest.raises(WebSocketClosed) as caught:
            ws.recv()
        assert caught.value.code == 1006
        assert ws.close_code == 1006


def test_our_close(connect: Connect) -> None:
    """Code and reason arrive; the peer's answer ends it at once; twice is once."""
    frames = []

    def script(peer: Peer) -> None:
        peer.accept()
        frames.append(peer.frame().payload)
        frames.append(peer.close_frame().payload)
        peer.send(close_frame(4001, b"done"))

    with ThreadServer(script) as server:
        ws = connect(server.url)
        ws.send(b"before")
        started = time.monotonic()
        ws.close(4001, "done", timeout=5)
        assert time.monotonic() - started < 2
        ws.close()
        assert (ws.close_code, ws.close_reason) == (4001, "done")
        with pytest.raises(WebSocketClosed):
            ws.recv()
    assert frames == [b"before", b"\x0f\xa1done"]


def test_a_peer_that_does_not_answer_the_close(connect: Connect) -> None:
    """It is not waited for any longer than asked."""

    def script(peer: Peer) -> None:
        peer.accept()
        peer.end_of_stream()

    with ThreadServer(script) as server:
        ws = connect(server.url)
        started = time.monotonic()
        ws.close(timeout=0.1)
        assert 0.05 < time.monotonic() - started < 2
        assert ws.close_code == 1006
        assert ws.fileno() == -1


def test_a_peer_that_reads_nothing_does_not_hold_up_close(connect: Connect) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.frame()
        time.sleep(0.5)  # the client gives up meanwhile

    with ThreadServer(script) as server:
        ws = connect(server.url)
        ws.send(b"go")
        with pytest.raises(WebSocketTimeout):
            ws.send(bytes(1 << 25), timeout=0.1)
        started = time.monotonic()
        ws.close(timeout=0.1)
        assert time.monotonic() - started < 2


def test_a_server_that_stays_connected_after_both_closes(connect: Connect) -> None:
    """The stream's end is awaited for a second at most, or the call's own timeout."""

    def script(peer: Peer) -> None:
        peer.accept(glued=close_frame(1000))
        peer.end_of_stream()

    with ThreadServer(script) as server:
        ws = connect(server.url)
        started = time.monotonic()
        assert ws.recv(timeout=0.2)[1] == CurlWsFlag.CLOSE
        assert time.monotonic() - started < 0.9


@pytest.mark.parametrize("drain", [False, True])
def test_what_comes_while_we_close(connect: Connect, drain: bool) -> None:
    """With drain_on_error it can still be received, up to the queue's size."""

    def script(peer: Peer) -> None:
        peer.accept()
        code = peer.close_code()
        peer.send(b"".join(frame(TEXT, b"%d" % i) for i in range(500)) + close_frame(code))

    with ThreadServer(script) as server:
        ws = connect(server.url, drain_on_error=drain, recv_queue_size=10)
        started = time.monotonic()
        ws.close(timeout=5)
        assert time.monotonic() - started < 2
        assert ws.close_code == 1000
        got = []
        with pytest.raises(WebSocketClosed):
            while True:
                payload, _ = ws.recv()
                got.append(payload)
    assert got[:10] == ([b"%d" % i for i in range(10)] if drain else [])


def test_no_autoclose(connect: Connect) -> None:
    """The CLOSE is not answered until the user closes."""
    answers = []

    def script(peer: Peer) -> None:
        peer.accept(glued=close_frame(1012))
        got = peer.frame()
        assert (got.opcode, got.payload) == (TEXT, b"wait")
        answers.append(peer.close_code())

    with ThreadServer(script) as server:
        ws = connect(server.url, autoclose=False)
        assert ws.recv()[1] == CurlWsFlag.CLOSE
        ws.send_str("wait")
        ws.close(4000)
        assert ws.close_code == 1012
    assert answers == [4000]


def test_terminate_says_nothing(connect: Connect) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        with pytest.raises(EOFError):
            peer.frame()

    with ThreadServer(script) as server:
        ws = connect(server.url)
        ws.terminate()
        ws.terminate()
        assert ws.close_code == 1006
        with pytest.raises(WebSocketClosed):
            ws.recv()
        assert ws.counters.frames_out == 0


def test_a_violation_is_answered(connect: Connect) -> None:
    codes = []

    def script(peer: Peer) -> None:
        peer.accept(glued=frame(0x3, b"?") + bytes(100_000))
        codes.append(peer.close_code())

    with ThreadServer(script) as server:
        ws = connect(server.url)
        with pytest.raises(WebSocketError) as caught:
            ws.recv()
        assert caught.value.code == 1002
    assert codes == [1002]


def test_the_same_object_connects_again(connect: Connect) -> None:
    with ThreadServer(echo) as server:
        ws = connect(server.url)
        with pytest.raises(WebSocketError, match="open"):
            ws.connect(server.url)
        ws.close()
        ws.connect(server.url)
        ws.send_str("again")
        assert ws.recv_str() == "again"
        ws.close()


def test_not_connected() -> None:
    ws = WebSocket()
    assert ws.closed and not ws.connected
    assert (ws.close_code, ws.latency, ws.fileno()) == (None, None, -1)
    for call in (ws.recv, lambda: ws.send(b""), ws.flush, ws.run_forever):
        with pytest.raises(WebSocketClosed):
            call()
    ws.close()
    ws.terminate()
