"""A connection that comes back: one WebSocket after the other, with patience between."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self

from wscore.backoff import Backoff
from wscore.codes import CurlECode
from wscore.context import AsyncWebSocketContext
from wscore.errors import CurlError, HandshakeError, RequestException
from wscore.websocket import AsyncWebSocket

_BASE_S, _CAP_S, _HEALTHY_AFTER_S = 0.5, 60.0, 10.0
# A server that asks for more than this is not taken at its word.
_MAX_RETRY_AFTER_S = 3600.0
# Statuses that another attempt can change, besides all of 5xx.
_TRANSIENT = frozenset({408, 425, 429})
# What no other attempt would change: wrong arguments, wrong credentials, a wrong library.
_FATAL = frozenset(
    {
        CurlECode.UNSUPPORTED_PROTOCOL,
        CurlECode.FAILED_INIT,
        CurlECode.URL_MALFORMAT,
        CurlECode.NOT_BUILT_IN,
        CurlECode.BAD_FUNCTION_ARGUMENT,
        CurlECode.UNKNOWN_OPTION,
        CurlECode.SETOPT_OPTION_SYNTAX,
        CurlECode.TOO_MANY_REDIRECTS,
        CurlECode.SSL_CERTPROBLEM,
        CurlECode.SSL_CACERT_BADFILE,
        CurlECode.PEER_FAILED_VERIFICATION,
        CurlECode.LOGIN_DENIED,
    }
)


class Reconnecting:
    """`async for ws in …`: every turn has a new open WebSocket.

    A turn that ends, also with `continue`, closes its WebSocket; the next waits as the
    backoff says (only a session that lasted resets it), longer if the server said
    Retry-After. An attempt that fails for now is tried again; what another attempt
    would not change is raised: bad arguments, a closed or full session, a
    certificate that does not verify, a refusal with a status other than 408, 425,
    429 and 5xx. Cancelling ends it at any point.

    An error in the body leaves the loop, as any does: catch there what should
    lead to the next turn. After `break` the WebSocket stays open, and is yours to
    close (or the session's).
    """

    def __init__(
        self, connect: Callable[[], AsyncWebSocketContext], backoff: Backoff | None = None
    ) -> None:
        self._connect = connect
        self._backoff = backoff or Backoff(
            base_s=_BASE_S, cap_s=_CAP_S, healthy_after_s=_HEALTHY_AFTER_S
        )
        self._socket: AsyncWebSocket | None = None
        self._connected_at = 0.0
        self.last_error: CurlError | None = None  # of the last attempt that failed

    @property
    def failures(self) -> int:
        """Attempts and sessions in a row that ended before they were healthy."""
        return self._backoff.failures

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AsyncWebSocket:
        loop = asyncio.get_running_loop()
        if self._socket is not None:
            lasted_s = loop.time() - self._connected_at
            await self._leave()
            await asyncio.sleep(self._backoff.next_delay_s(connected_for_s=lasted_s))
        while True:
            try:
                self._socket = await self._connect()
            except CurlError as error:
                if is_fatal(error):
                    raise
                self.last_error = error
                delay_s = max(self._backoff.next_delay_s(), retry_after_s(error, _utc_now()))
                await asyncio.sleep(delay_s)
            else:
                self._connected_at = loop.time()
                return self._socket

    async def aclose(self) -> None:
        """Close the WebSocket of the last turn, if it is open."""
        await self._leave()

    async def _leave(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            with contextlib.suppress(CurlError):
                await socket.close()


def is_fatal(error: CurlError) -> bool:
    """Tell whether another attempt to connect would fail like this one. Pure."""
    if isinstance(error, HandshakeError):
        return not (error.status in _TRANSIENT or 500 <= error.status <= 599)
    return isinstance(error, RequestException) or error.code in _FATAL


def retry_after_s(error: CurlError, now: datetime) -> float:
    """Return how long the server asks us to stay away; 0 if it does not. Pure."""
    value = error.header("retry-after") if isinstance(error, HandshakeError) else None
    if value is None:
        return 0.0
    value = value.strip()
    if value.isascii() and value.isdigit():
        asked = float(value)
    else:
        try:
            when = parsedate_to_datetime(value)
        except ValueError:
            return 0.0  # neither of the two forms (RFC 9110, section 10.2.3)
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        asked = (when - now).total_seconds()
    return min(max(asked, 0.0), _MAX_RETRY_AFTER_S)


def _utc_now() -> datetime:
    return datetime.now(UTC)
