"""A service whose config is full of secrets: none is found anywhere it left a trace."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.servers.ports import closed_port

FEED = "md:binance:feed:binance-1"
TRADE = "md:binance:trade:BTC-USDT"
S = "hunter2"  # part of every secret
USER, PASSWORD = "svc", f"{S}-acl"


def children(pid: int) -> set[int]:
    """The processes that *pid* started, and theirs."""
    found = {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    return found.union(*map(children, found))


class Traces:
    """What the run left behind."""

    def __init__(self) -> None:
        self.log: list[dict[str, Any]] = []
        self.reports: dict[str, str] = {}
        self.command_lines: dict[int, bytes] = {}
        self.streams: dict[str, list[Any]] = {}
        self.data_dir = Path()


@pytest.fixture(scope="module")
def traces(module_kit: Any, module_redis: Any) -> Traces:
    """Refused by a venue, a proxy and Redis, asked for everything, reloaded badly, stopped."""
    found = Traces()
    kit, streams = module_kit, module_redis
    venue = kit.venue([["http", 403]], [["serve"]])
    with closed_port() as port:
        service = kit.service(
            streams.url.replace("://", f"://{USER}:{PASSWORD}@"),
            {"venue": "binance", "channels": ["trade"], "instruments": ["BTC-USDT"]},
            {"venue": "okx", "channels": ["trade"], "instruments": ["BTC-USDT"]},
            {"venue": "kraken", "channels": ["trade"], "instruments": ["BTC-USDT"]},
            venues={
                "binance": {"ws_url": f"{venue.url}/${{MIRROR_TOKEN}}/stream?sig={S}-sig"},
                "okx": {"proxy": f"http://joe:{S}-proxy@127.0.0.1:{port}"},
                "kraken": {"ws_url": f"ws://{S}-user@127.0.0.1:{port}/?access_token={S}-query"},
            },
            popen={"env": {"MIRROR_TOKEN": f"{S}-path"}},
        )
        # The server knows no such user yet.
        service.wait("sink: no connection; entries are kept, trying again", level="error")
        streams.client.execute_command("ACL", "SETUSER", USER, "on", f">{PASSWORD}", "~*", "+@all")
        for connection in ("binance-1", "okx-1", "kraken-1"):
            service.wait("feed: not connected", connection=connection)
        streams.wait(TRADE, lambda e: "id" in e)
        pids = {service.process.pid, *children(service.process.pid)}
        found.command_lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids}

        config = kit.directory / "config.yaml"
        found.reports["check"] = ingest(kit, "check", "config.yaml")
        good = config.read_text()
        wrong = {**json.loads(good), "redis": {"url": f"redis://joe:{S}"}}
        config.write_text(json.dumps(wrong))
        found.reports["check, with a mistake"] = ingest(kit, "check", "config.yaml")
        found.reports["reload, with a mistake"] = ingest(kit, "reload", "config.yaml")
        # Another server of another user: refused, with a report.
        config.write_text(json.dumps({**wrong, "redis": {"url": f"redis://joe:{S}@localhost"}}))
        found.reports["reload, refused"] = ingest(kit, "reload", "config.yaml")
        config.write_text(good)
        found.reports["reload"] = ingest(kit, "reload", "config.yaml")
        found.reports["tail"] = ingest(
            kit,
            "tail",
            "--count",
            "1",
            env={"INGEST_REDIS_URL": f"redis://:{S}@127.0.0.1:{port}/x"},
        )
        service.stop()
    found.log = service.lines
    keys = sorted(streams.keys())
    found.streams = {key: streams.entries(key) for key in keys}
    found.data_dir = kit.directory / "data"
    return found


def ingest(kit: Any, *arguments: str, env: dict[str, str] | None = None) -> str:
    """What a command says, on both outputs."""
    program = kit.program(
        *("-m", "ingest", *arguments),
        output="stdout",
        stderr=-2,
        cwd=kit.directory,
        env={"MIRROR_TOKEN": f"{S}-path", **(env or {})},
    )
    program.exit_status()
    return "".join([*program.other, *map(json.dumps, program.lines)])


def test_the_log(traces: Traces) -> None:
    """At level debug, through every kind of failure."""
    lines = [line for line in traces.log if S in json.dumps(line)]

    assert not lines
    refused = next(line for line in traces.log if line.get("reason") == "http_403")
    assert "/***/stream?sig=***" in refused["error"]


def test_what_commands_say(traces: Traces) -> None:
    """Each says something of the place, and nothing of the secret."""
    assert not [name for name, text in traces.reports.items() if S in text]
    assert f"unix://{USER}:***@" in traces.reports["check"]
    assert "joe:***@127.0.0.1" in traces.reports["check"]
    for name in ("check, with a mistake", "reload, with a mistake"):
        assert 'redis.url is "redis://***"' in traces.reports[name]
    assert "redis" in traces.reports["reload, refused"]


def test_the_command_lines(traces: Traces) -> None:
    """Any user of the machine can read them: workers get their plan by a pipe."""
    assert len(traces.command_lines) >= 2
    assert not [line for line in traces.command_lines.values() if S.encode() in line]


def test_the_streams(traces: Traces) -> None:
    """A failed connection is described in its feed's stream."""
    details = [entry.get("detail", "") for entry in traces.streams[FEED]]

    assert any("/***/stream?sig=***" in detail for detail in details)
    assert S not in json.dumps(traces.streams)


def test_the_data_directory(traces: Traces) -> None:
    """For its owner alone, and without secrets."""
    assert stat.S_IMODE(traces.data_dir.stat().st_mode) == 0o700
    files = [path for path in traces.data_dir.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if S.encode() in path.read_bytes()]
    assert not [path for path in files if path.stat().st_uid != os.getuid()]
