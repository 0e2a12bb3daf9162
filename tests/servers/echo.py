"""The `websockets` library as a server that echoes and remembers what it was asked."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

Answer = Callable[[ServerConnection, Request], Response | None]
Handler = Callable[[ServerConnection], object]


@dataclass
class Echo:
    """`requests`: those that were upgraded or refused, in order."""

    port: int = 0
    tls: bool = False
    requests: list[Request] = field(default_factory=list)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{'wss' if self.tls else 'ws'}://{host}:{self.port}{path}"

    def header(self, name: str, index: int = -1) -> str | None:
        return self.requests[index].headers.get(name)


@asynccontextmanager
async def echoing(
    *,
    answer: Answer | None = None,
    extra_headers: dict[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    subprotocols: list[str] | None = None,
) -> AsyncIterator[Echo]:
    """*answer* may refuse or redirect; *extra_headers* go with every 101."""
    echo = Echo(tls=tls is not None)

    def on_request(connection: ServerConnection, request: Request) -> Response | None:
        echo.requests.append(request)
        return answer(connection, request) if answer else None

    def on_response(connection: ServerConnection, request: Request, response: Response) -> Response:
        for name, value in (extra_headers or {}).items():
            response.headers[name] = value
        return response

    async def on_client(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(
        on_client,
        "127.0.0.1",
        0,
        process_request=on_request,
        process_response=on_response,
        ssl=tls,
        subprotocols=subprotocols,  # type: ignore[arg-type]
        max_size=None,
        compression=None,
    ) as server:
        echo.port = next(iter(server.sockets)).getsockname()[1]
        yield echo


def redirect(location: str, status: int = 302, **headers: str) -> Response:
    """An answer that sends the client elsewhere."""
    from websockets.datastructures import Headers

    fields = Headers({"Location": location, "Content-Length": "0", "Connection": "close"})
    for name, value in headers.items():
        fields[name.replace("_", "-")] = value
    return Response(status, "Elsewhere", fields, b"")
