import pytest

from ingest import venues
from ingest.codecs.names import (
    cryptofeed_exchange,
    cryptofeed_symbol,
    interval_ns,
    nautilus_bar_type,
    nautilus_instrument_id,
)


@pytest.mark.parametrize(
    ("instrument", "symbol"),
    [
        ("BTC-USDT", "BTC-USDT"),
        ("BTC-USDT-PERP", "BTC-USDT-PERP"),
        ("BTC-USD-260105", "BTC-USD-26F05"),
        ("BTC-USD-251226-60000-P", "BTC-USD-60000-25Z26-put"),
        ("XRP-USD-251226-0.55-C", "XRP-USD-0.55-25Z26-call"),
    ],
)
def test_cryptofeed_symbols(instrument: str, symbol: str) -> None:
    """Dates have a letter for the month; strikes come before them."""
    assert cryptofeed_symbol(venues.get("okx"), instrument) == symbol


def test_short_days() -> None:
    """Of venues whose dates cryptofeed takes from a time."""
    assert cryptofeed_symbol(venues.get("deribit"), "BTC-USD-260105") == "BTC-USD-26F5"


@pytest.mark.parametrize(
    ("venue", "exchange", "instrument", "instrument_id"),
    [
        ("binance", "BINANCE", "BTC-USDT", "BTCUSDT.BINANCE"),
        ("binance-usdm", "BINANCE_FUTURES", "BTC-USDT-PERP", "BTCUSDT-PERP.BINANCE"),
        ("binance-usdm", "BINANCE_FUTURES", "BTC-USDT-250926", "BTCUSDT_250926.BINANCE"),
        ("binance-coinm", "BINANCE_DELIVERY", "BTC-USD-PERP", "BTCUSD-PERP.BINANCE"),
        ("okx", "OKX", "BTC-USDT-PERP", "BTC-USDT-SWAP.OKX"),
        ("bybit", "BYBIT", "BTC-USDT", "BTCUSDT-SPOT.BYBIT"),
        ("bybit", "BYBIT", "BTC-USDT-PERP", "BTCUSDT-LINEAR.BYBIT"),
        ("bybit", "BYBIT", "BTC-USD-PERP", "BTCUSD-INVERSE.BYBIT"),
        ("kraken", "KRAKEN", "BTC-USD", "BTC/USD.KRAKEN"),
        ("kraken-v1", "KRAKEN", "BTC-USD", "BTC/USD.KRAKEN"),
        ("coinbase-advanced", "COINBASE", "BTC-USD", "BTC-USD.COINBASE"),
        ("crypto-com", "CRYPTO.COM", "BTC-USD", "BTC_USD.CRYPTO"),
        ("htx-usdm", "HUOBI_SWAP", "BTC-USDT-PERP", "BTC-USDT.HTX"),
        ("deribit", "DERIBIT", "BTC-USD-PERP", "BTC-PERPETUAL.DERIBIT"),
        ("hyperliquid", "HYPERLIQUID", "BTC-USDC-PERP", "BTC-USD-PERP.HYPERLIQUID"),
        ("gateio", "GATEIO", "BTC-USDT", "BTC_USDT.GATEIO"),
    ],
)
def test_venues(venue: str, exchange: str, instrument: str, instrument_id: str) -> None:
    """Where another system's name does not follow from ours, the venue's file says it."""
    assert cryptofeed_exchange(venues.get(venue)) == exchange
    assert nautilus_instrument_id(venues.get(venue), instrument) == instrument_id


@pytest.mark.parametrize("venue", venues.names())
def test_every_interval_has_a_bar_type(venue: str) -> None:
    """Of all venues, so that no bar is without a name."""
    for interval in venues.get(venue).intervals:
        assert nautilus_bar_type("X.Y", interval).startswith(f"X.Y-{interval[:-1]}-")
        assert (interval_ns(interval) is None) == interval.endswith("M")
