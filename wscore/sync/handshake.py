"""The blocking handshake with a deadline."""

import threading

from wscore.opening import Opened, Opening
from wscore.options import ConnectOptions, WebSocketOptions


def open_connection(url: str, settings: ConnectOptions, options: WebSocketOptions) -> Opened:
    """Connect; blocks for at most `settings.timeout` seconds.

    Raises:
        HandshakeError: the server refused, or its answer is not to us.
        CurlError: the connection failed (7: refused, 28: timed out, …).
    """
    opening = Opening(url, settings)
    perform = _Perform(opening)
    try:
        perform.start()
        in_time = perform.done.wait(settings.timeout)
    except BaseException:  # Ctrl-C
        perform.abandon()
        raise
    if not in_time:
        perform.abandon()
        raise opening.timed_out(settings.timeout)
    return opening.finish(perform.code, options)


class _Perform:
    """libcurl at work on a thread of its own.

    On the caller's thread neither the deadline nor Ctrl-C would be noticed:
    libcurl's own timeout is not in force once a CONNECT_ONLY transfer has its TCP
    connection (8.23), and Python runs no signal handlers during a call into C.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
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
                self._opening.easy.abort()
        if performed:
            self._opening.close()

    def _run(self) -> None:
        self.code = self._opening.easy.perform()
        with self._lock:
            self.done.set()
            abandoned = self._abandoned
        if abandoned:
            self._opening.close()
