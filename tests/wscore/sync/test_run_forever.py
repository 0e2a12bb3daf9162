"""`WebSocket.run_forever` and its callbacks."""

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers.frames import BINARY, PING, TEXT, close_frame, frame
from tests.servers.threaded import Peer, ThreadServer, ctrl_c
from wscore import CurlError, CurlWsFlag, WebSocket, WebSocketClosed, WebSocketError

Background = Callable[[Callable[[], Any]], Any]


class Recorder:
    """Callbacks that note their calls; `ws` is made with them."""

    def __init__(self, **others: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.ws = WebSocket(
            **{
                "on_open": lambda ws: self.calls.append(("open",)),
                "on_message": lambda ws, message: self.calls.append(("message", message)),
                "on_data": lambda ws, data, frame: self.calls.append(("data", data, frame.flags)),
                "on_error": lambda ws, error: self.calls.append(("error", type(error))),
                "on_close": lambda ws, code, reason: self.calls.append(("close", code, reason)),
                **others,
            }
        )


def test_the_order_of_the_callbacks() -> None:
    """Text is a str, binary is bytes; controls are no messages."""

    def script(peer: Peer) -> None:
        peer.accept(glued=frame(TEXT, "é".encode()) + frame(PING) + frame(BINARY, b"\xff"))
        peer.close(4000, b"bye")

    recorder = Recorder()
    with ThreadServer(script) as server:
        recorder.ws.run_forever(server.url)
    assert recorder.calls == [
        ("open",),
        ("data", "é".encode(), CurlWsFlag.TEXT),
        ("message", "é"),
        ("data", b"\xff", CurlWsFlag.BINARY),
        ("message", b"\xff"),
        ("data", b"\x0f\xa0bye", CurlWsFlag.CLOSE),
        ("close", 4000, "bye"),
    ]
    assert recorder.ws.closed and not recorder.ws.keep_running


def test_a_lost_connection() -> None:
    """It is reported, then closed, then raised: nobody is left to guess."""

    def script(peer: Peer) -> None:
        peer.accept()
        peer.end()

    recorder = Recorder()
    with ThreadServer(script) as server, pytest.raises(WebSocketClosed):
        recorder.ws.run_forever(server.url)
    assert recorder.calls == [("open",), ("error", WebSocketClosed), ("close", 1006, "")]


def test_a_violation_by_the_server() -> None:
    def script(peer: Peer) -> None:
        peer.accept(glued=frame(TEXT, b"\xff"))
        assert peer.close_code() == 1007

    recorder = Recorder()
    with ThreadServer(script) as server, pytest.raises(WebSocketError):
        recorder.ws.run_forever(server.url)
    assert recorder.calls == [("open",), ("error", WebSocketError), ("close", 1007, "")]


def test_a_server_that_is_not_there() -> None:
    recorder = Recorder()
    with pytest.raises(CurlError) as caught:
        recorder.ws.run_forever("ws://127.0.0.1:1/")
    assert caught.value.code == 7
    assert recorder.calls == [("error", CurlError)]


def test_closing_in_a_callback() -> None:
    """The rest is not delivered."""

    def script(peer: Peer) -> None:
        peer.accept(glued=frame(TEXT, b"1") + frame(TEXT, b"2"))
        assert peer.answer_close() == 4001

    recorder = Recorder(on_message=lambda ws, message: ws.close(4001))
    with ThreadServer(script) as server:
        recorder.ws.run_forever(server.url)
    assert recorder.calls == [("open",), ("data", b"1", 1), ("close", 4001, "")]


def test_closing_from_another_thread(background: Background) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        assert peer.answer_close() == 1000

    opened = threading.Event()
    recorder = Recorder(on_open=lambda ws: opened.set())
    with ThreadServer(script) as server:
        running = background(lambda: recorder.ws.run_forever(server.url))
        assert opened.wait(10)
        recorder.ws.close()
        running.result()
    assert recorder.calls == [("close", 1000, "")]


def test_an_exception_in_a_callback() -> None:
    """It goes to on_error, and the messages flow on."""

    def script(peer: Peer) -> None:
        peer.accept(glued=frame(TEXT, b"1") + frame(TEXT, b"2"))
        peer.close(1000)

    seen = []

    def on_message(ws: WebSocket, message: str) -> None:
        seen.append(message)
        raise LookupError(message)

    recorder = Recorder(on_message=on_message, on_data=None)
    with ThreadServer(script) as server:
        recorder.ws.run_forever(server.url)
    assert seen == ["1", "2"]
    assert recorder.calls[1:3] == [("error", LookupError)] * 2


@pytest.mark.parametrize("on_error", [None, lambda ws, error: 1 / 0])
def test_an_exception_that_nobody_takes_is_logged(
    caplog: pytest.LogCaptureFixture, on_error: Any
) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.close(1000)

    def on_open(ws: WebSocket) -> None:
        raise LookupError("lost?")

    recorder = Recorder(on_open=on_open, on_error=on_error)
    with ThreadServer(script) as server, caplog.at_level(logging.ERROR, "wscore"):
        recorder.ws.run_forever(server.url)
    (record,) = caplog.records
    assert record.exc_info is not None
    expected = LookupError if on_error is None else ZeroDivisionError
    assert record.exc_info[0] is expected


def test_ctrl_c_while_it_waits() -> None:
    """The peer is told 1001, on_close is called, the interrupt goes on to the caller."""
    codes = []

    def script(peer: Peer) -> None:
        peer.accept()
        assert peer.frame().payload == b"ready"
        ctrl_c()
        codes.append(peer.answer_close())

    recorder = Recorder(on_open=lambda ws: ws.send(b"ready"))
    with ThreadServer(script) as server, pytest.raises(KeyboardInterrupt):
        recorder.ws.run_forever(server.url)
    assert codes == [1001]
    assert recorder.calls == [("close", 1001, "")]


def test_no_autoclose() -> None:
    """The CLOSE ends the loop; the connection is the user's to close."""
    answers = []

    def script(peer: Peer) -> None:
        peer.accept(glued=close_frame(1012))
        answers.append(peer.close_code())

    recorder = Recorder(on_data=None)
    with ThreadServer(script) as server:
        recorder.ws.run_forever(server.url, autoclose=False)
        assert recorder.calls == [("open",), ("close", 1012, "")]
        recorder.ws.close(3000)
    assert answers == [3000]


def test_text_as_bytes() -> None:
    def script(peer: Peer) -> None:
        peer.accept(glued=frame(TEXT, b"\xff"))
        peer.close(1000)

    recorder = Recorder(on_data=None)
    with ThreadServer(script) as server:
        recorder.ws.run_forever(server.url, skip_utf8_validation=True)
    assert recorder.calls[1] == ("message", b"\xff")
