"""What a user of a connection calls to send."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from wscore.codes import CurlWsFlag
from wscore.connection import Opcode
from wscore.endings import frame_of, json_text
from wscore.errors import WebSocketTimeout
from wscore.payload import Payload, to_bytes
from wscore.pinging import Pinger
from wscore.writing import Writer

# Plain numbers, because reaching an enum's member costs as much as the rest of `send`;
# of whole data messages the flags are the opcodes.
_TEXT, _BINARY, _CLOSE = int(Opcode.TEXT), int(Opcode.BINARY), int(Opcode.CLOSE)


class Sending:
    """`send` and its relatives, `ping`, `pong`, `flush`."""

    _writer: Writer
    _pinger: Pinger

    def _check_open(self) -> None:
        raise NotImplementedError

    def _send_close(self, body: bytes) -> None:
        raise NotImplementedError

    async def send(
        self, payload: Payload, flags: int = CurlWsFlag.BINARY, timeout: float | None = None
    ) -> None:
        """Queue one message and write as much as the socket takes.

        Waits only while `send_queue_size` messages are unsent already. With `CONT`
        among the flags it is a part of a message that the next call continues. Text
        is sent as BINARY, too, unless the flags say otherwise.

        Raises:
            WebSocketTimeout: no room within *timeout* seconds.
            WebSocketClosed: the connection is closed or closing.
            WebSocketError: the connection failed, or a control payload is too long.
        """
        writer = self._writer
        data = payload if type(payload) is bytes else to_bytes(payload)
        if flags in (_BINARY, _TEXT):
            opcode, fin = flags, True
        else:
            opcode, fin = frame_of(flags, len(data), writer.message_kind)
        self._check_open()
        if writer.outbox.full:
            await self._within(timeout, writer.outbox.wait_for_room(), "the send queue is full")
            self._check_open()
        if opcode == _CLOSE:
            self._send_close(bytes(data))
        else:
            writer.message(opcode, data, fin)

    async def send_str(self, payload: str, timeout: float | None = None) -> None:
        """Send a text message; see `send`."""
        await self.send(payload, CurlWsFlag.TEXT, timeout)

    async def send_bytes(self, payload: Payload, timeout: float | None = None) -> None:
        """Send a binary message; see `send`."""
        await self.send(payload, CurlWsFlag.BINARY, timeout)

    send_binary = send_bytes

    async def send_json(
        self,
        payload: Any,
        *,
        dumps: Callable[[Any], str | bytes] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Send *payload* as JSON text, without spaces by default; see `send`."""
        await self.send(json_text(payload, dumps), CurlWsFlag.TEXT, timeout)

    async def ping(
        self, payload: Payload = b"", timeout: float | None = None
    ) -> "asyncio.Future[float]":
        """Send a PING. Return a future of its answer: the latency in seconds.

        It raises a `WebSocketError` if the connection ends first. Without a payload a
        unique one is made.
        """
        data = bytes(to_bytes(payload)) or self._pinger.next_payload()
        await self.send(data, CurlWsFlag.PING, timeout)
        return self._pinger.sent(data)

    async def pong(self, payload: Payload = b"", timeout: float | None = None) -> None:
        """Send an unsolicited PONG. PINGs are answered without it."""
        await self.send(payload, CurlWsFlag.PONG, timeout)

    async def flush(self, timeout: float | None = None) -> None:
        """Wait until everything sent so far is in the socket.

        Raises:
            WebSocketTimeout: it is not within *timeout* seconds.
            WebSocketError: the error that stopped the writing.
        """
        self._writer.flush_held()
        outbox = self._writer.outbox
        await self._within(timeout, outbox.wait_until_sent(), "the peer does not take the data")

    async def _within(self, timeout: float | None, wait: Awaitable[None], why: str) -> None:
        try:
            async with asyncio.timeout(timeout):
                await wait
        except TimeoutError as exc:
            raise WebSocketTimeout(f"{why} after {timeout:g} s") from exc
