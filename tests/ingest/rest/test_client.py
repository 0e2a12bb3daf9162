"""`RestClient`, against a real HTTP server."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from ingest.errors import RestError
from ingest.venues.base import RestRequest
from tests.servers.http_site import answering

PING = RestRequest(path="/api/v3/ping?x=1")


async def ok(request: web.Request) -> web.Response:
    return web.Response(body=b"{}")


async def test_an_answer(client: Any) -> None:
    """Path and body as the venue's file says, below whatever path the config's URL has."""
    async with answering(ok) as site:
        assert await client(site.url).fetch(PING) == b"{}"
        await client(f"{site.url}/proxy/").fetch(
            RestRequest(path="/info", method="POST", body=b'{"type":"meta"}')
        )

    assert [request[:2] for request in site.requests] == [
        ("GET", "/api/v3/ping?x=1"),
        ("POST", "/proxy/info"),
    ]
    assert site.requests[1][2]["content-type"] == "application/json"
    assert site.requests[1][3] == b'{"type":"meta"}'


async def test_headers_of_the_venue(client: Any) -> None:
    """Go out with every request, beside those of its body."""
    headers = {"X-Venue": "1"}
    async with answering(ok) as site:
        asks = client(site.url, headers=headers)
        await asks.fetch(PING)
        await asks.fetch(RestRequest(path="/info", method="POST", body=b"{}"))

    assert [request[2]["x-venue"] for request in site.requests] == ["1", "1"]
    assert site.requests[1][2]["content-type"] == "application/json"


@pytest.mark.parametrize("status", [400, 403, 404, 302, 500])
async def test_refusals(client: Any, status: int) -> None:
    """With the venue's words, cut short; a redirect is not followed."""

    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=status, body=b"no\n " * 1000, headers={"Location": "/x"})

    async with answering(refuse) as site:
        with pytest.raises(RestError, match=rf"binance GET /api/v3/ping: answered {status}: no no"):
            await client(site.url).fetch(PING)
        assert len(site.requests) == 1


async def test_nobody_there(client: Any) -> None:
    with pytest.raises(RestError, match="binance GET /api/v3/ping: ") as caught:
        await client("http://127.0.0.1:1").fetch(PING)
    assert caught.value.status == 0


async def test_a_stall(client: Any) -> None:
    async def stall(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async with answering(stall) as site:
        with pytest.raises(RestError, match="no whole answer"):
            await client(site.url).fetch(PING, timeout_s=0.1)


async def test_the_weight_is_kept_to_by_all_clients_together(client: Any) -> None:
    """Ten in half a second: three of four wait for the window."""
    arrived: list[float] = []
    loop = asyncio.get_running_loop()

    async def note(request: web.Request) -> web.Response:
        arrived.append(loop.time())
        return web.Response()

    heavy = RestRequest(path="/", weight=4)
    async with answering(note) as site:
        clients = [client(site.url) for _ in range(4)]
        await asyncio.gather(*(c.fetch(heavy) for c in clients))

    assert arrived[1] - arrived[0] < 0.4
    assert arrived[2] - arrived[0] > 0.45


async def test_only_a_few_at_a_time(client: Any) -> None:
    """No more have their turns than can be sent at once; the others get theirs then."""
    arrived, most, may_go = 0, 0, asyncio.Event()

    async def hold(request: web.Request) -> web.Response:
        nonlocal arrived, most
        arrived += 1
        most = max(most, arrived)
        await may_go.wait()
        arrived -= 1
        return web.Response()

    async with answering(hold) as site:
        one = client(site.url)
        asking = [asyncio.create_task(one.fetch(RestRequest(path="/"))) for _ in range(10)]
        while arrived < 4:
            await asyncio.sleep(0.01)
        with pytest.raises(RestError, match="no turn within"):
            await one.fetch(PING, timeout_s=0.05)
        may_go.set()
        await asyncio.gather(*asking)

    assert most == 4
    assert len(site.requests) == 10


async def test_a_ban_holds_for_all_clients(client: Any) -> None:
    """After a 429 nothing arrives there until Retry-After is over."""
    arrived: list[float] = []
    loop = asyncio.get_running_loop()

    async def refuse_first(request: web.Request) -> web.Response:
        arrived.append(loop.time())
        if len(arrived) == 1:
            return web.Response(status=429, headers={"Retry-After": "1"})
        return web.Response()

    async with answering(refuse_first) as site:
        one, other = client(site.url), client(site.url)
        with pytest.raises(RestError, match="answered 429") as caught:
            await one.fetch(PING)
        with pytest.raises(RestError, match=r"not sent: no turn within 0\.1 s"):
            await other.fetch(PING, timeout_s=0.1)
        await asyncio.gather(one.fetch(PING), other.fetch(PING))

    assert caught.value.status == 429
    assert len(arrived) == 3
    assert arrived[1] - arrived[0] > 0.95


async def test_the_venues_own_count_is_believed(client: Any) -> None:
    """Another program uses our address: its share is not ours to use."""

    async def count(request: web.Request) -> web.Response:
        return web.Response(headers={"X-Used-Weight": "10"})

    async with answering(count) as site:
        asking = client(site.url)
        await asking.fetch(PING)
        with pytest.raises(RestError, match="not sent"):
            await asking.fetch(PING, timeout_s=0.1)
        await asking.fetch(PING)
