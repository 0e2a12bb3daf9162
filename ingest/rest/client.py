"""One venue's REST interface: waits for its turn, asks, tells what the answer said."""

import asyncio
from datetime import UTC, datetime
from typing import Any, Protocol

from ingest.errors import RestError
from ingest.limits import Gate, lane
from ingest.limits.broker import DEFAULT_REST_LIMITS
from ingest.rest.answers import stay_away_s, used_weight
from ingest.venues.base import RestRequest, Venue
from wscore import CurlError, HttpResponse

MAX_LISTING_BYTES = 64 * 1024 * 1024  # the largest listing known has some 20 MB
_SHOWN_CHARS = 200
# Of one process. Each has a thread: of a hundred that get their turns at once the last
# would be on its way so late that the venue counts it in its next window.
_AT_ONCE = 4


class Requester(Protocol):
    """Asks over HTTP; `AsyncSession` in the service."""

    async def request(self, method: str, url: str, **options: Any) -> HttpResponse:
        """Ask, and return the whole answer; see `AsyncSession.request`."""
        ...


class RestClient:
    """Asks one venue; every request waits at the gate that all our processes share.

    A few at a time: one that has got its turn is sent at once. The others wait in order.
    """

    def __init__(
        self,
        venue: Venue,
        base_url: str,
        session: Requester,
        gate: Gate,
        *,
        max_body_bytes: int = MAX_LISTING_BYTES,
        **options: Any,
    ) -> None:
        """*options*: how to reach it, as `AsyncSession.request` takes them (proxy, …).

        *max_body_bytes*: of an answer, decompressed; a longer one is an error.
        """
        self._max_body_bytes = max_body_bytes
        self._venue = venue
        self._base_url = base_url.rstrip("/")
        self._session = session
        self._gate = gate
        self._options = options
        self._lane = lane("rest", venue.name, base_url)
        self._limits = venue.rest_limits or DEFAULT_REST_LIMITS
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def fetch(self, request: RestRequest, *, timeout_s: float = 30.0) -> bytes:
        """Return the body of a successful answer.

        *timeout_s* is for all of it, the wait for our turn included. Nothing is tried
        again: that is for who knows whether the answer still matters.

        Raises:
            RestError: no turn or no answer in time, no connection, or a refusal.
        """
        what = f"{self._venue.name} {request.method} {request.path.partition('?')[0]}"
        deadline = asyncio.get_running_loop().time() + timeout_s
        late = (
            f"{what}: not sent: no turn within {timeout_s:g} s at {self._lane.host}, whose "
            "limit is used up or which asked us to stay away"
        )
        try:
            async with asyncio.timeout_at(deadline):
                await self._room.acquire()
        except TimeoutError as exc:
            raise RestError(late) from exc
        try:
            left_s = deadline - asyncio.get_running_loop().time()
            turn = await self._gate.turn(self._lane, request.weight, timeout_s=left_s)
            try:
                return await self._ask(request, what, deadline)
            finally:
                self._gate.ended(turn, reached=True)
        except TimeoutError as exc:
            raise RestError(late) from exc
        finally:
            self._room.release()

    async def _ask(self, request: RestRequest, what: str, deadline: float) -> bytes:
        # A body is JSON at every venue that takes one.
        kind = {"Content-Type": "application/json"} if request.body else {}
        try:
            answer = await self._session.request(
                request.method,
                self._base_url + request.path,
                body=request.body,
                headers={**self._venue.headers, **kind},
                timeout=max(0.01, deadline - asyncio.get_running_loop().time()),
                max_body=self._max_body_bytes,
                # A venue that redirects has changed its address: somebody must look.
                allow_redirects=False,
                **self._options,
            )
        except CurlError as exc:
            raise RestError(f"{what}: {exc}") from exc
        header = self._limits.used_header
        used = used_weight(answer.header(header)) if header else None
        away_s = stay_away_s(
            answer.status, answer.header("retry-after"), self._limits, datetime.now(UTC)
        )
        if used is not None or away_s is not None:
            self._gate.tell(self._lane, used=used, stay_away_s=away_s)
        if not answer.ok:
            said = " ".join(answer.body[:1000].decode(errors="replace").split())[:_SHOWN_CHARS]
            raise RestError(f"{what}: answered {answer.status}: {said}", answer.status)
        return answer.body
