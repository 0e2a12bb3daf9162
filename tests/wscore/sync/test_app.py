"""`WebSocketApp`, as users of websocket-client expect it."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers.frames import BINARY, CONT, PING, PONG, TEXT, frame
from tests.servers.threaded import Peer, ThreadServer, ctrl_c, echo
from wscore import (
    CurlError,
    HandshakeError,
    WebSocketApp,
    WebSocketClosed,
    WebSocketError,
)

Background = Callable[[Callable[[], Any]], Any]

NAMES = ("open", "message", "error", "close", "ping", "pong", "data")


class Recorder:
    """An app whose callbacks note their calls; *others* replace some."""

    def __init__(self, url: str, **others: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        callbacks = {f"on_{name}": self._note(name) for name in NAMES}
        self.app = WebSocketApp(url, **{**callbacks, **others})

    def _note(self, name: str) -> Callable[..., None]:
        def note(app: WebSocketApp, *arguments: Any) -> None:
            assert app is self.app
            if name == "error":
                arguments = (type(arguments[0]),)
            self.calls.append((name, *arguments))

        return note

    def named(self, *names: str) -> list[tuple[Any, ...]]:
        return [call for call in self.calls if call[0] in names]


def test_the_order_of_the_callbacks() -> None:
    """on_data comes before on_message; a CLOSE by the server is not an error."""

    def script(peer: Peer) -> None:
        peer.accept(glued=frame(TEXT, "é".encode()) + frame(PING, b"?") + frame(BINARY, b"\xff"))
        got = peer.frame()
        assert (got.opcode, got.payload) == (PONG, b"?")
        peer.send_frame(PONG, b"!")
        peer.close(4000, b"bye")

    with ThreadServer(script) as server:
        recorder = Recorder(server.url)
        assert recorder.app.run_forever() is False
    assert recorder.calls == [
        ("open",),
        ("data", "é", 1, True),
        ("message", "é"),
        ("ping", b"?"),
        ("data", b"\xff", 2, True),
        ("message", b"\xff"),
        ("pong", b"!"),
        ("close", 4000, "bye"),
    ]
    assert recorder.app.sock is None


def test_continuation_frames_are_part_of_their_message() -> None:
    """on_cont_message is accepted, and nothing is lost for it."""

    def script(peer: Peer) -> None:
        peer.accept(glued=frame(TEXT, b"one ", fin=False) + frame(CONT, b"two"))
        peer.close(1000)

    with ThreadServer(script) as server:
        recorder = Recorder(server.url, on_cont_message=lambda app, data, fin: 1 / 0)
        recorder.app.run_forever()
    assert recorder.calls == [
        ("open",),
        ("data", "one two", 1, True),
        ("message", "one two"),
        ("close", 1000, ""),
    ]


@pytest.mark.parametrize("ending", ["fin", "reset", "violation"])
def test_a_lost_connection(ending: str) -> None:
    """on_error, then on_close without a code; True."""

    def script(peer: Peer) -> None:
        peer.accept()
        if ending == "violation":
            peer.send(frame(0x3))
            assert peer.close_code() == 1002
        elif ending == "reset":
            peer.reset()

    with ThreadServer(script) as server:
        recorder = Recorder(server.url)
        assert recorder.app.run_forever() is True
    kind = WebSocketError if ending == "violation" else WebSocketClosed
    assert recorder.calls == [("open",), ("error", kind), ("close", None, None)]


def test_a_server_that_is_not_there() -> None:
    recorder = Recorder("ws://127.0.0.1:1/")
    assert recorder.app.run_forever() is True
    assert recorder.calls == [("error", CurlError), ("close", None, None)]


def test_a_server_that_refuses() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 429 No\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n")

    errors: list[HandshakeError] = []
    with ThreadServer(script) as server:
        recorder = Recorder(server.url, on_error=lambda app, error: errors.append(error))
        assert recorder.app.run_forever() is True
    assert errors[0].status == 429
    assert errors[0].header("retry-after") == "3"


def test_a_close_without_a_code() -> None:
    def script(peer: Peer) -> None:
        peer.accept(glued=frame(0x8))
        assert peer.close_code() == 1000

    with ThreadServer(script) as server:
        recorder = Recorder(server.url)
        assert recorder.app.run_forever() is False
    assert recorder.calls == [("open",), ("close", None, None)]


def test_sending_and_closing_in_callbacks() -> None:
    with ThreadServer(echo) as server:
        recorder = Recorder(
            server.url,
            on_open=lambda app: app.send("hello"),
            on_message=lambda app, message: (recorder.calls.append((message,)), app.close())[0],
        )
        assert recorder.app.run_forever() is False
    assert recorder.calls == [("data", "hello", 1, True), ("hello",), ("close", 1000, "")]


def test_sending_by_opcode() -> None:
    opcodes = []

    def script(peer: Peer) -> None:
        peer.accept()
        opcodes.extend(peer.frame().opcode for _ in range(5))
        peer.close(1000)

    def on_open(app: WebSocketApp) -> None:
        app.send("t")
        app.send(b"b", BINARY)
        app.send(b"p", PING)
        app.send_text("t")
        app.send_bytes(b"b")
        with pytest.raises(WebSocketError, match="opcode"):
            app.send(b"", 8)

    with ThreadServer(script) as server:
        app = WebSocketApp(server.url, on_open=on_open)
        with pytest.raises(WebSocketClosed):
            app.send("too early")
        app.run_forever()
        with pytest.raises(WebSocketClosed):
            app.send("too late")
    assert opcodes == [TEXT, BINARY, PING, TEXT, BINARY]


def test_closing_from_another_thread(background: Background) -> None:
    codes = []

    def script(peer: Peer) -> None:
        peer.accept()
        codes.append(peer.answer_close())

    opened = threading.Event()
    with ThreadServer(script) as server:
        recorder = Recorder(server.url, on_open=lambda app: opened.set())
        running = background(recorder.app.run_forever)
        assert opened.wait(10)
        assert recorder.app.keep_running
        with pytest.raises(WebSocketError, match="running"):
            recorder.app.run_forever()
        recorder.app.close(4002, "enough")
        assert running.result() is False
    assert codes == [4002]
    assert recorder.calls == [("close", 4002, "")]


def test_exceptions_in_callbacks_go_to_on_error() -> None:
    def script(peer: Peer) -> None:
        peer.accept(glued=frame(TEXT, b"1") + frame(TEXT, b"2"))
        peer.close(1000)

    def on_message(app: WebSocketApp, message: str) -> None:
        raise LookupError(message)

    with ThreadServer(script) as server:
        recorder = Recorder(server.url, on_message=on_message, on_data=None)
        assert recorder.app.run_forever() is False, "the connection itself ended well"
    assert recorder.calls == [
        ("open",),
        ("error", LookupError),
        ("error", LookupError),
        ("close", 1000, ""),
    ]


def test_ctrl_c() -> None:
    """Reported, closed with 1001, False; not raised."""
    codes = []

    def script(peer: Peer) -> None:
        peer.accept()
        peer.frame()
        ctrl_c()
        codes.append(peer.answer_close())

    with ThreadServer(script) as server:
        recorder = Recorder(server.url, on_open=lambda app: app.send("ready"))
        assert recorder.app.run_forever() is False
    assert codes == [1001]
    assert recorder.named("error", "close") == [
        ("error", KeyboardInterrupt),
        ("close", None, None),
    ]


def test_system_exit_in_a_callback_goes_on() -> None:
    with ThreadServer(echo) as server:

        def on_open(app: WebSocketApp) -> None:
            raise SystemExit(3)

        recorder = Recorder(server.url, on_open=on_open)
        with pytest.raises(SystemExit):
            recorder.app.run_forever()
    assert recorder.calls == [("close", None, None)]


def test_pings() -> None:
    """They carry the payload asked for; each answer is told."""

    def script(peer: Peer) -> None:
        peer.accept()
        for _ in range(3):
            got = peer.frame()
            assert (got.opcode, got.payload) == (PING, b"tick")
            peer.send_frame(PONG, got.payload)
        peer.close(1000)

    with ThreadServer(script) as server:
        recorder = Recorder(server.url)
        assert not recorder.app.run_forever(ping_interval=0.02, ping_payload="tick")
    assert recorder.named("pong") == [("pong", b"tick")] * 3


def test_a_ping_timeout() -> None:
    codes = []

    def script(peer: Peer) -> None:
        peer.accept()
        codes.append(peer.close_code())

    with ThreadServer(script) as server:
        recorder = Recorder(server.url)
        assert recorder.app.run_forever(ping_interval=0.05, ping_timeout=0.02) is True
    assert codes == [1011]
    assert recorder.calls == [("open",), ("error", WebSocketClosed), ("close", None, None)]


@pytest.mark.parametrize(
    "times",
    [
        {"ping_interval": -1},
        {"ping_timeout": 0},
        {"ping_interval": 1, "ping_timeout": 1},
        {"ping_interval": 1, "ping_timeout": 2},
    ],
)
def test_ping_times_that_make_no_sense(times: dict[str, float]) -> None:
    app = WebSocketApp("ws://127.0.0.1:1/")
    with pytest.raises(WebSocketError, match="ping"):
        app.run_forever(**times)  # type: ignore[arg-type]
    assert not app.keep_running


def test_reconnecting() -> None:
    """Whoever ends it, and however: on_error each time, on_reconnect instead of on_open."""

    def script(peer: Peer) -> None:
        if peer.number == 2:
            peer.read_request()
            peer.send(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
            return
        peer.accept(glued=frame(TEXT, b"%d" % peer.number))
        if peer.number == 1:
            peer.reset()
        elif peer.number == 3:
            peer.close(1012, b"restart")
        else:
            peer.answer_close()

    def on_message(app: WebSocketApp, message: str) -> None:
        recorder.calls.append(("message", message))
        if message == "4":
            app.close()

    with ThreadServer(script) as server:
        recorder = Recorder(server.url, on_message=on_message, on_data=None)
        recorder.app.on_reconnect = lambda app: recorder.calls.append(("reconnect",))
        assert recorder.app.run_forever(reconnect=0.01) is False
        assert server.connections == 4
    assert recorder.calls == [
        ("open",),
        *([("message", "1")] if ("message", "1") in recorder.calls else []),
        ("error", WebSocketClosed),
        ("error", HandshakeError),
        ("reconnect",),
        ("message", "3"),
        ("error", WebSocketClosed),
        ("reconnect",),
        ("message", "4"),
        ("close", 1000, ""),
    ]


def test_without_on_reconnect_on_open_is_called_again() -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        if peer.number == 3:
            peer.answer_close()

    opened = []

    def on_open(app: WebSocketApp) -> None:
        opened.append(app.sock)
        if len(opened) == 3:
            app.close()

    with ThreadServer(script) as server:
        WebSocketApp(server.url, on_open=on_open).run_forever(reconnect=0.01)
    assert len(set(opened)) == 3


def test_closing_while_it_waits_to_reconnect(background: Background) -> None:
    failed = threading.Event()
    app = WebSocketApp("ws://127.0.0.1:1/", on_error=lambda app, error: failed.set())
    running = background(lambda: app.run_forever(reconnect=60))
    assert failed.wait(10)
    started = time.monotonic()
    app.close()
    assert running.result() is False
    assert time.monotonic() - started < 2


def test_it_runs_again_after_it_has_ended() -> None:
    with ThreadServer(echo) as server:
        app = WebSocketApp(server.url, on_open=lambda app: app.close())
        assert app.run_forever() is False
        assert app.run_forever() is False
        assert server.connections == 2


def test_headers_and_the_rest_of_the_request() -> None:
    """A function for the headers is asked before each attempt."""
    requests: list[dict[str, str]] = []

    def script(peer: Peer) -> None:
        requests.append(peer.accept(headers="Sec-WebSocket-Protocol: b\r\n"))

    tokens = iter("12")
    with ThreadServer(script) as server:
        app = WebSocketApp(
            server.url,
            header=lambda: [f"X-Token: {next(tokens)}"],
            cookie="a=b; c=d",
            subprotocols=["a", "b"],
            on_open=lambda app: chosen.append(app.sock.subprotocol),
        )
        chosen: list[str] = []
        app.run_forever(host="example.com", origin="https://example.com")
        app.run_forever()
    first, second = requests
    assert (first["x-token"], second["x-token"]) == ("1", "2")
    assert first["cookie"] == "a=b; c=d"
    assert first["host"] == "example.com"
    assert first["origin"] == "https://example.com"
    assert first["sec-websocket-protocol"] == "a, b"
    assert "origin" not in second
    assert chosen == ["b", "b"]


def test_a_mistake_is_told_before_anything_is_tried() -> None:
    app = WebSocketApp("ws://127.0.0.1:1/")
    with pytest.raises(TypeError, match="colour"):
        app.run_forever(colour="red")
    with pytest.raises(ValueError, match="sockopt"):
        app.run_forever(sockopt=[(1, 2, 3)])
    assert not app.keep_running
    with pytest.raises(ValueError, match="socket"):
        unsupported: Any = object()
        WebSocketApp("ws://127.0.0.1:1/", socket=unsupported)
