"""Keep secrets out of everything that people read: logs, reports, tables.

Text in, text out. When in doubt too much is hidden rather than too little.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

MASK = "***"

# `scheme://user:password@host`. A number and a slash after the colon are a
# port and a path (`wss://host:9443/ws/btcusdt@trade`), not a password.
_USERINFO = re.compile(r"(://[^\s:/?#@\[]*):(?!\d+/)\S*@")
# A name without a password is the secret itself: `https://token@proxy`, `https://token:@proxy`.
_LONE_NAME = re.compile(r"(://)[^\s:/?#@\[]+(?:@|:@(?![^\s/]*@))")
_QUERY = re.compile(
    r"([?&][^=&\s]*(?:pass|pwd|secret|token|key|sign?(?:ature)?|auth|credential|session|jwt)"
    r"[^=&\s]*=)[^&#\s\"]+",
    re.I,
)
_SECRET_KEY = re.compile(
    r"passw|passphrase|secret|token|credential|authorization|cookie|(?:api|access|private)_?key",
    re.I,
)
_SECRET_VARIABLE = re.compile(rf"{_SECRET_KEY.pattern}|_(?:pass|pwd|pw|key)$", re.I)
_SHORTEST = 6  # characters; masking "on" would make a log unreadable

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]*\])(?::[0-9]{1,6})?")

_hidden: re.Pattern[str] | None = None


def hide_environment(environ: Mapping[str, str]) -> None:
    """Mask, from now on, the values of the variables whose names say that they are secret.

    Wherever they have got to: a config may put `${TOKEN}` anywhere, also into the path of
    a URL, where nothing shows what it is. Values of fewer than six characters are too
    likely to be words of other lines as well.
    """
    global _hidden
    values = {
        form
        for name, value in environ.items()
        if _SECRET_VARIABLE.search(name)
        for form in (value, quote(value, safe=""), unquote(value))
        if len(form) >= _SHORTEST
    }
    longest_first = sorted(values, key=len, reverse=True)
    _hidden = re.compile("|".join(map(re.escape, longest_first))) if values else None


def redact_text(text: str) -> str:
    """Return *text* with the passwords of the URLs in it masked, and what is hidden.

    The name of a user with a password stays, as does the host: they help to find the
    mistake.
    """
    if _hidden is not None:
        text = _hidden.sub(MASK, text)
    if "://" not in text:
        return text
    text = _USERINFO.sub(rf"\1:{MASK}@", _LONE_NAME.sub(rf"\1{MASK}@", text))
    return _QUERY.sub(rf"\1{MASK}", text)


def redact_url(text: str) -> str:
    """Return what may be shown of a text that ought to be a URL, and is not.

    Where a mistake is, a password may stand anywhere. Scheme and host are shown if they
    look like it, of a query the names.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    elif not _SCHEME.fullmatch(scheme):
        scheme = MASK
    # Whatever characters are in it.
    _, at, rest = rest.rpartition("@")
    hosts, path, query = _parts(rest)
    if not at:
        shown = (host if _HOST.fullmatch(host) else MASK for host in hosts.split(","))
        hosts = ",".join(shown)
        if not separator and ":" not in hosts:
            hosts = MASK
    path = path if path in ("", "/") else f"/{MASK}"
    names = (name for name, _, _ in (pair.partition("=") for pair in query.split("&")))
    pairs = "&".join(f"{name}={MASK}" for name in names) if "=" in query else MASK
    end = f"?{pairs}" if query else ""
    return redact_text(f"{scheme}{separator}{f'{MASK}@' if at else ''}{hosts}{path}{end}")


def _parts(rest: str) -> tuple[str, str, str]:
    found = re.fullmatch(r"([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?", rest, re.DOTALL)
    return (found[1], found[2], found[3] or "") if found else (MASK, "", "")


def is_secret_key(key: str) -> bool:
    """Tell whether a value under this key should never be shown."""
    return _SECRET_KEY.search(key) is not None
