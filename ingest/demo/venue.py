"""The demo's venue: `ingest replay` in a process of its own."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from http.client import HTTPConnection

import msgspec

from ingest.errors import IngestError
from ingest.replay.report import Report, Started

_START_S = 30.0
_STOP_S = 5.0


class DemoError(IngestError):
    """The demo cannot go on."""


class DemoVenue:
    """A running replay."""

    def __init__(self, started: Started) -> None:
        self.urls = started.urls
        self.speed = started.speed
        self._listen = started.listen

    async def report(self) -> Report:
        """Ask what was sent so far."""
        return await asyncio.to_thread(self._fetch)

    def _fetch(self) -> Report:
        host, _, port = self._listen.rpartition(":")
        connection = HTTPConnection(host, int(port), timeout=_STOP_S)
        try:
            connection.request("GET", "/_replay/status")
            return msgspec.json.decode(connection.getresponse().read(), type=Report)
        finally:
            connection.close()


@contextlib.asynccontextmanager
async def demo_venue(*pace: str) -> AsyncIterator[DemoVenue]:
    """Serve the bundled recordings for as long as the block runs; *pace*: the replay's options."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "ingest.replay", "--listen", "127.0.0.1:0", *pace),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        process_group=0,  # Ctrl-C is for us
    )
    assert process.stdout is not None and process.stderr is not None
    errors = asyncio.create_task(process.stderr.read())
    try:
        try:
            async with asyncio.timeout(_START_S):
                line = await process.stdout.readline()
        except TimeoutError:
            raise DemoError(f"the replay did not start within {_START_S:g} s") from None
        if not line:
            raise DemoError(f"the replay did not start: {(await errors).decode().strip()}")
        yield DemoVenue(msgspec.json.decode(line, type=Started))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        errors.cancel()
