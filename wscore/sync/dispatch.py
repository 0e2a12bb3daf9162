"""The run of a `WebSocketApp` on somebody else's event loop."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from wscore.errors import CurlError, WebSocketTimeout

if TYPE_CHECKING:
    from wscore.sync.app_run import AppRun

_TICK_S = 1.0


class Dispatcher(Protocol):
    """What is needed of it; the module `rel` has it. A callback that returns True stays."""

    def read(self, sock: Any, callback: Callable[[], bool], /) -> Any:
        """Call *callback* whenever *sock* is readable."""

    def timeout(self, seconds: float, callback: Callable[[], bool], /) -> Any:
        """Call *callback* every so many seconds."""


class Dispatched:
    """One run of an app. The dispatcher's thread is the only one that receives."""

    def __init__(self, run: "AppRun", dispatcher: Dispatcher, ping_interval: float) -> None:
        self._run = run
        self._dispatcher = dispatcher
        # Nobody waits on the connection here: pings and what could not be written at
        # once are seen to at this pace.
        self._tick_s = min(_TICK_S, ping_interval / 4) if ping_interval else _TICK_S
        self._connection = 0  # which of them is current

    def start(self) -> bool:
        """Connect; the handshake blocks. Return False: a timer that calls this is done."""
        run = self._run
        if not run.wanted:
            run.finish()
            return False
        try:
            run.connect()
        except CurlError as error:
            self._lost(error)
            return False
        self._connection += 1
        current = self._connection

        def work() -> bool:
            return current == self._connection and self._receive()

        self._dispatcher.read(run.sock, work)
        self._dispatcher.timeout(self._tick_s, work)
        work()  # what came with the handshake: the socket does not announce it
        return False

    def _receive(self) -> bool:
        run = self._run
        try:
            while run.wanted:
                if not run.receive(0):
                    self._lost(None)
                    return False
        except WebSocketTimeout:
            return True
        except CurlError as error:
            self._lost(error)
            return False
        self._lost(None)
        return False

    def _lost(self, error: BaseException | None) -> None:
        self._connection += 1  # its callbacks are no longer wanted
        delay_s = self._run.lost(error)
        if delay_s is None:
            self._run.finish()
        else:
            self._dispatcher.timeout(delay_s, self.start)
