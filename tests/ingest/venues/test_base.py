import msgspec
import pytest

from ingest import venues

binance = venues.get("binance")


def test_topic_in_both_vocabularies() -> None:
    """A topic keeps our names beside the venue's."""
    topic = binance.topic("candle_5m", "BTC-USDT")

    assert (topic.channel, topic.instrument, topic.name) == (
        "candle_5m",
        "BTC-USDT",
        "btcusdt@kline_5m",
    )


@pytest.mark.parametrize("channel", ["candle", "candle_", "candle_7m", "trades", "", "bbo_1m"])
def test_unknown_channel(channel: str) -> None:
    """The error lists every channel that there is."""
    with pytest.raises(ValueError, match=r"binance has no channel .* agg_trade, .*candle_1m"):
        binance.topic(channel, "BTC-USDT")
    with pytest.raises(ValueError, match="no channel"):
        binance.decoder(channel)


def test_channel_names() -> None:
    """Every name listed can be subscribed to; candles only where there are intervals."""
    assert "candle_1s" in binance.channel_names()
    assert "candle" not in binance.channel_names()
    without = msgspec.structs.replace(binance, intervals={})
    assert without.channel_names() == ["trade", "agg_trade", "bbo", "book", "ticker"]


@pytest.mark.parametrize("name", ["mtgox", "", "BINANCE"])
def test_unknown_venue(name: str) -> None:
    """The error lists the venues that there are."""
    with pytest.raises(ValueError, match=r"supported are binance, .*okx"):
        venues.get(name)


def test_registry() -> None:
    """Each venue is found by its own name."""
    assert [venues.get(name).name for name in venues.names()] == venues.names()
