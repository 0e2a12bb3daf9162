"""`Follower`: new instruments get connections; what runs is left alone."""

import asyncio
from typing import Any

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from ingest import venues
from ingest.config import Config, FeedConfig, Selector, VenueConfig
from ingest.config.schema import InstrumentsConfig
from ingest.errors import IngestError, RestError
from ingest.instruments import Listing
from ingest.instruments.source import Found
from ingest.plan import ConnectionPlan, make_plan
from ingest.supervisor.listings import Follower, select, selecting_feeds
from tests.servers.listing import binance, instrument


class Source:
    """Lists what the test says; an exception is raised."""

    def __init__(self, *names: str) -> None:
        self.names: tuple[str, ...] | Exception = names
        self.asked = 0

    async def fetch(self, name: str) -> Listing:
        self.asked += 1
        if isinstance(self.names, Exception):
            raise self.names
        found = [instrument(n, volume=str(99 - i)) for i, n in enumerate(self.names)]
        return Listing(name, 0, found)

    async def get(self, name: str) -> Found:
        return Found(await self.fetch(name))


@pytest.fixture(autouse=True)
def listing_venue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(venues._VENUES, "binance", binance())


def feed(name: str, instruments: Any, *channels: str) -> FeedConfig:
    return FeedConfig(
        venue="binance", channels=channels or ("trade",), instruments=instruments, name=name
    )


class Running:
    """A follower over a config, as the service has it."""

    def __init__(self, config: Config, source: Source) -> None:
        self.config, self.source = config, source
        self.added: list[ConnectionPlan] = []
        self.left: list[tuple[str, list[str], str]] = []

    async def begin(self) -> "Running":
        selected = await select(self.config, self.source)  # type: ignore[arg-type]
        self.plan = make_plan(self.config, cores=2, redis_url="redis://h", selected=selected)
        self.follower = Follower(
            self.config,
            self.source,  # type: ignore[arg-type]
            self.plan,
            selected,
            lambda connection: self.added.append(connection) or 0,  # type: ignore[func-returns-value]
            lambda connection, topics, reason: self.left.append(
                (connection, [f"{t.channel} {t.instrument}" for t in topics], reason)
            ),
        )
        return self

    async def look(self, *names: str) -> list[tuple[str, list[str]]]:
        """Let the venue list *names*; return what was added."""
        self.source.names = names
        self.added.clear()
        self.left.clear()
        self.follower.look(selecting_feeds(self.config), await self.source.fetch("binance"))
        return [(c.name, [f"{t.channel} {t.instrument}" for t in c.topics]) for c in self.added]


async def test_newcomers_get_a_connection() -> None:
    """Once, and the next ones the next."""
    config = Config(feeds=(feed("a", Selector(quote="USDT"), "trade", "bbo"),))
    running = await Running(config, Source("BTC-USDT", "ETH-BTC")).begin()

    assert await running.look("BTC-USDT") == []
    assert await running.look("BTC-USDT", "SOL-USDT", "SOL-BTC") == [
        ("a.2", ["trade SOL-USDT", "bbo SOL-USDT"])
    ]
    assert await running.look("SOL-USDT", "BTC-USDT") == []
    assert await running.look("ADA-USDT", "SOL-USDT") == [
        ("a.3", ["trade ADA-USDT", "bbo ADA-USDT"])
    ]


async def test_numbers_go_on_where_the_plan_ended() -> None:
    """Names stand in stream keys: one of a kind."""
    config = Config(
        feeds=(feed("a", Selector(quote="USDT")),),
        venues={"binance": VenueConfig(topics_per_connection=1)},
    )
    running = await Running(config, Source("A-USDT", "B-USDT")).begin()
    assert [c.name for w in running.plan.workers for c in w.connections] == ["a.1", "a.2"]
    assert [name for name, _ in await running.look("C-USDT", "D-USDT")] == ["a.3", "a.4"]


