"""Who comes late begins at a snapshot and has the venue's book, to the character.

The venue's book is made from the recordings with `json` alone; the late reader knows
what docs/streams.md says, and nothing else.
"""

import gzip
import json
import re
from collections import defaultdict
from typing import Any

import pytest

from ingest.recordings.bundled import bundled_recordings

CHANNEL = "book_l2_tbt"
Sides = tuple[dict[float, list[str]], dict[float, list[str]]]  # exact enough to tell prices apart


def change(sides: Sides, bids: list[Any], asks: list[Any]) -> None:
    for side, levels in zip(sides, (bids, asks), strict=True):
        for price, size, *_ in levels:
            side.pop(float(price), None)
            if float(size):
                side[float(price)] = [price, size]


def recorded() -> dict[str, list[dict[str, Any]]]:
    """What the venue sent of each book, in order."""
    books: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in sorted((bundled_recordings() / "okx").rglob("*.gz")):
        with gzip.open(path, "rt") as file:
            for line in file:
                start = re.match(r"\d+\.\d+: ", line)  # a frame received
                frame = json.loads(line[start.end() :]) if start else {}
                if "data" in frame and frame["arg"]["channel"] == "books-l2-tbt":
                    name = frame["arg"]["instId"].replace("-SWAP", "-PERP")
                    books[name] += [{**d, "action": frame["action"]} for d in frame["data"]]
    return dict(books)


def books_after_each(updates: list[dict[str, Any]]) -> list[tuple[list[Any], list[Any]]]:
    """The whole book after each update, best first."""
    sides: Sides = ({}, {})
    books = []
    for update in updates:
        if update["action"] == "snapshot":
            sides = ({}, {})
        change(sides, update["bids"], update["asks"])
        books.append(ordered(sides))
    return books


def ordered(sides: Sides) -> tuple[list[Any], list[Any]]:
    bids, asks = sides
    return [bids[p] for p in sorted(bids, reverse=True)], [asks[p] for p in sorted(asks)]


@pytest.mark.parametrize("encoding", ["fields", "json"])
def test_a_late_reader_has_the_venues_book(kit: Any, own_streams: Any, encoding: str) -> None:
    """Begun at every snapshot there is, and followed to the end."""
    venue = recorded()
    replay = kit.replay("--speed", "20")
    service = kit.service(
        own_streams.url,
        {
            "venue": "okx",
            "channels": [CHANNEL],
            "instruments": list(venue),
            "book_snapshot_every_s": 0.2,
        },
        redis={"encoding": encoding},
        venues={"okx": {"ws_url": replay.urls["okx"]}},
        log={"level": "info"},
    )
    service.wait("feed: subscribed")
    replay.until(lambda status: status["finished"])
    totals = service.stop()

    def read(entries: list[tuple[str, dict[str, str]]]) -> list[tuple[str, dict[str, Any]]]:
        def levels(record: dict[str, Any]) -> dict[str, Any]:
            sides = {side: json.loads(record[side]) for side in ("bids", "asks")}
            return {**record, **sides} if encoding == "fields" else record

        if encoding == "json":
            return [(entry_id, json.loads(fields["d"])) for entry_id, fields in entries]
        return [(entry_id, levels(fields)) for entry_id, fields in entries]

    assert totals["dropped"] == {}
    seen = followed = 0
    for instrument, updates in venue.items():
        key = f"md:okx:{CHANNEL}:{instrument}"
        snapshots = read(own_streams.client.xrange(f"md:okx:{CHANNEL}_snapshot:{instrument}"))
        truth = books_after_each(updates)
        ids = [entry_id for entry_id, _ in own_streams.client.xrange(key)]
        assert len(ids) == len(truth)
        for snapshot_id, snapshot in snapshots:
            assert snapshot["type"] == "snapshot"
            assert (snapshot["bids"], snapshot["asks"]) == truth[ids.index(snapshot_id)]
            late: Sides = ({}, {})
            change(late, snapshot["bids"], snapshot["asks"])
            for entry_id, entry in read(own_streams.client.xrange(key, min=f"({snapshot_id}")):
                if entry["type"] == "snapshot":
                    late = ({}, {})
                change(late, entry["bids"], entry["asks"])
                assert ordered(late) == truth[ids.index(entry_id)]
                followed += 1
        seen += len(snapshots)
    assert seen >= 10 and followed >= 100
    print(f"{seen} snapshots, {followed} entries followed")
