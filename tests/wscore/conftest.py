"""Every test of a connection runs on asyncio's loop and on uvloop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvloop

from wscore import AsyncSession

DEADLINE_S = 10.0


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(timeout=DEADLINE_S) as session:
        yield session


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], Any]:
    """Waits for something that no event tells of."""

    async def wait(condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                await asyncio.sleep(0.002)

    return wait
