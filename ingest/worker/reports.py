"""The pipe to the supervisor: one line of JSON per report or question."""

import asyncio
import os


class ReportPipe(asyncio.BaseProtocol):
    """Writes reports without ever waiting for the supervisor, but for the last one."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._gone = asyncio.Event()

    @classmethod
    async def open(cls, fd: int) -> "ReportPipe":
        """Take over *fd*, the pipe's writing end."""
        pipe = os.fdopen(fd, "wb", buffering=0)
        transport, self = await asyncio.get_running_loop().connect_write_pipe(cls, pipe)
        self._transport = transport
        return self

    def send(self, report: bytes) -> None:
        """Write one report, unless the one before is not read yet or nobody reads."""
        transport = self._transport
        assert transport is not None
        if not transport.is_closing() and transport.get_write_buffer_size() == 0:
            transport.write(report + b"\n")

    def write(self, line: bytes) -> None:
        """Write what must arrive; it waits in memory while the supervisor does not read."""
        transport = self._transport
        assert transport is not None
        if not transport.is_closing():
            transport.write(line + b"\n")

    async def close(self, report: bytes, timeout_s: float) -> None:
        """Write the last report and wait, at most *timeout_s*, until it is in the pipe."""
        transport = self._transport
        assert transport is not None
        if not transport.is_closing():
            transport.write(report + b"\n")
            transport.close()
        try:
            async with asyncio.timeout(timeout_s):
                await self._gone.wait()
        except TimeoutError:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        """Everything is written, or the supervisor is gone."""
        self._gone.set()
