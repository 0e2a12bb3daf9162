"""libcurl at work, off the event loop's thread."""

import asyncio
import threading

from wscore.easy import Easy


class Perform:
    """Runs a blocking handshake or request on a thread of its own.

    A thread each, not a pool: threads of a pool that wait for servers which do not
    answer would hold up everybody else's.
    """

    def __init__(self, easy: Easy, thread_name: str) -> None:
        self._easy = easy
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[int] = self._loop.create_future()
        # Who closes the handle of an abandoned one: whoever comes second, the
        # thread at its end or the one who gave up. Never both, never nobody, even if
        # the loop is closed meanwhile.
        self._lock = threading.Lock()
        self._performed = self._abandoned = False
        # Daemon: one that hangs must not hold up the interpreter's exit.
        threading.Thread(target=self._run, name=thread_name, daemon=True).start()

    async def result(self, timeout_s: float) -> int:
        """Return libcurl's code. If cancelled, the handle is closed when the thread ends.

        Raises:
            TimeoutError: the deadline is kept here, because libcurl's own is not in
                force once a CONNECT_ONLY transfer has its TCP connection (8.23):
                a server that accepts and says nothing would be waited for for ever.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._done
        except BaseException:
            with self._lock:
                self._abandoned = True
                performed = self._performed
                if not performed:
                    self._easy.abort()
            if performed:
                self._easy.close()
            raise

    def _run(self) -> None:
        code = self._easy.perform()
        with self._lock:
            self._performed = True
            abandoned = self._abandoned
        if abandoned:
            self._easy.close()
            return
        try:
            self._loop.call_soon_threadsafe(self._finish, code)
        except RuntimeError:  # the loop is closed: nobody waits any more
            self._easy.close()

    def _finish(self, code: int) -> None:
        if not self._done.done():
            self._done.set_result(code)
