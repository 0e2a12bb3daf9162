"""The URLs that name a Redis or Valkey: one server, a service of Sentinels, a cluster. Pure.

    redis://[user:password@]host[:port][/database]     rediss:// with TLS
    unix://[user:password@]/path
    redis+sentinel://[user:password@]host[:port],…/service[/database]
    redis+cluster://[user:password@]host[:port],…

`valkey` stands for `redis` everywhere, and `rediss` or `valkeys` adds TLS. User and
password are those of the servers that hold the data.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from msgspec import Struct

from ingest.config.problems import choose

ACCEPTED = (
    "a URL redis://[user:password@]host[:port][/database], unix:///path, "
    "redis+sentinel://host[:port],…/service[/database] or redis+cluster://host[:port],…; "
    "rediss instead of redis is TLS"
)

Kind = Literal["server", "sentinel", "cluster"]
Address = tuple[str, int]

_KINDS: dict[str, Kind] = {"": "server", "+sentinel": "sentinel", "+cluster": "cluster"}
_REDIS_PY = {"redis": "redis", "valkey": "redis", "rediss": "rediss", "valkeys": "rediss"}
_PORTS = {"server": 6379, "sentinel": 26379, "cluster": 6379}


class RedisUrl(Struct, frozen=True):
    """What a URL says.

    `server` is a URL as redis-py's `from_url` takes it. For Sentinels and a cluster it
    has all that holds for every server, and the first of `hosts` in the host's place.
    """

    kind: Kind
    server: str
    hosts: tuple[Address, ...]  # the Sentinels, or nodes of the cluster; a server's own
    service: str = ""  # what the Sentinels call it
    sentinel_options: tuple[tuple[str, str], ...] = ()  # redis-py's, for their own connections


def parse_redis_url(text: str) -> RedisUrl:
    """Read a URL.

    Raises:
        ValueError: with what to do about it, and nothing of the URL: it may be secret.
    """
    if any(char.isspace() or not char.isprintable() for char in text):
        raise ValueError(f"a URL has no spaces in it; use {ACCEPTED}")
    scheme, separator, rest = text.partition("://")
    base, plus, kind_name = scheme.partition("+")
    kind = _KINDS.get(plus + kind_name)
    known = base in _REDIS_PY or (base == "unix" and kind == "server")
    if not separator or kind is None or not known:
        raise ValueError(f"use {ACCEPTED}")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    url = urlsplit(f"//{rest.removeprefix(authority)}" if rest != authority else "")
    userinfo, at, hosts = authority.rpartition("@")
    options = _options(url.query, kind, tls=_REDIS_PY.get(base) == "rediss")
    if base == "unix":
        if hosts or len(url.path) < 2:  # unix://run/x: "run" would be a host
            raise ValueError("the path of the socket must be absolute; use unix:///path")
        return RedisUrl("server", text, ())
    addresses = tuple(_address(host, _PORTS[kind]) for host in hosts.split(","))
    if kind == "server" and len(addresses) > 1:
        raise ValueError("it names several hosts; use redis+sentinel:// or redis+cluster://")
    service, database = _path(url.path, kind)
    if kind == "cluster" and (database or "0", dict(options).get("db", "0")) != ("0", "0"):
        raise ValueError("a cluster has only the database 0; leave it out")
    own = tuple((k, v) for k, v in options if not k.startswith(_SENTINEL))
    query = f"?{urlencode(own)}" if own else ""
    host, port = addresses[0]
    bracketed = f"[{host}]" if ":" in host else host
    server = f"{_REDIS_PY[base]}://{userinfo}{at}{bracketed}:{port}/{database}{query}"
    sentinel = tuple((k.removeprefix(_SENTINEL), v) for k, v in options if k.startswith(_SENTINEL))
    return RedisUrl(kind, server, addresses, service, sentinel)


def unverified(text: str) -> str:
    """Return the option of a URL that switches off a check of certificates, "" for none."""
    options = dict(parse_qsl(urlsplit(text).query))
    if options.get("ssl_cert_reqs", "required").lower() != "required":
        return f"ssl_cert_reqs={options['ssl_cert_reqs']}"
    if options.get("ssl_check_hostname", "true").lower() in ("false", "no", "0"):
        return f"ssl_check_hostname={options['ssl_check_hostname']}"
    return ""


def _path(path: str, kind: Kind) -> tuple[str, str]:
    """Return the service and the database, "" for what is not there."""
    service, database = "", path.removeprefix("/")
    if kind == "sentinel":
        service, _, database = database.partition("/")
        if not service:
            raise ValueError("it names no service; use redis+sentinel://host[:port],…/service")
    if not re.fullmatch(r"[0-9]{0,5}", database):
        place = "service" if kind == "sentinel" else "host"
        raise ValueError(f"what follows the {place} is the number of the database; use …/0")
    return unquote(service), database


def _address(text: str, default_port: int) -> Address:
    try:
        split = urlsplit(f"//{text}")
    except ValueError:
        raise ValueError(f"use {ACCEPTED}") from None
    check_host(split)
    return unquote(split.hostname or ""), split.port or default_port


def check_host(url: SplitResult) -> None:
    """Check that a URL has a host, and a port that can be one.

    Raises:
        ValueError: with what to do about it.
    """
    try:
        port = url.port
    except ValueError:
        raise ValueError(
            "its port is not a number from 1 to 65535"
            " (in a password, write / as %2F, @ as %40, : as %3A)"
        ) from None
    if port == 0:
        raise ValueError("its port is not a number from 1 to 65535")
    if not url.hostname:
        raise ValueError("it names no host")


def _number(kind: Callable[[str], object]) -> Callable[[str], None]:
    def check(value: str) -> None:
        try:
            kind(value)
        except ValueError:
            raise ValueError("takes a number") from None

    return check


def _choice(*words: str) -> Callable[[str], None]:
    def check(value: str) -> None:
        if value.lower() not in words:
            raise ValueError(f"takes {', '.join(words[:-1])} or {words[-1]}")

    return check


def _file(value: str) -> None:
    if not Path(value).is_file():
        raise ValueError("names no file that exists")


def _directory(value: str) -> None:
    if not Path(value).is_dir():
        raise ValueError("names no directory that exists")


def _anything(value: str) -> None:
    pass


_SENTINEL = "sentinel_"
# What redis-py understands in a URL's query and a sink may be given.
_OPTIONS: dict[str, Callable[[str], None]] = {
    "db": _number(int),
    "client_name": _anything,
    "health_check_interval": _number(int),
    "protocol": _choice("2", "3"),
    "socket_connect_timeout": _number(float),
    "socket_timeout": _number(float),
    "ssl_ca_certs": _file,
    "ssl_ca_path": _directory,
    "ssl_cert_reqs": _choice("none", "optional", "required"),
    "ssl_certfile": _file,
    "ssl_check_hostname": _choice("true", "false", "yes", "no", "1", "0"),
    "ssl_keyfile": _file,
    "username": _anything,
    "password": _anything,
    "sentinel_username": _anything,
    "sentinel_password": _anything,
}


def _options(query: str, kind: Kind, *, tls: bool) -> tuple[tuple[str, str], ...]:
    options = tuple(parse_qsl(query, keep_blank_values=True))
    for name, value in options:
        check = _OPTIONS.get(name)
        if check is None:
            raise ValueError(f"it has no option {name}; {choose(name, _OPTIONS)}")
        if name.startswith(_SENTINEL) and kind != "sentinel":
            raise ValueError(f"its option {name} is for redis+sentinel:// only")
        if name.startswith("ssl_") and not tls:
            raise ValueError(f"its option {name} is for TLS; use rediss instead of redis")
        try:
            check(value)
        except ValueError as exc:
            raise ValueError(f"its option {name} {exc}") from None
    return options
