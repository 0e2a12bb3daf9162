"""How soon a silent subscription is noticed, and how often one that is alive is taken for silent.

    python -m tests.benchmarks.silence DIRECTORY   recordings, searched recursively

Every topic of every recording, with the times at which its messages came, through
`ingest.feed.pulse`. A recording lasts minutes; so each topic is also played for a day:
its pattern over and over, and its silences in random order; both again with the clock
20 and 60 times slower, which makes quiet markets of busy ones. A real silence is one
that begins 10 minutes, or an hour, after the start.
"""

import gzip
import json
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from ingest.feed.pulse import Pulse
from ingest.recordings.errors import RecordingError
from ingest.recordings.reader import find_files, read_file
from ingest.recordings.records import Record, WsMessage

DAY_S = 86_400


def topic_of(payload: bytes) -> str | None:
    """Return what was subscribed to, whatever the venue; None of what is no data."""
    if payload[:2] == b"\x1f\x8b":
        payload = gzip.decompress(payload)
    wire: Any = json.loads(payload)
    if isinstance(wire, list):
        if wire[-1] == "hb" or wire[1] == "hb":
            return None  # bitfinex
        return "/".join(map(str, wire[-2:])) if isinstance(wire[-1], str) else str(wire[0])
    if "lastUpdateId" in wire or wire.get("event") in ("subscribe", "subscribed"):
        return None
    if wire.get("type") in ("subscriptions", "heartbeat", "ack", "welcome"):
        return None
    parts = [str(wire[k]) for k in ("stream", "table", "ch", "topic", "channel") if k in wire]
    parts += [str(wire[k]) for k in ("type", "product_id", "symbol") if k in wire]
    if isinstance(wire.get("params"), dict):
        parts.append(str(wire["params"].get("channel")))
    if isinstance(wire.get("arg"), dict):
        parts.append(str(wire["arg"]))
    inner = wire.get("data") or wire.get("result")
    inner = inner[0] if isinstance(inner, list) and inner else inner
    if isinstance(inner, dict):
        parts += [str(inner[k]) for k in ("symbol", "s", "n", "currency_pair") if k in inner]
    return "/".join(parts) if parts else None


def records(path: Path) -> Iterator[Record]:
    try:
        yield from read_file(path)
    except RecordingError as exc:
        print(f"left out: {exc}", file=sys.stderr)


def arrivals(directory: Path) -> Iterator[tuple[str, float, list[float]]]:
    """Every topic: its name, how long it was recorded, and when its messages came."""
    for path in find_files([directory]):
        times: dict[str, list[float]] = defaultdict(list)
        first = last = None
        for record in records(path):
            if isinstance(record, WsMessage):
                at = record.ns / 1e9
                first, last = at if first is None else first, at
                topic = topic_of(record.payload)
                if topic is not None:
                    times[topic].append(at)
        if first is None or last is None or last - first < 10:
            continue
        for topic, received in times.items():
            yield f"{path.parent}/{topic}", last - first, [at - first for at in received]


def ticks(gaps: Iterator[float], until_s: float) -> list[int]:
    """The ticks, one a second, at which data is found."""
    found, at = [], 0.0
    for gap in gaps:
        at += gap
        if at > until_s:
            break
        tick = int(at) + 1
        if not found or found[-1] != tick:
            found.append(tick)
    return found


def play(found: list[int]) -> tuple[Pulse, int]:
    """Return the pulse after these ticks, and how often it was taken for silent."""
    pulse = Pulse(at_once=False)
    pulse.tick(0, subscribed=True, heard=False)
    alarms = 0
    for tick in found:
        # What is stale a tick before the data was so from some tick on.
        alarms += pulse.tick(tick - 1, subscribed=True, heard=False) == "stale"
        pulse.tick(tick, subscribed=True, heard=True)
    return pulse, alarms


def over_and_over(received: list[float], span_s: float, scale: float) -> Iterator[float]:
    gaps = [b - a for a, b in pairwise(received)]
    yield received[0] * scale
    while True:
        yield from (gap * scale for gap in gaps)
        yield max(span_s - received[-1] + received[0], 0.001) * scale


def at_random(received: list[float], span_s: float, scale: float) -> Iterator[float]:
    gaps = [b - a for a, b in pairwise([0.0, *received, span_s])]
    chance = random.Random(1)
    while True:
        yield max(chance.choice(gaps), 0.001) * scale


def main() -> None:
    topics = list(arrivals(Path(sys.argv[1])))
    print(f"{len(topics)} topics, {sum(len(r) for *_, r in topics):,} messages")
    alarms = [name for name, span, received in topics if play(ticks(iter_gaps(received), span))[1]]
    print(f"as recorded: {len(alarms)} topics taken for silent {alarms[:5]}")
    for label, pattern in (("over and over", over_and_over), ("at random", at_random)):
        for scale in (1, 20, 60):
            number = affected = data = 0
            for _, span, received in topics:
                if len(received) < 2:
                    continue
                found = ticks(pattern(received, span, scale), DAY_S)
                _, count = play(found)
                data += len(found)
                number += count
                affected += count > 0
            print(
                f"{label}, clock / {scale}: {number} false alarms in {affected} topics, "
                f"{data:,} ticks with data, one day each"
            )
    for after_s in (600, 3600):
        noticed, never = [], 0
        for _, span, received in topics:
            if len(received) < 2:
                never += 1
                continue
            limit = play(ticks(over_and_over(received, span, 1), after_s))[0].limit_s()
            if limit is None:
                never += 1
            else:
                noticed.append(limit + 1)
        noticed.sort()
        cuts = statistics.quantiles(noticed, n=20)
        print(
            f"silent after {after_s} s: noticed within {noticed[0]:.0f} s at best, "
            f"{statistics.median(noticed):.0f} s median, {cuts[-2]:.0f} s 90 %, "
            f"{noticed[-1]:.0f} s at worst; {never} topics too quiet to tell"
        )


def iter_gaps(received: list[float]) -> Iterator[float]:
    return (b - a for a, b in pairwise([0.0, *received]))


if __name__ == "__main__":
    main()
