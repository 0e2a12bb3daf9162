"""`WebSocketApp.run_forever(dispatcher=…)`: somebody else's loop does the waiting."""

import select
import time
from collections.abc import Callable
from typing import Any

from tests.servers.frames import PING, PONG, TEXT, frame
from tests.servers.threaded import Peer, ThreadServer
from wscore import WebSocketApp


class Loop:
    """An event loop with `read` and `timeout` as the module `rel` has them."""

    def __init__(self) -> None:
        self._readers: list[tuple[Any, Callable[[], bool]]] = []
        self._timers: list[tuple[float, float, Callable[[], bool]]] = []

    def read(self, sock: Any, callback: Callable[[], bool]) -> None:
        self._readers.append((sock, callback))

    def timeout(self, seconds: float, callback: Callable[[], bool]) -> None:
        self._timers.append((time.monotonic() + seconds, seconds, callback))

    def run(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not until():
            assert time.monotonic() < deadline
            live = [(s, c) for s, c in self._readers if s.fileno() >= 0]
            ready = select.select([s for s, _ in live], [], [], 0.005)[0]
            self._readers = [(s, c) for s, c in live if s not in ready or c()]
            now, timers = time.monotonic(), self._timers
            self._timers = []
            for at, seconds, callback in timers:
                if at > now:
                    self._timers.append((at, seconds, callback))
                elif callback():
                    self.timeout(seconds, callback)


def test_messages_and_the_end() -> None:
    calls: list[tuple[Any, ...]] = []

    def script(peer: Peer) -> None:
        peer.accept(glued=frame(TEXT, b"glued"))
        peer.send_frame(PING, b"?")
        assert peer.frame().opcode == PONG
        peer.send_frame(TEXT, b"later")
        peer.close(4000, b"bye")

    with ThreadServer(script) as server:
        loop = Loop()
        app = WebSocketApp(
            server.url,
            on_open=lambda app: calls.append(("open",)),
            on_message=lambda app, message: calls.append((message,)),
            on_error=lambda app, error: calls.append((error,)),
            on_close=lambda app, code, reason: calls.append((code, reason)),
        )
        assert app.run_forever(dispatcher=loop) is False
        assert app.keep_running, "it returns at once"
        loop.run(lambda: not app.keep_running)
    assert calls == [("open",), ("glued",), ("later",), (4000, "bye")]


def test_pings_and_reconnects() -> None:
    """A peer that answers no ping is left for a new connection."""
    calls: list[str] = []

    def script(peer: Peer) -> None:
        peer.accept()
        if peer.number == 1:
            assert peer.close_code() == 1011
        else:
            peer.send_frame(PONG, peer.frame().payload)
            peer.answer_close()

    with ThreadServer(script) as server:
        loop = Loop()
        app = WebSocketApp(
            server.url,
            on_open=lambda app: calls.append("open"),
            on_reconnect=lambda app: calls.append("reconnect"),
            on_error=lambda app, error: calls.append(str(error)),
            on_pong=lambda app, payload: (calls.append("pong"), app.close())[0],
            on_close=lambda app, code, reason: calls.append(f"close {code}"),
        )
        app.run_forever(dispatcher=loop, reconnect=0.01, ping_interval=0.1, ping_timeout=0.05)
        loop.run(lambda: not app.keep_running and app.sock is None)
    assert calls == ["open", "keepalive ping timeout", "reconnect", "pong", "close 1000"]
