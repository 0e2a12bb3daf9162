"""The blocking `Session`."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers.frames import TEXT, frame
from tests.servers.threaded import Peer, ThreadServer, echo
from wscore import CurlError, RequestException, Response, Session, SessionClosed, WebSocketClosed

Background = Callable[[Callable[[], Any]], Any]


def test_settings_are_shared_and_headers_merged() -> None:
    requests = []

    def script(peer: Peer) -> None:
        requests.append(peer.accept())
        peer.answer_close()

    with ThreadServer(script) as server:
        with Session(headers={"X-A": "1", "X-B": "1"}) as session:
            session.ws_connect(server.url, headers={"X-B": "2", "X-C": "2"}).close()
            session.ws_connect(server.url).close()
    names = ("x-a", "x-b", "x-c")
    assert [[r.get(name) for name in names] for r in requests] == [
        ["1", "2", "2"],
        ["1", "1", None],
    ]


def test_callbacks_of_a_connection() -> None:
    def script(peer: Peer) -> None:
        peer.accept(glued=frame(TEXT, b"hi"))
        peer.close(1000, b"bye")

    calls: list[Any] = []
    with ThreadServer(script) as server, Session() as session:
        ws = session.ws_connect(
            server.url,
            on_open=lambda ws: calls.append("open"),
            on_message=lambda ws, message: calls.append(message),
            on_data=lambda ws, data, frame: calls.append(frame.flags),
            on_close=lambda ws, code, reason: calls.append((code, reason)),
            on_error=lambda ws, error: calls.append(error),
        )
        assert calls == [], "not before run_forever"
        ws.run_forever()
    assert calls == ["open", 1, "hi", 8, (1000, "bye")]


def test_the_connections_are_counted() -> None:
    """A slot is free again when its connection is, or was never made."""
    with ThreadServer(echo) as server, Session(max_clients=2) as session:
        first, _second = session.ws_connect(server.url), session.ws_connect(server.url)
        with pytest.raises(RequestException, match="max_clients"):
            session.ws_connect(server.url)
        first.close()
        for _ in range(3):
            with pytest.raises(CurlError):
                session.ws_connect("ws://127.0.0.1:1/")
        session.ws_connect(server.url)


def test_closing_the_session_closes_its_connections(background: Background) -> None:
    codes = []

    def script(peer: Peer) -> None:
        peer.accept()
        codes.append(peer.answer_close())

    with ThreadServer(script) as server:
        session = Session()
        sockets = [session.ws_connect(server.url) for _ in range(3)]
        receiver = background(sockets[0].recv)
        session.close()
        with pytest.raises(WebSocketClosed):
            receiver.result()
        assert all(ws.closed for ws in sockets)
        with pytest.raises(SessionClosed):
            session.ws_connect(server.url)
        session.close()
    assert codes == [1001] * 3


def test_a_session_that_is_closed_during_a_handshake(background: Background) -> None:
    asked, go = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        asked.set()
        assert go.wait(10)
        peer.accept()
        assert peer.answer_close() == 1001

    with ThreadServer(script) as server:
        session = Session()
        connecting = background(lambda: session.ws_connect(server.url))
        assert asked.wait(10)
        session.close()
        go.set()
        with pytest.raises(SessionClosed):
            connecting.result()


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        Session(colour="red")
    with Session() as session, pytest.raises(TypeError, match="colour"):
        session.ws_connect("ws://127.0.0.1:1/", colour="red")


def test_a_server_that_does_not_answer_the_upgrade() -> None:
    """The deadline is that of the whole handshake."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.end_of_stream()

    with ThreadServer(script) as server, Session(timeout=0.1) as session:
        started = time.monotonic()
        with pytest.raises(CurlError, match="no answer") as caught:
            session.ws_connect(server.url)
        assert caught.value.code == 28
        assert time.monotonic() - started < 0.9


def test_a_subscript_changes_nothing() -> None:
    """As with `AsyncSession`: code made for curl_cffi names the class of responses."""
    with ThreadServer(echo) as server, Session[Response](max_clients=1) as session:
        with session.ws_connect(server.url) as ws:
            ws.send_str("hi")
            assert ws.recv_str() == "hi"
