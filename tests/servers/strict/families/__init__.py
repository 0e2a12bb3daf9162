"""Every family by name."""

from tests.servers.strict.families.base import Client, Family
from tests.servers.strict.families.binance import Binance, BinanceCoinm, BinanceUsdm
from tests.servers.strict.families.bitfinex import Bitfinex
from tests.servers.strict.families.bitmex import Bitmex
from tests.servers.strict.families.bitstamp import Bitstamp
from tests.servers.strict.families.bybit import Bybit
from tests.servers.strict.families.coinbase import Coinbase
from tests.servers.strict.families.coinbase_advanced import CoinbaseAdvanced
from tests.servers.strict.families.crypto_com import CryptoCom
from tests.servers.strict.families.deribit import Deribit
from tests.servers.strict.families.gateio import Gateio
from tests.servers.strict.families.gemini import Gemini
from tests.servers.strict.families.htx import Htx, HtxCoinm, HtxUsdm
from tests.servers.strict.families.hyperliquid import Hyperliquid
from tests.servers.strict.families.kraken import Kraken
from tests.servers.strict.families.kraken_v1 import KrakenV1
from tests.servers.strict.families.kucoin import Kucoin
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
    "gemini": Gemini,
    "bitstamp": Bitstamp,
    "crypto-com": CryptoCom,
    "hyperliquid": Hyperliquid,
    "coinbase-advanced": CoinbaseAdvanced,
    "kraken-v1": KrakenV1,
    "gateio": Gateio,
    "kucoin": Kucoin,
    "htx": Htx,
    "htx-usdm": HtxUsdm,
    "htx-coinm": HtxCoinm,
    "bitmex": Bitmex,
}

__all__ = ["FAMILIES", "Client", "Family"]
