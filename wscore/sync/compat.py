"""The option names of websocket-client, turned into ours. Pure.

Source: the documentation of its `create_connection` and `WebSocketApp.run_forever`.
"""

import ssl
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from wscore.codes import CurlOpt

Headers = Mapping[str, str] | Iterable[str]

# Always so here, whatever is asked for: locks are used, no Origin is sent of our own
# accord, libcurl sets the socket up.
_WITHOUT_EFFECT = {"enable_multithread", "suppress_origin"}
_NAMES = {
    "header",
    "cookie",
    "host",
    "origin",
    "sslopt",
    "sockopt",
    "fire_cont_frame",
    "http_proxy_host",
    "http_proxy_port",
    "http_proxy_auth",
    "http_no_proxy",
    "proxy_type",
} | _WITHOUT_EFFECT


def translate(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return *options* with websocket-client's names replaced; others stay as they are.

    Raises:
        ValueError: something is asked for that is not done here.
    """
    ours = {name: value for name, value in options.items() if name not in _NAMES}
    theirs = {name: value for name, value in options.items() if value and name in _NAMES}
    if "sockopt" in theirs:
        raise ValueError("sockopt: libcurl owns the socket; TCP_NODELAY is always set")
    if "fire_cont_frame" in theirs:
        raise ValueError("fire_cont_frame: messages always come whole; leave it out")
    headers = header_dict(theirs.get("header") or ()) | {
        name: theirs[key]
        for key, name in (("host", "Host"), ("origin", "Origin"), ("cookie", "Cookie"))
        if key in theirs
    }
    if headers:
        ours["headers"] = {**dict(ours.get("headers") or {}), **headers}
    curl_options = dict(ours.get("curl_options") or {})
    _translate_tls(theirs.get("sslopt") or {}, ours, curl_options)
    if "http_proxy_host" in theirs:
        ours["proxy"] = _proxy(theirs)
        if "http_no_proxy" in theirs:
            no_proxy = theirs["http_no_proxy"]
            names = [no_proxy] if isinstance(no_proxy, str) else no_proxy
            curl_options[CurlOpt.NOPROXY] = ",".join(names)
    if curl_options:
        ours["curl_options"] = curl_options
    return ours


def header_dict(header: Headers) -> dict[str, str]:
    """Return headers that may be given as lines `Name: value`.

    Raises:
        ValueError: a line has no colon.
    """
    if isinstance(header, Mapping):
        return dict(header)
    found = {}
    for line in header:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"header: expected 'Name: value', found {line!r}")
        found[name.strip()] = value.strip()
    return found


def _translate_tls(
    sslopt: Mapping[str, Any], ours: dict[str, Any], curl_options: dict[int, Any]
) -> None:
    rest = dict(sslopt)
    if ca := rest.pop("ca_certs", None):
        ours["verify"] = ca
    if rest.pop("cert_reqs", ssl.CERT_REQUIRED) == ssl.CERT_NONE:
        ours["verify"] = False
    if not rest.pop("check_hostname", True):
        curl_options[CurlOpt.SSL_VERIFYHOST] = 0
    for name, option in (("certfile", CurlOpt.SSLCERT), ("keyfile", CurlOpt.SSLKEY)):
        if value := rest.pop(name, None):
            curl_options[option] = value
    if rest:
        raise ValueError(
            f"sslopt[{next(iter(rest))!r}] is not supported; use ca_certs, cert_reqs, "
            "check_hostname, certfile, keyfile, or curl_options"
        )


def _proxy(theirs: Mapping[str, Any]) -> str:
    scheme = theirs.get("proxy_type", "http")
    user = ""
    if auth := theirs.get("http_proxy_auth"):
        user = ":".join(quote(part, safe="") for part in auth if part is not None) + "@"
    return f"{scheme}://{user}{theirs['http_proxy_host']}:{theirs.get('http_proxy_port') or 80}"
