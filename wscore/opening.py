"""The opening handshake: libcurl on a thread, redirects, cookies, the answer's check."""

import asyncio
import os
import threading
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from wscore.codes import CurlECode
from wscore.connection import Connection
from wscore.cookies import Cookies
from wscore.easy import Easy
from wscore.errors import CurlError, HandshakeError
from wscore.handshake import check_response, make_key
from wscore.options import ConnectOptions, WebSocketOptions
from wscore.response import Request, Response
from wscore.url import resolved, same_origin
from wscore.websocket import Opened

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


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
            code = await Perform(attempt.easy).result(left_s)
        except TimeoutError as exc:
            raise CurlError(
                f"connecting to {route.url} failed: no answer within {settings.timeout_s:g} s",
                CurlECode.OPERATION_TIMEDOUT,
            ) from exc
        opened = conclude(attempt, code, options, jar)
        if opened is not None:
            return opened


@dataclass(slots=True)
class Route:
    """Where a handshake is on its way through redirects."""

    url: str
    settings: ConnectOptions
    history: list[str] = field(default_factory=list)
    trusted: bool = True  # it never left its first origin

    @classmethod
    def begin(cls, url: str, settings: ConnectOptions) -> Self:
        """Return the way to what the user calls *url*.

        Raises:
            CurlError: 1 or 3, not the URL of a WebSocket.
        """
        try:
            return cls(_checked(settings.url_for(url)), settings)
        except ValueError as exc:
            raise CurlError(f"{url!r} is not a URL: {exc}", CurlECode.URL_MALFORMAT) from exc

    def follow(self, location: str) -> None:
        """Go where a redirect leads.

        Raises:
            CurlError: 47, that was one too many; 1 or 3, not a WebSocket's URL.
        """
        most = self.settings.max_redirects
        if 0 <= most <= len(self.history):
            raise CurlError(
                f"more than {most} redirects, the last from {self.url} to {location}",
                CurlECode.TOO_MANY_REDIRECTS,
            )
        try:
            target = _checked(resolved(self.url, location))
        except ValueError as exc:
            text = f"{self.url} redirects to {location!r}, which is not a URL: {exc}"
            raise CurlError(text, CurlECode.URL_MALFORMAT) from exc
        self.settings = self.settings.after_redirect(self.url, target)
        self.trusted &= same_origin(self.url, target)
        self.history.append(self.url)
        self.url = target


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss"):
        raise CurlError(
            f"the scheme must be ws or wss: {url!r}",
            CurlECode.UNSUPPORTED_PROTOCOL if parts.scheme else CurlECode.URL_MALFORMAT,
        )
    if not parts.hostname:
        raise ValueError("it names no host")
    _ = parts.port  # raises, too
    return url


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
            if status not in _REDIRECTS or not route.settings.allow_redirects or not location:
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


class Perform:
    """Runs the blocking handshake on a thread of its own.

    A thread per handshake, not a pool: threads of a pool that wait for servers
    which do not answer would hold up everybody else's handshake.
    """

    def __init__(self, easy: Easy) -> None:
        self._easy = easy
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[int] = self._loop.create_future()
        # Who closes the handle of an abandoned handshake: whoever comes second, the
        # thread at its end or the one who gave up. Never both, never nobody, even if
        # the loop is closed meanwhile.
        self._lock = threading.Lock()
        self._performed = self._abandoned = False
        # Daemon: a handshake that hangs must not hold up the interpreter's exit.
        threading.Thread(target=self._run, name="wscore-handshake", daemon=True).start()

    async def result(self, timeout_s: float) -> int:
        """Return libcurl's code. If cancelled, the handle is closed when the thread ends.

        Raises:
            TimeoutError: the deadline is kept here, because libcurl's own is not in
                force once a CONNECT_ONLY transfer has its TCP connection (8.23):
                a server that accepts and says nothing would be waited for for ever.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._done
        except BaseException:
            with self._lock:
                self._abandoned = True
                performed = self._performed
                if not performed:
                    self._easy.abort()
            if performed:
                self._easy.close()
            raise

    def _run(self) -> None:
        code = self._easy.perform()
        with self._lock:
            self._performed = True
            abandoned = self._abandoned
        if abandoned:
            self._easy.close()
            return
        try:
            self._loop.call_soon_threadsafe(self._finish, code)
        except RuntimeError:  # the loop is closed: nobody waits any more
            self._easy.close()

    def _finish(self, code: int) -> None:
        if not self._done.done():
            self._done.set_result(code)
