"""The blocking handshake with a deadline."""

import threading
import time

from wscore.codes import CurlECode
from wscore.cookies import Cookies
from wscore.easy import Easy
from wscore.errors import CurlError
from wscore.opening import conclude, prepare
from wscore.options import ConnectOptions, WebSocketOptions
from wscore.route import Route
from wscore.websocket import Opened


def open_connection(
    url: str, settings: ConnectOptions, options: WebSocketOptions, jar: Cookies
) -> Opened:
    """Connect and follow redirects; blocks for at most `settings.timeout_s` seconds.

    Cookies go out of the *jar* and into it.

    Raises:
        HandshakeError: the server refused, or its answer is not to us.
        CurlError: the connection failed (7: refused, 28: timed out, …).
    """
    deadline = time.monotonic() + settings.timeout_s
    route = Route.begin(url, settings)
    while True:
        attempt = prepare(route, jar)
        perform = _Perform(attempt.easy)
        try:
            perform.start()
            in_time = perform.done.wait(max(0.0, deadline - time.monotonic()))
        except BaseException:  # Ctrl-C
            perform.abandon()
            raise
        if not in_time:
            perform.abandon()
            raise CurlError(
                f"connecting to {route.url} failed: no answer within {settings.timeout_s:g} s",
                CurlECode.OPERATION_TIMEDOUT,
            )
        opened = conclude(attempt, perform.code, options, jar)
        if opened is not None:
            return opened


class _Perform:
    """libcurl at work on a thread of its own.

    On the caller's thread neither the deadline nor Ctrl-C would be noticed:
    libcurl's own timeout is not in force once a CONNECT_ONLY transfer has its TCP
    connection (8.23), and Python runs no signal handlers during a call into C.
    """

    def __init__(self, easy: Easy) -> None:
        self._easy = easy
        self.code = 0
        self.done = threading.Event()
        # Who closes the handle of an abandoned attempt: whoever comes second.
        self._lock = threading.Lock()
        self._abandoned = False

    def start(self) -> None:
        """Begin. If interrupted meanwhile, it may have begun: `abandon` it."""
        # Daemon: a handshake that hangs must not hold up the interpreter's exit.
        threading.Thread(target=self._run, name="wscore-handshake", daemon=True).start()

    def abandon(self) -> None:
        """Nobody wants the result."""
        with self._lock:
            self._abandoned = True
            performed = self.done.is_set()
            if not performed:
                self._easy.abort()
        if performed:
            self._easy.close()

    def _run(self) -> None:
        self.code = self._easy.perform()
        with self._lock:
            self.done.set()
            abandoned = self._abandoned
        if abandoned:
            self._easy.close()
