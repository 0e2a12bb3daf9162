"""Every family by name."""

from tests.servers.strict.families.base import Client, Family
from tests.servers.strict.families.binance import Binance, BinanceCoinm, BinanceUsdm
from tests.servers.strict.families.bitfinex import Bitfinex
from tests.servers.strict.families.bybit import Bybit
from tests.servers.strict.families.coinbase import Coinbase
from tests.servers.strict.families.deribit import Deribit
from tests.servers.strict.families.kraken import Kraken
from tests.servers.strict.families.okx import Okx

FAMILIES: dict[str, type[Family]] = {
    "binance": Binance,
    "binance-usdm": BinanceUsdm,
    "binance-coinm": BinanceCoinm,
    "okx": Okx,
    "kraken": Kraken,
    "coinbase": Coinbase,
    "bybit": Bybit,
    "bitfinex": Bitfinex,
    "deribit": Deribit,
}

__all__ = ["FAMILIES", "Client", "Family"]
