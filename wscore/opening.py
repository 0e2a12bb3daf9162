"""The opening handshake but for the waiting, which each API does in its own way."""

import os
from dataclasses import dataclass

from wscore.codes import CurlECode
from wscore.connection import Connection
from wscore.easy import Easy
from wscore.errors import CurlError, HandshakeError
from wscore.handshake import Agreement, check_response, make_key
from wscore.options import ConnectOptions, WebSocketOptions


@dataclass(frozen=True, slots=True)
class Opened:
    """An open connection, owned by whoever holds this; `fd` is borrowed from it."""

    connection: Connection
    fd: int
    agreed: Agreement
    status: int
    headers: list[tuple[str, str]]


class Opening:
    """One attempt to *url*. The caller performs `easy`, then calls `finish` or `close`."""

    def __init__(self, url: str, settings: ConnectOptions) -> None:
        self._url = url
        self._settings = settings
        self._key = make_key(os.urandom(16))
        self.easy = Easy()
        try:
            settings.apply(self.easy, url, self._key)
        except BaseException:
            self.easy.close()
            raise

    def close(self) -> None:
        """Give up. Not while `easy` is being performed."""
        self.easy.close()

    def timed_out(self, timeout_s: float) -> CurlError:
        """Return what is raised when the server took too long."""
        return CurlError(
            f"connecting to {self._url} failed: no answer within {timeout_s:g} s",
            CurlECode.OPERATION_TIMEDOUT,
        )

    def finish(self, code: int, options: WebSocketOptions) -> Opened:
        """Judge what the perform came to, *code* being its result; closed if it was nothing.

        Raises:
            HandshakeError: the server refused, or its answer is not to us.
            CurlError: the connection failed.
        """
        owner: Easy | Connection = self.easy
        try:
            headers, status = self.easy.headers(), self.easy.status
            self._check(code, status, headers)
            settings = self._settings
            agreed = check_response(
                status,
                headers,
                self._key,
                subprotocols=settings.subprotocols,
                deflate=settings.deflate,
            )
            owner = connection = Connection(
                self.easy,
                max_message_size=options.max_message_size,
                validate_utf8=not options.skip_utf8_validation,
                deflate=agreed.deflate,
            )
            return Opened(connection, self.easy.socket, agreed, status, headers)
        except BaseException:
            owner.close()
            raise

    def _check(self, code: int, status: int, headers: list[tuple[str, str]]) -> None:
        url = self._url
        if status == 0 and code == CurlECode.OK:
            text = f"{url}: the server ended the connection without an answer"
            raise CurlError(text, CurlECode.GOT_NOTHING)
        if code == CurlECode.HTTP_RETURNED_ERROR or (code == CurlECode.OK and status != 101):
            raise HandshakeError(f"the server answered {status} to {url}", status, headers)
        if code != CurlECode.OK:
            raise CurlError(f"connecting to {url} failed: {self.easy.describe(code)}", code)
