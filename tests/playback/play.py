"""A session through the real thing: `ingest replay`, `ingest run`, the embedded server."""

import json
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from ingest.embedded import server_binary
from tests.playback.expected import Expected, Stream
from tests.service.conftest import Replay, Service

Entry = dict[str, Any]
_MARKERS = ("gap", "reset", "resume")


@dataclass
class Outcome:
    """What is left when everything has ended."""

    streams: dict[Stream, list[Entry]]
    feeds: dict[str, list[Entry]]  # feed events by connection
    totals: dict[str, Any]  # as the service logs them at its end
    deliveries: int  # messages that the replay sent
    recorded: int  # messages that it found
    unsent: dict[str, int]  # how much of which topic it did not send
    log: list[dict[str, Any]]


def play(
    expected: Expected,
    paths: Sequence[Path],
    *,
    speed: Sequence[str],
    patience_s: float = 120.0,
    is_done: Callable[["Live"], bool] = lambda live: True,
) -> Outcome:
    """Serve *paths* until they are at their end and *is_done*, then stop and read it all.

    *speed*: options of `ingest replay`.
    """
    venue = expected.rules.venue
    directory = Path(tempfile.mkdtemp(prefix="play"))
    replay = Replay(directory, *speed, *(f"{venue}={path}" for path in paths))
    try:
        urls = {"ws_url": replay.urls[venue], "rest_url": replay.lines[0]["rest"][venue]}
        feeds = [
            {"venue": venue, "name": f"f{number}", "channels": channels, "instruments": names}
            for number, (channels, names) in enumerate(expected.feeds())
        ]
        config = {
            "venues": {venue: urls},
            "feeds": feeds,
            "reconnect": {"base_s": 0.1, "cap_s": 1, "healthy_after_s": 60},
            "metrics": {"listen": None},
            "log": {"level": "info"},
            "data_dir": "d",
        }
        service = Service(config, directory)
        try:
            service.wait("feed: subscribed", times=len(feeds))
            live = Live(directory / "d/redis.sock", venue)
            end = time.monotonic() + patience_s
            while not (_status(replay)["finished"] and is_done(live)):
                assert time.monotonic() < end, (_status(replay), service.text())
                time.sleep(0.2)
            live.client.close()
            totals = service.stop(signal.SIGTERM)
        finally:
            service.end()
        status = _status(replay)
        with _server(directory / "d") as client:
            streams = {
                tuple(key.split(":", 3)[2:]): [_as_read(e) for _, e in client.xrange(key)]
                for key in client.scan_iter(count=1000)
            }
    finally:
        replay.end()
        shutil.rmtree(directory, ignore_errors=True)
    return Outcome(
        {key: found for key, found in streams.items() if key[0] != "feed"},
        {key[1]: found for key, found in streams.items() if key[0] == "feed"},
        totals,
        status["deliveries"],
        replay.lines[0]["messages"],
        _unsent(status["topics"][venue]),
        service.lines,
    )


class Live:
    """The embedded server while the service runs."""

    def __init__(self, socket: Path, venue: str) -> None:
        self.client = redis.Redis(unix_socket_path=str(socket), decode_responses=True)
        self._venue = venue

    def types(self, stream: Stream) -> list[str]:
        """The types of a stream's entries."""
        key = f"md:{self._venue}:{stream[0]}:{stream[1]}"
        return [entry.get("type", "") for _, entry in self.client.xrange(key)]


def is_marker(entry: Entry) -> bool:
    return entry.get("type") in _MARKERS


def _status(replay: Replay) -> dict[str, Any]:
    return replay.status()


def _unsent(topics: dict[str, dict[str, int]]) -> dict[str, int]:
    """How much of each topic was not sent, under its own name or under that of another depth."""
    sent = {(_without_numbers(name), topic["sent"]) for name, topic in topics.items()}
    return {
        name: topic["missed"] + topic["remaining"]
        for name, topic in topics.items()
        if topic["missed"] + topic["remaining"]
        and (topic["sent"] or (_without_numbers(name), topic["remaining"]) not in sent)
    }


def _without_numbers(topic: str) -> str:
    return re.sub(r"\d+", "", topic)


def _as_read(fields: dict[str, str]) -> Entry:
    entry: Entry = dict(fields)
    assert re.fullmatch(r"1\d{18}", entry.pop("rx"))
    for side in ("bids", "asks"):
        if side in entry:
            entry[side] = json.loads(entry[side])
    return entry


@contextmanager
def _server(directory: Path) -> Any:
    """The embedded server's data, served once more."""
    process = subprocess.Popen(
        [
            server_binary(),
            *("--port", "0", "--unixsocket", "r.sock", "--dir", "."),
            *("--appendonly", "yes", "--save", ""),
        ],
        cwd=directory,
        stdout=subprocess.DEVNULL,
    )
    client = redis.Redis(unix_socket_path=str(directory / "r.sock"), decode_responses=True)
    try:
        end = time.monotonic() + 60
        while True:
            try:
                client.ping()
                break
            except redis.RedisError:
                assert time.monotonic() < end
                time.sleep(0.05)
        yield client
    finally:
        client.close()
        process.kill()
        process.wait()
