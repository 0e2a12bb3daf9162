"""The demo's downstream program: reads every stream as a user's own would, and counts."""

import asyncio
import time
from collections import deque

import redis.asyncio as redis
from msgspec import Struct
from redis.exceptions import RedisError

_BATCH = 1000
_BLOCK_MS = 100
_LATENCIES = 20_000  # the newest; enough for a stable p99


class StreamCount(Struct):
    """One stream as read so far."""

    entries: int = 0
    markers: int = 0  # gap, reset, resume
    last_id: str = "0-0"
    last: dict[bytes, bytes] = {}


class StreamReader:
    """Follows a fixed set of streams from their beginning.

    `latencies_s` holds, of the newest entries, the time from `rx` (the frame's last
    byte was read from the socket) until this reader had the entry.
    """

    def __init__(self, url: str, keys: list[str]) -> None:
        self._client = redis.Redis.from_url(url)
        self.streams = {key: StreamCount() for key in keys}
        self.latencies_s: deque[float] = deque(maxlen=_LATENCIES)
        self.entries = 0

    async def follow(self) -> None:
        """Read until cancelled. An unreachable server is asked again."""
        while True:
            try:
                await self.read()
            except RedisError:
                await asyncio.sleep(_BLOCK_MS / 1000)

    async def read(self) -> int:
        """Read once; return how many entries came, 0 after a short wait for none."""
        positions = {key: count.last_id for key, count in self.streams.items()}
        reply = await self._client.xread(positions, count=_BATCH, block=_BLOCK_MS)  # type: ignore[arg-type]  # redis-py: dict is invariant
        now_ns = time.time_ns()
        found = 0
        for key, entries in _pairs(reply):
            count = self.streams[key.decode()]
            for _, fields in entries:
                found += 1
                count.entries += 1
                count.markers += fields.get(b"type") in (b"gap", b"reset", b"resume")
                self.latencies_s.append((now_ns - int(fields[b"rx"])) / 1e9)
            count.last_id, count.last = entries[-1][0].decode(), entries[-1][1]
        self.entries += found
        return found

    async def rest(self, deadline_s: float) -> None:
        """Read what is left."""
        async with asyncio.timeout(deadline_s):
            while await self.read():
                pass

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()


def _pairs(
    reply: object,
) -> list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]:
    """Return an XREAD reply as pairs; RESP3 has a map of them, RESP2 a list."""
    if isinstance(reply, dict):
        return [
            (key, entries[0] if entries and isinstance(entries[0], list) else entries)
            for key, entries in reply.items()
        ]
    assert isinstance(reply, list)
    return reply
