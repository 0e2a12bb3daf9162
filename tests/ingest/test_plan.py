"""From a config to connections and workers: what is promised, for any sizes."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from ingest import venues
from ingest.config import Config, FeedConfig, Selector, VenueConfig
from ingest.config.schema import LogConfig
from ingest.plan import (
    ConnectionPlan,
    Plan,
    WorkerPlan,
    connection_url,
    deal,
    make_plan,
    split_evenly,
)
from ingest.venues.base import Topic


def topics(count: int) -> tuple[Topic, ...]:
    return tuple(Topic(channel="trade", instrument=f"A{i}-B", name=f"a{i}") for i in range(count))


def connection(name: str, count: int) -> ConnectionPlan:
    return ConnectionPlan(
        name=name, feed=name, venue="v", url="wss://v", rest_url="", topics=topics(count)
    )


def feed(name: str, instruments: int, channels: tuple[str, ...] = ("trade",)) -> FeedConfig:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    names = tuple(
        f"{name.upper()}{letters[i // 26]}{letters[i % 26]}-B" for i in range(instruments)
    )
    return FeedConfig(venue="binance", channels=channels, instruments=names, name=name)


def plan(config: Config, cores: int = 4) -> Plan:
    return make_plan(config, cores=cores, redis_url="redis://h")


def connections(plan: Plan) -> list[ConnectionPlan]:
    return [c for worker in plan.workers for c in worker.connections]


@given(count=st.integers(1, 400), limit=st.integers(1, 100))
def test_split_evenly(count: int, limit: int) -> None:
    """As few parts as the limit allows, in order, and no two differ by more than one topic."""
    parts = split_evenly(topics(count), limit)

    assert [topic for part in parts for topic in part] == list(topics(count))
    assert len(parts) == -(-count // limit)
    sizes = [len(part) for part in parts]
    assert max(sizes) <= limit
    assert max(sizes) - min(sizes) <= 1


@given(sizes=st.lists(st.integers(1, 300), min_size=1, max_size=40), data=st.data())
def test_deal(sizes: list[int], data: st.DataObject) -> None:
    """Every connection once; no idle worker; loads differ by at most one connection's topics."""
    workers = data.draw(st.integers(1, len(sizes)))
    all_connections = [connection(f"c{i}", size) for i, size in enumerate(sizes)]

    shares = deal(all_connections, workers)

    assert shares == deal(all_connections, workers)
    dealt = [c.name for share in shares for c in share]
    assert sorted(dealt) == sorted(c.name for c in all_connections)
    assert len(shares) == workers
    assert all(shares)
    loads = [sum(len(c.topics) for c in share) for share in shares]
    assert max(loads) - min(loads) <= max(sizes)


def test_feeds_never_share_a_connection() -> None:
    """A feed is the unit of isolation, however small."""
    found = connections(plan(Config(feeds=(feed("a", 1), feed("b", 1)))))

    assert [(c.name, c.feed, len(c.topics)) for c in found] == [("a", "a", 1), ("b", "b", 1)]


def test_a_feed_over_the_limit_is_split() -> None:
    """Several connections with numbered names; an instrument's channels stay in order."""
    config = Config(
        feeds=(feed("a", 5, ("trade", "bbo")),),
        venues={"binance": VenueConfig(topics_per_connection=4)},
    )

    found = sorted(connections(plan(config)), key=lambda c: c.name)

    assert [(c.name, len(c.topics)) for c in found] == [("a.1", 4), ("a.2", 3), ("a.3", 3)]
    assert [(t.channel, t.instrument) for t in found[0].topics] == [
        ("trade", "AAA-B"),
        ("bbo", "AAA-B"),
        ("trade", "AAB-B"),
        ("bbo", "AAB-B"),
    ]


def test_the_venue_s_limit_applies_by_itself() -> None:
    """500 topics are one connection at a venue that allows them."""
    limit = venues.get("binance").limits.topics_per_connection
    found = connections(plan(Config(feeds=(feed("a", 500),))))

    assert [len(c.topics) for c in found] == ([500] if limit >= 500 else [limit, 500 - limit])


@pytest.mark.parametrize(
    ("workers", "cores", "feeds", "used", "notes"),
    [
        ("auto", 4, 2, 2, 0),
        ("auto", 2, 5, 2, 0),
        ("auto", 0, 5, 1, 0),
        (3, 1, 5, 3, 0),
        (8, 1, 2, 2, 1),
    ],
)
def test_number_of_workers(workers: int, cores: int, feeds: int, used: int, notes: int) -> None:
    """Never more than connections; a number that is reduced is noted."""
    config = Config(feeds=tuple(feed(f"f{chr(97 + i)}", 1) for i in range(feeds)), workers=workers)

    found = plan(config, cores)

    assert [worker.worker for worker in found.workers] == list(range(used))
    assert len(found.notes) == notes
    if notes:
        assert found.notes[0] == (
            "workers is 8, but there is nothing to do for more than 2: 2 connections in all"
        )


