"""The URL that is asked for, out of what the user wrote. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal
from urllib.parse import quote, unquote_to_bytes, urlencode, urljoin, urlsplit, urlunsplit

Params = Mapping[str, Any] | Iterable[tuple[str, Any]]

# What may stand in a URL as it is, besides letters and digits (RFC 3986, section 2).
_LEGAL = "!#$%&'()*+,/:;=?@[]~"
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss"}
_DEFAULT_PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443}


def with_params(url: str, params: Params | None) -> str:
    """Append *params* to the query; a list of values gives one pair each, None none."""
    if not params:
        return url
    pairs = params.items() if isinstance(params, Mapping) else params
    text = urlencode([(key, value) for key, value in pairs if value is not None], doseq=True)
    if not text:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query=f"{parts.query}&{text}" if parts.query else text))


def quoted(url: str, extra: str | Literal[False] = "") -> str:
    """Percent-encode what must not stand in a URL; what is encoded already stays so.

    *extra*: legal characters to encode as well; False: leave the URL alone.
    """
    if extra is False:
        return url
    parts = urlsplit(url)
    safe = "".join(character for character in _LEGAL if character not in extra)
    return urlunsplit(
        parts._replace(
            netloc=_ascii_host(parts.netloc),
            path=quote(_plain_unreserved(parts.path), safe),
            query=quote(_plain_unreserved(parts.query), safe),
        )
    )


def resolved(base: str, reference: str) -> str:
    """Return what *reference* means at *base*, as a WebSocket URL.

    Redirecting servers write `https://` where they mean `wss://`.
    """
    parts = urlsplit(urljoin(_http_url(base), reference))
    return urlunsplit(parts._replace(scheme=_WEBSOCKET_SCHEMES.get(parts.scheme, parts.scheme)))


def same_origin(one: str, other: str) -> bool:
    """Whether credentials that were meant for *one* may go to *other*."""
    return _origin(one) == _origin(other)


def http_url(url: str) -> str:
    """Return the URL with the scheme that HTTP's rules know."""
    return _http_url(url)


def _http_url(url: str) -> str:
    scheme, separator, rest = url.partition(":")
    http = {"ws": "http", "wss": "https"}.get(scheme.lower(), scheme)
    return f"{http}{separator}{rest}"


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)


def _ascii_host(netloc: str) -> str:
    if netloc.isascii():
        return netloc
    user, at, host = netloc.rpartition("@")
    name, colon, port = host.partition(":")
    return f"{quote(user, _LEGAL)}{at}{name.encode('idna').decode()}{colon}{port}"


def _plain_unreserved(text: str) -> str:
    """Undo the encoding of characters that never needed it."""
    head, *parts = text.split("%")
    found = [head]
    for part in parts:
        byte = unquote_to_bytes(f"%{part[:2]}")
        if len(byte) == 1 and byte[0] in _UNRESERVED:
            found.append(byte.decode() + part[2:])
        elif len(byte) == 1:
            found.append(f"%{part}")
        else:
            found.append(f"%25{part}")  # a percent sign that encodes nothing
    return "".join(found)
