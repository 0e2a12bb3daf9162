"""A venue with REST limits, and clients of it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from msgspec import structs

from ingest import venues
from ingest.limits import Broker, local_gate
from ingest.rest import RestClient
from ingest.venues.base import RestLimits
from wscore import AsyncSession

LIMITS = RestLimits(weight=(10, 0.5), used_header="x-used-weight")


@pytest.fixture
async def client() -> AsyncIterator[Callable[..., RestClient]]:
    venue = structs.replace(venues.get("binance"), rest_limits=LIMITS)
    broker = Broker(lambda lane: LIMITS.weight)
    async with AsyncSession() as session:

        def build(url: str, **changes: Any) -> RestClient:
            """*changes* are of the venue, or else what the client is told."""
            of_venue = {k: v for k, v in changes.items() if k in venue.__struct_fields__}
            told = {k: v for k, v in changes.items() if k not in of_venue}
            changed = structs.replace(venue, **of_venue)
            return RestClient(changed, url, session, local_gate(broker), **told)

        yield build
