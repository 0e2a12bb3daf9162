"""HTTP requests: libcurl on a thread, redirects, cookies, a body of bounded size."""

import asyncio
import re
from dataclasses import dataclass, replace

from wscore.codes import CurlECode, CurlInfo
from wscore.cookies import Cookies
from wscore.easy import Easy
from wscore.errors import RequestException, SessionClosed, Timeout
from wscore.libcurl_options import apply_request
from wscore.options import ConnectOptions
from wscore.perform import Perform
from wscore.response import HttpResponse
from wscore.reuse import IdleHandles, reuse_key
from wscore.route import REDIRECTS, Route

_METHOD = re.compile(r"[A-Z]+")
_SAFE = ("GET", "HEAD")
_ENDED = (CurlECode.SEND_ERROR, CurlECode.RECV_ERROR, CurlECode.GOT_NOTHING)
_OF_A_BODY = ("content-type", "content-length", "content-encoding")


@dataclass(slots=True, eq=False)
class Outgoing:
    """One request on its way. `easy` is libcurl's part in it, while that is at work."""

    method: str
    body: bytes
    max_body: int
    easy: Easy | None = None
    aborted: bool = False

    def __post_init__(self) -> None:
        if not _METHOD.fullmatch(self.method):
            raise ValueError(f"a method is a word in capitals, not {self.method!r}")
        if self.max_body < 0:
            raise ValueError(f"max_body must not be negative, but is {self.max_body}")

    def abort(self) -> None:
        """End it within about a second: it raises `SessionClosed`."""
        self.aborted = True
        if self.easy is not None:
            self.easy.abort()

    def follow(self, status: int, route: Route, location: str) -> None:
        """Go where a redirect leads, with a GET where that is the rule.

        Source: RFC 9110, sections 15.4.2 to 15.4.4.
        """
        route.follow(location)
        posted = status in (301, 302) and self.method == "POST"
        if posted or (status == 303 and self.method not in _SAFE):
            self.method, self.body = "GET", b""
            pairs = route.settings.header_pairs()
            kept = [pair for pair in pairs if pair[0].lower() not in _OF_A_BODY]
            route.settings = replace(route.settings, headers=kept)


async def send_request(
    outgoing: Outgoing, url: str, settings: ConnectOptions, jar: Cookies, idle: IdleHandles
) -> HttpResponse:
    """Ask, follow redirects, return the answer, whatever its status.

    Cookies go out of the *jar* and into it. If cancelled, the transfer ends on its
    thread, within about a second. A GET or HEAD uses a connection out of *idle*, if
    there is one, and is sent once more, on a new one, if that turns out to be dead;
    what may not be repeated has a connection of its own.

    Raises:
        Timeout: there was no whole answer within `settings.timeout_s`.
        SessionClosed: `Outgoing.abort` was called.
        RequestException: the body is larger than `max_body` (100), the server cannot
            be reached (7), ended the connection too soon (18, 52, 56), …
        CurlError: a setting or the URL is not usable.
    """
    deadline = asyncio.get_running_loop().time() + settings.timeout_s
    route = Route.begin(url, settings, http=True)
    again = False
    while True:
        key = reuse_key(route.url, route.settings)
        kept = idle.take(key) if outgoing.method in _SAFE and not again else None
        easy = outgoing.easy = _prepare(outgoing, route, jar, kept or Easy())
        owned = True
        try:
            if outgoing.aborted:
                easy.abort()
            left_s = deadline - asyncio.get_running_loop().time()
            try:
                code = await Perform(easy, "wscore-request").result(left_s)
            except BaseException as exc:
                owned = False  # the thread closes the handle
                if isinstance(exc, TimeoutError):
                    raise _too_late(route) from exc
                raise
            again = _is_dead(code, easy) and kept is not None and not outgoing.aborted
            if again:
                continue
            _raise_for(code, outgoing, route, easy)
            status, headers = easy.status, easy.headers()
            jar.store(route.url, headers)
            answer = HttpResponse(
                status, tuple(headers), easy.body(), route.url, tuple(route.history)
            )
            if outgoing.method in _SAFE:
                owned = False
                idle.put(key, easy)
        finally:
            outgoing.easy = None
            if owned:
                easy.close()
        location = answer.header("location")
        if status not in REDIRECTS or not route.settings.allow_redirects or not location:
            return answer
        outgoing.follow(status, route, location)


def _prepare(outgoing: Outgoing, route: Route, jar: Cookies, easy: Easy) -> Easy:
    try:
        pairs = jar.pairs_for(route.url, anywhere=route.trusted)
        pairs |= Cookies(route.settings.cookies).pairs_for(route.url)
        cookie = "; ".join(f"{name}={value}" for name, value in pairs.items())
        apply_request(
            route.settings, easy, outgoing.method, route.url, outgoing.body, cookie=cookie
        )
        easy.collect(outgoing.max_body)
    except BaseException:
        easy.close()
        raise
    return easy


def _is_dead(code: int, easy: Easy) -> bool:
    """Whether a connection that was used before has ended, and nothing came of this request."""
    return code in _ENDED and easy.status == 0 and easy.info(CurlInfo.NUM_CONNECTS) == 0


def _raise_for(code: int, outgoing: Outgoing, route: Route, easy: Easy) -> None:
    """Raise what libcurl's *code* means; an answer, of whatever status, is no failure."""
    where = f"{outgoing.method} {route.url}"
    if code == CurlECode.OK:
        return
    if outgoing.aborted and code == CurlECode.ABORTED_BY_CALLBACK:
        raise SessionClosed(f"{where}: the session was closed", code)
    if code == CurlECode.OPERATION_TIMEDOUT:
        raise _too_late(route)
    if code == CurlECode.WRITE_ERROR and easy.body_too_large:
        raise RequestException(
            f"{where}: the body is larger than {outgoing.max_body:,} bytes", CurlECode.TOO_LARGE
        )
    raise RequestException(f"{where} failed: {easy.describe(code)}", code)


def _too_late(route: Route) -> Timeout:
    return Timeout(f"{route.url}: no whole answer within {route.settings.timeout_s:g} s")
