"""Sizes, URLs, templates, addresses, names."""

import re
from collections.abc import Callable

import pytest

from ingest import codecs
from ingest.config import leaves


@pytest.mark.parametrize(
    ("text", "size"),
    [("16MiB", 2**24), ("512 kib", 2**19), ("4_000MB", None), ("1_000_000", 10**6), (2048, 2048)],
)
def test_sizes(text: object, size: int | None) -> None:
    """Binary and decimal units, bytes without one; from 1 KiB to 1 GiB."""
    if size is not None:
        assert leaves.parse_size(text) == size
    else:
        with pytest.raises(ValueError, match=r"use a size from 1KiB to 1GiB"):
            leaves.parse_size(text)


@pytest.mark.parametrize("value", ["16Mi", "-5", "1.5MiB", "", True, None, 1.5, "1023", "2GiB"])
def test_not_a_size(value: object) -> None:
    """Anything else is refused rather than guessed."""
    with pytest.raises(ValueError, match=r"^use a size"):
        leaves.parse_size(value)


GOOD: list[tuple[Callable[[object], str], str]] = [
    (leaves.parse_redis_url, "redis://localhost"),
    (leaves.parse_redis_url, "rediss://joe:p%40ss@[::1]:6380/15"),
    (leaves.parse_redis_url, f"rediss://h/0?socket_timeout=1.5&ssl_ca_certs={__file__}"),
    (leaves.parse_redis_url, "unix:///run/redis.sock?db=1"),
    (leaves.parse_redis_url, "unix://joe:pw@/run/a@b.sock"),
    (leaves.parse_ws_url, "wss://h:9443/stream"),
    (leaves.parse_ws_url, "ws://127.0.0.1:1"),
    (leaves.parse_http_url, "https://api.example"),
    (leaves.parse_proxy_url, "socks5h://joe:pw@h:1080"),
    (leaves.parse_source_address, "192.0.2.7"),
    (leaves.parse_source_address, "2001:db8::7"),
    (leaves.parse_source_address, "eth0.100"),
    (leaves.parse_key, "md:{venue}:{channel}:{instrument}"),
    (leaves.parse_key, "{instrument}/{{x}}{venue}.{channel}"),
    (leaves.parse_key, "{{{venue}}}:{channel}:{instrument}"),
    (leaves.parse_listen, "0.0.0.0:9464"),
    (leaves.parse_listen, "[::1]:9464"),
    (leaves.parse_name, "binance-books_2"),
    (leaves.parse_impersonate, "chrome131_android"),
]


@pytest.mark.parametrize(("parse", "text"), GOOD)
def test_good(parse: Callable[[object], str], text: str) -> None:
    """What is good is kept as it is."""
    assert parse(text) == text


BAD: list[tuple[Callable[[object], str], object, str]] = [
    (leaves.parse_redis_url, "http://h", "use a URL redis://"),
    (leaves.parse_redis_url, "redis:h", "use a URL redis://"),
    (leaves.parse_redis_url, "redis://", "it names no host"),
    (leaves.parse_redis_url, "redis://:6379", "it names no host"),
    (leaves.parse_redis_url, "redis://h:0", "its port is not a number from 1 to 65535"),
    (leaves.parse_redis_url, "redis://[h", "use a URL redis://"),
    (
        leaves.parse_redis_url,
        "redis://h/zero",
        "what follows the host is the number of the database",
    ),
    (leaves.parse_redis_url, "redis://h h", "a URL has no spaces in it"),
    (leaves.parse_redis_url, "redis://h?dbb=1", "it has no option dbb; did you mean db?"),
    (leaves.parse_redis_url, "redis://h?db=x", "its option db takes a number"),
    (leaves.parse_redis_url, "unix://run/redis.sock", "must be absolute"),
    (leaves.parse_redis_url, "unix://", "the path of the socket must be absolute"),
    (leaves.parse_redis_url, 5, "use a URL redis://"),
    (leaves.parse_ws_url, "https://h", "use a URL wss://"),
    (leaves.parse_http_url, "wss://h", "use a URL https://"),
    (leaves.parse_proxy_url, "h:1080", "use a URL http://"),
    (leaves.parse_source_address, "192.0.2.300", "use an address of this machine"),
    (leaves.parse_source_address, "192.0.2.7:80", "use an address of this machine"),
    (leaves.parse_key, "{venue", "its braces do not match"),
    (leaves.parse_key, "{venue}:{channel}:{instrument}\n", "printable"),
    (leaves.parse_listen, "9464", "use an address host:port"),
    (leaves.parse_listen, ":9464", "use an address host:port"),
    (leaves.parse_listen, "h:0", "use an address host:port"),
    (leaves.parse_listen, "h:99999", "use an address host:port"),
    (leaves.parse_listen, "http://h:1", "use an address host:port"),
    (leaves.parse_name, "a b", "use letters"),
    (leaves.parse_name, "", "use letters"),
    (leaves.parse_impersonate, "Chrome 99", "use the name of a browser"),
]


@pytest.mark.parametrize(("parse", "value", "advice"), BAD)
def test_bad(parse: Callable[[object], str], value: object, advice: str) -> None:
    """What is not says what to do, and never repeats the value: it may be secret."""
    with pytest.raises(ValueError) as caught:
        parse(value)

    assert advice in str(caught.value)


@pytest.mark.parametrize(
    ("encoding", "text", "advice"),
    [
        ("fields", "md:{venue}:{channel}", "it lacks {instrument}, so streams would share a key"),
        ("fields", "{venue}{channel}:{instrument}", "{venue} and {channel} touch"),
        ("json", "{venue}:{channel}:{symbol}", "{symbol} is not one of its placeholders"),
        ("fields", "{venue}:{channel!r}:{instrument}", "{channel} is not one of its placeholders"),
        ("fields", "{venue}:{channel:>9}:{instrument}", "is not one of its placeholders"),
        (
            "fields",
            "{venue}:{channel}:{instrument}:{venue}",
            "apart from one another: {venue}, {channel}, {instrument}",
        ),
        ("cryptofeed", "{venue}:{channel}:{instrument}", "{venue} is not one of its placeholders"),
        ("cryptofeed", "{exchange}-{symbol}", "it lacks {key}, so streams would share a key"),
        (
            "nautilus",
            "{topic}{topic}",
            "{topic} and {topic} touch",
        ),
        ("nautilus", "x", "it lacks {topic}"),
        (
            "nautilus",
            "{topic}:{topic}",
            "apart from one another: {topic} and, if need be, {channel}",
        ),
    ],
)
def test_keys_that_do_not_tell_streams_apart(encoding: str, text: str, advice: str) -> None:
    """Each encoding has placeholders of its own."""
    with pytest.raises(ValueError, match=re.escape(advice)):
        leaves.check_key(text, codecs.encoder(encoding).keys)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        *((name, codecs.encoder(name).keys.default) for name in codecs.encodings()),
        ("cryptofeed", "{channel}:{key}/{exchange}-{symbol}"),
        ("nautilus", "trader-TRADER-001:stream:{topic}"),
    ],
)
def test_keys_that_tell_streams_apart(encoding: str, text: str) -> None:
    """The default of each encoding does, and more than that may be in it."""
    leaves.check_key(leaves.parse_key(text), codecs.encoder(encoding).keys)
