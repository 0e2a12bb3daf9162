"""Where listings come from: the venue, else what was kept of it on disk."""

import asyncio
import time
from collections.abc import Mapping

import structlog
from msgspec import Struct

from ingest import venues
from ingest.config.schema import Config
from ingest.errors import DecodeError, RestError
from ingest.instruments.cache import ListingCache
from ingest.instruments.listing import Listing
from ingest.limits import Gate
from ingest.rest import Requester, RestClient

_log = structlog.get_logger(__name__)

_TIMEOUT_S = 20.0  # of one request, the wait for our turn included
_RETRY_AFTER_S = (1.0, 3.0)


class Found(Struct, frozen=True):
    """A listing, and why it is not the venue's newest, if it is not."""

    listing: Listing
    not_fetched: str | None = None


class InstrumentSource:
    """Asks the venues of one config for their instruments."""

    def __init__(
        self,
        config: Config,
        session: Requester,
        gate: Gate,
        *,
        cache: ListingCache | None = None,
        retry_after_s: tuple[float, ...] = _RETRY_AFTER_S,
    ) -> None:
        """*cache* None: nothing is kept, and nothing that was kept is used."""
        self._config = config
        self._session = session
        self._gate = gate
        self._cache = cache
        self._retry_after_s = retry_after_s

    def with_config(self, config: Config) -> "InstrumentSource":
        """Return one that asks as another config says, within the same limits."""
        return InstrumentSource(
            config,
            self._session,
            self._gate,
            cache=self._cache,
            retry_after_s=self._retry_after_s,
        )

    async def get(self, name: str) -> Found:
        """Return a venue's listing: fetched, or after some attempts that of the cache.

        Raises:
            RestError: the venue did not answer, and there is nothing in the cache.
        """
        try:
            return Found(await self._fetch_patiently(name))
        except (RestError, DecodeError) as exc:
            error = exc
        kept = self._cache.load(name) if self._cache is not None else None
        if kept is None:
            raise RestError(f"the instruments of {name} are not known: {error}") from error
        _log.warning(
            "instruments: the venue does not answer; going on with what was kept",
            venue=name,
            age_s=round(kept.age_s(time.time_ns())),
            instruments=len(kept),
            error=str(error),
        )
        return Found(kept, str(error))

    async def fetch(self, name: str) -> Listing:
        """Ask the venue, once, and keep what it says.

        Raises:
            RestError: it did not answer, or refused.
            DecodeError: the answer is not what it promises, or lists nothing.
        """
        venue = venues.get(name)
        if venue.instruments is None:
            raise RestError(f"{name} has no list of instruments that ingest knows of")
        client = self._client(name)
        began_s = time.monotonic()
        fetched_ns = time.time_ns()
        bodies = [
            await client.fetch(request, timeout_s=_TIMEOUT_S)
            for request in venue.instruments.requests
        ]
        # Some are tens of megabytes.
        instruments = await asyncio.to_thread(venue.instruments.parse, bodies)
        if not instruments:
            raise DecodeError("bad_value", f"{name} lists no instrument at all")
        listing = Listing(name, fetched_ns, instruments)
        _log.info(
            "instruments: fetched",
            venue=name,
            instruments=len(listing),
            took_s=round(time.monotonic() - began_s, 3),
        )
        if self._cache is not None:
            await asyncio.to_thread(self._cache.save, listing)
        return listing

    async def _fetch_patiently(self, name: str) -> Listing:
        for wait_s in self._retry_after_s:
            try:
                return await self.fetch(name)
            except RestError as exc:
                # What is refused now will be refused in three seconds.
                if 400 <= exc.status < 500:
                    raise
                _log.info("instruments: trying again", venue=name, in_s=wait_s, error=str(exc))
                await asyncio.sleep(wait_s)
        return await self.fetch(name)

    def _client(self, name: str) -> RestClient:
        venue, settings = venues.get(name), self._config.venue(name)
        return RestClient(
            venue,
            settings.rest_url or venue.rest_url,
            self._session,
            self._gate,
            proxy=settings.proxy_of(0),
            interface=settings.source_address_of(0),
            impersonate=settings.impersonate,
            verify=settings.ca_file or settings.verify,
        )


async def get_all(
    source: InstrumentSource, names: set[str]
) -> tuple[Mapping[str, Found], Mapping[str, RestError]]:
    """Ask for several venues at once; return what was found, and the errors of the rest."""
    ordered = sorted(names)
    results = await asyncio.gather(*(_outcome(source, name) for name in ordered))
    found = {n: r for n, r in zip(ordered, results, strict=True) if isinstance(r, Found)}
    errors = {n: r for n, r in zip(ordered, results, strict=True) if isinstance(r, RestError)}
    return found, errors


async def _outcome(source: InstrumentSource, name: str) -> Found | RestError:
    try:
        return await source.get(name)
    except RestError as exc:
        return exc
