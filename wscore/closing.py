"""How a connection ended, or is ending. Pure."""

import errno
import os
import socket

from wscore.codes import WsCloseCode
from wscore.errors import WebSocketClosed
from wscore.payload import parse_close


class CloseState:
    """Who said CLOSE, and with which code and reason."""

    def __init__(self) -> None:
        self.called = False  # by the user, before the peer's CLOSE came
        self.sent = False  # a CLOSE of ours is queued or sent
        self.received = False  # the peer's CLOSE came
        self.code: int | None = None
        self.reason: str | None = None
        self._sent_code: int | None = None

    def on_sent(self, body: bytes) -> None:
        """A CLOSE of ours is queued."""
        self.sent = True
        self._sent_code = int.from_bytes(body[:2], "big") if body else None

    def on_received(self, body: bytes) -> None:
        """The peer's CLOSE came; C has validated its body."""
        self.code, self.reason = parse_close(body)

    def on_failed(self, code: int | None) -> None:
        """The connection failed; *code* is what the peer is told, if anything."""
        if self.code is None:
            self.code = code or WsCloseCode.ABNORMAL_CLOSURE

    @property
    def echo_code(self) -> int:
        """The code that answers the peer's CLOSE."""
        if self.code in (None, WsCloseCode.NO_STATUS_RECEIVED):
            return WsCloseCode.OK
        return self.code

    @property
    def body(self) -> bytes:
        """The peer's CLOSE as it was on the wire."""
        if self.code is None or self.code == WsCloseCode.NO_STATUS_RECEIVED:
            return b""
        return self.code.to_bytes(2, "big") + (self.reason or "").encode()

    def abnormal(self, why: str) -> WebSocketClosed:
        """Note that it ends without a CLOSE of the peer; return the error that says so."""
        self.on_failed(None)
        return WebSocketClosed(why, WsCloseCode.ABNORMAL_CLOSURE)

    def error(self) -> WebSocketClosed:
        """Return what somebody gets who uses the connection now."""
        code = self.code or self._sent_code or WsCloseCode.ABNORMAL_CLOSURE
        text = f"the connection is closed: {int(code)}"
        if self.reason:
            text += f" ({self.reason})"
        return WebSocketClosed(text, code, self.reason or "")


def still_stands(fd: int) -> bool:
    """Tell whether the TCP connection of *fd* has neither ended nor failed. Reads nothing."""
    try:
        with socket.socket(fileno=os.dup(fd)) as probe:
            return probe.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except OSError as exc:
        return exc.errno in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR)
