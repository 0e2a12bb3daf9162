"""What `redis.encoding` changes: the keys, and which channels can go together."""

from collections.abc import Callable

import pytest
from msgspec import structs

from ingest import venues
from ingest.config import Config
from ingest.venues.base import InstrumentList
from tests.ingest.config.conftest import make_venue

Good = Callable[..., Config]
Bad = Callable[..., list[str]]

TWO = "feeds: [{venue: alpha, channels: [%s, %s], instruments: [BTC-USDT, ETH-USDT]}]\n"


@pytest.fixture(autouse=True)
def more_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """`alpha` with bars of two intervals, and the only venue."""
    alpha = make_venue("alpha", ["trade", "bbo", "candle", "ticker"], ["1m", "5m"])
    monkeypatch.setattr(venues, "names", lambda: ["alpha"])
    monkeypatch.setattr(venues, "get", lambda name: alpha)


@pytest.mark.parametrize(
    ("encoding", "key"),
    [
        ("fields", "md:{venue}:{channel}:{instrument}"),
        ("json", "md:{venue}:{channel}:{instrument}"),
        ("cryptofeed", "{key}-{exchange}-{symbol}"),
        ("nautilus", "stream:{topic}"),
    ],
)
def test_the_default_key_is_the_encodings(encoding: str, key: str, good: Good) -> None:
    """Unless the file says another."""
    assert good(f"redis: {{encoding: {encoding}}}").redis.key == key


def test_a_key_of_ones_own(good: Good) -> None:
    """With the placeholders of the encoding."""
    config = good("redis: {encoding: nautilus, key: 'trader-T-1:stream:{topic}'}")

    assert config.redis.key == "trader-T-1:stream:{topic}"


def test_channels_that_are_one_to_the_other_system(bad: Bad) -> None:
    """Two writers of one stream: refused, once for all instruments."""
    text = TWO % ("candle_1m", "candle_5m") + "redis: {encoding: cryptofeed}"

    assert bad(text) == [
        "f.yaml:1: feeds[0]: candle_5m of BTC-USDT and alpha candle_1m are both "
        "candles-ALPHA-BTC-USDT in encoding cryptofeed; keep one of them, or put {channel} into "
        "redis.key"
    ]


@pytest.mark.parametrize(
    "redis",
    [
        "{encoding: fields}",
        "{encoding: nautilus}",  # a topic for each kind of bar
        "{encoding: cryptofeed, key: '{key}-{exchange}-{symbol}-{channel}'}",
    ],
)
def test_channels_that_are_told_apart(redis: str, good: Good) -> None:
    """By the key."""
    good(TWO % ("candle_1m", "candle_5m") + f"redis: {redis}")


def test_what_a_selector_selects_is_checked_too(
    bad: Bad, good: Good, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its channels: what it will select is not known yet."""
    listing = InstrumentList(requests=(), parse=lambda bodies: [])
    alpha = structs.replace(venues.get("alpha"), instruments=listing)
    monkeypatch.setattr(venues, "get", lambda name: alpha)
    text = (
        "feeds: [{venue: alpha, channels: [candle_1m, candle_5m], instruments: {quote: USDT}}]\n"
        "redis: {encoding: %s}"
    )

    assert "candles-ALPHA-BTC-USDT" in bad(text % "cryptofeed")[0]
    good(text % "nautilus")


def test_channels_without_a_counterpart(good: Good) -> None:
    """They keep our own keys, and so never meet."""
    good(TWO % ("ticker", "trade") + "redis: {encoding: nautilus}")


def test_one_mistake_is_one_line(bad: Bad) -> None:
    """A key that cannot be used is not looked at twice."""
    text = TWO % ("candle_1m", "candle_5m") + "redis: {encoding: cryptofeed, key: '{symbol}'}"

    assert len(bad(text)) == 1
    assert len(bad("redis: {encoding: x, key: '{symbol}'}")) == 1
    assert len(bad("redis: {encoding: nautilus, key: '{topic'}")) == 1
