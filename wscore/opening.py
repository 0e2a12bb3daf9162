"""The opening handshake: libcurl on a thread, redirects, cookies, the answer's check."""

import asyncio
import os
from dataclasses import dataclass

from wscore.codes import CurlECode
from wscore.connection import Connection
from wscore.cookies import Cookies
from wscore.easy import Easy
from wscore.errors import CurlError, HandshakeError
from wscore.handshake import check_response, make_key
from wscore.options import ConnectOptions, WebSocketOptions
from wscore.perform import Perform
from wscore.response import Request, Response
from wscore.route import REDIRECTS, Route
from wscore.websocket import Opened


async def open_connection(
    url: str, settings: ConnectOptions, options: WebSocketOptions, jar: Cookies
) -> Opened:
    """Connect, follow redirects, check the answer. Cookies go out of the *jar* and into it.

    Raises:
        HandshakeError: the server refused, or its answer is not to us.
        CurlError: the connection failed (7: refused, 28: timed out, 47: redirected
            too often, …).
    """
    deadline = asyncio.get_running_loop().time() + settings.timeout_s
    route = Route.begin(url, settings)
    while True:
        attempt = prepare(route, jar)
        left_s = deadline - asyncio.get_running_loop().time()
        try:
            code = await Perform(attempt.easy, "wscore-handshake").result(left_s)
        except TimeoutError as exc:
            raise CurlError(
                f"connecting to {route.url} failed: no answer within {settings.timeout_s:g} s",
                CurlECode.OPERATION_TIMEDOUT,
            ) from exc
        opened = conclude(attempt, code, options, jar)
        if opened is not None:
            return opened


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that is ready to be performed. Owns *easy* until `conclude`."""

    route: Route
    easy: Easy
    key: str
    request: Request


def prepare(route: Route, jar: Cookies) -> Attempt:
    """Return the next request of *route*; raises as `ConnectOptions.apply`."""
    settings, url = route.settings, route.url
    easy = Easy()
    try:
        key = make_key(os.urandom(16))
        # Those that name no domain were meant for where the route began.
        pairs = jar.pairs_for(url, anywhere=route.trusted)
        pairs |= Cookies(settings.cookies).pairs_for(url)
        cookie = "; ".join(f"{name}={value}" for name, value in pairs.items())
        settings.apply(easy, url, key, cookie=cookie)
    except BaseException:
        easy.close()
        raise
    sent = [(name, value) for name, value in settings.header_pairs() if value is not None]
    if cookie:
        sent.append(("Cookie", cookie))
    return Attempt(route, easy, key, Request(url, (*sent, ("Sec-WebSocket-Key", key))))


def conclude(attempt: Attempt, code: int, options: WebSocketOptions, jar: Cookies) -> Opened | None:
    """Make a connection of a performed request; None: redirected, `prepare` the next.

    Raises:
        HandshakeError, CurlError: as `open_connection`. The handle is closed.
    """
    easy, route = attempt.easy, attempt.route
    owner: Easy | Connection = easy
    try:
        headers = easy.headers()
        status = easy.status
        jar.store(route.url, headers)
        if status == 0 and code == CurlECode.OK:
            text = f"{route.url}: the server ended the connection without an answer"
            raise CurlError(text, CurlECode.GOT_NOTHING)
        if code == CurlECode.HTTP_RETURNED_ERROR or (code == CurlECode.OK and status != 101):
            refusal = HandshakeError(
                f"the server answered {status} to {route.url}", status, headers
            )
            location = refusal.header("location")
            if status not in REDIRECTS or not route.settings.allow_redirects or not location:
                raise refusal
            route.follow(location)
            easy.close()
            return None
        if code != CurlECode.OK:
            raise CurlError(f"connecting to {route.url} failed: {easy.describe(code)}", code)
        agreed = check_response(
            status,
            headers,
            attempt.key,
            subprotocols=route.settings.offered_subprotocols,
            deflate=route.settings.deflate,
        )
        owner = connection = Connection(
            easy,
            max_message_size=options.max_message_size,
            validate_utf8=not options.skip_utf8_validation,
            deflate=agreed.deflate,
        )
        return Opened(
            easy=easy,
            connection=connection,
            request=attempt.request,
            response=Response(status, tuple(headers), route.url, tuple(route.history)),
            agreed=agreed,
            max_recv_speed=route.settings.max_recv_speed,
            debug=route.settings.debug,
        )
    except BaseException:
        owner.close()
        raise