async def test_what_is_gone_twice_is_left() -> None:
    """On the connection that has it, with the reason; and it may come back, on another."""
    config = Config(feeds=(feed("a", Selector(quote="USDT"), "trade", "bbo"),))
    running = await Running(config, Source("A-USDT", "B-USDT")).begin()
    await running.look("A-USDT", "B-USDT", "C-USDT")
    for _ in range(3):  # a list that is wrong once is no reason
        await running.look("A-USDT")
        assert running.left == []
        await running.look("A-USDT", "B-USDT", "C-USDT")
    await running.look("A-USDT", "C-USDT")
    with capture_logs() as lines:
        await running.look("A-USDT")
    assert running.left == [("a", ["trade B-USDT", "bbo B-USDT"], "delisted")]
    assert [(line["connection"], line["names"]) for line in lines] == [("a", "B-USDT")]
    await running.look("A-USDT")
    assert running.left == [("a.2", ["trade C-USDT", "bbo C-USDT"], "delisted")]
    assert await running.look("A-USDT", "B-USDT") == [("a.3", ["trade B-USDT", "bbo B-USDT"])]
    await running.look("A-USDT")
    await running.look("A-USDT")
    assert [connection for connection, _, _ in running.left] == ["a.3"]


async def test_the_edge_of_the_top() -> None:
    """Within a tenth behind it, an instrument stays that is there already."""
    names = [f"I{number:02}-USDT" for number in range(30)]
    config = Config(feeds=(feed("a", Selector(quote="USDT", top=20)),))
    running = await Running(config, Source(*names)).begin()

    def ranked(name: str, rank: int) -> list[str]:
        others = [other for other in names if other != name]
        return [*others[: rank - 1], name, *others[rank - 1 :]]

    last = names[19]
    joined = 0
    for rank in (21, 22, 20, 22, 22, 22, 21):
        joined += len(await running.look(*ranked(last, rank)))
        assert running.left == []
    assert joined == 1  # number 20 once, which then stays, too
    await running.look(*ranked(last, 23))
    assert running.left == []
    await running.look(*ranked(last, 23))
    assert running.left == [("a", [f"trade {last}"], "unselected")]


async def test_not_traded() -> None:
    config = Config(feeds=(feed("a", Selector(quote="USDT")),))
    running = await Running(config, Source("A-USDT", "B-USDT")).begin()
    halted = Listing("binance", 0, [instrument("A-USDT"), instrument("B-USDT", trading=False)])
    for _ in range(2):
        running.follower.look(selecting_feeds(config), halted)
    assert running.left == [("a", ["trade B-USDT"], "not_trading")]


async def test_from_one_feed_to_another() -> None:
    """A stream has one writer: the other takes it a look later than it was left."""
    config = Config(
        feeds=(feed("top", Selector(quote="USDT", top=1)), feed("all", Selector(quote="USDT")))
    )
    running = await Running(config, Source("A-USDT", "B-USDT", "C-USDT", "D-USDT")).begin()
    reversed_ = ("D-USDT", "C-USDT", "B-USDT", "A-USDT")
    assert await running.look(*reversed_) == []
    assert await running.look(*reversed_) == []
    assert running.left == [("top", ["trade A-USDT"], "unselected")]
    assert await running.look(*reversed_) == [("all.2", ["trade A-USDT"])]


