"""docker-compose.yml as an operator uses it: up, look, stop."""

import time
from pathlib import Path

import pytest

from ingest.config import load
from ingest.plan import make_plan
from ingest.recordings.bundled import bundled_recordings
from ingest.replay.library import load as load_recordings

pytestmark = pytest.mark.docker

CONFIG = load(
    Path(__file__).with_name("replay.yaml"), {"INGEST_REDIS_URL": "redis://unused.invalid"}
)
STOP_GRACE_PERIOD_S = 30


def recorded() -> dict[str, int]:
    """Return, by stream, how many messages the recordings hold of what is subscribed to."""
    tracks = load_recordings([str(bundled_recordings())]).venues["binance"].tracks
    plan = make_plan(CONFIG, cores=1, redis_url="")
    topics = [topic for worker in plan.workers for c in worker.connections for topic in c.topics]
    return {
        f"md:binance:{topic.channel}:{topic.instrument}": len(tracks[topic.name])
        for topic in topics
        if topic.name in tracks
    }


def test_every_recorded_message_is_an_entry_and_redis_keeps_them(start) -> None:
    """Up means healthy; each message is in Redis once, also after Redis was restarted."""
    expected = recorded()
    assert sum(expected.values()) > 15_000
    stack = start("max")
    for service in ("redis", "replay", "ingest"):
        assert stack.inspect(service)["State"]["Health"]["Status"] == "healthy", service

    stack.wait_for_entries(lambda found: found == expected, within_s=60)

    stack.compose("restart", "redis")
    stack.compose("up", "--detach", "--wait")
    assert stack.lengths() == expected


def test_stop_in_full_flow_is_graceful(start) -> None:
    """A stop says goodbye to the venue, publishes what it had sent, and ends with 0."""
    stack = start("4")
    stack.wait_for_entries(lambda found: sum(found.values()) > 500, within_s=60)

    began = time.monotonic()
    stack.compose("stop", "ingest")
    assert time.monotonic() - began < CONFIG.shutdown.grace_s < STOP_GRACE_PERIOD_S
    assert stack.inspect("ingest")["State"]["ExitCode"] == 0

    stored = stack.lengths()
    report = stack.replay_report()
    assert report["closes"] == {"1001": len(CONFIG.feeds)}
    assert report["sent"] == sum(stored.values())
    assert not report["finished"], "the stop came too late to be one in full flow"


def test_container_has_no_more_than_it_needs(start) -> None:
    """It is not root, cannot change its image, and brings no compiler; its volume is its own."""
    stack = start("1")

    def shell(command: str) -> str:
        return stack.compose("exec", "-T", "ingest", "sh", "-c", command).strip()

    assert shell("id -u") == "10001"
    assert shell("grep CapEff /proc/1/status").split()[1] == "0" * 16
    assert shell("touch /app/x /opt/ingest/x 2>/dev/null || echo refused") == "refused"
    assert shell("command -v cc gcc || echo none") == "none"
    assert shell("touch /app/data/x && echo written") == "written"


def test_first_moments(start) -> None:
    """A stop that comes while the service is starting ends it at once."""
    stack = start("1")
    stack.compose("restart", "--timeout", "20", "ingest")
    began = time.monotonic()
    stack.compose("stop", "ingest")
    assert time.monotonic() - began < CONFIG.shutdown.grace_s
    assert stack.inspect("ingest")["State"]["ExitCode"] in (0, 143)
