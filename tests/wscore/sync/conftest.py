"""Connections of blocking tests: all released, none waits for ever."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wscore import WebSocket

DEADLINE_S = 10.0

Connect = Callable[..., WebSocket]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Opens a WebSocket whose calls time out, and releases it after the test."""
    opened: list[WebSocket] = []

    def connect(url: str, **options: Any) -> WebSocket:
        ws = WebSocket()
        opened.append(ws)
        ws.settimeout(DEADLINE_S)
        return ws.connect(url, **options)

    yield connect
    for ws in opened:
        ws.terminate()


class Background:
    """Runs a function on a thread; `result` waits for it and raises what it raised."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._value: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value = self._work()
        except BaseException as error:  # noqa: BLE001 - raised again by `result`
            self._error = error

    def result(self) -> Any:
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive(), "the thread hangs"
        if self._error is not None:
            raise self._error
        return self._value


@pytest.fixture
def background() -> type[Background]:
    return Background
