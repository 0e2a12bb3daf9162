"""One worker process as the supervisor sees it."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Sequence

import msgspec
import structlog

from ingest.feed.status import WorkerStatus
from ingest.limits import FromGate
from ingest.worker.start import FromSupervisor, WorkerStart

_log = structlog.get_logger(__name__)

_MAX_REPORT_BYTES = 64 * 1024 * 1024
# All that a worker says; each is one line.
Message = WorkerStatus | FromGate

_decode: Callable[[bytes], Message] = msgspec.json.Decoder(Message).decode


class WorkerProcess:
    """Started, listened to, signalled, reaped."""

    def __init__(
        self, process: asyncio.subprocess.Process, on_message: Callable[[Message], None]
    ) -> None:
        self._process = process
        self._on_message = on_message
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls,
        start: WorkerStart,
        on_message: Callable[[Message], None],
        *,
        inherited: Sequence[int] = (),
    ) -> "WorkerProcess":
        """Start a fresh interpreter: no state of ours, and no threads, is inherited.

        *inherited* are open files that it keeps open as long as it lives.

        Raises:
            OSError: the system has no room for another process.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            # -P: what lies in the working directory must not stand in for a module.
            *("-P", "-m", "ingest.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_MAX_REPORT_BYTES,
            pass_fds=inherited,
            # Its own process group: Ctrl-C in a terminal is for the supervisor, which
            # then stops the workers in order.
            process_group=0,
        )
        assert process.stdin is not None
        # The plan goes through the pipe, not the command line: it holds passwords.
        process.stdin.write(msgspec.json.encode(start) + b"\n")
        # If it dies at once its exit is seen anyway.
        with contextlib.suppress(ConnectionError):
            await process.stdin.drain()
        return cls(process, on_message)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens if the process is gone already."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def tell(self, message: FromSupervisor) -> None:
        """Send a line; nothing happens if the worker is gone. Not before its first report."""
        stdin = self._process.stdin
        assert stdin is not None
        if not stdin.is_closing():
            stdin.write(msgspec.json.encode(message) + b"\n")

    async def wait(self) -> int:
        """Return the exit status (negative: by that signal), after its last report."""
        status = await self._process.wait()
        await self._reading
        return status

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            try:
                message = _decode(line)
            except msgspec.DecodeError as exc:
                # A report cut off by a crash.
                _log.warning("supervisor: unreadable report", pid=self.pid, error=str(exc))
                continue
            self._on_message(message)


def describe_exit(status: int) -> str:
    """Return an exit status in words: `exit status 1`, `SIGKILL`."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
