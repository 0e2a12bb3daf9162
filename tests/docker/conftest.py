"""The stack of docker-compose.yml with a replay server as its exchange.

These tests need a Docker engine with Compose and build the image: they run only when
asked for, with `scripts/test -m docker`. Asked for, they do not skip.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

ROOT = Path(__file__).resolve().parents[2]
FILES = ("docker-compose.yml", "tests/docker/compose.replay.yml")
BUILD_TIMEOUT_S = 900
UP_TIMEOUT_S = 180


class Stack:
    """One Compose project, apart from any that runs on this machine already."""

    def __init__(self, *, speed: str) -> None:
        self._environ = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": f"ingest-test-{os.getpid()}",
            "COMPOSE_FILE": os.pathsep.join(FILES),
            "INGEST_IMAGE": "ingest-test",
            "REDIS_PORT": "0",  # any free one
            "REPLAY_SPEED": speed,
        }
        # The tests' own, not those of whoever runs them.
        for name in ("INGEST_REDIS_URL", "INGEST_CONFIG", "REDIS_MAXMEMORY"):
            self._environ.pop(name, None)

    def compose(self, *arguments: str, timeout_s: float = 120) -> str:
        """Run a Compose command; return its standard output, fail with all it said."""
        return self._docker("compose", *arguments, timeout_s=timeout_s)

    def up(self) -> None:
        """Start everything, and return when everything is healthy."""
        wait = ("--wait", "--wait-timeout", str(UP_TIMEOUT_S))
        try:
            self.compose("up", "--detach", *wait, timeout_s=UP_TIMEOUT_S + 30)
        except AssertionError as exc:
            raise AssertionError(f"{exc}\n{self.compose('logs', '--tail', '100')}") from None

    def down(self) -> None:
        """Remove the containers, the network and the volumes."""
        self.compose("down", "--volumes", "--timeout", "10")

    def inspect(self, service: str) -> dict[str, Any]:
        """Return what the engine knows of a service's container."""
        (found,) = json.loads(self._docker("inspect", self._container(service)))
        assert isinstance(found, dict)
        return found

    def redis(self) -> redis.Redis:
        """Connect to the port that Compose publishes on this machine."""
        host, _, port = self.compose("port", "redis", "6379").strip().rpartition(":")
        return redis.Redis(host=host, port=int(port), socket_timeout=10, decode_responses=True)

    def lengths(self) -> dict[str, int]:
        """Return the number of entries of each stream of market data."""
        with self.redis() as client:
            keys = [key for key in client.scan_iter("md:*") if ":feed:" not in key]
            return {key: client.xlen(key) for key in sorted(keys)}

    def wait_for_entries(self, done: Callable[[dict[str, int]], bool], *, within_s: float) -> None:
        """Look at `lengths` until *done* agrees: another machine gives no event to await."""
        ends = time.monotonic() + within_s
        while not done(lengths := self.lengths()):
            assert time.monotonic() < ends, f"after {within_s:g} s there are only {lengths}"
            time.sleep(0.2)

    def replay_report(self) -> dict[str, Any]:
        """Stop the replay server, and return what it says at its end."""
        self.compose("stop", "replay")
        # Not Compose's `logs`: that puts terminal codes between the lines.
        report = json.loads(self._docker("logs", self._container("replay")).splitlines()[-1])
        assert isinstance(report, dict)
        return report

    def _container(self, service: str) -> str:
        return self.compose("ps", "--all", "--quiet", service).strip()

    def _docker(self, *arguments: str, timeout_s: float = 60) -> str:
        done = subprocess.run(
            ["docker", *arguments],
            cwd=ROOT,
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        said = f"docker {' '.join(arguments)}: exit status {done.returncode}\n{done.stderr[-5000:]}"
        assert done.returncode == 0, said
        return done.stdout


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest) -> None:
    """Build the image once; skip unless these tests were asked for."""
    if "docker" not in request.config.getoption("markexpr"):
        pytest.skip("builds and runs containers; to run it: scripts/test -m docker")
    Stack(speed="1").compose("build", timeout_s=BUILD_TIMEOUT_S)


@pytest.fixture
def start(image: None) -> Iterator[Callable[[str], Stack]]:
    """Start the whole stack with the replay at a speed; remove it after the test."""
    started: list[Stack] = []

    def start(speed: str) -> Stack:
        stack = Stack(speed=speed)
        started.append(stack)
        stack.up()
        return stack

    yield start
    for stack in started:
        stack.down()
