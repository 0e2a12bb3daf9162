"""What a user of a blocking connection calls to send."""

from collections.abc import Callable
from typing import Any

from wscore.codes import CurlWsFlag
from wscore.endings import frame_of, json_text
from wscore.payload import Payload, to_bytes
from wscore.sync.link import Link


class Sending:
    """`send` and its relatives, `ping`, `pong`, `flush`. Part of `WebSocket`."""

    def _open_link(self) -> Link:
        raise NotImplementedError

    def _within(self, timeout: float | None) -> float | None:
        raise NotImplementedError

    def send(
        self, payload: Payload, flags: int = CurlWsFlag.BINARY, timeout: float | None = None
    ) -> int:
        """Send one message; return its size in bytes once it is in the socket.

        With `CONT` among the flags it is a part of a message that the next call
        continues. If the peer does not take the data in time, the error says whether
        the message is still queued: then it goes first with the next call.

        Raises:
            WebSocketTimeout: the peer did not take the data within *timeout* seconds.
            WebSocketClosed: the connection is closed or closing.
            WebSocketError: the connection failed, or a control payload is too long.
        """
        data = to_bytes(payload)
        link = self._open_link()
        opcode, fin = frame_of(flags, len(data), link.message_kind)
        link.transmit(opcode, data, fin, self._within(timeout))
        return len(data)

    def send_str(self, payload: str, timeout: float | None = None) -> int:
        """Send a text message; see `send`."""
        return self.send(payload, CurlWsFlag.TEXT, timeout)

    def send_bytes(self, payload: Payload, timeout: float | None = None) -> int:
        """Send a binary message; see `send`."""
        return self.send(payload, CurlWsFlag.BINARY, timeout)

    send_binary = send_bytes

    def send_json(
        self,
        payload: Any,
        *,
        dumps: Callable[[Any], str | bytes] | None = None,
        timeout: float | None = None,
    ) -> int:
        """Send *payload* as JSON text; see `send`."""
        return self.send(json_text(payload, dumps), CurlWsFlag.TEXT, timeout)

    def ping(
        self, payload: Payload = b"", *, wait: bool = False, timeout: float | None = None
    ) -> float | None:
        """Send a PING; without a payload, a unique one.

        With *wait* return the latency in seconds, once the answer is here; what comes
        before it can be received afterwards, up to `recv_queue_size` messages.
        Without, `latency` has it when a later call has read the answer.
        """
        data = bytes(to_bytes(payload))
        frame_of(CurlWsFlag.PING, len(data), None)
        link = self._open_link()
        pending = link.ping(data, self._within(timeout))
        return link.wait_for_pong(pending, self._within(timeout)) if wait else None

    def pong(self, payload: Payload = b"", timeout: float | None = None) -> int:
        """Send an unsolicited PONG. PINGs are answered without it."""
        return self.send(payload, CurlWsFlag.PONG, timeout)

    def flush(self, timeout: float | None = None) -> None:
        """Wait until everything sent so far is in the socket; raises as `send`."""
        self._open_link().flush(self._within(timeout))
