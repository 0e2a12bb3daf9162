"""Which rules a recording is read by."""

import re

from tests.playback.wire import (
    KRAKEN_V1,
    Rules,
    binance,
    binance_snapshot,
    bitfinex,
    bitmex,
    bitstamp,
    bitstamp_snapshot,
    bybit,
    coinbase,
    coinbase_advanced,
    deribit,
    gateio,
    gateio_snapshot,
    gemini,
    htx,
    kraken_checksum,
    kraken_v2,
    kucoin,
    kucoin_snapshot,
    okx,
    okx_checksum,
)
from tests.playback.wire_more import (
    crypto_com,
    gate_futures,
    gate_futures_snapshot,
    gemini_v3,
    hyperliquid,
    kucoin_futures,
)

BINANCE_USDM = Rules("binance-usdm", binance(futures=True), binance_snapshot(futures=True))
BINANCE_COINM = Rules(
    "binance-coinm", binance(futures=True, inverse=True), binance_snapshot(futures=True)
)
HTX = Rules("htx", htx(contracts=False))
HTX_USDM = Rules("htx-usdm", htx(contracts=True), book="book_step0")
HTX_COINM = Rules("htx-coinm", htx(contracts=True), book="book_step0")
# By how the name of a session begins, `<venue>/<session>`; the first that matches.
BY_SESSION: dict[str, Rules] = {
    "binance/": Rules("binance", binance(futures=False), binance_snapshot(futures=False)),
    "binance_futures/": BINANCE_USDM,
    "binance-usdm/": BINANCE_USDM,
    "binance-coinm/": BINANCE_COINM,
    "okx/": Rules(
        "okx", okx, book="book_l2_tbt", checksum=okx_checksum, copies={"book": "book_l2_tbt"}
    ),
    "kraken/cf-": KRAKEN_V1,
    "kraken-v1/": KRAKEN_V1,
    "kraken/": Rules("kraken", kraken_v2, depth=1000, checksum=kraken_checksum, splits=True),
    "coinbase/": Rules("coinbase", coinbase),
    "coinbase-advanced/": Rules("coinbase-advanced", coinbase_advanced, splits=True),
    "bitstamp/": Rules("bitstamp", bitstamp, bitstamp_snapshot),
    "kucoin/": Rules("kucoin", kucoin, kucoin_snapshot),
    "gateio/": Rules("gateio", gateio, gateio_snapshot),
    "deribit/": Rules(
        "deribit", deribit, book="book_raw", copies={"book": "book_raw", "ticker": "ticker_raw"}
    ),
    "bitfinex/": Rules("bitfinex", bitfinex),
    "bitmex/": Rules("bitmex", bitmex),
    "gemini/": Rules("gemini", gemini),
    "htx/.*linear": HTX_USDM,
    "htx/.*coin": HTX_COINM,
    "htx/": HTX,
    "htx-usdm/": HTX_USDM,
    "htx-coinm/": HTX_COINM,
    "bybit/": Rules("bybit", bybit),
    "gateio-usdt/": Rules("gateio-usdt", gate_futures),
    "gateio-btc/": Rules("gateio-btc", gate_futures, gate_futures_snapshot),
    "kucoin-futures/": Rules("kucoin-futures", kucoin_futures),
    "gemini-v3/": Rules("gemini-v3", gemini_v3),
    "crypto-com/": Rules("crypto-com", crypto_com),
    "hyperliquid/": Rules("hyperliquid", hyperliquid),
}


def rules_of(session: str) -> Rules | None:
    """The rules for a session by its name; None: there are none for its venue."""
    return next((rules for start, rules in BY_SESSION.items() if re.match(start, session)), None)