async def test_one_writer_for_each_stream() -> None:
    """Lists first, then selectors from above, then whoever had it."""
    config = Config(
        feeds=(
            feed("first", Selector(match="A*")),
            feed("second", Selector(quote="USDT")),
            feed("list", ("AAA-USDT",)),
        )
    )
    running = await Running(config, Source("AAA-USDT", "AB-USDT", "C-USDT")).begin()
    topics = {
        c.name: [t.instrument for t in c.topics]
        for w in running.plan.workers
        for c in w.connections
    }
    assert topics == {"first": ["AB-USDT"], "second": ["C-USDT"], "list": ["AAA-USDT"]}
    assert running.plan.notes == (
        "first leaves 1 of the streams it selects to list",
        "second leaves 1 of the streams it selects to list",
        "second leaves 1 of the streams it selects to first",
    )
    # What the second feed comes by first stays its own.
    running.added.clear()
    running.source.names = ("AD-USDT", "C-USDT")
    first, second = config.feeds[0], config.feeds[1]
    running.follower.look([second], await running.source.fetch("binance"))
    running.follower.look([first], await running.source.fetch("binance"))
    streams = [(c.feed, t.instrument) for c in running.added for t in c.topics]
    assert streams == [("second", "AD-USDT")]


async def test_what_cannot_be_subscribed_is_left_out() -> None:
    """A name that means another symbol, or none, costs itself only."""
    config = Config(feeds=(feed("a", Selector(match="*")),))
    selected = {
        "a": [instrument("A-USDT"), instrument("B-USDT", symbol="XX"), instrument("nonsense")]
    }
    plan = make_plan(config, cores=1, redis_url="redis://h", selected=selected)

    assert [t.instrument for t in plan.workers[0].connections[0].topics] == ["A-USDT"]
    assert plan.notes[0].startswith(
        "a leaves out trade of B-USDT (the venue lists it as XX, not as BUSDT) and 1 more"
    )


@pytest.mark.parametrize(
    "names", [RestError("down"), ()], ids=["the venue is down", "nothing is listed any more"]
)
async def test_a_look_that_fails_changes_nothing(names: Any) -> None:
    """It is logged, and the next look is as good as any."""
    config = Config(
        feeds=(feed("a", Selector(quote="USDT")),), instruments=InstrumentsConfig(refresh_s=0.005)
    )
    running = await Running(config, Source("A-USDT")).begin()
    running.source.names = names
    asked = running.source.asked
    with capture_logs() as lines:
        task = asyncio.create_task(running.follower.run())
        async with asyncio.timeout(5):
            while running.source.asked < asked + 3:
                await asyncio.sleep(0.001)
            assert running.added == []
            running.source.names = ("A-USDT", "B-USDT")
            while not running.added:
                await asyncio.sleep(0.001)
        task.cancel()

    assert lines[0]["log_level"] == "warning"


async def test_the_start_needs_a_list() -> None:
    config = Config(feeds=(feed("a", Selector(quote="USDT")),))
    source = Source()
    source.names = RestError("binance is down")
    with pytest.raises(IngestError, match="binance is down"):
        await select(config, source)  # type: ignore[arg-type]
    with pytest.raises(IngestError, match=r"feed a: \{quote: USDT\} selects nothing"):
        await select(config, Source("A-BTC"))  # type: ignore[arg-type]


async def test_names_that_the_venue_does_not_list() -> None:
    """Said once, in the log: such a feed would stay silent without a word."""
    config = Config(feeds=(feed("a", ("A-USDT", "TYPO-USDT")),))
    running = await Running(config, Source("A-USDT")).begin()
    with capture_logs() as lines:
        await running.follower.run()

    assert [(line["event"], line["names"]) for line in lines] == [
        ("instruments: the venue does not list what the config names", "TYPO-USDT")
    ]


async def test_names_are_not_checked_elsewhere() -> None:
    """A replay in the venue's place: the real one's list would say nothing about it."""
    config = Config(
        feeds=(feed("a", ("A-USDT",)),), venues={"binance": VenueConfig(ws_url="ws://h")}
    )
    running = await Running(config, Source()).begin()
    await running.follower.run()
    assert running.source.asked == 0
    there = structs.replace(
        config, venues={"binance": VenueConfig(ws_url="ws://h", rest_url="http://h")}
    )
    running = await Running(there, Source("A-USDT")).begin()
    await running.follower.run()
    assert running.source.asked == 1
