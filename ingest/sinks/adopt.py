"""Let redis-py set up a connection, then take over its byte streams.

redis-py knows URLs, TLS, ACL users, databases, protocol versions. Its command path
costs some ten microseconds of CPU an entry, ten times what our own bytes cost. So it
connects and authenticates, and we read and write. The two attributes taken here are
private; this is the only place that touches them, and its test fails when redis-py
changes.
"""

import asyncio
from copy import copy
from typing import Any

import redis
from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from ingest.config.redis_url import Address
from ingest.errors import ConfigError, SinkError
from ingest.sinks.errors import Unavailable
from ingest.sinks.reactions import Reaction, reaction_to

_POOL_ONLY = ("max_connections", "timeout")


class Server:
    """One server: how to connect to it, and how to speak of it without its password."""

    def __init__(self, url: str, *, timeout_s: float, client_name: str) -> None:
        """*url* is one that redis-py knows. Raises ConfigError if it makes no sense of it."""
        defaults: dict[str, Any] = {
            "client_name": client_name,
            "socket_timeout": timeout_s,
            "socket_connect_timeout": timeout_s,
            "connection_class": Connection,
        }
        try:
            self._options: dict[str, Any] = {**defaults, **parse_url(url)}
            for name in _POOL_ONLY:
                self._options.pop(name, None)
            self._class: type[AbstractConnection] = self._options.pop("connection_class")
            self._class(**self._options)  # finds unknown and wrong options now, not in the night
        except (ValueError, TypeError, RedisError) as exc:
            raise ConfigError([f"redis.url: {exc}"]) from exc
        self._timeout_s = timeout_s

    def at(self, address: Address, **changes: Any) -> "Server":
        """Return the same at another address; *changes* are options of redis-py."""
        other = copy(self)
        host, port = address
        other._options = {**self._options, "host": host, "port": port, **changes}
        return other

    def within(self, timeout_s: float) -> "Server":
        """Return the same with at most so much time to connect."""
        other = copy(self)
        other._timeout_s = min(self._timeout_s, timeout_s)
        return other

    def __str__(self) -> str:
        """Return host, port and database, or the socket's path."""
        options = self._options
        if "path" in options:
            return f"unix:{options['path']}"
        scheme = "redis" if self._class is Connection else "rediss"
        host, port = options.get("host", "localhost"), options.get("port", 6379)
        return f"{scheme}://{host}:{port}/{options.get('db', 0)}"

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connection that is authenticated and has its database selected.

        The caller owns it and closes the writer.

        Raises:
            Unavailable: there is no connection; the reaction says what may help.
        """
        connection: Any = None
        connected = False
        try:
            connection = self._class(**self._options)  # reads files: there may be no descriptor
            async with asyncio.timeout(self._timeout_s):
                await connection.connect()
            connected = True
            return _take_streams(connection)
        except TimeoutError as exc:
            raise Unavailable(f"no answer within {self._timeout_s:g} s") from exc
        # ValueError: what the server said makes no sense. RuntimeError: it hung up at once,
        # and uvloop takes nothing more for that transport.
        except (RedisError, OSError, ValueError, RuntimeError) as exc:
            raise _unavailable(exc) from exc
        finally:
            if connection is not None and not connected:
                await connection.disconnect(nowait=True)


def _take_streams(
    connection: AbstractConnection,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader = getattr(connection, "_reader", None)
    writer = getattr(connection, "_writer", None)
    if not isinstance(reader, asyncio.StreamReader) or not isinstance(writer, asyncio.StreamWriter):
        raise SinkError(
            f"redis-py {redis.__version__} keeps its byte streams elsewhere: expected a "
            f"StreamReader and a StreamWriter in Connection._reader and ._writer, found "
            f"{type(reader).__name__} and {type(writer).__name__}; install another version"
        )
    # From here on they are ours: redis-py must neither close nor warn about them.
    connection._reader = connection._writer = None
    return reader, writer


def _unavailable(exc: Exception) -> Unavailable:
    # On unix sockets redis-py wraps what the server said in a ConnectionError.
    for error in (exc, exc.__cause__):
        if isinstance(error, AuthenticationError | NoPermissionError):
            return Unavailable(f"not admitted: {error}", Reaction.OPERATOR)
    if reaction_to(str(exc)) is Reaction.OPERATOR:
        return Unavailable(str(exc), Reaction.OPERATOR)
    return Unavailable(str(exc) or type(exc).__name__)
