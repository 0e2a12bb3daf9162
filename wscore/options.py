"""What `ws_connect` can be told, and how it becomes libcurl options."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import certifi

from wscore.codes import CurlOpt
from wscore.easy import Easy
from wscore.extensions import Deflate

# WS_OPTIONS bit: hand over the raw stream, we do the framing (curl/websockets.h).
_RAW_MODE = 1
_UPGRADE_RAW = 2  # CONNECT_ONLY's value for "do the WebSocket upgrade, then leave it to us"
_HTTP_1_1 = 2  # the upgrade of RFC 6455 exists only there


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketOptions:
    """Of one open connection. Sizes in messages or bytes, times in seconds.

    `recv_queue_size`: when so many messages wait, reading stops (TCP makes the
    peer wait), or, with `block_on_recv_queue_full` off, the connection fails.
    While closing with `drain_on_error`, twice as many may wait.
    `drain_on_error`: what was received before an error or a close can still be
    taken. `ping_interval`/`ping_timeout`: see `wscore.keepalive`; None: off.
    """

    recv_queue_size: int = 128
    send_queue_size: int = 128
    recv_time_slice: float = 0.01
    max_message_size: int = 4 * 1024 * 1024
    block_on_recv_queue_full: bool = True
    autoclose: bool = True
    drain_on_error: bool = False
    skip_utf8_validation: bool = False
    ping_interval: float | None = None
    ping_timeout: float | None = None

    def __post_init__(self) -> None:
        for name in ("recv_queue_size", "send_queue_size", "max_message_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectOptions:
    """Of one opening handshake.

    `verify` False switches off certificate checks; a string is a CA bundle's
    path. `proxy`: `http://`, `https://`, `socks4://`, `socks5://`, `socks5h://`.
    `timeout`: seconds for the whole handshake. `compression` offers
    permessage-deflate, "deflate" with the usual parameters.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    subprotocols: Sequence[str] = ()
    compression: Deflate | Literal["deflate"] | None = None
    timeout: float = 30.0
    verify: bool | str = True
    proxy: str | None = None
    impersonate: str | None = None
    default_headers: bool = True
    interface: str | None = None
    curl_options: Mapping[int, str | bytes | int] = field(default_factory=dict)

    @property
    def deflate(self) -> Deflate | None:
        """The offer of permessage-deflate, if any."""
        return Deflate() if self.compression == "deflate" else self.compression

    def apply(self, easy: Easy, url: str, key: str) -> None:
        """Set everything that the handshake to *url* with *key* needs.

        Raises:
            CurlError: libcurl refuses a value.
        """
        if self.impersonate:
            easy.impersonate(self.impersonate, self.default_headers)
        easy.set(CurlOpt.URL, url)
        easy.set(CurlOpt.PROTOCOLS_STR, "ws,wss")
        easy.set(CurlOpt.CONNECT_ONLY, _UPGRADE_RAW)
        easy.set(CurlOpt.WS_OPTIONS, _RAW_MODE)
        easy.set(CurlOpt.HTTP_VERSION, _HTTP_1_1)
        easy.set(CurlOpt.NOSIGNAL, 1)
        easy.set(CurlOpt.TCP_NODELAY, 1)
        easy.set(CurlOpt.TIMEOUT_MS, max(1, int(self.timeout * 1000)))
        easy.set(CurlOpt.CONNECTTIMEOUT_MS, max(1, int(self.timeout * 1000)))
        self._apply_tls(easy)
        if self.proxy is not None:
            easy.set(CurlOpt.PROXY, self.proxy)
        if self.interface:
            easy.set(CurlOpt.INTERFACE, self.interface)
        easy.set(CurlOpt.HTTPHEADER, self._header_lines(key))
        for option, value in self.curl_options.items():
            easy.set(option, value)

    def _apply_tls(self, easy: Easy) -> None:
        checked = self.verify is not False
        easy.set(CurlOpt.SSL_VERIFYPEER, int(checked))
        easy.set(CurlOpt.SSL_VERIFYHOST, 2 if checked else 0)
        if checked:
            # The wheel's libcurl knows no system's bundle.
            easy.set(
                CurlOpt.CAINFO, self.verify if isinstance(self.verify, str) else certifi.where()
            )

    def _header_lines(self, key: str) -> list[str]:
        lines = [f"{name}: {value}" for name, value in self.headers.items()]
        lines.append(f"Sec-WebSocket-Key: {key}")
        if self.subprotocols:
            lines.append(f"Sec-WebSocket-Protocol: {', '.join(self.subprotocols)}")
        if self.deflate is not None:
            lines.append(f"Sec-WebSocket-Extensions: {self.deflate.header()}")
        for line in lines:
            if any(character in line for character in "\r\n\0"):
                name = line.partition(":")[0]
                raise ValueError(f"a header must not contain a line break or NUL: {name!r}")
        return lines
