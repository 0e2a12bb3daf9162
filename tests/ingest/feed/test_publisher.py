"""`FeedPublisher`: which stream gets what, and where the markers stand."""

from typing import Any

import msgspec
import pytest

from ingest.errors import DecodeError
from ingest.feed.counters import FeedCounters
from ingest.feed.publisher import FeedPublisher
from ingest.sinks.redis_streams import RedisStreamsSink
from ingest.sinks.settings import SinkSettings
from ingest.venues.base import Data

BTC, ETH = "md:binance:trade:BTC-USDT", "md:binance:trade:ETH-USDT"


@pytest.fixture
def counters() -> FeedCounters:
    return FeedCounters()


@pytest.fixture
def publisher(kit: Any, sink: Any, counters: FeedCounters) -> FeedPublisher:
    return kit.publisher(kit.plan("BTC-USDT", "ETH-USDT"), sink, counters)


@pytest.fixture
def trade(kit: Any, publisher: FeedPublisher) -> Any:
    """Publish one trade by its symbol and number."""

    def publish(symbol: str, number: int, **changes: Any) -> bool:
        message = kit.trade(symbol, number, **changes)
        payload = msgspec.json.encode(message["data"])
        return publisher.publish(Data(message["stream"], payload), number)

    return publish


def shape(entries: list[dict[str, str]]) -> list[str]:
    """Markers by type and reason, trades by id."""
    return [e.get("id") or f"{e['type']} {e['reason']}" for e in entries]


def test_routes(sink: Any, trade: Any, counters: FeedCounters) -> None:
    """Each topic has its stream; what was not subscribed to has none."""
    assert trade("BTCUSDT", 1)
    assert trade("ETHUSDT", 2)
    assert not trade("XRPUSDT", 3)

    expected = {"ts": "1000000", "price": "1.50", "size": "2", "side": "sell"}
    assert sink.of(BTC) == [{**expected, "id": "1"}]
    assert sink.of(ETH) == [{**expected, "id": "2"}]
    assert len(sink.entries) == counters.events == 2


@pytest.mark.parametrize(
    ("after_crash", "reason"), [(False, "started"), (True, "worker_restarted")]
)
def test_streams_of_an_earlier_run_are_reset(
    kit: Any, sink: Any, counters: FeedCounters, after_crash: bool, reason: str
) -> None:
    """What the venue sent in between is missing there, and nowhere else."""
    sink.continued = {BTC}
    kit.publisher(kit.plan("BTC-USDT", "ETH-USDT"), sink, counters, after_crash=after_crash)

    assert shape(sink.of(BTC)) == [f"reset {reason}"]
    assert sink.of(ETH) == []


def test_gap_and_resume_once_and_in_order(sink: Any, publisher: Any, trade: Any) -> None:
    """One gap however many attempts fail, one resume, before the first data."""
    trade("BTCUSDT", 1)
    for reason in ("close_1006", "refused", "refused"):
        publisher.gap(reason, 5)
    trade("BTCUSDT", 2)
    trade("BTCUSDT", 3)

    assert shape(sink.of(BTC)) == [
        "1",
        "gap close_1006",
        "resume resubscribed",
        "2",
        "3",
    ]


def test_a_stream_that_was_never_fed_gets_no_gap(sink: Any, publisher: Any, trade: Any) -> None:
    """Nothing of ours is in it that could be incomplete."""
    trade("BTCUSDT", 1)
    publisher.gap("close_1006", 5)

    assert sink.of(ETH) == []


def test_acknowledgement_ends_the_gap_of_a_quiet_market(
    kit: Any, sink: Any, publisher: Any, trade: Any
) -> None:
    """The venue feeds it again, though nothing happens there; later data brings no second mark."""
    trade("BTCUSDT", 1)
    publisher.gap("close_1006", 5)
    publisher.acknowledged(kit.plan("BTC-USDT", "ETH-USDT").topics, 6)

    assert shape(sink.of(BTC)) == ["1", "gap close_1006", "resume resubscribed"]
    assert sink.of(ETH) == []

    trade("BTCUSDT", 2)
    assert shape(sink.of(BTC))[-2:] == ["resume resubscribed", "2"]


