"""From the URL that the user wrote, through redirects, to the one that answers. Pure."""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from wscore.codes import CurlECode
from wscore.errors import CurlError
from wscore.options import ConnectOptions
from wscore.url import http_url, resolved, same_origin

REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(slots=True)
class Route:
    """Where a handshake, or a request with *http*, is on its way through redirects."""

    url: str
    settings: ConnectOptions
    http: bool = False
    history: list[str] = field(default_factory=list)
    trusted: bool = True  # it never left its first origin

    @classmethod
    def begin(cls, url: str, settings: ConnectOptions, *, http: bool = False) -> Self:
        """Return the way to what the user calls *url*.

        Raises:
            CurlError: 1 or 3, not the URL of a WebSocket or, with *http*, of a resource.
        """
        try:
            return cls(_checked(settings.url_for(url), http=http), settings, http)
        except ValueError as exc:
            raise CurlError(f"{url!r} is not a URL: {exc}", CurlECode.URL_MALFORMAT) from exc

    def follow(self, location: str) -> None:
        """Go where a redirect leads.

        Raises:
            CurlError: 47, that was one too many; 1 or 3, not a URL of that kind.
        """
        most = self.settings.max_redirects
        if 0 <= most <= len(self.history):
            raise CurlError(
                f"more than {most} redirects, the last from {self.url} to {location}",
                CurlECode.TOO_MANY_REDIRECTS,
            )
        try:
            target = _checked(resolved(self.url, location), http=self.http)
        except ValueError as exc:
            text = f"{self.url} redirects to {location!r}, which is not a URL: {exc}"
            raise CurlError(text, CurlECode.URL_MALFORMAT) from exc
        self.settings = self.settings.after_redirect(self.url, target)
        self.trusted &= same_origin(self.url, target)
        self.history.append(self.url)
        self.url = target


def _checked(url: str, *, http: bool) -> str:
    if http:
        url = http_url(url)
    parts = urlsplit(url)
    schemes = ("http", "https") if http else ("ws", "wss")
    if parts.scheme not in schemes:
        raise CurlError(
            f"the scheme must be {' or '.join(schemes)}: {url!r}",
            CurlECode.UNSUPPORTED_PROTOCOL if parts.scheme else CurlECode.URL_MALFORMAT,
        )
    if not parts.hostname:
        raise ValueError("it names no host")
    _ = parts.port  # raises, too
    return url
