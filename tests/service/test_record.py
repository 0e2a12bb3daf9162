"""`ingest record`: what a replay sends is in the files, and a replay of those sends it again."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

from ingest.recordings.bundled import bundled_recordings
from ingest.recordings.reader import find_files, read_file
from ingest.recordings.records import Record, WsClosed, WsMessage, WsOpened, WsSent
from ingest.replay.library import load

SESSIONS = {
    "binance": bundled_recordings() / "binance/hbt-20240808",
    "okx": bundled_recordings() / "okx/cf-20220227",
}
FEEDS = [
    {"venue": "binance", "channels": ["trade", "bbo", "book"], "instruments": ["BTC-USDT"]},
    {"venue": "okx", "channels": ["trade", "ticker"], "instruments": ["ZEN-USDT", "UNI-USD-PERP"]},
]


def record(kit: Any, sources: list[str], out: Path) -> dict[str, Any]:
    """Record all of a replay of *sources*; return the summary."""
    replay = kit.replay(*sources, "--speed", "max")
    config = {"feeds": FEEDS, "venues": {v: {"ws_url": url} for v, url in replay.urls.items()}}
    path = kit.directory / f"{out.name}.yaml"
    path.write_text(json.dumps(config))
    recorder = kit.program(
        *("-m", "ingest", "record", str(path), "--out", str(out)),
        output="stdout",
        stderr=subprocess.DEVNULL,
    )
    replay.until(lambda status: status["finished"] and len(status["topics"]) == len(SESSIONS))
    recorder.signal(signal.SIGTERM)
    assert recorder.exit_status() == 0, recorder.text()
    assert replay.status()["closes"] == {"1001": 2}
    [summary] = recorder.lines
    return dict(summary)


def received(directory: Path) -> dict[str, list[bytes]]:
    """Data in the order received, by topic."""
    venues = load([str(directory)]).venues.values()
    return {name: track.payloads for venue in venues for name, track in venue.tracks.items()}


def test_frame_by_frame(kit: Any, tmp_path: Path) -> None:
    """A packaged recording, recorded; that recording, recorded: all three are the same."""
    first, second = tmp_path / "first", tmp_path / "second"
    summary = record(kit, [str(path) for path in SESSIONS.values()], first)
    again = record(kit, [str(first)], second)

    packaged = {
        name: track.payloads
        for venue, path in SESSIONS.items()
        for name, track in load([f"{venue}={path}"]).venues[venue].tracks.items()
    }
    copy = received(first)
    assert len(copy) >= 5
    assert copy == {name: packaged[name] for name in copy}
    assert received(second) == copy
    messages = sum(map(len, copy.values()))
    for each in (summary, again):
        assert each["data"] == messages
        assert each["ended_by"] == "SIGTERM"
        assert each["disconnects"] == each["decode_errors"] == {}
        assert each["messages"] == each["data"] + each["control"]
        assert each["unknown_topic"] == 0


def test_one_connection_from_beginning_to_end(kit: Any, tmp_path: Path) -> None:
    """Opened, asked, answered, fed, closed; times never go back."""
    summary = record(kit, [str(path) for path in SESSIONS.values()], tmp_path / "out")

    assert {str(path) for path in find_files([tmp_path / "out"])} == set(summary["files"])
    for path in find_files([tmp_path / "out"]):
        records: list[Record] = list(read_file(path))
        opened, sent, ack, *_, closed = records
        assert isinstance(opened, WsOpened)
        assert opened.url.startswith("ws://127.0.0.1")
        assert isinstance(sent, WsSent)
        assert b"subscribe" in sent.payload.lower()
        assert isinstance(ack, WsMessage)
        assert isinstance(closed, WsClosed)
        assert closed.code == 1001
        times = [record.ns for record in records]
        assert times == sorted(times)


def test_for_and_limit(kit: Any, tmp_path: Path) -> None:
    """It ends by itself; the line says why."""
    replay = kit.replay("--speed", "100", "--loop")
    config = tmp_path / "config.yaml"
    config.write_text(
        json.dumps({"feeds": FEEDS[:1], "venues": {"binance": {"ws_url": replay.urls["binance"]}}})
    )
    for option, value, reason in (("--for", "300ms", "for"), ("--limit", "1KiB", "limit")):
        recorder = kit.program(
            *("-m", "ingest", "record", str(config), "--out", str(tmp_path), option, value),
            output="stdout",
            stderr=subprocess.DEVNULL,
        )
        assert recorder.exit_status() == 0, recorder.text()
        assert recorder.lines[0]["ended_by"] == reason
        assert recorder.lines[0]["data"] > 0


def test_a_disk_that_refuses(kit: Any, tmp_path: Path) -> None:
    """Exit status 1, and one line that says what and where."""
    replay = kit.replay("--speed", "100", "--loop")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/binance").write_text("in the way")
    config = tmp_path / "config.yaml"
    config.write_text(
        json.dumps({"feeds": FEEDS[:1], "venues": {"binance": {"ws_url": replay.urls["binance"]}}})
    )
    recorder = kit.program(
        *("-m", "ingest", "record", str(config), "--out", str(tmp_path / "out")), output="stderr"
    )
    assert recorder.exit_status() == 1
    assert recorder.other[-1] == f"ingest: {tmp_path / 'out'}: File exists\n"