@pytest.mark.parametrize(
    ("configured", "url"),
    [
        (None, "wss://own:9443/stream?x=1"),
        ("ws://127.0.0.1:9000", "ws://127.0.0.1:9000/stream?x=1"),
        ("ws://127.0.0.1:9000/", "ws://127.0.0.1:9000/stream?x=1"),
        ("wss://other/ws", "wss://other/ws"),
        ("wss://other?token=1", "wss://other?token=1"),
    ],
)
def test_connection_url(configured: str | None, url: str) -> None:
    """Without a path a URL names only the server; the venue's own path follows."""
    assert connection_url(configured, "wss://own:9443/stream?x=1") == url


@pytest.mark.parametrize(
    ("configured", "url"),
    [
        (None, "wss://own/market/stream"),
        ("ws://127.0.0.1:9000", "ws://127.0.0.1:9000/market/stream"),
        ("ws://127.0.0.1:9000/public/stream", "ws://127.0.0.1:9000/market/stream"),
        ("ws://127.0.0.1:9000/usdm/public/stream", "ws://127.0.0.1:9000/usdm/market/stream"),
        ("wss://other/ws", "wss://other/ws"),
    ],
)
def test_connection_url_at_another_path(configured: str | None, url: str) -> None:
    """The venue's usual path stands for all its paths: asked at the wrong one, it is silent."""
    assert connection_url(configured, "wss://own/public/stream", "/market/stream") == url


def test_a_worker_plan_goes_through_a_pipe() -> None:
    """As JSON and back it is the same, and it holds all that the worker needs."""
    config = Config(
        feeds=(feed("a", 3),),
        venues={
            "binance": VenueConfig(
                ws_url="wss://h/p", proxy="http://joe:pw@p:1", impersonate="chrome", verify=False
            )
        },
        log=LogConfig(level="debug"),
    )
    worker = make_plan(config, cores=1, redis_url="redis://:s3cret@h", log_format="json").workers[0]

    assert msgspec.json.decode(msgspec.json.encode(worker), type=WorkerPlan) == worker
    assert worker.redis.url == "redis://:s3cret@h"
    assert (worker.log_level, worker.log_format) == ("debug", "json")
    assert worker.topics == 3
    only = worker.connections[0]
    assert (only.url, only.rest_leg.proxy, only.impersonate, only.verify) == (
        "wss://h/p",
        "http://joe:pw@p:1",
        "chrome",
        False,
    )


@pytest.mark.parametrize(
    ("given", "rest", "said"),
    [
        ({}, "https://api.binance.com", False),
        ({"ws_url": "ws://h"}, "", True),
        ({"ws_url": "ws://h", "rest_url": "http://h"}, "http://h", False),
        ({"rest_url": "http://h"}, "http://h", False),
    ],
)
def test_where_rest_is(given: dict[str, str], rest: str, said: bool) -> None:
    """Another WebSocket without its REST: nothing is asked of the venue's own, and that is said."""
    made = plan(Config(feeds=(feed("a", 1, ("book",)),), venues={"binance": VenueConfig(**given)}))

    assert made.workers[0].connections[0].rest_url == rest
    assert any("no snapshots" in note for note in made.notes) == said


def test_more_than_an_address_may_have() -> None:
    """It is said, for each venue and each of its limits; of topics those that it counts."""
    coins = tuple(f"{feed('a', 520).instruments[n][:3]}-USDC-PERP" for n in range(520))
    busy = FeedConfig(
        venue="hyperliquid",
        channels=("trade", "bbo", "mark", "funding"),
        instruments=coins,
        name="a",
    )
    few = structs.replace(busy, channels=("mark", "funding"))
    spread = VenueConfig(topics_per_connection=104)
    config = Config(feeds=(busy,), venues={"hyperliquid": spread})

    assert plan(config).notes == (
        "hyperliquid allows one address 1000 topics; these are 1560",
        "hyperliquid allows one address 10 connections; these are 20",
    )
    assert plan(Config(feeds=(few,))).notes == ()


def test_a_selector_cannot_be_planned() -> None:
    """Planning needs names; forgetting to resolve is our mistake, not the user's."""
    selecting = FeedConfig(
        venue="binance", channels=("trade",), instruments=Selector(quote="USDT"), name="a"
    )
    with pytest.raises(TypeError, match="must be resolved before planning"):
        plan(Config(feeds=(selecting,)))


def test_legs() -> None:
    """Each has the next of the lists; REST the first of each. All count by the venue's limits."""
    config = Config(
        feeds=(structs.replace(feed("a", 3), redundancy=3), feed("b", 1)),
        venues={
            "binance": VenueConfig(
                proxy=("http://p:1", "http://p:2"), source_address="eth1", max_age_s=60.0
            )
        },
    )
    first, second = make_plan(config, cores=1, redis_url="").workers[0].connections

    assert [(leg.proxy, leg.source_address) for leg in first.legs] == [
        *[("http://p:1", "eth1"), ("http://p:2", "eth1"), ("http://p:1", "eth1")],
    ]
    assert (first.rest_leg, len(second.legs)) == (first.legs[0], 1)
    assert first.max_age_s == 60.0
    assert (
        make_plan(Config(feeds=(feed("a", 1),)), cores=1, redis_url="")
        .workers[0]
        .connections[0]
        .max_age_s
        == 86_400.0
    )
