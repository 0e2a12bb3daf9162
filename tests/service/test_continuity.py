"""Connections that end, announced or not: nothing is missing, nothing comes twice."""

import json
import signal
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

CHANNELS = ["trade", "book", "bbo", "ticker", "candle_1m"]
FEED = "md:binance:feed:binance-1"
REPLACED = "feed: a new connection has taken the place of the old one"


def key(channel: str) -> str:
    return f"md:binance:{channel}:BTC-USDT"


# What each entry's number is; those of a stream follow each other by one.
NUMBER: dict[str, Callable[[dict[str, str]], int]] = {
    "trade": lambda e: int(e["id"]),
    "bbo": lambda e: int(e["seq"]),
    "ticker": lambda e: int(e["last"]),
    "candle_1m": lambda e: int(e["close"]),
}


def check_streams(streams: Any) -> None:
    """Each event once and in order, from the first one to the last, and no marker."""
    for channel, number in NUMBER.items():
        entries = streams.entries(key(channel))
        assert [e for e in entries if e.get("type") in ("gap", "resume", "reset")] == [], channel
        numbers = [number(e) for e in entries]
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), channel
        assert len(numbers) > 100
    book = streams.entries(key("book"))
    kinds = [e["type"] for e in book]
    assert kinds.count("snapshot") == 1
    assert set(kinds) == {"snapshot", "delta"}
    # What comes before the snapshot has nothing to stand on; the snapshot may be ahead of it.
    start = kinds.index("snapshot")
    for before, delta in pairwise(book[start:]):
        assert int(delta["first_seq"]) == int(before["seq"]) + 1
    # And what a reader makes of it is the market's: every price there ever was.
    prices = {price for e in book[start:] for price in _prices(e["bids"])}
    assert prices == {f"{n}.0" for n in range(1, int(book[-1]["seq"]) // 3 + 1)}


def _prices(side: str) -> list[str]:
    return [part.split('"')[1] for part in side.strip("[]").split("],[") if part]


def start(kit: Any, streams: Any, venue: Any, **feed: Any) -> Any:
    address = f"127.0.0.1:{venue.port}"
    urls = {"ws_url": f"ws://{address}", "rest_url": f"http://{address}"}
    settings = {**urls, **feed.pop("venue_settings", {})}
    return kit.service(
        streams.url,
        {"venue": "binance", "channels": CHANNELS, "instruments": ["BTC-USDT"], **feed},
        venues={
            "binance": {"ws_url": f"ws://{address}", "rest_url": f"http://{address}", **settings}
        },
        workers=1,
    )


def test_announced_ends(kit: Any, own_streams: Any) -> None:
    """Each time a new connection goes on before the old one is closed, by us."""
    venue = kit.market(1, "announce")
    service = start(kit, own_streams, venue)
    service.wait(REPLACED, times=4)
    totals = service.stop()

    check_streams(own_streams)
    assert not venue.all("forced")
    assert not service.all("feed: disconnected")
    assert totals["disconnects"] == {}
    events = [(e["type"], e.get("reason")) for e in own_streams.entries(FEED)]
    assert events[:4] == [
        ("connected", None),
        ("replacing", "serverShutdown"),
        ("connected", None),
        ("replaced", "serverShutdown"),
    ]


def test_another_way_by_a_reload(kit: Any, own_streams: Any) -> None:
    """The same place, reached otherwise: beside the old socket; the others are not told."""
    venue = kit.market(3, "none")
    service = start(kit, own_streams, venue, venue_settings={"max_age_s": 3600})
    service.wait("feed: subscribed")
    file = kit.directory / "config.yaml"
    config = json.loads(file.read_text())
    for count, change in enumerate(({"verify": False}, {"verify": True}), 1):
        config["venues"]["binance"].update(change)
        file.write_text(json.dumps(config))
        service.signal(signal.SIGHUP)
        service.wait(REPLACED, times=count)
    own_streams.wait(key("trade"), lambda e: int(e["id"]) > 500)
    totals = service.stop()

    check_streams(own_streams)
    assert totals["disconnects"] == {}
    replaced = [e["reason"] for e in own_streams.entries(FEED) if e["type"] == "replaced"]
    assert replaced == ["reloaded", "reloaded"]


def test_an_age_is_enough(kit: Any, own_streams: Any) -> None:
    """No announcement: the config's limit says when."""
    venue = kit.market(2, "none")
    service = start(kit, own_streams, venue, venue_settings={"max_age_s": 2.5})
    service.wait(REPLACED, times=3)
    service.stop()

    check_streams(own_streams)
    assert {e.get("reason") for e in own_streams.entries(FEED) if e["type"] == "replaced"} == {
        "max_age"
    }


def run_redundant(kit: Any, streams: Any, seed: int, deaths: int) -> None:
    venue = kit.market(seed, "die")
    service = start(kit, streams, venue, redundancy=2)
    for count in range(1, deaths + 1):  # each within its deadline
        venue.wait("harmed", times=count)
    totals = service.stop()

    check_streams(streams)
    assert totals["disconnects"]


@pytest.mark.parametrize("seed", [1, 2])
def test_either_leg_may_die(kit: Any, own_streams: Any, seed: int) -> None:
    """Reset, ended, closed, stalled, or with a hole: the other one brings it all."""
    run_redundant(kit, own_streams, seed, 6)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10, 20))
def test_either_leg_may_die_often(kit: Any, own_streams: Any, seed: int) -> None:
    """The same for longer, with other moments."""
    run_redundant(kit, own_streams, seed, 40)


def test_legs_take_their_own_ways(kit: Any, own_streams: Any) -> None:
    """Each of the addresses is where one of the connections comes from."""
    venue = kit.market(3, "none")
    settings = {"source_address": ["127.0.0.1", "127.0.0.2"]}
    service = start(kit, own_streams, venue, redundancy=2, venue_settings=settings)
    service.wait("feed: subscribed", times=2)
    own_streams.wait(key("trade"), lambda e: "id" in e)
    service.stop()

    assert {line["peer"] for line in venue.all("accepted")} == {"127.0.0.1", "127.0.0.2"}
    details = {e.get("detail") for e in own_streams.entries(FEED) if e["type"] == "connected"}
    assert details == {"leg 1 of 2", "leg 2 of 2"}


def test_a_single_connection_that_dies_is_a_gap(kit: Any, own_streams: Any) -> None:
    """What is not announced, and happens to the only one, is still marked."""
    venue = kit.market(4, "none")
    service = start(kit, own_streams, venue)
    own_streams.wait(key("ticker"), lambda e: "last" in e)
    venue.tell("cut")
    own_streams.wait(key("ticker"), lambda e: e.get("type") == "resume")
    service.stop()

    marks = [e["type"] for e in own_streams.entries(key("ticker")) if "type" in e]
    assert marks == ["gap", "resume"]
