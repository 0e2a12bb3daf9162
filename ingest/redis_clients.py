"""redis-py clients for programs that read: one server, a Sentinel's master, a cluster.

The sink has connections of its own: `ingest.sinks`.
"""

from typing import Any

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import SSLConnection, parse_url
from redis.exceptions import ClusterError, RedisClusterException
from redis.sentinel import Sentinel

from ingest.config.redis_url import parse_redis_url

Client = redis.Redis | RedisCluster

# Nobody answers, or not yet; what says so in a cluster is no RedisError at all.
AWAY: tuple[type[Exception], ...] = (
    redis.ConnectionError,
    redis.TimeoutError,
    ClusterError,
    RedisClusterException,
)
_TIMEOUT_S = 5


def open_client(url: str) -> Client:
    """Return a client that does not retry by itself and speaks RESP2, whatever *url* says.

    Raises:
        ValueError: *url* cannot be used.
        AWAY: no node of a cluster answers. Other servers are connected to when needed.
    """
    parsed = parse_redis_url(url)
    options: dict[str, Any] = {
        "socket_timeout": _TIMEOUT_S,
        "socket_connect_timeout": _TIMEOUT_S,
        **parse_url(parsed.server),  # type: ignore[no-untyped-call]  # redis-py
        "protocol": 2,
        "retry": None,
    }
    if parsed.kind == "server":
        return redis.Redis(connection_pool=redis.ConnectionPool(**options))
    for name in ("host", "port"):
        options.pop(name)
    if options.pop("connection_class", None) is SSLConnection:
        options["ssl"] = True
    if parsed.kind == "cluster":
        options.pop("db", None)
        del options["retry"]  # it is how a cluster's client follows a failover
        nodes = [ClusterNode(*address) for address in parsed.hosts]  # type: ignore[no-untyped-call]
        return RedisCluster(startup_nodes=nodes, **options)
    own = {k: v for k, v in options.items() if k not in ("username", "password", "db")}
    theirs = {**own, **dict(parsed.sentinel_options)}
    sentinel: Any = Sentinel(parsed.hosts, sentinel_kwargs=theirs, **options)  # type: ignore[no-untyped-call]
    client: redis.Redis = sentinel.master_for(parsed.service)
    return client
