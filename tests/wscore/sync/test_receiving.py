"""Blocking receivers."""

import threading
import time
from collections.abc import Callable

import pytest
from websockets.sync.server import ServerConnection, serve

from tests.servers.frames import BINARY, CONT, PING, PONG, TEXT, close_frame, frame
from tests.servers.threaded import Peer, ThreadServer, echo
from wscore import (
    CurlECode,
    CurlWsFlag,
    CurlWsFrame,
    WebSocket,
    WebSocketClosed,
    WebSocketError,
    WebSocketTimeout,
)

Connect = Callable[..., WebSocket]


def says(*frames: bytes) -> Callable[[Peer], None]:
    """A script: send these right behind the 101, then let the client close."""

    def script(peer: Peer) -> None:
        peer.accept(glued=b"".join(frames))
        peer.answer_close()

    return script


def test_an_echo_of_every_kind(connect: Connect) -> None:
    with ThreadServer(echo) as server, connect(server.url) as ws:
        assert ws.send(b"\x00\xff") == 2
        assert ws.recv() == (b"\x00\xff", CurlWsFlag.BINARY)
        assert ws.send_str("grüße") == 7
        assert ws.recv() == ("grüße".encode(), CurlWsFlag.TEXT)
        ws.send_json({"a": [1, None]})
        assert ws.recv_json() == {"a": [1, None]}
        ws.send_str("")
        assert ws.recv_str() == ""
        ws.send_binary(memoryview(b"123456")[::2])
        payload, frame_ = ws.recv_fragment()
        assert payload == b"135"
        assert (frame_.flags, frame_.len, frame_.bytesleft) == (CurlWsFlag.BINARY, 3, 0)


