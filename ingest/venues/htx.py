"""HTX (once Huobi) spot, public market data.

Source: https://www.htx.com/en-us/opend/newApiPages/?id=661 (websocket market data)
"""

import re
from collections.abc import Sequence

from msgspec import Raw, Struct

from ingest.venues import htx_wire
from ingest.venues.base import (
    ChannelSpec,
    Instrument,
    InstrumentList,
    Limits,
    RestLimits,
    RestRequest,
    Venue,
)
from ingest.venues.decoding import decoder, number


class _Symbol(Struct, gc=False, rename="kebab"):
    symbol: str
    base_currency: str
    quote_currency: str
    price_precision: int
    amount_precision: int
    state: str = ""
    api_trading: str = "enabled"


class _Symbols(Struct, gc=False):
    data: list[_Symbol]


class _Day(Struct, gc=False):
    symbol: str
    vol: Raw  # in quote units


class _Days(Struct, gc=False):
    data: list[_Day]


_decode_symbols = decoder(_Symbols, "htx symbols")
_decode_days = decoder(_Days, "htx tickers")


def _step(digits: int) -> str | None:
    """Return the smallest step of a number with so many digits after the point."""
    if not 0 <= digits <= 30:
        return None
    return "1" if digits == 0 else f"0.{'0' * (digits - 1)}1"


def _instruments(bodies: Sequence[bytes]) -> list[Instrument]:
    listed = _decode_symbols(bodies[0]).data
    volumes = {}
    if len(bodies) > 1:
        volumes = {
            day.symbol: number("htx tickers", day.vol) for day in _decode_days(bodies[1]).data
        }
    found = []
    for wire in listed:
        base, quote = wire.base_currency.upper(), wire.quote_currency.upper()
        name = f"{base}-{quote}"
        if not _INSTRUMENT(name) or wire.symbol != name.replace("-", "").lower():
            continue
        found.append(
            Instrument(
                name=name,
                symbol=wire.symbol,
                kind="spot",
                base=base,
                quote=quote,
                tick_size=_step(wire.price_precision),
                lot_size=_step(wire.amount_precision),
                trading=wire.state == "online" and wire.api_trading == "enabled",
                volume=volumes.get(wire.symbol),
            )
        )
    return found


_INSTRUMENT = re.compile(r"[A-Z0-9]+-[A-Z0-9]+").fullmatch


def _to_symbol(instrument: str) -> str:
    if _INSTRUMENT(instrument) and not instrument.endswith("-PERP"):
        return instrument.replace("-", "").lower()
    if instrument.endswith("-PERP"):
        raise ValueError(
            f"htx is the spot market and has no {instrument!r}; "
            "perpetuals are venues htx-usdm (BTC-USDT-PERP) and htx-coinm (BTC-USD-PERP)"
        )
    raise ValueError(
        f"{instrument!r} cannot be an htx instrument; "
        "write BASE-QUOTE in capital letters and digits, for example BTC-USDT"
    )


def _path(channel: str, instrument: str) -> str:  # noqa: ARG001
    return "/feed" if channel == "book_mbp" else ""


VENUE = Venue(
    name="htx",
    ws_url="wss://api.huobi.pro/ws",
    rest_url="https://api.huobi.pro",
    docs_url="https://www.htx.com/en-us/opend/newApiPages/",
    limits=Limits(
        # None is published for subscriptions to market data: this is caution. (90 on
        # one connection, sent in bursts of 45, ran clean at BitTrade, which has the
        # same software; a probe of 2026-09-23.)
        topics_per_connection=100,
        topics_per_request=1,  # a `sub` names one topic
        request_bytes=4096,  # not published
        # Of `req`, not `sub`: at least 100 ms between two on a connection (the
        # documentation's general notes, as remembered).
        requests_per_s=10.0,
        connects=(10, 10.0),  # not published
    ),
    channels={
        "trade": ChannelSpec(topic="market.{symbol}.trade.detail", decode=htx_wire.spot_trades),
        "bbo": ChannelSpec(topic="market.{symbol}.bbo", decode=htx_wire.spot_bbo),
        # 150 levels a side, whole, once a second
        "book": ChannelSpec(topic="market.{symbol}.depth.step0", decode=htx_wire.book),
        # their changes, every 100 ms. That the numbers are those of the books over REST
        # is a probe's finding at BitTrade, which has the same software (2026-09-23).
        "book_mbp": ChannelSpec(topic="market.{symbol}.mbp.150", decode=htx_wire.changes),
        "ticker": ChannelSpec(topic="market.{symbol}.ticker", decode=htx_wire.spot_ticker),
        "candle": ChannelSpec(
            topic="market.{symbol}.kline.{interval}", decode=htx_wire.spot_candle
        ),
    },
    intervals=htx_wire.INTERVALS,
    to_symbol=_to_symbol,
    parse=htx_wire.parse,
    subscribe=htx_wire.subscribe,
    unsubscribe=htx_wire.unsubscribe,
    path=_path,
    # The venue pings every 5 s and closes after two unanswered ones.
    rest_limits=RestLimits(weight=(10, 1.0)),  # "10 times per 1 second" of public market data
    instruments=InstrumentList(
        requests=(RestRequest(path="/v1/common/symbols"), RestRequest(path="/market/tickers")),
        parse=_instruments,
    ),
    books={"book": htx_wire.WHOLE_BOOKS, "book_mbp": htx_wire.CHANGED_BOOKS},
    cryptofeed_name="HUOBI",
)
