"""`Outlet`: what goes into a stream, and what beside it."""

from typing import Any

import pytest

from ingest import codecs
from ingest.feed.outlet import Outlet
from ingest.model import Bbo, Candle, FeedEvent, Marker, Stream, Ticker, Trade

TRADES = Stream("binance", "trade", "BTC-USDT")
TRADE = Trade(rx=1, price="1", size="2", side="buy", id="7")
GAP = Marker(rx=2, type="gap", reason="x")
RESET = Marker(rx=0, type="reset", reason="started")
OWN = "md:binance:trade:BTC-USDT"
THEIRS = {
    "cryptofeed": "trades-BINANCE-BTC-USDT",
    "nautilus": "stream:data.trades.BINANCE.BTCUSDT",
}


def outlet(sink: Any, encoding: str, stream: Stream = TRADES, **more: Any) -> Outlet:
    encoder = codecs.encoder(encoding)
    return Outlet(sink, encoder, encoder.keys.default, stream, **more)


def keys(sink: Any) -> list[str]:
    return [key for key, _ in sink.entries]


def test_our_own_encodings_keep_all_in_one_stream(sink: Any) -> None:
    """Markers stand where they belong, between the data."""
    out = outlet(sink, "fields", preface=RESET)
    assert out.add(TRADE, 1)
    assert out.add(GAP, 2)

    assert keys(sink) == [OWN, OWN]


@pytest.mark.parametrize("encoding", ["cryptofeed"])
def test_markers_go_beside_another_systems_stream(sink: Any, encoding: str) -> None:
    """Under our own key, as `encoding: fields` writes them."""
    out = outlet(sink, encoding)
    assert out.add(TRADE, 1)
    assert out.add(GAP, 2)

    assert keys(sink) == [THEIRS[encoding], OWN]
    assert sink.of(OWN) == [{"type": "gap", "reason": "x"}]


@pytest.mark.parametrize(
    ("encoding", "stream", "event"),
    [
        ("cryptofeed", "bbo", Bbo(rx=1, bid="1", bid_size="1")),
        ("cryptofeed", "ticker", Ticker(rx=1, last="1")),
        ("nautilus", "ticker", Ticker(rx=1, last="1")),
        ("nautilus", "feed", FeedEvent(rx=1, type="connected")),
        (
            "nautilus",
            "candle_1m",
            Candle(rx=1, start=0, open="1", high="1", low="1", close="1", closed=False),
        ),
    ],
)
def test_nothing_is_lost_to_a_form_that_lacks_it(
    sink: Any, encoding: str, stream: str, event: Any
) -> None:
    """A single event, or a whole channel."""
    assert outlet(sink, encoding, Stream("binance", stream, "BTC-USDT")).add(event, 1)

    assert keys(sink) == [f"md:binance:{stream}:BTC-USDT"]


@pytest.mark.parametrize("encoding", THEIRS)
@pytest.mark.parametrize("continued", ["data", "aside", "both", "neither"])
def test_the_reset_stands_beside(sink: Any, encoding: str, continued: str) -> None:
    """If an earlier run left entries in either of the two streams; once."""
    there = {"data": {THEIRS[encoding]}, "aside": {OWN}, "both": {THEIRS[encoding], OWN}}
    sink.continued = there.get(continued, set())

    outlet(sink, encoding, preface=RESET)

    assert keys(sink) == ([] if continued == "neither" else [OWN])


def test_what_is_dropped_on_either_side_counts(sink: Any) -> None:
    """A lost marker is a loss as well."""
    out = outlet(sink, "cryptofeed")
    sink.refusing = True
    before = out.dropped

    assert not out.add(TRADE, 1)
    middle = out.dropped
    assert not out.add(GAP, 2)

    assert before < middle < out.dropped
