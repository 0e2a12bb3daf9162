"""HTTP connections that stay open for the next request.

libcurl keeps a connection with the handle that opened it, so what is kept is handles.
It takes only a connection that is alive and fits the settings. Their age is ours to
bound: nobody else would close the socket of a handle that is not asked any more.
"""

import asyncio
from collections import deque
from typing import NamedTuple
from urllib.parse import urlsplit

from wscore.easy import Easy
from wscore.options import ConnectOptions

# What libcurl may not look at when it finds out whether a connection fits.
_SHAPING = (
    *("proxy", "proxies", "proxy_auth", "trust_env", "verify", "cert", "impersonate", "ja3"),
    *("akamai", "perk", "extra_fp", "http_version", "interface", "dns", "doh_url"),
    "curl_options",
)
_MOST = 32
_FOR_S = 60.0

Key = tuple[str, str, str]


def reuse_key(url: str, settings: ConnectOptions) -> Key:
    """Return what two requests must have in common to use one connection."""
    parts = urlsplit(url)
    shape = repr([getattr(settings, name) for name in _SHAPING])
    return parts.scheme, parts.netloc, shape


class _Idle(NamedTuple):
    key: Key
    easy: Easy
    since_s: float


class IdleHandles:
    """At most *most*, each for at most *for_s*; the oldest are closed first. Of one event loop."""

    def __init__(self, most: int = _MOST, for_s: float = _FOR_S) -> None:
        self._most = most
        self._for_s = for_s
        self._idle: deque[_Idle] = deque()  # oldest first
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._idle)

    def take(self, key: Key) -> Easy | None:
        """Return the one of that key that was used last, as new; None: there is none."""
        for idle in reversed(self._idle):
            if idle.key == key:
                self._idle.remove(idle)
                return idle.easy
        return None

    def put(self, key: Key, easy: Easy) -> None:
        """Keep a handle whose request has ended well; it is ours from here on."""
        if self._closed:
            easy.close()
            return
        easy.reset()  # also of the last answer's body
        loop = asyncio.get_running_loop()
        self._idle.append(_Idle(key, easy, loop.time()))
        if len(self._idle) > self._most:
            self._idle.popleft().easy.close()
        if self._timer is None:
            self._timer = loop.call_later(self._for_s, self._expire)

    def close(self) -> None:
        """Close all, and what comes later."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._idle:
            self._idle.popleft().easy.close()

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._idle and self._idle[0].since_s + self._for_s <= loop.time():
            self._idle.popleft().easy.close()
        if self._idle:
            self._timer = loop.call_at(self._idle[0].since_s + self._for_s, self._expire)
