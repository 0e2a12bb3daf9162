"""How the settings of a handshake or a request become libcurl options."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import certifi

from wscore.codes import CurlOpt
from wscore.easy import Easy
from wscore.fingerprint import Options, extra_options, ja3_options, targets_for
from wscore.options import ACCEPT_ENCODING
from wscore.proxies import proxy_for

if TYPE_CHECKING:
    from wscore.options import ConnectOptions

# WS_OPTIONS bit: hand over the raw stream, we do the framing (curl/websockets.h).
_RAW_MODE = 1
_UPGRADE_RAW = 2  # CONNECT_ONLY's value for "do the WebSocket upgrade, then leave it to us"
_HTTP_1_1 = 2  # the upgrade of RFC 6455 exists only there
_AUTH_BASIC = 1


def apply(options: "ConnectOptions", easy: Easy, url: str, key: str, *, cookie: str) -> None:
    """Set on *easy* everything for a handshake; see `ConnectOptions.apply`."""
    _apply_common(options, easy, url, options.accept_encoding)
    easy.set(CurlOpt.PROTOCOLS_STR, "ws,wss")
    easy.set(CurlOpt.CONNECT_ONLY, _UPGRADE_RAW)
    easy.set(CurlOpt.WS_OPTIONS, _RAW_MODE)
    easy.set(CurlOpt.HTTP_VERSION, _HTTP_1_1)
    lines = _handshake_lines(options, key)
    _apply_headers(options, easy, lines, cookie)


def apply_request(
    options: "ConnectOptions", easy: Easy, method: str, url: str, body: bytes, *, cookie: str
) -> None:
    """Set on *easy* everything for one HTTP request; raises as `ConnectOptions.apply`."""
    encoding = options.accept_encoding
    # The default stands for what this libcurl can decode: it would not decode the others.
    _apply_common(options, easy, url, "" if encoding == ACCEPT_ENCODING else encoding)
    easy.set(CurlOpt.PROTOCOLS_STR, "http,https")
    lines = [_line(name, value) for name, value in options.header_pairs()]
    if method == "HEAD":
        easy.set(CurlOpt.NOBODY, 1)
    elif body or method != "GET":
        easy.set_body(body)
        # Of these libcurl would add ones that nobody asked for.
        given = {name.lower() for name, _ in options.header_pairs()}
        lines += [f"{name}:" for name in ("Content-Type", "Expect") if name.lower() not in given]
        easy.set(CurlOpt.CUSTOMREQUEST, method)
    if options.max_recv_speed:
        easy.set(CurlOpt.MAX_RECV_SPEED_LARGE, options.max_recv_speed)
    _apply_headers(options, easy, lines, cookie)


def _apply_common(
    options: "ConnectOptions", easy: Easy, url: str, accept_encoding: str | None
) -> None:
    if accept_encoding is not None:
        _refuse_breaks(f"Accept-Encoding: {accept_encoding}")
        easy.set(CurlOpt.ACCEPT_ENCODING, accept_encoding)
    _apply_fingerprint(options, easy)
    easy.set(CurlOpt.URL, url)
    easy.set(CurlOpt.NOSIGNAL, 1)
    easy.set(CurlOpt.TCP_NODELAY, 1)
    easy.set(CurlOpt.VERBOSE, int(options.debug))
    easy.set(CurlOpt.TIMEOUT_MS, max(1, int(options.timeout_s * 1000)))
    easy.set(CurlOpt.CONNECTTIMEOUT_MS, max(1, int(options.connect_timeout_s * 1000)))
    _apply_tls(options, easy)
    _apply_proxy(options, easy, url)
    _apply_network(options, easy, url)
    if options.auth is not None:
        easy.set(CurlOpt.HTTPAUTH, _AUTH_BASIC)
        easy.set(CurlOpt.USERNAME, options.auth[0])
        easy.set(CurlOpt.PASSWORD, options.auth[1])
    if options.referer:
        _refuse_breaks(f"Referer: {options.referer}")
        easy.set(CurlOpt.REFERER, options.referer)


def _apply_headers(options: "ConnectOptions", easy: Easy, lines: list[str], cookie: str) -> None:
    """The last step: also what the user has for libcurl itself."""
    for line in lines:
        _refuse_breaks(line)
    # A Cookie header of the user's own says all there is to say.
    if cookie and not any(line.lower().startswith(("cookie:", "cookie;")) for line in lines):
        _refuse_breaks(f"Cookie: {cookie}")
        easy.set(CurlOpt.COOKIE, cookie)
    if lines:
        easy.set(CurlOpt.HTTPHEADER, lines)
    for option, value in options.curl_options.items():
        easy.set(option, value)


def _apply_fingerprint(options: "ConnectOptions", easy: Easy) -> None:
    if options.impersonate:
        easy.impersonate(targets_for(options.impersonate), options.default_headers)
    wanted: Options = []
    extra = extra_options(options.extra_fp) if options.extra_fp else []
    if options.ja3:
        wanted += ja3_options(options.ja3, permute=("SSL_PERMUTE_EXTENSIONS", 1) in extra)
    for name, value in wanted + extra:
        easy.set_named(name, value)


def _apply_tls(options: "ConnectOptions", easy: Easy) -> None:
    checked = options.verify is not False
    easy.set(CurlOpt.SSL_VERIFYPEER, int(checked))
    easy.set(CurlOpt.SSL_VERIFYHOST, 2 if checked else 0)
    easy.set(CurlOpt.PROXY_SSL_VERIFYPEER, int(checked))
    easy.set(CurlOpt.PROXY_SSL_VERIFYHOST, 2 if checked else 0)
    if checked:
        # The wheel's libcurl knows no system's bundle.
        bundle = options.verify if isinstance(options.verify, str) else certifi.where()
        easy.set(CurlOpt.CAINFO, bundle)
        easy.set(CurlOpt.PROXY_CAINFO, bundle)
    if options.cert:
        certificate, key = (options.cert, None) if isinstance(options.cert, str) else options.cert
        easy.set(CurlOpt.SSLCERT, certificate)
        if key is not None:
            easy.set(CurlOpt.SSLKEY, key)


def _apply_proxy(options: "ConnectOptions", easy: Easy, url: str) -> None:
    proxy = proxy_for(url, options.proxy_map)
    if proxy is None:
        if not options.trust_env:
            easy.set(CurlOpt.PROXY, "")  # else libcurl asks the environment
        return
    easy.set(CurlOpt.PROXY, proxy)
    easy.set(CurlOpt.NOPROXY, "")
    # A proxy that is asked for a plain ws:// URL would forward it as an HTTP request,
    # and not understand the upgrade. HTTP requests take the same way: what is in them
    # is not the proxy's to see.
    easy.set(CurlOpt.HTTPPROXYTUNNEL, 1)
    if options.proxy_auth is not None:
        easy.set(CurlOpt.PROXYUSERNAME, options.proxy_auth[0])
        easy.set(CurlOpt.PROXYPASSWORD, options.proxy_auth[1])


def _apply_network(options: "ConnectOptions", easy: Easy, url: str) -> None:
    if options.interface:
        easy.set(CurlOpt.INTERFACE, options.interface)
    if options.doh_url:
        easy.set(CurlOpt.DOH_URL, options.doh_url)
    if isinstance(options.dns, Mapping):
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme in ("wss", "https") else 80)
        lines = [f"{host}:{port}:{address}" for host, address in options.dns.items()]
        easy.set(CurlOpt.RESOLVE, lines)
    elif options.dns:
        servers = options.dns if isinstance(options.dns, str) else ",".join(options.dns)
        easy.set(CurlOpt.DNS_SERVERS, servers)


def _handshake_lines(options: "ConnectOptions", key: str) -> list[str]:
    lines = [_line(name, value) for name, value in options.header_pairs()]
    lines.append(f"Sec-WebSocket-Key: {key}")
    if options.subprotocols:
        lines = [line for line in lines if not line.lower().startswith("sec-websocket-protocol")]
        lines.append(f"Sec-WebSocket-Protocol: {', '.join(options.subprotocols)}")
    if options.deflate is not None:
        lines.append(f"Sec-WebSocket-Extensions: {options.deflate.header()}")
    return lines


def _line(name: str, value: str | None) -> str:
    """Return a header the way libcurl is told to send it, leave it out, or send it empty."""
    if value is None:
        return f"{name}:"
    return f"{name}: {value}" if value else f"{name};"


def _refuse_breaks(line: str) -> None:
    if any(character in line for character in "\r\n\0"):
        name = line.partition(":")[0]
        raise ValueError(f"a header must not contain a line break or NUL: {name!r}")
