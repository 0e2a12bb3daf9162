"""What a user of a connection calls to receive."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Self

from wscore.closing import CloseState
from wscore.codes import CurlWsFlag
from wscore.connection import Batch
from wscore.endings import json_of, text_of
from wscore.errors import WebSocketClosed, WebSocketTimeout
from wscore.inbox import Inbox
from wscore.reading import Reader

# Reaching an enum's member and comparing with it costs more than receiving a
# message does; a plain number where it is done for each.
_CLOSE = int(CurlWsFlag.CLOSE)


class Receiving:
    """`recv`, `recv_str`, `recv_json`, `recv_many`, `recv_batch`, or `async for`.

    Several receivers are served strictly in the order they came. One that is
    cancelled loses no message, and the connection lives on.
    """

    _loop: asyncio.AbstractEventLoop
    _inbox: Inbox
    _reader: Reader
    _busy_polls: bool
    _close_state: CloseState

    @property
    def closed(self) -> bool:
        """No more messages will arrive and none can be sent."""
        raise NotImplementedError

    async def recv(self, *, timeout: float | None = None) -> tuple[bytes, int]:
        """Return the next message and its `CurlWsFlag`.

        The peer's CLOSE is delivered once, as its body and `CLOSE`.

        Raises:
            WebSocketClosed: the connection is closed and nothing is left.
            WebSocketTimeout: nothing came within *timeout* seconds.
            WebSocketError: the connection failed.
        """
        if self._inbox.ready():
            return self._inbox.take_one()
        batch = await self._wait(self._inbox.take_single, timeout)
        return batch.messages[0], batch.kind

    async def recv_many(self, *, timeout: float | None = None) -> list[bytes]:
        """Return all data messages that are there, at least one; raises as `recv`."""
        messages = (await self._take_data(timeout)).messages
        while self._inbox.count:
            following = self._inbox.take_batch()
            if following.kind == _CLOSE:
                self._inbox.put_back(following)
                break
            messages.extend(following.messages)  # ours alone: its batch is gone
        return messages

    async def recv_batch(self, *, timeout: float | None = None) -> Batch:
        """Return data messages with the times at which they were read; raises as `recv`."""
        return await self._take_data(timeout)

    async def recv_str(self, *, timeout: float | None = None) -> str:
        """Return the next message, which must be text; raises as `recv`.

        Raises:
            WebSocketError: 1007, the message is not text.
        """
        payload, kind = await self.recv(timeout=timeout)
        if kind & _CLOSE:
            raise self._close_state.error()
        return text_of(payload, kind)

    async def recv_json(
        self, *, loads: Callable[[str], Any] = json.loads, timeout: float | None = None
    ) -> Any:
        """Return the next message, which must be JSON text; raises as `recv_str`."""
        return json_of(await self.recv_str(timeout=timeout), loads)

    def recv_fragment(self) -> Any:
        """Not offered: messages come whole. Raises NotImplementedError."""
        raise NotImplementedError("messages come whole; use recv()")

    def __aiter__(self) -> Self:
        if self.closed and not self._inbox.count:
            raise self._close_state.error()
        return self

    async def __anext__(self) -> bytes:
        inbox = self._inbox
        if inbox.count:
            payload, kind = inbox.take_one()
        else:
            try:
                payload, kind = await self.recv()
            except WebSocketClosed:
                raise StopAsyncIteration from None
        if kind == _CLOSE:
            raise StopAsyncIteration
        return payload

    async def _take_data(self, timeout: float | None) -> Batch:
        while True:
            if self._inbox.ready():
                batch = self._inbox.take_batch()
            else:
                batch = await self._wait(self._inbox.take_batch, timeout)
            # A CLOSE is a batch of its own; these takers want data, and get the end
            # instead.
            if batch.kind != _CLOSE:
                return batch

    async def _wait(self, take: Callable[[], Batch], timeout: float | None) -> Batch:
        if timeout is not None and timeout <= 0:
            raise WebSocketTimeout("nothing to receive")
        if self._busy_polls:
            self._reader.busy_poll()
            if self._inbox.ready():
                return take()
        future = self._inbox.wait(take)
        timer = None
        if timeout is not None:
            timer = self._loop.call_later(timeout, _expire, future, timeout)
        try:
            return await future
        except BaseException:
            self._inbox.abandon(future)
            raise
        finally:
            if timer is not None:
                timer.cancel()


def _expire(future: "asyncio.Future[Batch]", timeout: float) -> None:
    if not future.done():
        future.set_exception(WebSocketTimeout(f"nothing received within {timeout:g} s"))
