"""`StaleWatch`: what is said and done about a subscription that has gone silent."""

from typing import Any

import msgspec
import pytest
from msgspec import structs

from ingest import venues
from ingest.feed.counters import FeedCounters
from ingest.feed.legs import Leg
from ingest.feed.publisher import FeedPublisher
from ingest.feed.stale import StaleWatch
from ingest.venues.base import BookRule, Data, Topic, Venue

FEED, BTC, ETH = (
    "md:binance:feed:binance-1",
    "md:binance:trade:BTC-USDT",
    "md:binance:trade:ETH-USDT",
)


class FakeSession:
    def __init__(self, leg: Leg) -> None:
        self.leg = leg
        self.blocked = False
        self.resubscribed: list[str] = []
        self.left: list[str] = []

    def resubscribe(self, topic: Topic) -> None:
        self.resubscribed.append(topic.name)

    def leave(self, reason: str) -> None:
        self.left.append(reason)


class Feed:
    """One connection's streams, a second at a time."""

    def __init__(self, kit: Any, sink: Any, venue: Venue, *, channel: str = "trade") -> None:
        self.kit, self.sink = kit, sink
        self.counters = FeedCounters()
        plan = kit.plan("BTC-USDT", "ETH-USDT", channels=(channel,))
        self.topics = plan.topics
        self.publisher: FeedPublisher = kit.publisher(plan, sink, self.counters, venue=venue)
        self.leg = kit.leg(self.publisher, self.counters)
        self.session: FakeSession | None = FakeSession(self.leg)
        self.watch = StaleWatch(
            venue,
            self.publisher,
            self.counters,
            lambda: self.session,  # type: ignore[arg-type,return-value]
        )
        self.now_s = 1000.0
        self.number = 0
        self.publisher.acknowledged(plan.topics, 1)

    def pass_s(self, seconds: int, *symbols: str, tick_s: float = 1.0) -> None:
        """So many seconds, in each of which these symbols trade."""
        for _ in range(seconds):
            for symbol in symbols:
                self.number += 1
                message = self.kit.trade(symbol, self.number)
                data = Data(message["stream"], msgspec.json.encode(message["data"]))
                self.publisher.publish(data, 1)
            self.now_s += tick_s
            self.watch.tick(self.now_s)

    def events(self) -> list[str]:
        return [f"{e['type']} {e['detail']}" for e in self.sink.of(FEED)]

    def markers(self, key: str) -> list[str]:
        return [f"{e['type']} {e['reason']}" for e in self.sink.of(key) if "type" in e]


@pytest.fixture
def venue() -> Venue:
    """One that can leave a single topic."""
    return structs.replace(
        venues.get("binance"), unsubscribe=lambda topics, number: b"{}", backfills={}
    )


@pytest.fixture
def feed(kit: Any, sink: Any, venue: Venue) -> Feed:
    return Feed(kit, sink, venue)


def test_a_silent_topic_is_reported_marked_and_subscribed_anew(feed: Feed) -> None:
    feed.pass_s(400, "BTCUSDT", "ETHUSDT")
    feed.pass_s(30, "BTCUSDT")
    assert feed.events() == []
    feed.pass_s(2, "BTCUSDT")
    assert feed.session is not None and feed.session.resubscribed == ["ethusdt@trade"]
    assert feed.events() == ["stale ethusdt@trade, silent for 31 s"]
    assert feed.markers(ETH) == ["gap stale"]
    assert feed.markers(BTC) == []
    assert (feed.watch.stale, feed.counters.stale, feed.counters.stale_resubscribes) == (1, 1, 1)

    feed.pass_s(1, "BTCUSDT", "ETHUSDT")
    assert feed.events()[1:] == ["flowing ethusdt@trade"]
    assert feed.markers(ETH) == ["gap stale", "resume resubscribed"]
    assert feed.watch.stale == 0


def test_a_dead_instrument_is_left_alone_after_a_while(feed: Feed) -> None:
    feed.pass_s(400, "BTCUSDT", "ETHUSDT")
    for _ in range(8 * 3600):
        feed.pass_s(1, "BTCUSDT")
        feed.publisher.acknowledged(feed.topics, 1)
    assert feed.session is not None and len(feed.session.resubscribed) == 3
    assert len(feed.events()) > 8  # but never forgotten
    assert feed.counters.stale == 1


def test_where_all_is_silent_the_connection_is_left(feed: Feed) -> None:
    feed.pass_s(400, "BTCUSDT", "ETHUSDT")
    feed.pass_s(50)
    assert feed.session is not None
    assert (feed.session.left, feed.session.resubscribed) == (["stale"], [])
    assert len(feed.events()) == 1
    assert feed.counters.stale == 2


def test_a_venue_that_cannot_leave_a_topic(kit: Any, sink: Any) -> None:
    """The connection is left, which costs the others a moment: rarely."""
    feed = Feed(kit, sink, structs.replace(venues.get("binance"), unsubscribe=None, backfills={}))
    feed.pass_s(400, "BTCUSDT", "ETHUSDT")
    feed.pass_s(8 * 3600, "BTCUSDT")
    assert feed.session is not None and feed.session.left == ["stale"] * 3


def test_our_own_silence_is_not_the_venues(feed: Feed) -> None:
    feed.pass_s(400, "BTCUSDT", "ETHUSDT")
    assert feed.session is not None
    feed.session.blocked = True  # by the sink
    feed.pass_s(500)
    feed.session.blocked = False
    feed.pass_s(1, tick_s=5000.0)  # suspended
    session, feed.session = feed.session, None  # away
    feed.publisher.gap("close_1006", 1)
    feed.pass_s(500)
    feed.session = session
    feed.publisher.acknowledged(feed.topics, 1)
    feed.pass_s(25)
    assert feed.events() == []


def test_what_was_never_heard_of_is_counted_not_judged(feed: Feed) -> None:
    feed.pass_s(8 * 3600, "BTCUSDT")
    assert feed.events() == []
    assert feed.watch.never_heard == 1


def test_a_book_without_its_snapshot_is_noticed(kit: Any, sink: Any, venue: Venue) -> None:
    venue = structs.replace(venue, books={"book": BookRule(continuity="none")})
    feed = Feed(kit, sink, venue, channel="book")
    feed.pass_s(40)
    assert feed.session is not None
    assert set(feed.session.resubscribed) | set(feed.session.left) != set()
    assert feed.events() == ["stale btcusdt@depth@100ms, ethusdt@depth@100ms, silent for 31 s"]


def test_a_channel_that_says_that_it_answers_at_once(kit: Any, sink: Any, venue: Venue) -> None:
    spec = structs.replace(venue.channels["trade"], at_once=True)
    feed = Feed(kit, sink, structs.replace(venue, channels={"trade": spec}))
    feed.pass_s(40, "BTCUSDT")
    assert feed.session is not None and feed.session.resubscribed == ["ethusdt@trade"]