def test_broken_frames_leave_a_gap(sink: Any, publisher: Any, trade: Any) -> None:
    """Nothing of them is published; one gap for a run of them, ended by the next good one."""
    trade("BTCUSDT", 1)
    for number in (2, 3):
        with pytest.raises(DecodeError):
            trade("BTCUSDT", number, p="NaN")
    trade("BTCUSDT", 4)

    assert shape(sink.of(BTC)) == ["1", "gap bad_message", "resume bad_message", "4"]
    assert sink.of(ETH) == []


def test_a_connection_lost_behind_a_broken_frame(sink: Any, publisher: Any, trade: Any) -> None:
    """It is the same gap, and lasts until the venue feeds the stream again."""
    trade("BTCUSDT", 1)
    with pytest.raises(DecodeError):
        trade("BTCUSDT", 2, p="NaN")
    publisher.gap("close_1006", 5)
    trade("BTCUSDT", 3)

    assert shape(sink.of(BTC)) == ["1", "gap bad_message", "resume resubscribed", "3"]


def test_half_a_frame_is_not_published(kit: Any, sink: Any, counters: FeedCounters) -> None:
    """The second of two trades is broken: the first is not published either."""
    publisher = kit.publisher(kit.plan("BTC-USDT", venue="okx"), sink, counters)
    good = {"instId": "BTC-USDT", "tradeId": "1", "px": "1", "sz": "1", "side": "buy", "ts": "1"}
    payload = msgspec.json.encode([good, {**good, "px": "1e5"}])

    with pytest.raises(DecodeError):
        publisher.publish(Data("trades:BTC-USDT", payload), 1)

    (entry,) = sink.entries
    assert entry[1]["reason"] == "bad_message"
    assert counters.events == 1  # the marker


def test_one_frame_for_several_channels(kit: Any, sink: Any, counters: FeedCounters) -> None:
    """What one channel cannot use leaves a gap there; the others have it all the same."""
    plan = kit.plan("BTC-USD-PERP", venue="bitstamp", channels=("mark", "funding"))
    publisher = kit.publisher(plan, sink, counters)
    wire = {"market": "btcusd-perp", "index_price": "1", "funding_rate": "-0.1", "timestamp": "1"}
    good, bad = ({**wire, "mark_price": price} for price in ("2", "two"))

    assert publisher.publish(Data("funding_rate_btcusd-perp", msgspec.json.encode(good)), 1)
    with pytest.raises(DecodeError, match="mark_price"):
        publisher.publish(Data("funding_rate_btcusd-perp", msgspec.json.encode(bad)), 2)

    mark, funding = (sink.of(f"md:bitstamp:{name}:BTC-USD-PERP") for name in ("mark", "funding"))
    assert [entry.get("mark", entry.get("reason")) for entry in mark] == ["2", "bad_message"]
    assert [entry["rate"] for entry in funding] == ["-0.1", "-0.1"]


def test_what_is_remembered_of_a_topic_ends_with_the_session(
    kit: Any, sink: Any, counters: FeedCounters
) -> None:
    """A bar of the session before is not closed by one of the next: what it became is not known."""
    plan = kit.plan("BTC-USD", venue="kraken", channels=("candle_1m",))
    publisher = kit.publisher(plan, sink, counters)

    def publish(minute: int) -> None:
        bar = dict.fromkeys(("open", "high", "low", "close", "volume", "trades", "interval"), 1)
        begin = f"2025-01-01T00:0{minute}:00Z"
        payload = msgspec.json.encode([{"symbol": "BTC/USD", "interval_begin": begin, **bar}])
        assert publisher.publish(Data("ohlc:1:BTC/USD", payload, "update"), minute)

    publish(1)
    publish(2)
    publisher.gap("close_1006", 2)
    publish(7)

    found = [e.get("closed") or e["type"] for e in sink.of("md:kraken:candle_1m:BTC-USD")]
    assert found == ["0", "1", "0", "gap", "resume", "0"]