def test_an_independent_server(connect: Connect) -> None:
    """`websockets` and permessage-deflate, a megabyte both ways."""

    def handler(ws: ServerConnection) -> None:
        for message in ws:
            ws.send(message)

    big = "é" * 500_000
    with serve(handler, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        with connect(f"ws://127.0.0.1:{port}", compression="deflate") as ws:
            assert ws.deflate is not None
            ws.send_str(big)
            assert ws.recv_str() == big
        assert ws.close_code == 1000
        server.shutdown()
        thread.join()


def test_what_comes_with_the_handshake_is_found(connect: Connect) -> None:
    with ThreadServer(says(frame(TEXT, b"first"))) as server, connect(server.url) as ws:
        assert ws.recv_str(timeout=5) == "first"


def test_fragments_are_joined_and_pings_between_them_answered(connect: Connect) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.send_frame(TEXT, b"one ", fin=False)
        peer.send_frame(PING, b"?")
        peer.send_frame(CONT, b"two")
        got = peer.frame()
        assert (got.opcode, got.payload) == (PONG, b"?")
        peer.answer_close()

    with ThreadServer(script) as server, connect(server.url) as ws:
        assert ws.recv_str() == "one two"


def test_a_fragment_is_always_a_whole_message(connect: Connect) -> None:
    sent = frame(BINARY, b"one ", fin=False) + frame(CONT, b"two")
    with ThreadServer(says(sent)) as server, connect(server.url) as ws:
        assert ws.recv_fragment() == (b"one two", CurlWsFrame(CurlWsFlag.BINARY, 7))


def test_messages_as_big_as_allowed_and_bigger(connect: Connect) -> None:
    """1009 goes to the peer, and the message is not kept."""
    codes = []

    def script(peer: Peer) -> None:
        peer.accept()
        peer.send_frame(BINARY, bytes(1000))
        peer.send_frame(BINARY, bytes(1001))
        codes.append(peer.close_code())

    with ThreadServer(script) as server, connect(server.url, max_message_size=1000) as ws:
        assert len(ws.recv()[0]) == 1000
        with pytest.raises(WebSocketError) as caught:
            ws.recv()
        assert caught.value.code == CurlECode.TOO_LARGE
        assert ws.close_code == 1009
    assert codes == [1009]


def test_sixteen_mebibytes(connect: Connect) -> None:
    payload = bytes(range(256)) * 65536
    with ThreadServer(echo) as server, connect(server.url, max_message_size=1 << 24) as ws:
        ws.send(payload)
        assert ws.recv() == (payload, CurlWsFlag.BINARY)


def test_nothing_in_time(connect: Connect) -> None:
    """The connection lives on; a zero timeout takes what is there."""
    with ThreadServer(echo) as server, connect(server.url) as ws:
        started = time.monotonic()
        with pytest.raises(WebSocketTimeout) as caught:
            ws.recv(timeout=0.05)
        assert 0.04 < time.monotonic() - started < 2
        assert caught.value.code == CurlECode.OPERATION_TIMEDOUT
        with pytest.raises(WebSocketTimeout):
            ws.recv(timeout=0)
        ws.settimeout(0.01)
        with pytest.raises(WebSocketTimeout):
            next(ws)
        ws.settimeout(10)
        assert ws.gettimeout() == 10
        ws.send_str("still here")
        assert ws.recv_str() == "still here"


def test_a_zero_timeout_takes_what_is_there(connect: Connect) -> None:
    with ThreadServer(says(frame(TEXT, b"a"), frame(TEXT, b"b"))) as server:
        ws = connect(server.url)
        assert [ws.recv_str(timeout=0), ws.recv_str(timeout=0)] == ["a", "b"]
        ws.close()


def test_recv_many_returns_all_there_is(connect: Connect) -> None:
    """More than the queue holds come in several calls, the end as an exception."""
    count = 1000

    def script(peer: Peer) -> None:
        peer.accept(glued=b"".join(frame(TEXT, b"%d" % i) for i in range(count)))
        peer.close(1001)

    with ThreadServer(script) as server:
        ws = connect(server.url, recv_queue_size=64)
        got: list[bytes] = []
        with pytest.raises(WebSocketClosed) as caught:
            while True:
                messages = ws.recv_many()
                assert 1 <= len(messages) <= 64
                got += messages
    assert got == [b"%d" % i for i in range(count)]
    assert caught.value.code == 1001


def test_a_batch_says_when_its_messages_were_read(connect: Connect) -> None:
    before = time.time_ns()
    with ThreadServer(says(frame(TEXT, b"a"), frame(BINARY, b"b"))) as server:
        with connect(server.url) as ws:
            batch = ws.recv_batch()
            assert batch.messages == [b"a", b"b"]
            assert [batch.kind_of(i) for i in range(2)] == [1, 2]
            assert before < batch.reads[-1][1] <= time.time_ns()


def test_iteration_ends_with_the_close(connect: Connect) -> None:
    def script(peer: Peer) -> None:
        peer.accept(glued=frame(TEXT, b"a") + frame(BINARY, b"b"))
        peer.close(1000)

    with ThreadServer(script) as server:
        ws = connect(server.url)
        assert list(ws) == [b"a", b"b"]
        with pytest.raises(WebSocketClosed):
            iter(ws)


def test_iteration_ends_with_the_stream(connect: Connect) -> None:
    """A drop without CLOSE is not an error of the loop, and close_code tells."""

    def script(peer: Peer) -> None:
        peer.accept(glued=frame(TEXT, b"a"))
        peer.end()

    with ThreadServer(script) as server:
        ws = connect(server.url)
        assert list(ws) == [b"a"]
        assert ws.close_code == 1006


@pytest.mark.parametrize(
    ("sent", "match"),
    [
        (frame(BINARY, b"x"), "Not a valid text frame"),
        (frame(TEXT, b"{"), "invalid JSON"),
        (frame(TEXT, b""), "invalid JSON: the message is empty"),
    ],
)
def test_what_is_not_json(connect: Connect, sent: bytes, match: str) -> None:
    with ThreadServer(says(sent, frame(TEXT, b"1"))) as server, connect(server.url) as ws:
        with pytest.raises(WebSocketError, match=match) as caught:
            ws.recv_json()
        assert caught.value.code == 1007
        assert ws.recv_json() == 1


def test_invalid_utf8_fails_the_connection(connect: Connect) -> None:
    codes = []

    def script(peer: Peer) -> None:
        peer.accept(glued=frame(TEXT, b"\xff"))
        codes.append(peer.close_code())

    with ThreadServer(script) as server:
        ws = connect(server.url)
        with pytest.raises(WebSocketError) as caught:
            ws.recv()
        assert caught.value.code == 1007
    assert codes == [1007]


def test_invalid_utf8_that_is_not_looked_for(connect: Connect) -> None:
    with ThreadServer(says(frame(TEXT, b"\xff"), frame(TEXT, b"\xff"))) as server:
        with connect(server.url, skip_utf8_validation=True) as ws:
            assert ws.recv() == (b"\xff", CurlWsFlag.TEXT)
            with pytest.raises(WebSocketError, match="UTF-8"):
                ws.recv_str()


def test_a_close_instead_of_text(connect: Connect) -> None:
    def script(peer: Peer) -> None:
        peer.accept(glued=close_frame(4000, b"go away"))
        assert peer.close_code() == 4000

    with ThreadServer(script) as server:
        ws = connect(server.url)
        with pytest.raises(WebSocketClosed, match="go away") as caught:
            ws.recv_str()
        assert (caught.value.code, caught.value.reason) == (4000, "go away")
