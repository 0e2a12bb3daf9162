"""docs/wscore.md cannot go stale: its examples run, and its tables name every setting."""

import ast
import asyncio
import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

import wscore
from tests.servers.proxies import http_proxy

DOCS = (Path(__file__).parents[2] / "docs" / "wscore.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
DEADLINE_S = 10


async def on_client(connection: ServerConnection) -> None:
    assert connection.request is not None
    if connection.request.path == "/quotes":
        for price in range(3):
            await connection.send(f'{{"bid": "1.0{price}"}}')
        return
    async for message in connection:
        await connection.send(message)


def on_request(connection: ServerConnection, request: Request) -> Response | None:
    if request.path.startswith("/time"):
        response = connection.respond(200, '{"time": 1}')
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "application/json"
        return response
    if request.path != "/busy":
        return None
    response = connection.respond(503, "busy\n")
    response.headers["Retry-After"] = "7"
    return response


def on_response(_connection: ServerConnection, request: Request, response: Response) -> Response:
    if request.path == "/login":
        response.headers["Set-Cookie"] = "sid=42; Path=/"
    return response


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 10


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
async def test_example(number: int) -> None:
    async with (
        serve(
            on_client, "localhost", 0, process_request=on_request, process_response=on_response
        ) as server,
        http_proxy() as proxy,
        asyncio.timeout(DEADLINE_S),
    ):
        port = next(iter(server.sockets)).getsockname()[1]
        source = EXAMPLES[number].replace("localhost:8765", f"localhost:{port}")
        source = source.replace("http://localhost:3128", proxy.url)
        code = compile(source, "docs/wscore.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        running = eval(code, {})
        if inspect.isawaitable(running):
            await running


@pytest.mark.parametrize("options", [wscore.ConnectOptions, wscore.WebSocketOptions])
def test_every_setting_is_described(options: type) -> None:
    rows = "".join(line.split("|")[1] for line in DOCS.splitlines() if line.startswith("| `"))
    assert [f.name for f in fields(options) if f"`{f.name}`" not in rows] == []


@pytest.mark.parametrize(
    "name",
    [
        *("AsyncSession", "AsyncWebSocket", "WebSocketError", "WebSocketClosed"),
        *("WebSocketTimeout", "WebSocketRetryStrategy", "WsRetryOnRecvError", "WsCloseCode"),
        *("CurlWsFlag", "CurlError", "CurlECode", "CurlOpt", "CurlInfo", "Curl", "Response"),
    ],
)
def test_names_of_the_reference_are_exported(name: str) -> None:
    assert hasattr(wscore, name)
    assert name in wscore.__all__
