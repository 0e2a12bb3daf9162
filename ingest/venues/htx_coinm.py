"""HTX (once Huobi) coin-margined perpetuals, public market data.

Sizes are in contracts, as sent.

Source: https://www.htx.com/en-us/opend/newApiPages/
"""

import re

from ingest.venues import htx_wire
from ingest.venues.base import ChannelSpec, Limits, RestLimits, RestRequest, Venue

_PATHS = {
    "mark": "/ws_index",
    "funding": "/swap-notification",
    "liquidation": "/swap-notification",
}
_INSTRUMENT = re.compile(r"[A-Z0-9]+-USD-PERP").fullmatch


def _to_symbol(instrument: str) -> str:
    if not _INSTRUMENT(instrument):
        raise ValueError(
            f"{instrument!r} cannot be an htx-coinm instrument; "
            "it has perpetuals against USD, for example BTC-USD-PERP"
        )
    return instrument.removesuffix("-PERP")


def _path(channel: str, instrument: str) -> str:  # noqa: ARG001
    return _PATHS.get(channel, "")


VENUE = Venue(
    name="htx-coinm",
    ws_url="wss://api.hbdm.com/swap-ws",
    rest_url="https://api.hbdm.com",
    docs_url="https://www.htx.com/en-us/opend/newApiPages/",
    limits=Limits(
        # "No limit" for `sub`; none is published for topics on a connection either:
        # this is caution.
        topics_per_connection=100,
        topics_per_request=1,  # a `sub` names one topic
        request_bytes=4096,  # not published
        requests_per_s=20.0,  # "50 at once" is said of `req`, which is not used here
        connects=(10, 10.0),  # not published
    ),
    channels={
        "trade": ChannelSpec(topic="market.{symbol}.trade.detail", decode=htx_wire.contract_trades),
        "bbo": ChannelSpec(topic="market.{symbol}.bbo", decode=htx_wire.contract_bbo),
        "book": ChannelSpec(topic="market.{symbol}.depth.size_150.high_freq", decode=htx_wire.book),
        # 150 levels a side, whole each time, 8 to 20 times a second as recorded.
        "book_step0": ChannelSpec(topic="market.{symbol}.depth.step0", decode=htx_wire.book),
        "ticker": ChannelSpec(topic="market.{symbol}.detail", decode=htx_wire.contract_ticker),
        "candle": ChannelSpec(
            topic="market.{symbol}.kline.{interval}", decode=htx_wire.contract_candle
        ),
        "mark": ChannelSpec(topic="market.{symbol}.mark_price.1min", decode=htx_wire.mark),
        "funding": ChannelSpec(topic="public.{symbol}.funding_rate", decode=htx_wire.funding),
        "liquidation": ChannelSpec(
            topic="public.{symbol}.liquidation_orders", decode=htx_wire.liquidations
        ),
    },
    intervals=htx_wire.INTERVALS,
    to_symbol=_to_symbol,
    parse=htx_wire.parse,
    subscribe=htx_wire.subscribe,
    unsubscribe=htx_wire.unsubscribe,
    path=_path,
    # Public information: "120 times/3 s" per IP; market data has 800 a second of its own.
    rest_limits=RestLimits(weight=(120, 3.0)),
    instruments=htx_wire.contract_list(
        RestRequest(path="/swap-api/v1/swap_contract_info"),
        RestRequest(path="/v2/swap-ex/market/detail/batch_merged"),
    ),
    books={"book": htx_wire.INCREMENTAL_BOOKS, "book_step0": htx_wire.WHOLE_BOOKS},
    cryptofeed_name="HUOBI_SWAP",
)
