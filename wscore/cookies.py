"""Cookies of a session: sent where they belong, stored from answers.

The rules are those of `http.cookiejar` (domain, path, expiry, Secure).
"""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from email.message import Message
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import Any, cast
from urllib.request import Request

from wscore.url import http_url

CookieTypes = (
    Mapping[str, str] | Iterable[tuple[str, str]] | CookieJar  # one without a domain goes anywhere
)


class Cookies(MutableMapping[str, str]):
    """Cookies by name. Those without a domain go to every host.

    `jar` holds the ones with a domain: `set` them with one, or let servers do it.
    """

    def __init__(self, cookies: "CookieTypes | Cookies | None" = None) -> None:
        # Not "co.uk" either, as far as the standard library knows such domains.
        self.jar = CookieJar(DefaultCookiePolicy(strict_domain=True))
        self._anywhere: dict[str, str] = {}
        self._add(cookies)

    def _add(self, cookies: "CookieTypes | Cookies | None") -> None:
        if cookies is None:
            return
        if isinstance(cookies, Cookies):
            self._anywhere |= cookies._anywhere
            cookies = cookies.jar
        if isinstance(cookies, CookieJar):
            for cookie in cookies:
                self.jar.set_cookie(cookie)
            return
        pairs = cookies.items() if isinstance(cookies, Mapping) else cookies
        self._anywhere |= dict(pairs)

    def set(
        self, name: str, value: str, *, domain: str = "", path: str = "/", secure: bool = False
    ) -> None:
        """Set a cookie, of all hosts or of those of a *domain* (`.example.com`: and below)."""
        if not domain:
            self._anywhere[name] = value
            return
        self.jar.set_cookie(
            Cookie(
                version=0,
                name=name,
                value=value,
                port=None,
                port_specified=False,
                # The jar names a host without a dot so (RFC 2965).
                domain=domain if "." in domain else f"{domain}.local",
                domain_specified=True,
                domain_initial_dot=domain.startswith("."),
                path=path,
                path_specified=True,
                secure=secure,
                expires=None,
                discard=True,
                comment=None,
                comment_url=None,
                rest={},
            )
        )

    def header_for(self, url: str, *, anywhere: bool = True) -> str:
        """Return the Cookie header's value for a WebSocket to *url*, "" if there is none.

        Without *anywhere* those without a domain are left out.
        """
        return "; ".join(
            f"{name}={value}" for name, value in self.pairs_for(url, anywhere=anywhere).items()
        )

    def pairs_for(self, url: str, *, anywhere: bool = True) -> dict[str, str]:
        """Return the cookies that go to *url* by name; of one name, the most specific."""
        request = Request(http_url(url))
        self.jar.add_cookie_header(request)
        header = request.get_header("Cookie") or ""
        pairs = dict(self._anywhere) if anywhere else {}
        seen: set[str] = set()
        for item in header.split("; ") if header else ():
            name, _, value = item.partition("=")
            if name not in seen:  # the jar puts longer paths first
                seen.add(name)
                pairs[name] = value
        return pairs

    def store(self, url: str, headers: Sequence[tuple[str, str]]) -> None:
        """Store what an answer from *url* sets, if its rules allow that."""
        message = Message()
        for name, value in headers:
            if name.lower() == "set-cookie":
                message["Set-Cookie"] = value
        if message:
            # All the jar wants of a response is its headers.
            self.jar.extract_cookies(cast(Any, _Answer(message)), Request(http_url(url)))

    def __getitem__(self, name: str) -> str:
        for cookie in self.jar:
            if cookie.name == name and cookie.value is not None:
                return cookie.value
        return self._anywhere[name]

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self._anywhere.pop(name, None)
        for cookie in [cookie for cookie in self.jar if cookie.name == name]:
            self.jar.clear(cookie.domain, cookie.path, cookie.name)

    def __iter__(self) -> Iterator[str]:
        return iter({*self._anywhere, *(cookie.name for cookie in self.jar)})

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Answer:
    def __init__(self, message: Message) -> None:
        self._message = message

    def info(self) -> Message:
        return self._message
