"""`InstrumentSource`, against a real HTTP server."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from ingest.config import Config, VenueConfig
from ingest.errors import DecodeError, RestError
from ingest.instruments import InstrumentSource
from ingest.instruments.cache import ListingCache
from ingest.instruments.source import get_all
from ingest.limits import Broker, local_gate
from tests.servers.http_site import answering
from tests.servers.listing import PATH, listed
from wscore import AsyncSession

NOWHERE = "http://127.0.0.1:1"
Open = Callable[..., Any]


@pytest.fixture
def source(tmp_path: Path) -> Open:
    @asynccontextmanager
    async def opened(url: str, cache: bool = True) -> AsyncIterator[InstrumentSource]:
        config = Config(feeds=(), venues={"binance": VenueConfig(rest_url=url)})
        async with AsyncSession() as session:
            yield InstrumentSource(
                config,
                session,
                local_gate(Broker()),
                cache=ListingCache(tmp_path) if cache else None,
                retry_after_s=(0.01, 0.01),
            )

    return opened


def says(*bodies: bytes | int) -> Callable[[web.Request], Any]:
    """One body after another, the last for ever; a number is a status."""
    left = list(bodies)

    async def handler(request: web.Request) -> web.Response:
        body = left.pop(0) if len(left) > 1 else left[0]
        return web.Response(status=body) if isinstance(body, int) else web.Response(body=body)

    return handler


async def test_fetched_and_kept(source: Open, tmp_path: Path) -> None:
    before = time.time_ns()
    async with answering(says(listed("BTC-USDT", "ETH-USDT"))) as site, source(site.url) as it:
        found = await it.get("binance")

    assert [request[:2] for request in site.requests] == [("GET", PATH)]
    assert found.not_fetched is None
    assert list(found.listing.by_name) == ["BTC-USDT", "ETH-USDT"]
    assert before <= found.listing.fetched_ns <= time.time_ns()
    kept = ListingCache(tmp_path).load("binance")
    assert kept is not None and kept.by_name == found.listing.by_name


async def test_tried_again(source: Open) -> None:
    """A server that has trouble, then not."""
    async with answering(says(500, 502, listed("BTC-USDT"))) as site, source(site.url) as it:
        assert len((await it.get("binance")).listing) == 1
    assert len(site.requests) == 3


async def test_the_venue_is_away(source: Open) -> None:
    """What was kept is used, and the log says how old it is."""
    async with answering(says(listed("BTC-USDT"))) as site, source(site.url) as it:
        await it.get("binance")
    with capture_logs() as lines:
        async with source(NOWHERE) as it:
            found = await it.get("binance")

    assert list(found.listing.by_name) == ["BTC-USDT"]
    assert found.not_fetched is not None
    warning = next(line for line in lines if line["log_level"] == "warning")
    assert warning["event"].startswith("instruments: the venue does not answer")
    assert warning["age_s"] == 0


async def test_away_and_nothing_kept(source: Open) -> None:
    async with source(NOWHERE) as it:
        with pytest.raises(RestError, match="the instruments of binance are not known: binance"):
            await it.get("binance")
        found, errors = await get_all(it, {"binance"})
    assert not found
    assert set(errors) == {"binance"}


@pytest.mark.parametrize("body", [b"[]", b"{not json", b"[1]", 403])
async def test_an_answer_that_is_no_list(source: Open, body: bytes | int) -> None:
    """Does not replace what was kept, and is not asked for again at once."""
    async with answering(says(listed("BTC-USDT"), body)) as site, source(site.url) as it:
        await it.get("binance")
        with pytest.raises((DecodeError, RestError)):
            await it.fetch("binance")
        found = await it.get("binance")
    assert list(found.listing.by_name) == ["BTC-USDT"]
    assert len(site.requests) == 3


async def test_a_venue_that_has_none(source: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    from msgspec import structs

    from ingest import venues

    bare = structs.replace(venues.get("okx"), instruments=None)
    monkeypatch.setitem(venues._VENUES, "okx", bare)
    async with source(NOWHERE) as it:
        with pytest.raises(RestError, match="okx has no list"):
            await it.fetch("okx")
