"""Frames of channels that we have no use for: data of a topic that nobody asked for.

They are not broken, so they are not refused: the session counts them as `unknown_topic`.
Shapes are those of the venues' documentation and of tardis-dev/tardis-node's tests.
"""

import pytest

from ingest import venues
from ingest.venues.base import Data

FRAMES = [
    ("binance", "btcusdt@avgPrice", '{"stream":"btcusdt@avgPrice","data":{"e":"avgPrice"}}'),
    ("binance", "!miniTicker@arr", '{"stream":"!miniTicker@arr","data":[{"e":"24hrMiniTicker"}]}'),
    (
        "binance",
        "btcusdt@depth20@100ms",
        '{"stream":"btcusdt@depth20@100ms","data":{"lastUpdateId":1,"bids":[],"asks":[]}}',
    ),
    (
        "binance-coinm",
        "btcusd@indexPrice@1s",
        '{"stream":"btcusd@indexPrice@1s","data":{"e":"indexPriceUpdate","i":"BTCUSD","p":"9"}}',
    ),
    (
        "bitstamp",
        "live_orders_btcusd",
        '{"data":{"id":1,"order_type":0,"amount":1e-05},"channel":"live_orders_btcusd",'
        '"event":"order_created"}',
    ),
    (
        "bitstamp",
        "detail_order_book_btcusd",
        '{"data":{"bids":[["1","2","3"]]},"channel":"detail_order_book_btcusd","event":"data"}',
    ),
    (
        "bybit",
        "orderbook.50.BTCUSDT",
        '{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1,"data":{"s":"BTCUSDT","u":2}}',
    ),
    (
        "bybit",
        "liquidation.BTCUSDT",
        '{"topic":"liquidation.BTCUSDT","type":"snapshot","ts":1,"data":{"symbol":"BTCUSDT"}}',
    ),
    (
        "coinbase",
        "received:BTC-USD",
        '{"type":"received","product_id":"BTC-USD","sequence":10,"order_id":"d5","size":"1.34"}',
    ),
    (
        "coinbase-advanced",
        "ticker_batch:",
        '{"channel":"ticker_batch","timestamp":"2023-02-09T20:30:37.167359596Z","sequence_num":2,'
        '"events":[{"type":"snapshot","tickers":[{"product_id":"BTC-USD","price":"1"}]}]}',
    ),
    (
        "coinbase-advanced",
        "status:",
        '{"channel":"status","timestamp":"2023-02-09T20:29:49Z","sequence_num":0,'
        '"events":[{"type":"snapshot","products":[{"id":"BTC-USD"}]}]}',
    ),
    (
        "kraken",
        "instrument",
        '{"channel":"instrument","type":"snapshot","data":{"assets":[],"pairs":'
        '[{"symbol":"BTC/USD","qty_increment":1e-08}]}}',
    ),
    (
        "kraken",
        "level3",
        '{"channel":"level3","type":"update","data":[{"symbol":"MATIC/USD","bids":[],"asks":[]}]}',
    ),
    (
        "okx",
        "books5:BTC-USDT",
        '{"arg":{"channel":"books5","instId":"BTC-USDT"},"data":[{"asks":[],"bids":[]}]}',
    ),
    (
        "okx",
        "option-trades:",
        '{"arg":{"channel":"option-trades","instType":"OPTION","instFamily":"BTC-USD"},"data":[]}',
    ),
]


@pytest.mark.parametrize(("venue", "topic", "frame"), FRAMES)
def test_other_channels_are_topics_of_their_own(venue: str, topic: str, frame: str) -> None:
    """The frame is data, and its topic that of none of our channels."""
    found = venues.get(venue).parser()(frame.encode())

    parts = found if isinstance(found, list) else [found]
    assert [type(part) for part in parts] == [Data]
    assert [part.topic for part in parts if isinstance(part, Data)] == [topic]
