"""A real HTTP server in the test's own event loop."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Site:
    """Where it is, and what it was asked: method, path with query, headers, body."""

    url: str = ""
    port: int = 0
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[Site]:
    """A site on which *handler* answers everything."""
    site = Site()

    async def noted(request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        site.requests.append((request.method, request.path_qs, headers, body))
        return await handler(request)

    server = web.Server(noted)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    tcp = web.TCPSite(runner, "127.0.0.1", 0)
    await tcp.start()
    site.port = runner.addresses[0][1]
    site.url = f"http://127.0.0.1:{site.port}"
    try:
        yield site
    finally:
        await runner.cleanup()
