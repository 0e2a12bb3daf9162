"""Which proxy a connection goes through. Pure.

The environment's `http_proxy` and the like are not looked at: a connection
takes the way that the program names, no other.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from wscore.codes import CurlECode
from wscore.errors import CurlError

ProxySpec = Mapping[str, str | None]

_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


def proxy_for(url: str, proxies: ProxySpec | None) -> str | None:
    """Return the proxy for *url* of a mapping, None for a direct connection.

    Its keys, best first: `wss://host`, `all://host`, `wss` (or `ws`), `all`. One
    for `http` or `https` says nothing about WebSockets, nor the reverse. A value of None
    or "" means a direct connection.

    Raises:
        CurlError: 5, not a proxy URL that libcurl could use.
    """
    if not proxies:
        return None
    parts = urlsplit(url)
    keys = (f"{parts.scheme}://{parts.hostname}", f"all://{parts.hostname}", parts.scheme, "all")
    proxy = next((proxies[key] for key in keys if key in proxies), None)
    if not proxy:
        return None
    scheme, separator, _rest = proxy.partition("://")
    if separator and scheme.lower() not in _SCHEMES:
        raise CurlError(
            f"the scheme of a proxy is one of {', '.join(_SCHEMES)}, not {scheme!r}",
            CurlECode.COULDNT_RESOLVE_PROXY,
        )
    return proxy
