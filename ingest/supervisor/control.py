"""A running service takes requests: one line of JSON in, one out, on a unix socket.

    <data_dir>/control/<service>.sock

Only its owner may connect: the directory is 0700, the socket 0600. What a request is
for is its tag, so that there can be others.

Whoever connects has seconds to say so in 64 KiB and to take the answer; sixteen are
served at a time, more are hung up on.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from ingest.errors import IngestError
from ingest.redact import redact_text

_MAX_REQUEST_BYTES = 65536
_MOST_CLIENTS = 16
_REQUEST_S = 5.0  # to ask; and again to take the answer

_log = structlog.get_logger(__name__)


class Reload(Struct, frozen=True, tag="reload"):
    """Read the config again, and go on as it says."""


class Answer(Struct, frozen=True):
    """What came of it."""

    status: int  # as an exit status: 0 done, 1 failed, 2 refused
    lines: tuple[str, ...]  # for a person


_decode_request = msgspec.json.Decoder(Reload).decode
_decode_answer = msgspec.json.Decoder(Answer).decode


def socket_path(data_dir: str, service: str) -> Path:
    """Return where a service listens."""
    return Path(data_dir).absolute() / "control" / f"{service}.sock"


@contextlib.asynccontextmanager
async def serving(path: Path, handle: Callable[[Reload], Awaitable[Answer]]) -> AsyncIterator[None]:
    """Listen while the context lasts. Without a place to listen the service runs all the same."""
    try:
        listening = _listen(path)
    except OSError as exc:
        _log.warning("control: not listening", path=str(path), error=str(exc))
        yield
        return

    room = asyncio.Semaphore(_MOST_CLIENTS)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if room.locked():
            writer.transport.abort()
            _log.warning("control: too many ask at once", most=_MOST_CLIENTS)
            return
        async with room:
            try:
                async with asyncio.timeout(_REQUEST_S):
                    request = _decode_request(await reader.readline())
                answer = await handle(request)
                lines = tuple(map(redact_text, answer.lines))
                async with asyncio.timeout(_REQUEST_S):
                    writer.transport.set_write_buffer_limits(0)  # drained is gone
                    writer.write(msgspec.json.encode(Answer(answer.status, lines)) + b"\n")
                    await writer.drain()
                writer.close()
            # RecursionError: JSON nested without end.
            except (ValueError, RecursionError, TimeoutError, OSError) as exc:
                error = str(exc) or f"nothing within {_REQUEST_S:g} s"
                _log.warning("control: not a request, or its answer not taken", error=error)
            finally:
                if not writer.is_closing():
                    writer.transport.abort()  # waits for nobody

    server = await asyncio.start_unix_server(serve, sock=listening, limit=_MAX_REQUEST_BYTES)
    try:
        yield
    finally:
        server.close()
        _remove(path)


def ask(path: Path, request: Reload, timeout_s: float) -> Answer:
    """Send a request to the service that listens at *path*; blocks.

    Raises:
        IngestError: there is none, or it gave no answer.
    """
    try:
        with _connect(path) as connection, connection.makefile("rwb") as file:
            connection.settimeout(timeout_s)
            file.write(msgspec.json.encode(request) + b"\n")
            file.flush()
            return _decode_answer(file.readline())
    except (FileNotFoundError, ConnectionRefusedError) as exc:
        raise IngestError(
            f"no service of this config is running here (nobody listens at {path}); a relative "
            "data_dir begins where the service was started"
        ) from exc
    except (OSError, msgspec.DecodeError) as exc:
        raise IngestError(
            f"the service at {path} gave no answer: {exc}; its log says more"
        ) from exc


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:  # the next start tries again
        _log.warning("control: the socket is not removed", path=str(path), error=str(exc))


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)  # it may be there already; one that is not ours is no place for it
    try:
        _connect(path).close()
    except FileNotFoundError:
        pass
    except ConnectionRefusedError:
        path.unlink()  # of one that has died
    else:
        raise FileExistsError("another service of this name listens there")
    listening = socket.socket(socket.AF_UNIX)
    try:
        with _short(path) as short:
            listening.bind(short)
        path.chmod(0o600)
        listening.listen()
    except OSError:
        listening.close()
        raise
    return listening


def _connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        with _short(path) as short:
            connection.connect(short)
    except OSError:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """Yield another name of *path*: an address of this kind has at most 107 bytes."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
