"""What a user of a blocking connection calls to receive."""

import json
from collections.abc import Callable
from typing import Any, Self

from wscore.codes import CurlWsFlag
from wscore.connection import Batch
from wscore.endings import json_of, text_of
from wscore.errors import WebSocketClosed
from wscore.sync.fragment import CurlWsFrame
from wscore.sync.link import Link

_CLOSE = int(CurlWsFlag.CLOSE)


class Receiving:
    """`recv`, `recv_str`, `recv_json`, `recv_many`, `recv_batch`, `recv_fragment`, or `for`.

    Part of `WebSocket`. Several threads that receive share the messages.
    """

    def _open_link(self) -> Link:
        raise NotImplementedError

    def _within(self, timeout: float | None) -> float | None:
        raise NotImplementedError

    def recv(self, *, timeout: float | None = None) -> tuple[bytes, int]:
        """Return the next message and its `CurlWsFlag`.

        The peer's CLOSE is delivered once, as its body and `CLOSE`.

        Raises:
            WebSocketClosed: the connection is closed and nothing is left.
            WebSocketTimeout: nothing came within *timeout* seconds.
            WebSocketError: the connection failed.
        """
        link = self._open_link()
        message = link.take(link.inbox.take_one, self._within(timeout))
        if message[1] == _CLOSE:
            link.settle(timeout)
        return message

    def recv_many(self, *, timeout: float | None = None) -> list[bytes]:
        """Return all data messages that are there, at least one; raises as `recv`."""
        link = self._open_link()
        inbox = link.inbox

        def take_data() -> list[bytes]:
            messages: list[bytes] = []
            while True:
                batch = inbox.take_batch()
                if batch.kind != _CLOSE:
                    messages.extend(batch.messages)  # ours alone: its batch is gone
                    if inbox.count:
                        continue
                elif messages:
                    inbox.put_back(batch)
                else:
                    continue  # behind a CLOSE is the end: taking it raises
                return messages

        return link.take(take_data, self._within(timeout))

    def recv_batch(self, *, timeout: float | None = None) -> Batch:
        """Return data messages with the times at which they were read; raises as `recv`."""
        link = self._open_link()
        while True:
            batch = link.take(link.inbox.take_batch, self._within(timeout))
            if batch.kind != _CLOSE:
                return batch

    def recv_fragment(self, *, timeout: float | None = None) -> tuple[bytes, CurlWsFrame]:
        """Return the next message, always a whole one, and its `CurlWsFrame`; raises as `recv`."""
        payload, flags = self.recv(timeout=timeout)
        return payload, CurlWsFrame(flags, len(payload))

    def recv_str(self, *, timeout: float | None = None) -> str:
        """Return the next message, which must be text; raises as `recv`.

        Raises:
            WebSocketError: 1007, the message is not text.
        """
        payload, flags = self.recv(timeout=timeout)
        if flags & CurlWsFlag.CLOSE:
            raise self._open_link().ended_error()
        return text_of(payload, flags)

    def recv_json(
        self, *, loads: Callable[[str], Any] = json.loads, timeout: float | None = None
    ) -> Any:
        """Return the next message, which must be JSON text; raises as `recv_str`."""
        return json_of(self.recv_str(timeout=timeout), loads)

    def __iter__(self) -> Self:
        link = self._open_link()
        if link.closed and not link.inbox.count:
            raise link.ended_error()
        return self

    def __next__(self) -> bytes:
        try:
            payload, flags = self.recv()
        except WebSocketClosed:
            raise StopIteration from None
        if flags == _CLOSE:
            raise StopIteration
        return payload
