"""Following many Redis streams at once, those that appear later included."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import redis
from msgspec import Struct
from redis.cluster import RedisCluster

from ingest.errors import SinkError
from ingest.redact import redact_text
from ingest.redis_clients import AWAY, Client, open_client

_RESCAN_S = 1.0
_BLOCK_MS = 500
_BATCH = 200
_FIRST_RETRY_S, _MAX_RETRY_S = 0.25, 5.0
_START = b"0-0"
_REFUSED = redis.AuthenticationError


Batches = Iterable[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]  # key, entries


class Entry(Struct, frozen=True):
    """One entry of one stream, as bytes."""

    key: bytes
    id: bytes
    fields: dict[bytes, bytes]


class Follower:
    """Knows which streams match a pattern and how far each has been read."""

    def __init__(self, pattern: str, *, from_beginning: bool) -> None:
        self._pattern = pattern
        self._from_beginning = from_beginning
        self._last: dict[bytes, bytes] = {}
        self._scanned_at_s: float | None = None

    def poll(self, client: Client) -> list[Entry]:
        """Return the next entries, at most a batch from each stream; wait a moment for them.

        Raises:
            AWAY, redis.RedisError: Redis is away, or refuses. Poll again: nothing is lost.
        """
        now_s = time.monotonic()
        if self._scanned_at_s is None or now_s - self._scanned_at_s >= _RESCAN_S:
            self._scan(client)
            self._scanned_at_s = now_s
        if not self._last:
            time.sleep(_BLOCK_MS / 1000)
            return []
        found = self._in_cluster(client) if isinstance(client, RedisCluster) else self._read(client)
        entries = []
        for key, batch in found:
            for entry_id, fields in batch:
                entries.append(Entry(key, entry_id, fields))
                self._last[key] = entry_id
        return entries

    def _read(self, client: redis.Redis) -> Batches:
        # redis-py's annotations of these differ from version to version.
        places: dict[Any, Any] = dict(self._last)
        found: Any = client.xread(places, count=_BATCH, block=_BLOCK_MS)
        return found or ()

    def _in_cluster(self, client: RedisCluster) -> Batches:
        """As `_read`: one XREAD cannot ask for streams of several nodes, nor wait for them."""
        pipeline: Any = client.pipeline()  # type: ignore[no-untyped-call]  # redis-py
        for key, last in self._last.items():
            pipeline.xrange(key, min=b"(" + last, max=b"+", count=_BATCH)
        found = dict(zip(self._last, pipeline.execute(), strict=True))
        if not any(found.values()):
            time.sleep(_BLOCK_MS / 1000)
        return found.items()

    def _scan(self, client: Client) -> None:
        keys = client.scan_iter(match=self._pattern, count=1000, _type="stream")
        new = [key for key in dict.fromkeys(keys) if key not in self._last]
        starts = [_START] * len(new)
        # What appears after the first look is all news, from its first entry on.
        if new and self._scanned_at_s is None and not self._from_beginning:
            pipeline: Any = client.pipeline(transaction=False)
            for key in new:
                pipeline.xrevrange(key, count=1)
            starts = [newest[0][0] if newest else _START for newest in pipeline.execute()]
        self._last.update(zip(new, starts, strict=True))


def follow(
    url: str, pattern: str, *, from_beginning: bool, say: Callable[[str], None]
) -> Iterator[list[Entry]]:
    """Yield batches of entries for ever. While Redis is away, say so once and try again.

    Raises:
        SinkError: Redis refuses: a wrong password, no permission.
    """
    client: Client | None = None
    follower = Follower(pattern, from_beginning=from_beginning)
    retry_s = _FIRST_RETRY_S
    away = False
    try:
        while True:
            try:
                if client is None:
                    client = open_client(url)
                entries = follower.poll(client)
            except AWAY as exc:
                # A cluster's client says of a wrong password that it could not connect.
                if isinstance(exc, _REFUSED) or isinstance(exc.__cause__, _REFUSED):
                    raise SinkError(f"{redact_text(url)} refuses: {exc}") from exc
                if not away:
                    say(f"{redact_text(url)} is away ({exc}); trying again until it is back")
                away = True
                time.sleep(retry_s)
                retry_s = min(_MAX_RETRY_S, retry_s * 2)
                continue
            except redis.RedisError as exc:
                raise SinkError(f"{redact_text(url)} refuses: {exc}") from exc
            if away:
                say(f"{redact_text(url)} is back")
            away, retry_s = False, _FIRST_RETRY_S
            if entries:
                yield entries
    finally:
        if client is not None:
            client.close()
