"""Everything this library raises on purpose.

```
CurlError                  code: a CurlECode (connect failures are these)
├── HandshakeError         the server answered, but not with a valid 101
├── RequestException       also an OSError
│   ├── SessionClosed
│   └── Timeout
└── WebSocketError         code: a WsCloseCode or a CurlECode
    ├── WebSocketClosed    also a SessionClosed; code: the close code
    └── WebSocketTimeout   also a Timeout
```
"""

from collections.abc import Sequence

from wscore.codes import CurlECode


class CurlError(Exception):
    """libcurl failed, or something was refused in its terms."""

    def __init__(self, message: str = "", code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class HandshakeError(CurlError):
    """The server's answer to the opening handshake was not a valid upgrade.

    `status` is the HTTP status, `headers` the answer's headers in order, both
    as received: a client that is told 429 finds Retry-After here.
    """

    def __init__(self, message: str, status: int, headers: Sequence[tuple[str, str]]) -> None:
        super().__init__(message, CurlECode.HTTP_RETURNED_ERROR)
        self.status = status
        self.headers = tuple(headers)

    def header(self, name: str) -> str | None:
        """Return the first header of that name, in any case, or None."""
        return first_header(self.headers, name)


class RequestException(CurlError, OSError):
    """A request could not be made, or its session is not usable for it."""


class SessionClosed(RequestException):
    """The session or connection is closed."""


class Timeout(RequestException):
    """A deadline passed."""

    def __init__(self, message: str = "", code: int = CurlECode.OPERATION_TIMEDOUT) -> None:
        super().__init__(message, code)


class WebSocketError(CurlError):
    """The connection failed, or an operation on it is not possible."""


class WebSocketClosed(WebSocketError, SessionClosed):
    """The connection is closed. `code` is the close code, 1006 if there was no CLOSE."""

    def __init__(self, message: str = "", code: int = 0, reason: str = "") -> None:
        super().__init__(message, code)
        self.reason = reason


class WebSocketTimeout(WebSocketError, Timeout):
    """An operation on the connection did not finish in time; the connection lives on."""


def first_header(headers: Sequence[tuple[str, str]], name: str) -> str | None:
    """Return the first header of that name, in any case, or None."""
    wanted = name.lower()
    return next((value for key, value in headers if key.lower() == wanted), None)
