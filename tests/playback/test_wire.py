"""The checker itself: its reading of frames against the samples, of files against each other."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.venues.test_playback import Sample, samples
from tests.playback.recording import File, read, sessions
from tests.playback.wire import BY_SESSION, load, rules_of

NAMES = [(start, rules) for start, rules in BY_SESSION.items() if start.endswith("/")]


def as_published(fields: dict[str, Any]) -> dict[str, Any]:
    """The text of every value, as in a stream; a flag is 0 or 1."""
    flags = {False: "0", True: "1"}
    return {
        key: flags[value] if isinstance(value, bool) else value
        if isinstance(value, list) else str(value)
        for key, value in fields.items()
    }  # fmt: skip


def read_as(rules: Any, sample: Sample) -> list[dict[str, Any]] | str | None:
    """What the rules make of the sample's stream; None if they have no such stream."""
    of_frame = rules.new()
    for frame in (*sample.before, sample.frame):
        found = of_frame(load(bytes(frame)))
    if isinstance(found, str):
        return found
    own = [e for c, i, e in found if (c, i) == (sample.channel, sample.instrument)]
    return [entry for entry in own if isinstance(entry, dict)] if own else None


@pytest.mark.parametrize(("start", "rules"), NAMES, ids=[start for start, _ in NAMES])
def test_samples(start: str, rules: Any) -> None:
    """Where the rules read a sample, they read what it says; they read some of each venue."""
    agreed = 0
    for sample in samples(rules.venue):
        found = read_as(rules, sample)
        if isinstance(found, list):
            assert found == [as_published(event) for event in sample.events], sample
            agreed += 1
    assert agreed


FRAME, ANSWER = b'{"stream":"btcusdt@trade","data":{}}', b'{"lastUpdateId":1}'
URL = "https://api.binance.com/api/v3/depth?symbol=BTCUSDT"
NS = 1_617_566_591_123_456_000
CRYPTOFEED = b"1617566591.123456: " + FRAME + f"\n{URL} -> 1617566591.123456: ".encode() + ANSWER
OWN = "\n".join(
    json.dumps(line)
    for line in (
        {"format": "ingest-recording", "version": 1, "venue": "binance"},
        {"ns": NS, "kind": "opened", "connection": "b-1", "url": "wss://x"},
        {"ns": NS, "kind": "message", "connection": "b-1", "text": FRAME.decode()},
        {"ns": NS, "kind": "rest", "url": URL, "text": ANSWER.decode()},
    )
).encode()
HFTBACKTEST = f"{NS} ".encode() + FRAME + f"\n{NS} ".encode() + ANSWER


def test_files_of_other_formats(tmp_path: Path) -> None:
    """Their lines are what the product reads; frames are ours to read."""
    path = tmp_path / "raw"
    path.write_bytes(b"2021-04-04T20:03:11.1234560Z " + FRAME + b"\n")
    [frame] = read(path).frames()
    assert (frame.ns, frame.payload) == (1_617_566_591_123_456_000, FRAME)


@pytest.mark.parametrize("data", [CRYPTOFEED, OWN, HFTBACKTEST], ids=["cf", "own", "hbt"])
def test_files(data: bytes, tmp_path: Path) -> None:
    """Each format has the same frame and answer, and can be written with others in their place."""
    path = tmp_path / "btcusdt_20210404.gz"
    path.write_bytes(gzip.compress(data))
    file = read(path)

    def lines(file: File) -> list[tuple[str, int, bytes]]:
        return [(x.kind, x.ns, x.payload) for x in file.lines if x.kind in ("frame", "rest")]

    assert lines(file) == [("frame", NS, FRAME), ("rest", NS, ANSWER)]
    [frame] = file.frames()
    path.write_bytes(frame.frame(FRAME + b" ") + b"\n" + frame.answer(URL, b"{}") + b"\n")
    assert lines(read(path)) == [("frame", NS, FRAME + b" "), ("rest", NS, b"{}")]


def test_what_belongs_together(tmp_path: Path) -> None:
    """Directories; connections of one run of `ingest record`; redundant ones each alone."""
    for name in (
        "okx/cf-1-redundant/OKX.0.gz",
        "okx/cf-1-redundant/OKX.ws.1.0.gz",
        "okx/cf-1-redundant/OKX.ws.2.0.gz",
        "binance/binance-1-20261121T100000Z.000.jsonl.gz",
        "binance/instruments-20261121T100000Z.000.jsonl.gz",
        "binance/binance-1-20261121T110000Z.000.jsonl.gz",
        "binance/README.md",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    assert {name: [path.name for path in paths] for name, paths in sessions(tmp_path)} == {
        "binance/20261121T100000Z": [
            "binance-1-20261121T100000Z.000.jsonl.gz",
            "instruments-20261121T100000Z.000.jsonl.gz",
        ],
        "binance/20261121T110000Z": ["binance-1-20261121T110000Z.000.jsonl.gz"],
        "okx/cf-1-redundant/OKX.ws.1.0.gz": ["OKX.0.gz", "OKX.ws.1.0.gz"],
        "okx/cf-1-redundant/OKX.ws.2.0.gz": ["OKX.0.gz", "OKX.ws.2.0.gz"],
    }
    assert rules_of("nowhere/x") is None
