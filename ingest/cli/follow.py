"""Following many Redis streams at once, those that appear later included."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import redis
from msgspec import Struct

from ingest.errors import SinkError
from ingest.redact import redact_text

_RESCAN_S = 1.0
_BLOCK_MS = 500
_BATCH = 200
_FIRST_RETRY_S, _MAX_RETRY_S = 0.25, 5.0
_START = b"0-0"


class Entry(Struct, frozen=True):
    """One entry of one stream, as bytes."""

    key: bytes
    id: bytes
    fields: dict[bytes, bytes]


class Follower:
    """Knows which streams match a pattern and how far each has been read."""

    def __init__(self, client: redis.Redis, pattern: str, *, from_beginning: bool) -> None:
        self._client = client
        self._pattern = pattern
        self._from_beginning = from_beginning
        self._last: dict[bytes, bytes] = {}
        self._scanned_at_s: float | None = None

    def poll(self) -> list[Entry]:
        """Return the next entries, at most a batch from each stream; wait a moment for them.

        Raises:
            redis.RedisError: Redis is away, or refuses. Poll again: nothing is lost.
        """
        now_s = time.monotonic()
        if self._scanned_at_s is None or now_s - self._scanned_at_s >= _RESCAN_S:
            self._scan()
            self._scanned_at_s = now_s
        if not self._last:
            time.sleep(_BLOCK_MS / 1000)
            return []
        # redis-py's annotations of these differ from version to version.
        places: dict[Any, Any] = dict(self._last)
        found: Any = self._client.xread(places, count=_BATCH, block=_BLOCK_MS)
        entries = []
        for key, batch in found or ():
            for entry_id, fields in batch:
                entries.append(Entry(key, entry_id, fields))
                self._last[key] = entry_id
        return entries

    def _scan(self) -> None:
        keys = self._client.scan_iter(match=self._pattern, count=1000, _type="stream")
        new = [key for key in dict.fromkeys(keys) if key not in self._last]
        starts = [_START] * len(new)
        # What appears after the first look is all news, from its first entry on.
        if new and self._scanned_at_s is None and not self._from_beginning:
            pipeline = self._client.pipeline(transaction=False)
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
    # Retries are ours: they are to be said, and to last as long as it takes.
    client = redis.Redis.from_url(
        url, protocol=2, socket_timeout=5, socket_connect_timeout=5, retry=None
    )
    follower = Follower(client, pattern, from_beginning=from_beginning)
    retry_s = _FIRST_RETRY_S
    away = False
    try:
        while True:
            try:
                entries = follower.poll()
            except redis.AuthenticationError as exc:
                raise SinkError(f"{redact_text(url)} refuses: {exc}") from exc
            except (redis.ConnectionError, redis.TimeoutError) as exc:
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
        client.close()
