"""What a connection can be told: its handshake, and its life afterwards."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from wscore.cookies import Cookies, CookieTypes
from wscore.extensions import Deflate
from wscore.fingerprint import ExtraFingerprints
from wscore.proxies import ProxySpec
from wscore.retry import WebSocketRetryStrategy
from wscore.url import Params, quoted, resolved, same_origin, with_params

if TYPE_CHECKING:
    from wscore.easy import Easy


class _NotSet(Enum):
    NOT_SET = "NOT_SET"


NOT_SET: Final = _NotSet.NOT_SET  # "as the session has it", where None means something else

Headers = Mapping[str, str | None] | Iterable[tuple[str, str | None]]
Timeout = float | tuple[float, float] | None | Literal[_NotSet.NOT_SET]

ACCEPT_ENCODING = "gzip, deflate, br"  # unless told otherwise
_DEFAULT_TIMEOUT_S = 30.0
_OURS = ("sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions")
_CREDENTIALS = ("authorization", "cookie")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketOptions:
    """Of one open connection. Sizes in messages or bytes, times in seconds.

    `recv_queue_size`: when so many messages wait, reading stops (TCP makes the
    peer wait), or, with `block_on_recv_queue_full` off, the connection fails.
    While closing with `drain_on_error`, twice as many may wait.
    `send_queue_size`: so many may be unsent before `send` waits.
    `coalesce_frames`: the payloads of neighbouring data messages of one kind, up to
    `max_send_batch_size`, are joined into one message. `max_frame_size`: longer
    messages are sent in fragments; None: never.
    `recv_time_slice`, `send_time_slice`: the longest time to read or to write before
    the event loop has its turn.
    `drain_on_error`: what was received before an error or a close can still be
    taken. `ping_interval`/`ping_timeout`: see `wscore.keepalive`; None: off.
    `busy_poll`: for so long a receiver of an `AsyncWebSocket` that finds nothing polls
    the socket before it waits. It saves the way through the kernel's scheduler and
    the event loop, and costs that much CPU time, in which the loop does nothing else.
    """

    recv_queue_size: int = 128
    send_queue_size: int = 128
    max_send_batch_size: int = 64
    coalesce_frames: bool = False
    max_frame_size: int | None = None
    recv_time_slice: float = 0.01
    send_time_slice: float = 0.005
    max_message_size: int = 4 * 1024 * 1024
    block_on_recv_queue_full: bool = True
    autoclose: bool = True
    drain_on_error: bool = False
    ws_retry: WebSocketRetryStrategy | None = None
    skip_utf8_validation: bool = False
    ping_interval: float | None = None
    ping_timeout: float | None = None
    busy_poll: float = 0.0

    def __post_init__(self) -> None:
        sizes = ["recv_queue_size", "send_queue_size", "max_send_batch_size", "max_message_size"]
        if self.max_frame_size is not None:
            sizes.append("max_frame_size")
        for name in sizes:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.busy_poll < 0:
            raise ValueError(f"busy_poll must not be negative, but is {self.busy_poll}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectOptions:
    """Of one opening handshake.

    `headers`: a value of None leaves out a header that would be sent, also one of the
    session's or of libcurl's own. `timeout`: seconds for the whole handshake, or those
    to connect and those for the rest; None: 30.
    `proxies`: see `wscore.proxies`; `proxy` is short for one that is for all.
    `trust_env`: without either, libcurl takes one from the environment.
    `verify` False switches off certificate checks; a string is a CA bundle's path.
    `cert`: path of a client certificate, or of it and its key.
    `dns`: addresses of name servers (a libcurl with c-ares), or of hosts: a mapping.
    `max_recv_speed`: bytes per second, 0: unlimited.
    `impersonate`, `ja3`, `extra_fp`: see `wscore.fingerprint`; `akamai`, `perk` and
    `http_version` are about HTTP/2 and HTTP/3, and have no effect on a WebSocket.
    `quote`: see `wscore.url`. `compression` offers permessage-deflate, "deflate" with
    the usual parameters.
    """

    base_url: str | None = None
    params: Params | None = None
    headers: Headers | None = field(default_factory=dict)
    cookies: CookieTypes | Cookies | None = None
    auth: tuple[str, str] | None = None
    subprotocols: Sequence[str] = ()
    compression: Deflate | Literal["deflate"] | None = None
    timeout: Timeout = _DEFAULT_TIMEOUT_S
    allow_redirects: bool = True
    max_redirects: int = 30
    proxies: ProxySpec | None = None
    proxy: str | None = None
    proxy_auth: tuple[str, str] | None = None
    trust_env: bool = False
    verify: bool | str = True
    cert: str | tuple[str, str] | None = None
    referer: str | None = None
    accept_encoding: str | None = ACCEPT_ENCODING
    impersonate: str | None = None
    ja3: str | None = None
    akamai: str | None = None
    perk: str | None = None
    extra_fp: ExtraFingerprints | Mapping[str, Any] | None = None
    default_headers: bool = True
    quote: str | Literal[False] = ""
    http_version: object = None
    interface: str | None = None
    dns: str | Sequence[str] | Mapping[str, str] | None = None
    doh_url: str | None = None
    max_recv_speed: int = 0
    debug: bool = False
    curl_options: Mapping[int, str | bytes | int | list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.proxy and self.proxies:
            raise TypeError("Cannot specify both proxy and proxies")
        if not isinstance(self.allow_redirects, bool):
            raise TypeError(f"allow_redirects must be a bool, not {self.allow_redirects!r}")
        for name, _ in self.header_pairs():
            if name.lower() in _OURS:
                raise ValueError(f"the header {name} is made by this library")

    def inherit(self, **own: Any) -> Self:
        """Return the settings of one connection of a session with these.

        What is None is the session's, but for `timeout`; headers are merged, and
        cookies are not the session's: those go with its jar.
        """
        own = {
            name: value
            for name, value in own.items()
            if value is not NOT_SET and (value is not None or name == "timeout")
        }
        if "proxy" in own:
            own.setdefault("proxies", None)
        elif "proxies" in own:
            own["proxy"] = None
        if "headers" in own:
            own["headers"] = _merged(self.header_pairs(), _pairs(own["headers"]))
        if "params" in own and self.params:
            own["params"] = [*_items(self.params), *_items(own["params"])]
        if "curl_options" in own:
            own["curl_options"] = {**self.curl_options, **own["curl_options"]}
        own.setdefault("cookies", None)
        return replace(self, **own)

    def after_redirect(self, url: str, target: str) -> Self:
        """Return the settings for *target*, which *url* redirected to.

        Credentials do not follow to another origin.
        """
        if same_origin(url, target):
            return replace(self, params=None)
        headers = [
            (name, value) for name, value in self.header_pairs() if name.lower() not in _CREDENTIALS
        ]
        return replace(self, params=None, headers=headers, cookies=None, auth=None)

    def header_pairs(self) -> list[tuple[str, str | None]]:
        """Return the headers as pairs."""
        return _pairs(self.headers)

    def url_for(self, url: str) -> str:
        """Return the URL to ask for: absolute, with `params`, percent-encoded."""
        if self.base_url:
            url = resolved(self.base_url, url)
        return quoted(with_params(url, self.params), self.quote)

    @property
    def timeout_s(self) -> float:
        """Seconds for the whole handshake."""
        if isinstance(self.timeout, tuple):
            return sum(self.timeout)
        return self.timeout if isinstance(self.timeout, int | float) else _DEFAULT_TIMEOUT_S

    @property
    def connect_timeout_s(self) -> float:
        """Seconds until the connection stands."""
        return self.timeout[0] if isinstance(self.timeout, tuple) else self.timeout_s

    @property
    def proxy_map(self) -> Mapping[str, str | None] | None:
        """`proxies`, or what `proxy` is short for."""
        return {"all": self.proxy} if self.proxy else self.proxies

    @property
    def deflate(self) -> Deflate | None:
        """The offer of permessage-deflate, if any."""
        return Deflate() if self.compression == "deflate" else self.compression

    @property
    def offered_subprotocols(self) -> Sequence[str]:
        """`subprotocols`, or those of a Sec-WebSocket-Protocol header."""
        if self.subprotocols:
            return self.subprotocols
        values = [
            value
            for name, value in self.header_pairs()
            if name.lower() == "sec-websocket-protocol" and value
        ]
        return [item.strip() for item in ",".join(values).split(",") if item.strip()]

    def apply(self, easy: "Easy", url: str, key: str, *, cookie: str = "") -> None:
        """Set everything that the handshake to *url* with *key* needs.

        Raises:
            CurlError: libcurl refuses a value.
            ValueError: a header or a JA3 string that cannot be sent.
        """
        from wscore.libcurl_options import apply

        apply(self, easy, url, key, cookie=cookie)


def _items(params: Params) -> list[tuple[str, Any]]:
    return list(params.items() if isinstance(params, Mapping) else params)


def _pairs(headers: Headers | None) -> list[tuple[str, str | None]]:
    if headers is None:
        return []
    return list(headers.items() if isinstance(headers, Mapping) else headers)


def _merged(
    inherited: list[tuple[str, str | None]], own: list[tuple[str, str | None]]
) -> list[tuple[str, str | None]]:
    replaced = {name.lower() for name, _ in own}
    return [pair for pair in inherited if pair[0].lower() not in replaced] + own
