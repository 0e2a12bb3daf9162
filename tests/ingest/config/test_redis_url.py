"""What a Redis URL says, and what is wrong with those that cannot be used."""

import pytest

from ingest.config.redis_url import RedisUrl, parse_redis_url, unverified


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("valkey://h", RedisUrl("server", "redis://h:6379/", (("h", 6379),))),
        (
            "valkeys://me:p%40ss@[::1]:7/3?protocol=2",
            RedisUrl("server", "rediss://me:p%40ss@[::1]:7/3?protocol=2", (("::1", 7),)),
        ),
        ("unix://me:pw@/run/s?db=1", RedisUrl("server", "unix://me:pw@/run/s?db=1", ())),
        (
            "redis+sentinel://me:pw@a,b:2,[::1]:3/my%20service/4"
            "?sentinel_username=s&sentinel_password=x%20y&socket_timeout=1",
            RedisUrl(
                "sentinel",
                "redis://me:pw@a:26379/4?socket_timeout=1",
                (("a", 26379), ("b", 2), ("::1", 3)),
                "my service",
                (("username", "s"), ("password", "x y")),
            ),
        ),
        (
            "rediss+cluster://me:pw@a,b:7001",
            RedisUrl("cluster", "rediss://me:pw@a:6379/", (("a", 6379), ("b", 7001))),
        ),
    ],
)
def test_what_it_says(text: str, expected: RedisUrl) -> None:
    assert parse_redis_url(text) == expected


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("unix+cluster:///x", "use a URL redis://"),
        ("redis+sentinels://h/s", "use a URL redis://"),
        ("redis://a,b", "it names several hosts; use redis+sentinel:// or redis+cluster://"),
        ("redis+sentinel://a,b", "it names no service; use redis+sentinel://host[:port],…/service"),
        ("redis+sentinel://a,/s", "it names no host"),
        ("redis+sentinel://a:x,b/s", "its port is not a number"),
        ("redis+sentinel://a/s/x", "what follows the service is the number of the database"),
        ("redis+cluster://a/1", "a cluster has only the database 0"),
        ("redis+cluster://a?db=1", "a cluster has only the database 0"),
        ("redis://h?ssl_ca_certs=/x", "its option ssl_ca_certs is for TLS; use rediss"),
        ("rediss://h?ssl_ca_certs=/x", "its option ssl_ca_certs names no file that exists"),
        ("rediss://h?ssl_cert_reqs=no", "its option ssl_cert_reqs takes none, optional or"),
        ("redis://h?protocol=4", "its option protocol takes 2 or 3"),
        ("redis://h?sentinel_password=p", "its option sentinel_password is for redis+sentinel://"),
        ("redis://h?sentinal_password=p", "did you mean sentinel_password?"),
        ("redis://:p/w@h", "in a password, write / as %2F"),
    ],
)
def test_what_is_wrong(text: str, advice: str) -> None:
    """The advice tells what to do, and repeats nothing of the URL."""
    with pytest.raises(ValueError) as caught:
        parse_redis_url(text)
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    ("url", "weak"),
    [
        ("rediss://h", ""),
        ("rediss+cluster://a,b:7/?ssl_cert_reqs=required&ssl_check_hostname=true", ""),
        ("rediss+sentinel://a,b:7/svc?ssl_cert_reqs=None", "ssl_cert_reqs=None"),
        ("rediss://u:p@h?ssl_cert_reqs=optional", "ssl_cert_reqs=optional"),
        ("rediss://h?db=1&ssl_check_hostname=No", "ssl_check_hostname=No"),
    ],
)
def test_a_check_that_is_switched_off(url: str, weak: str) -> None:
    """Is found, so that it can be told."""
    parse_redis_url(url)
    assert unverified(url) == weak
