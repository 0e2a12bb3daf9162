"""What was asked in a handshake or a request, and what came back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wscore.errors import first_header

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """The last request of a handshake. `headers`: those of the user and of this library."""

    url: str
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to a handshake: its status and headers, as received.

    `url`: where it came from; `history`: the URLs that redirected there.
    """

    status_code: int
    headers: Headers = ()
    url: str = ""
    history: Sequence[str] = ()

    @property
    def ok(self) -> bool:
        """Whether the connection was upgraded."""
        return self.status_code == 101

    def header(self, name: str) -> str | None:
        """Return the first header of that name, in any case, or None."""
        return first_header(self.headers, name)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The answer to an HTTP request. `headers` are as received, `body` is decoded (gzip, …).

    `url`: where it came from; `history`: the URLs that redirected there.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""
    url: str = ""
    history: Sequence[str] = ()

    @property
    def ok(self) -> bool:
        """Whether the status is one of success, 2xx."""
        return 200 <= self.status < 300

    def header(self, name: str) -> str | None:
        """Return the first header of that name, in any case, or None."""
        return first_header(self.headers, name)


if TYPE_CHECKING:
    from typing_extensions import TypeVar

    R = TypeVar("R", default=Response)
else:
    from typing import TypeVar

    R = TypeVar("R")
