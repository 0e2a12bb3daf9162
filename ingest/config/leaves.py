"""The kinds of value a config can hold beyond text, numbers and true/false.

Each parser takes what YAML read and returns the value to keep. It raises
`ValueError` with what to do about it ("use …"); who calls adds the place and,
with secrets masked, what was found.
"""

import re
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from string import Formatter
from typing import Any
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from ingest import codecs
from ingest.codecs import KeyForm
from ingest.config import redis_url
from ingest.config.problems import choose
from ingest.config.redis_url import check_host


class Leaf(Struct, frozen=True):
    """How one kind of value is read; stands in the annotation of a field."""

    accepts: str  # completes "use …"
    parse: Callable[[Any], Any]  # raises ValueError
    secret: bool = False  # may hold a user and a password: masked when shown


_UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tb": 10**12,
    "tib": 2**40,
}
_SIZE = re.compile(r"([0-9][0-9_]*)\s*([a-z]*)", re.IGNORECASE)
MIN_SIZE, MAX_SIZE = 2**10, 2**30
SIZE = "a size from 1KiB to 1GiB, such as 16MiB, 512KiB or 4_000_000 (bytes)"
MIN_DISK_SIZE, MAX_DISK_SIZE = 2**20, 2**40
DISK_SIZE = "a size from 1MiB to 1TiB, such as 4GiB, 500MB or 4_000_000 (bytes)"


def parse_size(value: object) -> int:
    """Bytes of `16MiB`, `16MB` or a whole number."""
    return _size(value, MIN_SIZE, MAX_SIZE, SIZE)


def parse_disk_size(value: object) -> int:
    """As `parse_size`, of what is kept on disk."""
    return _size(value, MIN_DISK_SIZE, MAX_DISK_SIZE, DISK_SIZE)


def _size(value: object, least: int, most: int, accepts: str) -> int:
    match = _SIZE.fullmatch(value if isinstance(value, str) else str(value))
    unit = _UNITS.get(match[2].lower()) if match and not isinstance(value, bool) else None
    if match is None or unit is None:
        raise ValueError(f"use {accepts}")
    size = int(match[1].replace("_", "")) * unit
    if not least <= size <= most:
        raise ValueError(f"use {accepts}")
    return size


REDIS_URL = redis_url.ACCEPTED


def parse_redis_url(value: object) -> str:
    """One server, Sentinels or a cluster: see `ingest.config.redis_url`."""
    text = _text(value, REDIS_URL)
    redis_url.parse_redis_url(text)
    return text


def _url_parser(schemes: tuple[str, ...], accepts: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        text = _text(value, accepts)
        check_host(_split(text, schemes, accepts))
        return text

    return parse


WS_URL = "a URL wss://host[:port][/path] or ws://…"
HTTP_URL = "a URL https://host[:port][/path] or http://…"
PROXY_URL = "a URL http://, https://, socks4://, socks5:// or socks5h://[user:password@]host:port"
parse_ws_url = _url_parser(("ws", "wss"), WS_URL)
parse_http_url = _url_parser(("http", "https"), HTTP_URL)
parse_proxy_url = _url_parser(("http", "https", "socks4", "socks5", "socks5h"), PROXY_URL)

ENCODINGS = tuple(codecs.encodings())
ENCODING = f"{', '.join(ENCODINGS[:-1])} or {ENCODINGS[-1]}"


def parse_encoding(value: object) -> str:
    """How an entry's fields are written."""
    if value not in ENCODINGS:
        raise ValueError(choose(str(value), ENCODINGS))
    return str(value)


KEY = "text with the encoding's placeholders, each once and apart from one another"


def parse_key(value: object) -> str:
    """A template of stream keys; `{{` and `}}` stand for braces, as in `str.format`.

    Which placeholders there are is the encoding's: `check_key`.
    """
    text = _text(value, KEY)
    if len(text) > 200 or any(not char.isprintable() for char in text):
        raise ValueError(f"use {KEY}, at most 200 printable characters")
    try:
        list(Formatter().parse(text))
    except ValueError:
        raise ValueError(f"its braces do not match; use {KEY}") from None
    return text


def check_key(text: str, form: KeyForm) -> None:
    """Check that no two streams share a key under the template *text*.

    Raises:
        ValueError: they would, or it has other placeholders than *form*; with what to do.
    """
    advice = f"use {KEY}: {', '.join(f'{{{name}}}' for name in form.required)}"
    if form.optional:
        advice += f" and, if need be, {', '.join(f'{{{name}}}' for name in form.optional)}"
    found: list[str] = []
    between = ""
    for literal, name, spec, conversion in Formatter().parse(text):
        between += literal
        if name is None:
            continue
        if name not in form.required + form.optional or spec or conversion:
            raise ValueError(f"{{{name}}} is not one of its placeholders; {advice}")
        if found and not between:
            # {channel}{instrument}: two streams could end up with one key.
            raise ValueError(f"{{{found[-1]}}} and {{{name}}} touch; put a : between them")
        found.append(name)
        between = ""
    missing = [f"{{{name}}}" for name in form.required if name not in found]
    if missing:
        raise ValueError(f"it lacks {' and '.join(missing)}, so streams would share a key")
    if len(found) != len(set(found)):
        raise ValueError(advice)


LISTEN = "an address host:port, such as 127.0.0.1:9464 or [::1]:9464"


def parse_listen(value: object) -> str:
    """`host:port`; an IPv6 host in brackets."""
    text = _text(value, LISTEN)
    try:
        url = urlsplit(f"//{text}")
        port = url.port
    except ValueError:
        raise ValueError(f"use {LISTEN}") from None
    if not url.hostname or not port or url.path or url.query or url.fragment or "@" in text:
        raise ValueError(f"use {LISTEN}")
    return text


NAME = "letters, digits, - and _, beginning with a letter or digit, at most 64"


def parse_name(value: object) -> str:
    """A name that can stand in a stream key, a metric's label and a file name."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", value):
        raise ValueError(f"use {NAME}")
    return value


IMPERSONATE = "the name of a browser as libcurl-impersonate has it, such as chrome136 or firefox135"


def parse_impersonate(value: object) -> str:
    """A name such as `chrome131_android`; whether libcurl has it is seen when it connects."""
    if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9_.]{1,31}", value):
        raise ValueError(f"use {IMPERSONATE}")
    return value


SOURCE_ADDRESS = "an address of this machine, or the name of a network interface"
_INTERFACE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}")


def parse_source_address(value: object) -> str:
    """Where connections come from: 192.0.2.7, 2001:db8::7, eth1."""
    text = _text(value, SOURCE_ADDRESS)
    if _INTERFACE.fullmatch(text):
        return text
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"use {SOURCE_ADDRESS}") from None


CA_FILE = "the path of a PEM file that exists"


def parse_ca_file(value: object) -> str:
    """A file there is; relative paths start where the program was started."""
    path = _text(value, CA_FILE)
    if not Path(path).is_file():
        raise ValueError(f"there is no such file; use {CA_FILE}")
    return path


def _text(value: object, accepts: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"use {accepts}")
    return value


def _split(text: str, schemes: tuple[str, ...], accepts: str) -> SplitResult:
    if any(char.isspace() or not char.isprintable() for char in text):
        raise ValueError(f"a URL has no spaces in it; use {accepts}")
    try:
        url = urlsplit(text)
    except ValueError:
        raise ValueError(f"use {accepts}") from None
    if url.scheme not in schemes or "://" not in text:
        raise ValueError(f"use {accepts}")
    return url
