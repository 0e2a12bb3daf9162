"""Reads numbered trades as a consumer does, and finds whatever is not in its place."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import redis

_COUNT = 5000
_PAUSE_S = 0.02
_KEEP_S = 2.0

# Opens a connection to the server that has some streams now.
Find = Callable[[], redis.Connection]


class Consumer:
    """Follows streams, checks the number of every entry, and trims what it has read.

    It trims what it had read two to four seconds ago, and reads the rest again whenever it
    has to connect anew: what another server has, or the same one after its death, is
    checked for itself, and not only what comes behind.
    """

    def __init__(self, places: Mapping[Sequence[str], Find]) -> None:
        """*places*: streams that are always in one place, and how it is found."""
        self.last = {key: 0 for keys in places for key in keys}
        self.problems: list[str] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow, args=place) for place in places.items()
        ]
        for thread in self._threads:
            thread.start()

    def _follow(self, keys: Sequence[str], find: Find) -> None:
        kept = dict.fromkeys(keys, ("0-0", 0))  # from where on nothing is trimmed: id and number
        while not self._stop.is_set():
            try:
                # redis-py's own reading would take a whole core: only its connection is used.
                connection = find()
                try:
                    self._read(connection, kept)
                finally:
                    connection.disconnect()
            except redis.RedisError:
                self._stop.wait(0.1)  # it is away: that is what this is about

    def _read(self, connection: redis.Connection, kept: dict[str, tuple[str, int]]) -> None:
        positions = {key: entry_id for key, (entry_id, _) in kept.items()}
        self.last.update({key: number for key, (_, number) in kept.items()})
        trimmed_s = time.monotonic()
        while not self._stop.wait(_PAUSE_S):
            where = (*positions.keys(), *positions.values())
            connection.send_command("XREAD", "COUNT", _COUNT, "STREAMS", *where)
            for raw, found in (connection.read_response() or {}).items():
                key = raw.decode()
                self._take(key, found)
                positions[key] = found[-1][0].decode()
            if time.monotonic() - trimmed_s > _KEEP_S:
                trimmed_s = time.monotonic()
                for key, (entry_id, _) in kept.items():
                    connection.send_command("XTRIM", key, "MINID", "~", entry_id)
                    connection.read_response()
                kept.update({key: (positions[key], self.last[key]) for key in kept})

    def _take(self, key: str, found: list[tuple[bytes, list[bytes]]]) -> None:
        last = self.last[key]
        for entry_id, fields in found:
            if b"id" not in fields:
                self.problems.append(f"{key} {entry_id!r}: a marker {fields}")
                continue
            number = fields[fields.index(b"id") + 1]
            if int(number) != last + 1 or fields[fields.index(b"price") + 1] != number + b".00":
                self.problems.append(f"{key} {entry_id!r}: {fields} after {last}")
            last = int(number)
        self.last[key] = last

    def until(self, wanted: Mapping[str, int], deadline_s: float) -> None:
        """Wait until all of that was read."""
        end = time.monotonic() + deadline_s
        while any(self.last[key] < number for key, number in wanted.items()):
            assert not self.problems, self.problems[:5]
            assert time.monotonic() < end, (self.last, wanted)
            time.sleep(0.05)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