def test_active_topics(kit: Any, publisher: Any, trade: Any) -> None:
    """Acknowledged, or sending without; none once the session is over."""
    topics = kit.plan("BTC-USDT", "ETH-USDT").topics
    assert publisher.active == 0
    publisher.acknowledged(topics[:1], 1)
    assert publisher.active == 1
    trade("ETHUSDT", 1)
    assert publisher.active == 2
    publisher.gap("close_1006", 2)
    assert publisher.active == 0


def test_feed_events_have_their_own_stream(sink: Any, publisher: Any) -> None:
    """Named after the connection."""
    publisher.feed_event("disconnected", 7, reason="http_429", detail="slow down")

    assert sink.of("md:binance:feed:binance-1") == [
        {"type": "disconnected", "reason": "http_429", "detail": "slow down"}
    ]


def test_dropped_entries_are_marked_where_they_are_missing(
    sink: Any, trade: Any, counters: FeedCounters
) -> None:
    """The first entry that is taken again is preceded by the gap; other streams have none."""
    trade("BTCUSDT", 1)
    sink.refusing = True
    trade("BTCUSDT", 2)
    trade("BTCUSDT", 3)
    sink.refusing = False
    trade("BTCUSDT", 4)
    trade("BTCUSDT", 5)
    trade("ETHUSDT", 1)

    assert shape(sink.of(BTC)) == ["1", "gap dropped", "resume dropped", "4", "5"]
    assert shape(sink.of(ETH)) == ["1"]


def test_a_stream_that_is_given_up(sink: Any, publisher: Any, trade: Any) -> None:
    """It ends with the reason, also after a gap; one that never began has no mark."""
    trade("BTCUSDT", 1)
    publisher.gap("close_1006", 5)
    publisher.close([route.topic for route in publisher.heads], "delisted", 6)
    publisher.gap("close_1006", 7)

    assert shape(sink.of(BTC)) == ["1", "gap close_1006", "gap delisted"]
    assert sink.of(ETH) == []
    assert not trade("BTCUSDT", 2)
    assert publisher.is_closed("btcusdt@trade")
    assert not publisher.is_closed("other")
    assert publisher.heads == []
    assert publisher.active == 0


def test_what_a_full_sink_lost_of_a_stream_is_told_by_whoever_writes_it_next(kit: Any) -> None:
    """Reloaded while nothing is taken: the gap is lost, and so is the reset."""
    sink = RedisStreamsSink("unix:///nowhere", SinkSettings(max_pending_entries=3))
    plan = kit.plan("BTC-USDT")

    def trade(publisher: FeedPublisher, number: int) -> None:
        message = kit.trade("BTCUSDT", number)
        publisher.publish(Data(message["stream"], msgspec.json.encode(message["data"])), number)

    def taken() -> list[str]:
        entries = sink._buffer.take_all()
        sink._buffer.release(entries)
        words = [encoded.decode().split("\r\n")[1:-1:2] for _, _, _, encoded in entries]
        return shape([dict(zip(each[::2], each[1::2], strict=True)) for each in words])

    first = kit.publisher(plan, sink, FeedCounters())
    for number in range(1, 6):
        trade(first, number)
    first.close(plan.topics, "reloaded", 6)
    second = kit.publisher(plan, sink, FeedCounters())
    assert taken() == ["1", "2", "3"]
    trade(second, 7)
    assert taken() == ["gap dropped", "resume dropped", "7"]
    # A reset that was taken tells of all that was lost before it.
    for number in range(8, 13):
        trade(second, number)
    assert taken() == ["8", "9", "10"]
    third = kit.publisher(plan, sink, FeedCounters())
    trade(third, 13)
    assert taken() == ["reset started", "13"]
