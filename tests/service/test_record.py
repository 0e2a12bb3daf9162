"""`ingest record`: what a replay sends is in the files, and a replay of those sends it again."""

import json
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from ingest.recordings.bundled import bundled_recordings
from ingest.recordings.native import format_header, format_record
from ingest.recordings.reader import find_files, read_file
from ingest.recordings.records import (
    Record,
    RestAnswer,
    VenueNamed,
    WsClosed,
    WsMessage,
    WsOpened,
    WsSent,
)
from ingest.replay.library import load
from tests.playback import expected
from tests.playback.book import PlainBook
from tests.playback.expected import last_book
from tests.playback.recording import read
from tests.playback.rules import rules_of

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
        named, opened, sent, ack, *_, closed = records
        assert named == VenueNamed(path.parent.name)
        assert isinstance(opened, WsOpened)
        assert opened.url.startswith("ws://127.0.0.1")
        assert isinstance(sent, WsSent)
        assert b"subscribe" in sent.payload.lower()
        assert isinstance(ack, WsMessage)
        assert isinstance(closed, WsClosed)
        assert closed.code == 1001
        times = [record.ns for record in records[1:]]
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


QUIET = bundled_recordings() / "binance/cf-20210814"
SELECTED = ("FTM-USDT", "XMR-BTC")  # the second by what matches, the first by what is traded
SELECTING = [
    {"venue": "binance", "name": "top", "channels": ["book", "bbo"]}
    | {"instruments": {"quote": "USDT", "top": 1}},
    {"venue": "binance", "name": "some", "channels": ["book"], "instruments": {"match": "XMR-?TC"}},
]


def tickers(directory: Path) -> Path:
    """What the recording lacks of a venue's list: volumes."""
    body = '[{"symbol":"FTMUSDT","volume":"2","quoteVolume":"1"}]'
    url = "https://api.binance.com/api/v3/ticker/24hr"
    path = directory / "tickers.jsonl"
    path.write_bytes(
        format_header("binance") + b"\n" + format_record(RestAnswer(1, url, body.encode())) + b"\n"
    )
    return path


def addresses(replay: Any) -> dict[str, Any]:
    rest = replay.lines[0]["rest"]
    return {venue: {"ws_url": url, "rest_url": rest[venue]} for venue, url in replay.urls.items()}


def test_books_of_selected_instruments(kit: Any, own_streams: Any, tmp_path: Path) -> None:
    """Lists and snapshots are recorded too: what is recorded replays to whole books."""
    replay = kit.replay(str(QUIET), str(tickers(tmp_path)), "--within", "4")
    path = tmp_path / "selecting.yaml"
    config = {"feeds": SELECTING, "venues": addresses(replay), "data_dir": str(tmp_path / "data")}
    path.write_text(json.dumps(config))
    out = tmp_path / "out"
    recorder = kit.program(
        *("-m", "ingest", "record", str(path), "--out", str(out)),
        output="stdout",
        stderr=subprocess.DEVNULL,
    )
    replay.until(lambda status: status["finished"] and status["rest_answers"] == 4)
    recorder.signal(signal.SIGTERM)
    assert recorder.exit_status() == 0, recorder.text()
    assert recorder.lines[0]["decode_errors"] == recorder.lines[0]["disconnects"] == {}

    again = kit.replay(str(out), "--within", "4")
    running = kit.service(own_streams.url, *SELECTING, venues=addresses(again))
    keys = {name: f"md:binance:book:{name}" for name in SELECTED}
    for key in keys.values():
        own_streams.wait(key, lambda entry: entry["type"] == "snapshot")
    again.until(lambda status: status["finished"])
    totals = running.stop()
    assert totals["book_gaps"] == totals["decode_errors"] == {}

    session = [read(file) for file in sorted(QUIET.glob("*.gz"))]
    wanted = expected.read(rules_of("binance/cf-20210814"), session)
    bbo = [e for e in own_streams.data("md:binance:bbo:FTM-USDT") if e.pop("rx")]
    assert bbo == wanted.streams["bbo", "FTM-USDT"]
    for name, key in keys.items():
        book, known = PlainBook(), None
        for entry in own_streams.entries(key):
            bids, asks = json.loads(entry["bids"]), json.loads(entry["asks"])
            if entry["type"] == "snapshot":
                book.replace(bids, asks)
                known = int(entry["seq"])
            elif known is not None and int(entry["seq"]) > known:
                book.apply(bids, asks)
        assert book.sides == last_book(wanted, name)


def test_stopped_before_the_venue_lists_its_instruments(kit: Any, tmp_path: Path) -> None:
    """A stop that comes first is a stop all the same."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        path = tmp_path / "selecting.yaml"
        config = {
            "feeds": SELECTING,
            "venues": {"binance": {"rest_url": url}},
            "data_dir": str(tmp_path / "data"),
        }
        path.write_text(json.dumps(config))
        recorder = kit.program(
            *("-m", "ingest", "record", str(path), "--out", str(tmp_path / "out")),
            output="stdout",
            stderr=subprocess.DEVNULL,
        )
        with silent.accept()[0]:
            recorder.signal(signal.SIGTERM)
            assert recorder.exit_status() == 0, recorder.text()
    assert recorder.lines[0]["ended_by"] == "SIGTERM"
    assert recorder.lines[0]["files"] == []
